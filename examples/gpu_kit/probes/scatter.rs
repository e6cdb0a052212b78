//! P6: scattered stores of pairs, by how many of them lie side by side.

use crate::finding::{Failure, Finding};
use crate::lab::Lab;

const SOURCE: &str = include_str!("../wgsl/scatter.wgsl");

pub fn scattered_stores(lab: &Lab) -> Result<Finding, Failure> {
    let mut found =
        Finding::new("P6", "scattered stores of 8 bytes, by how many lie side by side", "GB/s");
    let kernel = lab.kernel(SOURCE, "main", &[]);
    let largest = (lab.most_bytes() / 8).ilog2().min(lab.sized(25, 17));
    // So many pairs stay in the second cache of a GPU.
    for (size, bits) in [("small", 17.min(largest)), ("large", largest)] {
        for run_bits in [0, 1, 2, 4] {
            let pairs = 1u64 << bits;
            let stores = pairs.max(lab.sized(1 << 23, 0));
            let groups = (pairs / 256).min(32_768);
            let turns = (stores / 256 / groups) as u32;
            let config = [bits - run_bits, run_bits, turns, (pairs - 1) as u32];
            let buffer = lab.zeroed(8 * pairs);
            let timed = lab.time(&lab.work(&kernel, groups as u32, config, &[(1, &buffer)]))?;
            let name = format!("{size}_runs_{}", 1 << run_bits);
            // Every place and every pair's number, once.
            found.check(&name, lab.sum(&buffer)?, (pairs * (pairs - 1)) as u32);
            found.add(name, 8.0 * stores as f64 / timed.seconds / 1e9);
        }
    }
    Ok(found)
}
