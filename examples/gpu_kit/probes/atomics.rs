//! P9: atomic additions to storage.

use crate::finding::{Failure, Finding};
use crate::lab::Lab;

const SOURCE: &str = include_str!("../wgsl/storage_atomics.wgsl");

pub fn storage_atomics(lab: &Lab) -> Result<Finding, Failure> {
    let mut found = Finding::new("P9", "atomic additions to storage, by their addresses", "G/s");
    let (groups, turns) = lab.sized((2048, 16), (16, 4));
    let kernel = lab.kernel(SOURCE, "main", &[]);
    for addresses in [65_536, 256, 1] {
        let bins = lab.zeroed(4 * u64::from(addresses));
        let work = lab.work(&kernel, groups, [addresses - 1, turns, 0, 0], &[(1, &bins)]);
        let timed = lab.time(&work)?;
        let additions = u64::from(groups * 256 * turns);
        found.add(format!("addresses_{addresses}"), additions as f64 / timed.seconds / 1e9);
        let expected = (additions * timed.ran) as u32;
        found.check("atomics of storage", lab.sum(&bins)?, expected);
    }
    Ok(found)
}
