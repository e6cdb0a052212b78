//! Random sequences of steps, remaps and resets, of several tables, against the twin.
//!
//! Other seeds each run; `SPARSE_ADAM_SEED` repeats one, `SPARSE_ADAM_CAMPAIGN_SECONDS` goes on for longer, and
//! `SPARSE_ADAM_REMAPS` until so many sequences are done.

use super::map;
use crate::suite::formats::{may_have, rule, small};
use sparse_adam::{AdamOptions, CatchUp, ParamRows, Tuning, reference};
use sparse_adam_testkit::campaign::Budget;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Rng, Stored, gpus};
use wgpu::CommandEncoder;

/// Most values of a table.
const MOST_VALUES: usize = 20_000;

/// How tables may be stored, by which rules, in rows of which lengths: few, so that their kernels are built once for all
/// sequences.
struct Kinds {
    tables: Vec<(usize, AdamOptions, Stored)>,
}

impl Kinds {
    fn new(rng: &mut Rng) -> Self {
        let table = |dim: usize, rng: &mut Rng| {
            let stored = Stored::any(rng);
            (dim, rule(rng, stored), stored)
        };
        let mut tables: Vec<_> = [1, 5, 8].map(|dim| table(dim, &mut *rng)).to_vec();
        let (stored, plain) = (Stored::any(rng), AdamOptions::default().lr(0.01));
        let catches_up =
            |options: &AdamOptions| options.catch_up != CatchUp::Never && may_have(stored, options);
        tables.push((16, rng.rule_that(plain, catches_up), stored));
        Self { tables }
    }

    fn pair<'a>(&self, on: (&'a Gpu, Tuning), rng: &mut Rng) -> Pair<'a> {
        let tables: Vec<_> = (0..1 + rng.below(3))
            .map(|_| {
                let (dim, options, stored) = self.tables[rng.below(self.tables.len())];
                ((1 + rng.below(MOST_VALUES / 4 / dim), dim), options, stored)
            })
            .collect();
        Pair::stored(on, &tables, rng)
    }
}

/// Something that is recorded, on both sides.
fn record(pair: &mut Pair<'_>, encoder: &mut CommandEncoder, rng: &mut Rng) {
    let tables: Vec<usize> = (0..pair.ids.len()).filter(|_| rng.below(3) > 0).collect();
    match rng.below(5) {
        0 | 1 => {
            for table in tables {
                let (rows, dim) = (pair.twins[table].rows(), pair.twins[table].dim);
                let nnz = 1 + rng.below(150);
                let grad = rng.gradient(rows, dim, nnz);
                pair.set_grad(table, &grad);
                pair.step_twin(table, &grad);
            }
            pair.optimizer.step(encoder).unwrap();
            pair.optimizer.clear_grads();
        }
        2 => {
            let rows: Vec<u32> = (0..1 + rng.below(40)).map(|_| rng.below(300) as u32).collect();
            let room = rng.below(2) * rng.below(50);
            pair.try_reset(encoder, &tables, &rows, room).unwrap();
        }
        3 if rng.below(2) == 0 => {
            pair.optimizer.flush(encoder).unwrap();
            for (twin, options) in pair.twins.iter_mut().zip(&pair.options) {
                reference::flush(twin, options);
            }
        }
        _ => {
            // One map for some that have as many rows, or one table of any.
            let Some(&first) = tables.first() else { return };
            let old = pair.twins[first].rows();
            let dim = pair.twins.iter().map(|twin| twin.dim).max().unwrap_or(1);
            let rows = [1 + rng.below(old), old, 2 * old][rng.below(3)].min(MOST_VALUES / dim);
            let mut from = map(rng, old, rows);
            if rng.below(2) == 0 {
                rng.shuffle(&mut from);
            }
            let param_rows = [ParamRows::Copied, ParamRows::Left][rng.below(2)];
            let of_map = (from.as_slice(), param_rows);
            pair.try_remap(encoder, &tables, of_map, rng).unwrap();
        }
    }
}

/// Some commands, a submit here and there.
fn sequence(pair: &mut Pair<'_>, rng: &mut Rng) -> usize {
    let mut recorded = 0;
    for _ in 0..1 + rng.below(3) {
        let mut encoder = pair.gpu.device.create_command_encoder(&Default::default());
        for _ in 0..1 + rng.below(6) {
            record(pair, &mut encoder, rng);
            recorded += 1;
        }
        pair.gpu.queue.submit([encoder.finish()]);
    }
    recorded
}

#[test]
fn campaign_of_remaps() {
    let wanted = std::env::var("SPARSE_ADAM_REMAPS").ok();
    let wanted: usize = wanted.map_or(1, |wanted| wanted.parse().expect("a number"));
    let windows = small();
    let all: Vec<&Gpu> = gpus().iter().chain([&windows]).collect();
    let (mut done, mut recorded) = (0, 0);
    let budget = Budget::new();
    let kinds = Kinds::new(&mut Rng(budget.seed));
    while done < wanted.max(all.len()) || budget.is_left() {
        let seed = budget.seed.wrapping_add(done as u64);
        let mut rng = Rng(seed);
        let gpu = all[done % all.len()];
        let tuning = gpu_tuning(gpu, &mut rng);
        let mut pair = kinds.pair((gpu, tuning), &mut rng);
        recorded += sequence(&mut pair, &mut rng);
        pair.assert_equal(&format!("sequence {done} of seed {}, {tuning:?}", budget.seed));
        pair.assert_inputs_whole("maps and lists");
        done += 1;
    }
    println!("campaign: remaps: sequences {done}, calls recorded {recorded}, wrong 0");
}

/// One of few, so that kernels are built once.
fn gpu_tuning(gpu: &Gpu, rng: &mut Rng) -> Tuning {
    let mut tuning = [Tuning::CPU, Tuning::GPU][rng.below(2)];
    // The counts of longer digits are more than the smallest binding holds.
    tuning.digit_bits = tuning.digit_bits.min(8);
    if gpu.has_bits_of_twin(&tuning) { tuning } else { Tuning::GPU }
}
