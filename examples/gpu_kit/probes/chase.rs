//! P7: how long a load takes that nothing hides.

use crate::finding::{Failure, Finding};
use crate::lab::Lab;

const SOURCE: &str = include_str!("../wgsl/chase.wgsl");
/// Words of a line of storage: 64 bytes.
const LINE: u32 = 16;

pub fn latencies(lab: &Lab) -> Result<Finding, Failure> {
    let mut found = Finding::new("P7", "a load whose address is the load before it", "ns");
    let steps = lab.sized(16_384, 4096);
    let position = lab.zeroed(4);
    let near = lab.kernel(SOURCE, "workgroup_memory", &[]);
    let work = lab.work(&near, 1, [1023, 1, steps, 0], &[(3, &position)]);
    let timed = lab.time(&work)?;
    found.add("workgroup_memory", 1e9 * timed.seconds / f64::from(steps));
    let at = lab.read(&position)?[0];
    found.check("end in workgroup memory", at, end(1023, timed.ran * u64::from(steps)));

    let [make, chase] = ["make", "storage_memory"].map(|entry| lab.kernel(SOURCE, entry, &[]));
    for (name, bytes) in [("4_kib", 4 << 10), ("1_mib", 1 << 20), ("largest", lab.most_bytes())] {
        let lines = (bytes / u64::from(4 * LINE)) as u32;
        let (links, position) = (lab.zeroed(bytes), lab.zeroed(4));
        let config = [lines - 1, LINE, steps, 0];
        lab.run(&lab.work(&make, 64, config, &[(2, &links)]))?;
        let timed = lab.time(&lab.work(&chase, 1, config, &[(1, &links), (3, &position)]))?;
        found.add(name, 1e9 * timed.seconds / f64::from(steps));
        let at = lab.read(&position)?[0] / LINE;
        found.check(&format!("end in {name}"), at, end(lines - 1, timed.ran * u64::from(steps)));
    }
    Ok(found)
}

/// The line that so many steps from line 0 lead to.
fn end(mask: u32, steps: u64) -> u32 {
    (0..steps).fold(0u32, |at, _| at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) & mask)
}
