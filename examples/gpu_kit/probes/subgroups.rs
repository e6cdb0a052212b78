//! P16: ballots, where the device has subgroups.

use crate::finding::{Failure, Finding};
use crate::lab::Lab;
use wgpu::Features;

const SOURCE: &str = include_str!("../wgsl/ballot.wgsl");

pub fn ballots(lab: &Lab) -> Result<Finding, Failure> {
    let mut found = Finding::new("P16", "ballots of 32 lanes, and how lanes are numbered", "G/s");
    if !lab.gpu.device.features().contains(Features::SUBGROUP) {
        found.add("subgroups", 0.0);
        return Ok(found);
    }
    found.add("subgroups", 1.0);
    let (groups, turns) = lab.sized((2048, 256), (16, 64));
    let kernel = lab.kernel(SOURCE, "main", &[]);
    let results = lab.zeroed(u64::from(4 * 3 * 256 * groups));
    let timed = lab.time(&lab.work(&kernel, groups, [turns, 0, 0, 0], &[(1, &results)]))?;
    let ballots = f64::from(groups * 256 / 32 * turns);
    found.add("ballots", ballots / timed.seconds / 1e9);
    let results = lab.read(&results)?;
    let lanes = || results.chunks_exact(3);
    let size = results[2];
    found.add("size", f64::from(size));
    found.add("lanes_out_of_place", lanes().map(|lane| f64::from(lane[1])).sum());
    // In each turn half of the lanes of a subgroup answer yes.
    let right = lanes().all(|lane| lane[0] == turns * lane[2] / 2);
    found.check("whether half of the lanes answered", right, true);
    Ok(found)
}
