//! A trace over ranks: each step's entries in contiguous blocks, one for each rank.

use sparse_adam::{ClipGradNorm, Error as CoreError, ParamId, SparseAdam, Tuning};
use sparse_adam_mpi::{Assign, Error, Gradient, ShardedOptimizer, ShardedTable, Sums, Transport};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::trace::{Outcome, Trace};
use std::collections::BTreeSet;
use std::path::PathBuf;

pub use sparse_adam_testkit::trace::Outcomes;

/// How a trace is replayed.
#[derive(Clone, Debug, Default)]
pub struct How {
    pub sums: Sums,
    pub assign: Assign,
    /// Where a checkpoint is saved at the end.
    pub save: Option<PathBuf>,
}

/// The part of `0..count` that is rank `rank`'s of `ranks`.
fn block(count: usize, rank: u32, ranks: u32) -> std::ops::Range<usize> {
    let cut = |rank: u32| count * rank as usize / ranks as usize;
    cut(rank)..cut(rank + 1)
}

/// That ranks replay a trace.
///
/// # Errors
/// [`Error::Unsupported`] for one that has moments in 16 bits, or rounds by random bits.
pub fn check(trace: &Trace) -> Result<(), Error> {
    let mut formats = trace.recipe.formats.values();
    if formats.any(|stored| (stored.moments, stored.rounding) != Default::default()) {
        return Err(Error::Unsupported {
            what: "a trace with moments in 16 bits, or rounded by random bits,",
            remedy: "replay it on one device",
        });
    }
    Ok(())
}

/// Replays `trace` as the rank of `transport`; what [`Trace::outcomes`] tells, on rank 0. Values in 16 bits travel as
/// the f32 that they are.
///
/// # Errors
/// Those of [`check`] and of the optimizer.
pub fn replay<T: Transport>(
    trace: &Trace,
    gpu: &Gpu,
    transport: T,
    how: &How,
) -> Result<Outcomes, Error> {
    check(trace)?;
    let core: SparseAdam = gpu.optimizer(Default::default(), Tuning::for_adapter(&gpu.info))?;
    let on = (&gpu.device, &gpu.queue);
    let mut optimizer = ShardedOptimizer::new(transport, on, core)?.sums(how.sums);
    let groups = add_groups(trace, &mut optimizer, how.assign)?;
    optimizer.set_clip_grad_norm(trace.recipe.clip_grad_norm.map(ClipGradNorm::from))?;
    let mut outcomes = Outcomes::new();
    for (k, step) in trace.recipe.steps.iter().enumerate() {
        for set in &step.set {
            let options = set.apply(optimizer.core().options(groups[set.group])?);
            optimizer.set_options(groups[set.group], options)?;
        }
        let mut gradients = Vec::new();
        for name in &step.grads {
            let (ids, values) = trace.grad(k, name)?;
            let own = block(ids.len(), optimizer.rank(), optimizer.ranks().get());
            let dim = trace.dim(name);
            let values = &values[own.start * dim..own.end * dim];
            gradients.push((id(&optimizer, name)?, Gradient { ids: &ids[own], values }));
        }
        optimizer.step(&gradients)?;
        if trace.looks_at(k) {
            for name in trace.recipe.params.keys() {
                let table = id(&optimizer, name)?;
                if let Some(whole) = optimizer.gather(table)? {
                    let outcome = Outcome { param: whole.values, state: whole.state };
                    outcomes.insert((k, name.clone()), outcome);
                }
            }
        }
    }
    if let Some(folder) = &how.save {
        optimizer.save(folder)?;
    }
    Ok(outcomes)
}

fn add_groups<T: Transport>(
    trace: &Trace,
    optimizer: &mut ShardedOptimizer<T>,
    assign: Assign,
) -> Result<Vec<sparse_adam::GroupId>, Error> {
    let mut groups = Vec::new();
    for group in &trace.recipe.groups {
        let mut tables = Vec::new();
        for name in &group.params {
            let (shape, dim) = (&trace.recipe.params[name], trace.dim(name));
            let initial = trace.initial(name)?;
            let init = move |row: u64, values: &mut [f32]| {
                values.copy_from_slice(&initial[row as usize * dim..][..dim]);
            };
            let table = ShardedTable::new(name, shape[0].into(), &shape[1..], init);
            tables.push(table.assign(assign).format(trace.recipe.stored(name).param));
        }
        groups.push(optimizer.add_group(group.options, tables)?);
    }
    for (name, &steps) in &trace.recipe.start_step {
        let table = id(optimizer, name)?;
        optimizer.set_step_count(table, steps)?;
    }
    Ok(groups)
}

fn id<T: Transport>(optimizer: &ShardedOptimizer<T>, name: &str) -> Result<ParamId, Error> {
    let missing = || CoreError::InvalidFile {
        what: format!("trace: {name}"),
        reason: "no such parameter".into(),
    };
    Ok(optimizer.core().param(name).ok_or_else(missing)?)
}

/// How many rows have other bits in `found` than in `expected`, in their values or their state, at any step.
pub fn rows_that_differ(trace: &Trace, found: &Outcomes, expected: &Outcomes) -> usize {
    let mut rows = BTreeSet::new();
    for ((k, name), expected) in expected {
        let count = trace.recipe.params[name][0] as usize;
        let found = found.get(&(*k, name.clone()));
        let found = found.map(tensors).unwrap_or_default();
        let expected = tensors(expected);
        let row = |tensors: &[Vec<u32>], row: usize| {
            let part = |tensor: &Vec<u32>| {
                let width = tensor.len() / count;
                tensor[row * width..][..width].to_vec()
            };
            tensors.iter().map(part).collect::<Vec<_>>()
        };
        let differs = |&at: &usize| row(&found, at) != row(&expected, at);
        rows.extend((0..count).filter(differs).map(|row| (name.clone(), row)));
    }
    rows.len()
}

/// The tensors of a parameter as bits, the steps counted as one that every row shares.
fn tensors(outcome: &Outcome) -> Vec<Vec<u32>> {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let mut tensors = vec![bits(&outcome.param)];
    if let Some(state) = &outcome.state {
        let rows = state.shape[0] as usize;
        tensors.push(vec![state.step as u32; rows]);
        tensors.extend([bits(&state.exp_avg), bits(&state.exp_avg_sq)]);
        tensors.extend(state.max_exp_avg_sq.as_deref().map(bits));
        let counts = state.rows.as_deref().cloned().unwrap_or_default();
        tensors.extend(counts.row_counter.into_iter().chain(counts.prev_iter));
    }
    tensors
}
