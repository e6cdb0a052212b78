//! P11 and P12: what bounded loops and private arrays cost.

use crate::finding::{Failure, Finding};
use crate::lab::Lab;

/// Words of a buffer that invocations share out, a dispatch that fills the device, and one that does not.
struct Shape {
    name: &'static str,
    groups: u32,
    words_each: u32,
}

fn shapes(lab: &Lab) -> [Shape; 2] {
    let words_each = lab.sized(512, 64);
    [
        Shape { name: "full", groups: lab.sized(1024, 16), words_each: lab.sized(64, 64) },
        Shape { name: "one_group", groups: 1, words_each },
    ]
}

/// P11: one sum, as a loop and with eight turns written out.
pub fn loops(lab: &Lab) -> Result<Finding, Failure> {
    let what = "a word of a sum, as a loop and with eight turns written out";
    let mut found = Finding::new("P11", what, "ns");
    let source = include_str!("../wgsl/loops.wgsl");
    for shape in shapes(lab) {
        let sums = |words: &[u32]| words.iter().copied().fold(0, u32::wrapping_add);
        compare(lab, &mut found, &shape, source, ["looped", "written_out"], sums)?;
    }
    Ok(found)
}

/// P12: four sums at once, in a private array and in variables.
pub fn private_arrays(lab: &Lab) -> Result<Finding, Failure> {
    let what = "a word of four sums, in a private array and in variables";
    let mut found = Finding::new("P12", what, "ns");
    let source = include_str!("../wgsl/private.wgsl");
    for shape in shapes(lab) {
        let sums = |words: &[u32]| {
            let column = |column| words.iter().skip(column).step_by(4);
            let sum = |first| column(first).copied().fold(0, u32::wrapping_add);
            sum(0) ^ sum(1) ^ sum(2) ^ sum(3)
        };
        compare(lab, &mut found, &shape, source, ["in_array", "in_variables"], sums)?;
    }
    Ok(found)
}

/// Times both entry points, and their ratio; `result` is what an invocation makes of its words.
fn compare(
    lab: &Lab,
    found: &mut Finding,
    shape: &Shape,
    source: &str,
    entries: [&str; 2],
    result: impl Fn(&[u32]) -> u32,
) -> Result<(), Failure> {
    let &Shape { name, groups, words_each } = shape;
    let invocations = 256 * groups;
    let word = |at: u32| at.wrapping_mul(0x9e37_79b1);
    let words: Vec<u32> = (0..invocations * words_each).map(word).collect();
    let of =
        |id: u32| (0..words_each).map(|turn| word(turn * invocations + id)).collect::<Vec<_>>();
    let expected: Vec<u32> = (0..invocations).map(|id| result(&of(id))).collect();
    let words = lab.gpu.upload("words", &words);
    let mut seconds = [0.0; 2];
    for (entry, seconds) in entries.into_iter().zip(&mut seconds) {
        let sums = lab.zeroed(u64::from(4 * invocations));
        let turns = if entry.starts_with("in_") { words_each / 4 } else { words_each };
        let config = [turns, invocations, 0, 0];
        let work =
            lab.work(&lab.kernel(source, entry, &[]), groups, config, &[(1, &words), (2, &sums)]);
        *seconds = lab.time(&work)?.seconds;
        found.add(format!("{name}_{entry}"), 1e9 * *seconds / f64::from(words_each));
        let same = lab.read(&sums)? == expected;
        found.check(&format!("{name}, {entry}: whether sums are right"), same, true);
    }
    found.add(format!("{name}_ratio"), seconds[0] / seconds[1]);
    Ok(())
}
