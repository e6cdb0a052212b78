//! The probe on a program of the CPU, as if that were a device.

use super::machine::input;
use super::program::Program;
use crate::Probe;
use crate::step::kernel::tests::modules::{parsed, validated};
use naga::valid::Capabilities;
use std::path::Path;

/// Cases that each operation is tried in.
const CASES: u32 = 1 << 20;

/// What a compiler makes of the operations.
pub fn probe(compiler: &str, folder: &Path, seed: u64) -> Probe {
    Probe::answered(seed, CASES, |wgsl, cases, results| {
        let module = parsed(wgsl);
        let info = validated(&module, Capabilities::empty(), wgsl);
        let program = Program::compile(compiler, folder, &[(module, info)]);
        let config = vec![CASES, 0, 0, 0];
        let buffers = [config, cases.as_flattened().to_vec(), vec![0; results]];
        // One dispatch, of kernel 0, that binds the three.
        let dispatch = [1, 0, CASES.div_ceil(64), 1, 3, 0, 0, 1, 1, 2, 2];
        let output = program.answer(&input(buffers.iter(), &dispatch));
        output[output.len() - results..].to_vec()
    })
}
