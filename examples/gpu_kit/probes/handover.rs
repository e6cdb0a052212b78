//! P14: whether a workgroup's lanes see each other's stores to storage.

use crate::finding::{Failure, Finding};
use crate::lab::Lab;
use wgpu::Features;

const SOURCE: &str = include_str!("../wgsl/handover.wgsl");

pub fn handover(lab: &Lab) -> Result<Finding, Failure> {
    let what = "words from lane to lane through storage, with storageBarrier";
    let mut found = Finding::new("P14", what, "words");
    let (groups, turns) = lab.sized((1024, 256), (16, 64));
    let coherent = lab.gpu.device.features().contains(Features::MEMORY_DECORATION_COHERENT);
    let ways = [("plain", ""), ("coherent", "@coherent")];
    for (name, coherent) in ways.into_iter().take(1 + usize::from(coherent)) {
        let kernel = lab.kernel(&SOURCE.replace("COHERENT", coherent), "main", &[]);
        let words = lab.zeroed(u64::from(4 * 256 * groups));
        let wrong = lab.zeroed(8);
        lab.run(&lab.work(&kernel, groups, [turns, 0, 0, 0], &[(1, &words), (2, &wrong)]))?;
        let counted = lab.read(&wrong)?;
        found.add(format!("{name}_wrong"), f64::from(counted[0]));
        found.add(format!("{name}_looked_at"), f64::from(counted[1]));
        found.check("words looked at", counted[1], 256 * groups * turns);
    }
    Ok(found)
}
