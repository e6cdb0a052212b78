//! The operations of `shaders/shared/exact.wgsl` one by one, on numbers of any bits.

use super::machine::input;
use super::program::Program;
use crate::arithmetic::tests::EDGES;
use crate::step::kernel::tests::modules::{parsed, validated};
use sparse_adam_testkit::Rng;
use std::path::Path;

const WGSL: &str = concat!(
    include_str!("../../../shaders/shared/scalar.wgsl"),
    include_str!("../../../shaders/shared/exact.wgsl"),
    include_str!("operations.wgsl")
);

/// Cases tried at random, each an x and a y.
const CASES: usize = 1 << 20;

fn cases(rng: &mut Rng) -> Vec<[u32; 2]> {
    let signed = EDGES.iter().flat_map(|&edge| [edge, edge | 1 << 31]);
    let mut cases: Vec<_> =
        signed.clone().flat_map(|x| signed.clone().map(move |y| [x, y])).collect();
    for number in 0..CASES {
        let (x, y) = (rng.next() as u32, rng.next() as u32);
        // Half of them end near the smallest normal number, or among the subnormal ones.
        let low = [(x & 0x7f_ffff) | (10 + x % 24) << 23, (y & 0x7f_ffff) | 140 << 23];
        cases.push(if number % 2 == 0 { [x, y] } else { low });
    }
    cases
}

/// Whether those are the bits, or both are not a number.
fn is(bits: u32, expected: f32) -> bool {
    bits == expected.to_bits() || (f32::from_bits(bits).is_nan() && expected.is_nan())
}

/// Cases of which the quotient, or the root of x, has other bits than IEEE 754 gives it.
pub fn wrong(compiler: &str, folder: &Path, rng: &mut Rng) -> usize {
    let module = parsed(WGSL);
    let info = validated(&module, false, WGSL);
    let program = Program::compile(compiler, folder, &[(module, info)]);
    let cases = cases(rng);
    let count = cases.len() as u32;
    let buffers = [vec![count, 0, 0, 0], cases.as_flattened().to_vec(), vec![0; 2 * cases.len()]];
    let dispatch = [1, 0, count.div_ceil(64), 1, 3, 0, 0, 1, 1, 2, 2];
    let output = program.answer(&input(buffers.iter(), &dispatch));
    let found = output[4 + 2 * cases.len()..].chunks_exact(2);
    let wrong = cases.iter().zip(found).filter(|([x, y], found)| {
        let (x, y) = (f32::from_bits(*x), f32::from_bits(*y));
        !is(found[0], x / y) || !is(found[1], x.sqrt())
    });
    wrong.count()
}
