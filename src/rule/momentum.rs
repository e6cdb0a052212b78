//! SGD with momentum, whose state has one field where Adam's has two: it shows that a rule is one Rust
//! file and one WGSL file, and that nothing else knows which it is.

use super::{Family, Rule, Value};
use crate::reference::{self, Gradient};
use crate::rule::adam::ADAM;
use crate::state_dict::read::Snapshot;
use crate::table::State;
use crate::{AdamOptions, Kit, Param, SparseAdam, SparseGrad, Tuning};
use pollster::block_on;
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::headless::Gpu;

/// `options.lr`, and `options.betas.0` as the momentum (torch/optim/sgd.py).
static MOMENTUM: Family = Family {
    name: "momentum",
    variant: |_| 0,
    state: |_| &["momentum_buffer"],
    wgsl: |_| include_str!("momentum.wgsl").to_string(),
    words: |_, options, _| {
        let [lr, momentum] = [options.lr, options.betas.0].map(|number| (number as f32).to_bits());
        [lr, momentum, 0, 0, 0, 0, 0, 0]
    },
    twin: |_, words, Value { param, state, sum, .. }| {
        let [lr, momentum, ..] = words.map(f32::from_bits);
        state[0] = momentum * state[0] + sum;
        *param -= lr * state[0];
    },
    counts_entries: |_| false,
    rows: None,
};

/// Rows and columns of the table; a window of one binding holds fewer rows.
const ROWS: usize = 600;
const DIM: usize = 12;

/// An adapter with limits so small that the table takes several windows.
fn gpu() -> Gpu {
    let limits = wgpu::Limits {
        max_storage_buffer_binding_size: 16 << 10,
        ..wgpu::Limits::downlevel_defaults()
    };
    block_on(Gpu::open_with_limits(limits)).expect("this test needs an adapter")
}

/// `nnz` entries, most of few rows.
fn gradient(seed: u64, nnz: usize) -> Gradient<f32> {
    let drawn = Rng(seed).gradient(ROWS, DIM, nnz);
    Gradient { indices: drawn.indices, values: drawn.values }
}

/// A step of the twin of any rule: the rows that are named, by the sums of their entries.
fn twin(rule: Rule, param: &mut [f32], fields: &mut [Vec<f32>], grad: &Gradient<f32>, step: u64) {
    let words = rule.words(&AdamOptions::default(), step);
    for (row, sum) in reference::sums(grad, ROWS, DIM) {
        for (column, &sum) in sum.iter().enumerate() {
            let at = row * DIM + column;
            let mut state: Vec<f32> = fields.iter().map(|field| field[at]).collect();
            rule.twin(
                &words,
                Value {
                    param: &mut param[at],
                    state: &mut state,
                    sum,
                    scalars: Default::default(),
                    entries: 1,
                    shared: Default::default(),
                },
            );
            fields.iter_mut().zip(state).for_each(|(field, value)| field[at] = value);
        }
    }
}

fn optimizer(gpu: &Gpu, tuning: Tuning, rule: Rule) -> SparseAdam {
    let kit = Kit::with_tuning(&gpu.device, &gpu.queue, tuning).unwrap();
    SparseAdam::with_family(&kit, AdamOptions::default(), rule.family).unwrap()
}

/// Steps, then the state moved into another optimizer of the other tuning, then more steps.
#[test]
fn another_rule_steps_over_windows_as_its_twin_and_its_state_moves() {
    let gpu = &gpu();
    for rule in [&MOMENTUM, &ADAM].map(|family| Rule::of(family, &AdamOptions::default(), false)) {
        let mut param = gradient(1, ROWS).values;
        let mut fields = vec![vec![0.0; ROWS * DIM]; rule.state().len()];
        let buffer = gpu.upload("table", &param);
        let mut moved: Option<(Vec<Vec<f32>>, u64)> = None;
        for (number, tuning) in [Tuning::CPU, Tuning::GPU].into_iter().enumerate() {
            let mut optimizer = optimizer(gpu, tuning, rule);
            let shape = [ROWS as u32, DIM as u32];
            let id = optimizer.add_param(Param::new("table", &buffer, shape)).unwrap();
            assert!(optimizer.tables[0].windows.len() > 1);
            if let Some((fields, step)) = &moved {
                let table = &optimizer.tables[0];
                let made = State::new(&optimizer.recorder.guard, table).unwrap();
                let fields: Vec<_> = fields.iter().map(Vec::as_slice).collect();
                optimizer.upload_fields(table, &made, &fields).unwrap();
                optimizer.tables[0].state = Some(State { step: *step, ..made });
            }
            for nnz in [1, 130, 300] {
                let grad = gradient((nnz + number) as u64, nnz);
                let indices: Vec<u32> = grad.indices.iter().map(|&index| index as u32).collect();
                let held = (gpu.upload("indices", &indices), gpu.upload("values", &grad.values));
                let set = SparseGrad::new(&held.0, &held.1, nnz as u32);
                optimizer.set_grad(id, set).unwrap();
                let mut encoder = gpu.device.create_command_encoder(&Default::default());
                optimizer.step(&mut encoder).unwrap();
                gpu.queue.submit([encoder.finish()]);
                let step = optimizer.tables[0].state.as_ref().unwrap().step;
                twin(rule, &mut param, &mut fields, &grad, step);
            }
            let state = optimizer.tables[0].state.clone().unwrap();
            let table = [(0, &optimizer.tables[0])];
            let taken = Snapshot::take(&optimizer.recorder.guard, table).unwrap();
            let read = block_on(taken.arrive()).unwrap().remove(0).fields;
            let found: Vec<f32> = block_on(gpu.read(&buffer)).unwrap();
            let same =
                |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same(&found, &param), "{}: parameter on {}", rule.family.name, gpu.describe());
            for (name, (found, expected)) in rule.state().iter().zip(read.iter().zip(&fields)) {
                assert!(
                    same(found, expected),
                    "{}: {name} on {}",
                    rule.family.name,
                    gpu.describe()
                );
            }
            moved = Some((read, state.step));
        }
    }
}
