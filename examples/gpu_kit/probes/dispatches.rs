//! P2: what a dispatch, a barrier and a pass take.

use crate::finding::{Failure, Finding};
use crate::kernel::Work;
use crate::lab::{Lab, median};
use wgpu::{Buffer, ComputePass};

const SOURCE: &str = include_str!("../wgsl/empty.wgsl");
/// Dispatches that are timed, and twice as many.
const MANY: u32 = 128;

/// A dispatch that adds 1 to the first word of a buffer.
pub fn counting(lab: &Lab) -> (Work, Buffer) {
    let counter = lab.zeroed(256);
    let work = lab.work(&lab.kernel(SOURCE, "count", &[]), 1, [1, 0, 0, 0], &[(1, &counter)]);
    (work, counter)
}

pub fn dispatches(lab: &Lab) -> Result<Finding, Failure> {
    let what = "one more dispatch of an empty group, by what the dispatches write";
    let mut found = Finding::new("P2", what, "us");
    let given = lab.zeroed(256);
    let look = lab.work(&lab.kernel(SOURCE, "look", &[]), 1, [1, 0, 0, 0], &[(2, &given)]);
    let (count, counter) = counting(lab);
    let kernel = lab.kernel(SOURCE, "count", &[]);
    let counters: Vec<Buffer> = (0..2 * MANY).map(|_| lab.zeroed(256)).collect();
    let of = |counter: &Buffer| lab.work(&kernel, 1, [1, 0, 0, 0], &[(1, counter)]);
    let others: Vec<Work> = counters.iter().map(of).collect();

    let mut counted = 0;
    let read_only = one_more(lab, |pass, _| look.record(pass))?;
    let same = one_more(lab, |pass, _| count.record(pass))?;
    let different = one_more(lab, |pass, number| others[number as usize].record(pass))?;
    counted += ran();
    let apart = passes(lab, &count)?;
    counted += ran();
    found.add("read_only", read_only);
    found.add("same_buffer", same);
    found.add("different_buffers", different);
    found.add("a_pass_each", apart);
    found.add("barrier", same - read_only);
    for many in [1, 8, 64, 512] {
        let seconds = lab.seconds(1, |pass, _| (0..many).for_each(|_| count.record(pass)))?;
        counted += many;
        found.add(format!("same_buffer_{many}_in_all"), 1e6 * seconds);
    }
    found.check("dispatches counted", lab.read(&counter)?[0], counted);
    let each: u32 =
        counters.iter().map(|each| lab.read(each).map(|words| words[0])).sum::<Result<_, _>>()?;
    found.check("dispatches counted apart", each, ran());
    Ok(found)
}

const ROUNDS: u32 = 7;

/// Dispatches of one call of `one_more` or `passes`.
fn ran() -> u32 {
    ROUNDS * 3 * MANY
}

/// Microseconds of one dispatch more in a pass, of which `record` records number so many.
fn one_more(lab: &Lab, record: impl Fn(&mut ComputePass<'_>, u32)) -> Result<f64, Failure> {
    difference(|many| lab.seconds(1, |pass, _| (0..many).for_each(|number| record(pass, number))))
}

fn passes(lab: &Lab, work: &Work) -> Result<f64, Failure> {
    difference(|many| lab.seconds(many, |pass, _| work.record(pass)))
}

fn difference(take: impl Fn(u32) -> Result<f64, Failure>) -> Result<f64, Failure> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let once = take(MANY)?;
        rounds.push(take(2 * MANY)? - once);
    }
    Ok(1e6 * median(rounds) / f64::from(MANY))
}
