use super::*;
use half::{bf16, f16};
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::campaign::fresh_seed;

const NARROW: [Format; 2] = [Format::F16, Format::Bf16];

/// Any f32, and often one that is small, or near a number of 16 bits.
fn any(rng: &mut Rng) -> f32 {
    let bits = rng.next() as u32;
    f32::from_bits(match rng.below(4) {
        0 => bits & 0x8fff_ffff,
        1 => (bits & 0xffff_e000).wrapping_add([0, 1, 0x1000, 0xfff, 0x8000][rng.below(5)]),
        // About the numbers that are subnormal in f16.
        2 => bits & 0x80ff_ffff | (0x30 + rng.below(12) as u32) << 24 >> 1,
        _ => bits,
    })
}

#[test]
fn every_number_of_16_bits_is_read_as_others_read_it() {
    for half in 0..=u16::MAX {
        let [short, brain] = NARROW.map(|format| value(format, half));
        let expected = f16::from_bits(half).to_f32_const();
        // A NaN that signals keeps its bits here.
        let same = short.to_bits() == expected.to_bits() || (short.is_nan() && expected.is_nan());
        assert!(same, "{half:04x}: {short:e} for {expected:e}");
        assert_eq!(brain.to_bits(), u32::from(half) << 16, "{half:04x}");
        // And is itself when it is stored again; of f16's NaN one is kept.
        for (format, read) in NARROW.into_iter().zip([short, brain]) {
            for stored in [nearest(format, read), stochastic(format, read, rng_word(half))] {
                assert!(stored == half || read.is_nan(), "{format:?} {half:04x}: {stored:04x}");
                assert_eq!(value(format, stored).is_nan(), read.is_nan());
            }
        }
    }
}

fn rng_word(half: u16) -> u32 {
    Rng(half.into()).next() as u32
}

#[test]
fn the_nearest_is_the_one_that_others_find() {
    let mut rng = Rng(fresh_seed());
    for _ in 0..2_000_000 {
        let x = any(&mut rng);
        assert_eq!(nearest(Format::Bf16, x), bf16::from_f32(x).to_bits(), "{x:e}");
        let expected = if x.is_nan() {
            0x7e00 | (x.to_bits() >> 16) as u16 & 0x8000
        } else {
            f16::from_f32_const(x).to_bits()
        };
        assert_eq!(nearest(Format::F16, x), expected, "{x:e}");
    }
}

#[test]
fn what_is_drawn_is_one_of_the_two_next_numbers() {
    let mut rng = Rng(fresh_seed());
    for _ in 0..1_000_000 {
        let x = any(&mut rng);
        for format in NARROW {
            let largest =
                if format == Format::F16 { 65_504.0 } else { f32::from_bits(0x7f7f_0000) };
            let drawn = value(format, stochastic(format, x, rng.next() as u32));
            if x.is_nan() || x.is_infinite() {
                assert_eq!(drawn.is_nan(), x.is_nan());
                assert!(drawn == x || x.is_nan());
                continue;
            }
            let kept = x.clamp(-largest, largest);
            let near = nearest(format, kept);
            let next = [near.wrapping_sub(1), near, near + 1].map(|bits| value(format, bits));
            assert!(next.iter().any(|next| next.to_bits() == drawn.to_bits()), "{x:e}: {drawn:e}");
            let spacing = f64::from(next[2] - next[1]).abs().min(f64::from(largest));
            assert!((f64::from(drawn) - f64::from(kept)).abs() < spacing, "{x:e}: {drawn:e}");
            assert_eq!(drawn.is_sign_negative(), x.is_sign_negative());
        }
    }
}

/// Of a million draws, the mean is off by less than five of its deviations, which are at most half a spacing.
#[test]
fn what_is_drawn_is_right_on_average() {
    const DRAWS: u32 = 1_000_000;
    let mut rng = Rng(fresh_seed());
    for format in NARROW {
        for scale in [1.0, 1e-3, 3e-5, 7e-6, 2e-7, 3e-8, 2e-9, 1e-38, 1e-40] {
            let x = scale * (1.0 + rng.fraction()) as f32;
            let low = value(format, nearest(format, x));
            let spacing = f64::from(value(format, nearest(format, low) + 1)) - f64::from(low);
            let seed = rng.next() as u32;
            let drawn = |row: u32| {
                let [param, ..] = random(Rounding::Stochastic { seed }, 7, row / 64, row % 64);
                f64::from(stored(format, x, param))
            };
            let mean = (0..DRAWS).map(drawn).sum::<f64>() / f64::from(DRAWS);
            let off = (mean - f64::from(x)).abs() / spacing;
            assert!(
                off < 5.0 * 0.5 / f64::from(DRAWS).sqrt(),
                "{format:?} {x:e}: off by {off} spacings"
            );
        }
    }
}

#[test]
fn every_bit_of_a_key_changes_the_random_words() {
    let base = pcg4d([1, 2, 3, 4]);
    assert_eq!(base, [0x3622_cd16, 0xf114_71d8, 0xe110_9b3f, 0x02b9_4c2f]);
    for key in 0..4 {
        for bit in 0..32 {
            let mut other = [1, 2, 3, 4];
            other[key] ^= 1 << bit;
            let changed: u32 =
                pcg4d(other).iter().zip(base).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert!((20..=108).contains(&changed), "key {key}, bit {bit}: {changed} of 128");
        }
    }
}

#[test]
fn packed_numbers_come_back_and_a_last_half_is_empty() {
    let values = [1.0, -0.5, 65_504.0];
    for (format, words) in [(Format::F32, 3), (Format::F16, 2), (Format::Bf16, 2)] {
        let packed = format.pack(&values);
        assert_eq!((packed.len(), format.pack(&[]).len()), (words, 0));
        let back = format.unpack(&packed, 3);
        assert_eq!(back[..2], values[..2]);
        assert!((back[2] - values[2]).abs() < 200.0);
        assert_eq!(format.unpack(&packed, 9).len(), packed.len() * 4 / format.bytes(1) as usize);
    }
    assert_eq!(Format::F16.pack(&[1.0])[0], 0x3c00);
}
