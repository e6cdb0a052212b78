//! Random runs against the twin: any tables, any valid tuning, every kind of gradient, in any order, with index lists of
//! several tables, and rows that move and begin anew.
//!
//! Other seeds each run; `SPARSE_ADAM_SEED` repeats one, `SPARSE_ADAM_CAMPAIGN_SECONDS` goes on for
//! longer. Every buffer lies between words of a NaN, which must be whole at the end.

mod gradients;

use self::gradients::set;
use super::index_lists::drawn::{self, List};
use super::remap;
use sparse_adam::reference::{self, Gradient, Scalars};
use sparse_adam::{AdamOptions, ClipGradNorm, Tuning};
use sparse_adam_testkit::campaign::{Budget, random_tuning};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Rng, gpus};

/// Values that a table may have, and a gradient.
const MOST_VALUES: usize = 120_000;

/// A row length: mostly short ones, of every remainder; some that are dealt out in slices.
fn dim(rng: &mut Rng) -> usize {
    match rng.below(8) {
        0 => 1,
        1..4 => 1 + rng.below(40),
        4..6 => 8 * (1 + rng.below(24)),
        6 => 1 + rng.below(1200),
        _ => [300, 301, 513, 768, 1024, 4096, 9999, 65_535][rng.below(8)],
    }
}

/// Gives some tables of as many rows one index list. Returns what their twins know.
fn set_shared(pair: &mut Pair, rng: &mut Rng) -> Vec<(usize, Gradient<f32>)> {
    let tables = of_as_many_rows(pair, rng);
    let rows = pair.twins[tables[0]].rows();
    let nnz = rng.below(most_rows(pair, &tables));
    let list = List::any(rng, rows, nnz);
    let set = drawn::set(pair, rng, &list, &tables);
    set.into_iter().map(|(table, _, same)| (table, same)).collect()
}

/// One table, and perhaps others that have as many rows, in any order.
fn of_as_many_rows(pair: &Pair, rng: &mut Rng) -> Vec<usize> {
    let first = rng.below(pair.twins.len());
    let rows = pair.twins[first].rows();
    let is_taken = |rng: &mut Rng, table: usize| table == first || rng.below(4) > 0;
    let alike = (0..pair.twins.len()).filter(|&table| pair.twins[table].rows() == rows);
    let mut tables: Vec<usize> = alike.filter(|&table| is_taken(rng, table)).collect();
    rng.shuffle(&mut tables);
    tables
}

/// Rows that the widest of some tables may have.
fn most_rows(pair: &Pair, tables: &[usize]) -> usize {
    let widest = tables.iter().map(|&table| pair.twins[table].dim).max().unwrap_or(1);
    (MOST_VALUES / widest).max(2)
}

/// Sets gradients of some tables. Returns the twins'.
fn set_all(pair: &mut Pair, rng: &mut Rng) -> Vec<Option<Gradient<f32>>> {
    let mut grads = vec![None; pair.twins.len()];
    if rng.below(3) == 0 {
        set_shared(pair, rng).into_iter().for_each(|(table, same)| grads[table] = Some(same));
    }
    for (table, grad) in grads.iter_mut().enumerate() {
        // One that has a list with others may be given something else.
        let odds = if grad.is_some() { 1 } else { 4 };
        if rng.below(5) < odds {
            *grad = Some(set(pair, table, rng));
        }
    }
    grads
}

/// Rows of some tables move, or begin anew.
fn move_rows(pair: &mut Pair, rng: &mut Rng) {
    let tables = of_as_many_rows(pair, rng);
    let old = pair.twins[tables[0]].rows();
    if rng.below(2) == 0 {
        let rows: Vec<u32> = (0..1 + rng.below(40)).map(|_| rng.below(old + 3) as u32).collect();
        let gpu = pair.gpu;
        gpu.submit(|encoder| pair.try_reset(encoder, &tables, &rows, 0)).unwrap();
        return;
    }
    let rows = [1 + rng.below(old), old, 2 * old][rng.below(3)].min(most_rows(pair, &tables));
    let from = remap::map(rng, old, rows);
    remap::remap(pair, &tables, &from, rng);
}

/// What a campaign has done.
#[derive(Default)]
struct Done {
    cases: usize,
    steps: usize,
    entries: usize,
    values: usize,
}

/// Tables, steps, perhaps a saved state that goes on in an optimizer of another tuning. With `rules`, each table has
/// one of them, gradients may be clipped by their norm, and rows are brought up to date at any time.
fn run(gpu: &Gpu, rng: &mut Rng, what: &str, done: &mut Done, rules: &[AdamOptions]) {
    let shape = |rng: &mut Rng| {
        let dim = dim(rng);
        (1 + rng.below((MOST_VALUES / dim).max(3)), dim)
    };
    let mut shapes: Vec<_> = (0..1 + rng.below(4)).map(|_| shape(rng)).collect();
    if rng.below(2) == 0 {
        // Of as many rows, they may have one index list.
        let rows = shapes.iter().map(|shape| shape.0).min().unwrap_or(1);
        shapes.iter_mut().for_each(|shape| shape.0 = rows);
    }
    let options: Vec<_> = shapes
        .iter()
        .map(|_| match rules {
            [] => rng.options(),
            rules => rules[rng.below(rules.len())],
        })
        .collect();
    let tuning = |rng: &mut Rng| match rules {
        [] => random_tuning(rng),
        // Their kernels are built once for each.
        _ => [Tuning::CPU, Tuning::GPU][rng.below(2)],
    };
    let mut pair = Pair::new((gpu, tuning(rng)), &shapes, &options, rng);
    let mut clip = None;
    for _ in 0..1 + rng.below(4) {
        pair.optimizer.zero_grad(true);
        if !rules.is_empty() && rng.below(2) == 0 {
            clip = (rng.below(2) == 0).then(|| ClipGradNorm::new(0.1 + rng.fraction()));
            pair.optimizer.set_clip_grad_norm(clip).unwrap();
        }
        let grads = set_all(&mut pair, rng);
        done.entries += grads.iter().flatten().map(|grad| grad.indices.len()).sum::<usize>();
        step_twins(&mut pair, &grads, clip);
        pair.submit_step();
        done.steps += 1;
        if !rules.is_empty() && rng.below(3) == 0 {
            pair.gpu.submit(|encoder| pair.optimizer.flush(encoder)).unwrap();
            let tables = pair.twins.iter_mut().zip(&pair.options);
            tables.for_each(|(twin, options)| reference::flush(twin, options));
        }
        if rng.below(4) == 0 {
            // Gradients that are set are of the rows that there were.
            pair.optimizer.zero_grad(true);
            move_rows(&mut pair, rng);
        }
        if rng.below(4) == 0 {
            pair.restart(tuning(rng));
            clip = None;
        }
    }
    let what = format!("{what}: {shapes:?}, {options:?}, {:?}", pair.optimizer.tuning());
    pair.assert_equal(&what);
    pair.assert_inputs_whole(&what);
    done.cases += 1;
    done.values += pair.twins.iter().map(|twin| 3 * twin.param.len()).sum::<usize>();
}

fn step_twins(pair: &mut Pair, grads: &[Option<Gradient<f32>>], clip: Option<ClipGradNorm>) {
    match clip {
        Some(clip) => {
            pair.step_twins_clipped(grads, Scalars::default(), clip);
        }
        None => {
            for (table, grad) in grads.iter().enumerate() {
                if let Some(grad) = grad {
                    reference::step(&mut pair.twins[table], grad, &pair.options[table]);
                }
            }
        }
    }
}

#[test]
fn campaign_rules() {
    for gpu in gpus() {
        let (budget, mut done) = (Budget::shared(gpus().len()), Done::default());
        let mut rng = Rng(budget.seed);
        let rules = [(); 3].map(|()| rng.rule(AdamOptions::default().lr(0.01)));
        while budget.is_left() {
            let seed = budget.seed.wrapping_add(done.cases as u64);
            let what = format!("SPARSE_ADAM_SEED={} of {seed}", budget.seed);
            run(gpu, &mut Rng(seed), &what, &mut done, &rules);
        }
        println!(
            "campaign: rules on {}: runs {}, steps {}",
            gpu.describe(),
            done.cases,
            done.steps
        );
    }
}

#[test]
fn campaign_steps() {
    for gpu in gpus() {
        let (budget, mut done) = (Budget::shared(gpus().len()), Done::default());
        while budget.is_left() {
            let seed = budget.seed.wrapping_add(done.cases as u64);
            let what = format!("SPARSE_ADAM_SEED={seed}");
            run(gpu, &mut Rng(seed), &what, &mut done, &[]);
        }
        let Done { cases, steps, entries, values } = done;
        println!(
            "campaign: steps on {}: runs {cases}, steps {steps}, entries {entries}, values compared {values}, wrong 0",
            gpu.describe()
        );
    }
}
