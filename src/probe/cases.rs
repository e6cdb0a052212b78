//! The numbers that operations are tried on.

/// The bits of `x`, `y`, `z` and `w`.
pub(crate) type Case = [u32; 4];

/// Cases where there is room, and where there is little.
pub(super) const CASES: u32 = 1 << 16;
pub(super) const FEWEST_CASES: u32 = 1 << 8;

/// Of eight cases, four hold normal numbers of like size, whose results are normal; one an `x` near
/// `-y * z`, which shows fused products best; two subnormal numbers or results; one, by turns, any bits at all,
/// or zeros, ones, infinities and equal numbers.
pub(super) fn draw(seed: u64, count: u32) -> Vec<Case> {
    let mut draws = Draws(seed);
    let case = |number: u32| match number % 8 {
        0..=3 => [0; 4].map(|_| draws.between(0x3000_0000, 0x4f00_0000)),
        4 => {
            let [y, z] = [0; 2].map(|_| draws.between(0x3f00_0000, 0x4000_0000));
            let product = (-f32::from_bits(y) * f32::from_bits(z)).to_bits();
            [product ^ draws.next() & 3, y, z, draws.between(0x3f00_0000, 0x4000_0000)]
        }
        5 => [0; 4].map(|_| draws.between(0, 0x0100_0000)),
        6 => {
            let small = draws.between(0x0080_0000, 0x0180_0000);
            let size = draws.between(0x3c00_0000, 0x4200_0000);
            [small, size, draws.between(0, 0x0100_0000), small]
        }
        _ if number % 16 == 7 => [0; 4].map(|_| draws.next()),
        _ => {
            let any = draws.between(0x3000_0000, 0x4f00_0000);
            let edges = [0, 0x3f80_0000, 0x4000_0000, 0x7f80_0000, 0x7f7f_ffff, any];
            [0; 4].map(|_| edges[draws.next() as usize % edges.len()] | (draws.next() & 1 << 31))
        }
    };
    (0..count).map(case).collect()
}

/// splitmix64 (Steele, Lea and Flood 2014).
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x >> 32) as u32
    }

    /// The bits of a number from one to another, of either sign.
    fn between(&mut self, low: u32, high: u32) -> u32 {
        (low + self.next() % (high - low)) | (self.next() & 1 << 31)
    }
}
