//! Numbers that shaders and the host both have.

use super::modules::parse;
use super::{CHUNK, Kernel, Stage, Tuning, simplest};

/// The value of a u32 constant of a stage.
pub fn constant(kernel: Kernel, name: &str) -> u32 {
    let module = parse(kernel, &Tuning::GPU);
    let found = module.constants.iter().find(|(_, held)| held.name.as_deref() == Some(name));
    let (_, found) = found.unwrap_or_else(|| panic!("no constant {name}"));
    match module.global_expressions[found.init] {
        naga::Expression::Literal(naga::Literal::U32(value)) => value,
        ref other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn shared_constants_agree() {
    let value = |name| constant(simplest(Stage::UpdateParallel), name);
    assert_eq!(value("CHUNK"), CHUNK);
    assert!(Tuning::GPU.update_tile <= value("MAX_TILE"));
    assert!(Tuning::GPU.bitonic <= constant(Kernel::of(Stage::IngestSmallParallel), "SMALL"));
    assert!(Tuning::GPU.small <= constant(Kernel::of(Stage::IngestRadixParallel), "SMALL"));
    let serial = |name| constant(simplest(Stage::UpdateSerial), name);
    assert!(CHUNK < 1 << serial("ENTRIES_BITS"));
    // Of the largest block, every position may be a run of one entry, every other of several.
    assert!(Tuning::MOST_TILE < 1 << serial("SINGLE_BITS"));
    assert!(Tuning::MOST_TILE / 2 < 1 << serial("SEVERAL_BITS"));
    let many_bits = u32::BITS - serial("SINGLE_BITS") - serial("SEVERAL_BITS");
    assert!(Tuning::MOST_TILE / CHUNK + 1 < 1 << many_bits);
    let partial = constant(simplest(Stage::PartialSerial), "MOST_AT_ONCE");
    assert!(Tuning::CPU.sums_at_once <= partial);
}
