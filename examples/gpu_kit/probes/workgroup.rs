//! P8: barriers, and loads and atomics of workgroup memory, of one workgroup.

use crate::finding::{Failure, Finding};
use crate::lab::Lab;

const SOURCE: &str = include_str!("../wgsl/workgroup.wgsl");
const LANES: u32 = 256;
/// Lanes that the model counts as one access of workgroup memory.
const WAVEFRONT: u32 = 32;

pub fn workgroup_memory(lab: &Lab) -> Result<Finding, Failure> {
    let mut found = Finding::new(
        "P8",
        "one group: a barrier, 32 lanes' loads and atomics of workgroup memory",
        "ns",
    );
    let turns = lab.sized(4096, 256);
    let most = lab.gpu.device.limits().max_compute_invocations_per_workgroup;
    for lanes in [64, 128, 256, 512].into_iter().filter(|lanes| *lanes <= most) {
        let (seconds, results) = run(lab, "barriers", lanes, &[], turns)?;
        found.add(format!("barrier_{lanes}"), 1e9 * seconds / f64::from(turns));
        found.check("turns of barriers", results, vec![turns; lanes as usize]);
    }
    for stride in [1, 8] {
        let (seconds, results) = run(lab, "loads", LANES, &[("STRIDE", f64::from(stride))], turns)?;
        let loads = turns * 8 * (LANES / WAVEFRONT);
        found.add(format!("loads_stride_{stride}"), 1e9 * seconds / f64::from(loads));
        let expected: Vec<u32> = (0..LANES).map(|lane| loaded(lane * stride, turns)).collect();
        found.check("sums of workgroup memory", results, expected);
    }
    for addresses in [256, 4, 1] {
        let constants = [("ADDRESSES", f64::from(addresses - 1))];
        let (seconds, results) = run(lab, "atomics", LANES, &constants, turns)?;
        let additions = turns * (LANES / WAVEFRONT);
        found.add(format!("atomics_{addresses}"), 1e9 * seconds / f64::from(additions));
        let mut expected = vec![0; LANES as usize];
        expected[..addresses as usize].fill(turns * LANES / addresses);
        found.check("atomics of workgroup memory", results, expected);
    }
    Ok(found)
}

/// Seconds of one dispatch, and what it left.
fn run(
    lab: &Lab,
    entry: &str,
    lanes: u32,
    constants: &[(&str, f64)],
    turns: u32,
) -> Result<(f64, Vec<u32>), Failure> {
    let mut constants = constants.to_vec();
    constants.push(("LANES", f64::from(lanes)));
    let results = lab.zeroed(u64::from(4 * lanes));
    let kernel = lab.kernel(SOURCE, entry, &constants);
    let timed = lab.time(&lab.work(&kernel, 1, [turns, 0, 0, 0], &[(1, &results)]))?;
    Ok((timed.seconds, lab.read(&results)?))
}

/// What `loads` sums from `first` on.
fn loaded(first: u32, turns: u32) -> u32 {
    let places = [0, 257, 514, 771, 1028, 1285, 1542, 1799];
    let turn = |turn: u32| places.iter().map(move |place| (first + turn + place) & 2047);
    (0..turns).flat_map(turn).fold(0, u32::wrapping_add)
}
