//! What a tuning may choose: what the tuner found of each candidate (V), and the laws on the kernels of each way (L).

use crate::finding::Failure;
use crate::lab::Lab;
use serde::Serialize;
use sparse_adam::tune::{Bits, Evidence, Tuned, Tuner};
use sparse_adam::{Arithmetic, Tuning};
use sparse_adam_testkit::conformance::{Check, Law};
use std::time::Duration;
use wgpu::Features;

/// Laws where few will do.
const FEW: [Law; 2] = [Law::Order, Law::Twin];

/// A law on a tuning.
#[derive(Serialize)]
pub struct Held {
    pub way: &'static str,
    #[serde(flatten)]
    pub check: Check,
}

/// Has the tuner time its candidates, and compare their bits with the default's.
pub fn tune(lab: &Lab, quick: bool) -> Result<Tuned, Failure> {
    let budget = Duration::from_secs(if quick { 2 } else { 60 });
    let (device, queue) = (&lab.gpu.device, &lab.gpu.queue);
    Ok(pollster::block_on(Tuner::new(device, queue, &lab.gpu.info).budget(budget).run())?)
}

/// Every law in both arithmetics, and with all that the sort of the parallel form can do otherwise.
pub fn laws(lab: &Lab, quick: bool) -> Vec<Held> {
    let mut otherwise = Tuning::GPU;
    otherwise.small = 1;
    (otherwise.ballots, otherwise.count_ahead, otherwise.reorder_from) = (true, true, 1);
    let mut fast = Tuning::GPU;
    fast.arithmetic = Arithmetic::Fast;
    let device = &lab.gpu.device;
    let has_subgroups = device.features().contains(Features::SUBGROUP);
    // As much as puts a tile in order, and checks ballots.
    let has_room = device.limits().max_compute_workgroup_storage_size >= 28 << 10;
    let sorts = match (has_subgroups, has_room) {
        (true, true) => "by ballots, in order, counted ahead",
        (true, false) => "by ballots, counted ahead",
        (false, true) => "in order, counted ahead",
        (false, false) => "counted ahead",
    };
    let ways = [("exact", Tuning::GPU), ("fast", fast), (sorts, otherwise)];
    let laws = if quick { &FEW[..] } else { &Law::ALL[..] };
    let check = |way, law: &Law, tuning| Held {
        way,
        check: pollster::block_on(law.check(&lab.gpu, tuning, 0)),
    };
    ways.iter()
        .flat_map(|&(way, tuning)| laws.iter().map(move |law| check(way, law, tuning)))
        .collect()
}

/// Candidates that have other bits than the default.
pub fn different(tuned: &Tuned) -> impl Iterator<Item = &Evidence> {
    tuned.evidence.iter().filter(|held| held.bits == Bits::Different)
}

/// A line for each candidate that was timed or dropped.
pub fn print_tuned(tuned: &Tuned) {
    println!("\nV: what the tuner tried in {} ms; us, the default's, bits", tuned.spent_ms);
    for Evidence { field, candidate, workload, us, default_us, bits, .. } in &tuned.evidence {
        let number = |us: &Option<f64>| us.map_or_else(|| "-".into(), |us| format!("{us:.1}"));
        let (us, default) = (number(us), number(default_us));
        println!("  {field:14}{candidate:>12}  {workload:32}{us:>10}{default:>10}  {bits:?}");
    }
}

/// A line for each way, and one for each law that does not hold.
pub fn print_laws(laws: &[Held]) {
    println!("\nL: laws on the form for GPUs");
    for of_way in laws.chunk_by(|a, b| a.way == b.way) {
        let held = of_way.iter().filter(|held| held.check.ok).count();
        println!("  {}: {held} of {} hold", of_way[0].way, of_way.len());
        for broken in of_way.iter().filter(|held| !held.check.ok) {
            println!("  BROKEN: {}: {}", broken.check.name, broken.check.wrong.join("; "));
        }
    }
}
