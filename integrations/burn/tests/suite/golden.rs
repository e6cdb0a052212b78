//! The traces that torch recorded, through burn tensors: the core's bits, and torch's values.

use super::harness::{Tables, bits, embedding, gpu, ids, rows, training, weight};
use burn::tensor::{Int, Tensor, TensorData};
use sparse_adam::{AdamOptions, GroupId, IndexDtype, Param, ParamGroup, SparseAdam, SparseGrad};
use sparse_adam_burn::{Lookups, SparseGrads};
use sparse_adam_testkit::headless;
use sparse_adam_testkit::trace::{Comparison, Recipe, SetRecipe, Trace};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Every tensor after a step, by `step/parameter/tensor`.
type Outcomes = BTreeMap<String, Vec<f32>>;

fn traces() -> Vec<(PathBuf, Trace)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let files = std::fs::read_dir(folder).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "safetensors"));
    let traces: Vec<_> = files
        .map(|path| {
            let trace = Trace::parse(&std::fs::read(&path).unwrap()).unwrap();
            (path, trace)
        })
        .collect();
    assert!(traces.len() >= 16, "the golden traces are missing");
    traces
}

fn dim(recipe: &Recipe, name: &str) -> usize {
    let shape = &recipe.params[name];
    shape[1..].iter().map(|&axis| axis as usize).product()
}

fn changed(options: AdamOptions, set: &SetRecipe) -> AdamOptions {
    options
        .lr(set.lr.unwrap_or(options.lr))
        .betas(set.betas.unwrap_or(options.betas))
        .eps(set.eps.unwrap_or(options.eps))
        .maximize(set.maximize.unwrap_or(options.maximize))
}

fn overrides(options: AdamOptions) -> impl FnOnce(ParamGroup) -> ParamGroup {
    move |group| {
        group
            .lr(options.lr)
            .betas(options.betas)
            .eps(options.eps)
            .maximize(options.maximize)
    }
}

fn outcome(core: &SparseAdam, k: usize, name: &str, param: Vec<f32>, outcomes: &mut Outcomes) {
    let id = core.param(name).unwrap();
    let state = pollster::block_on(core.state_of(id)).unwrap();
    outcomes.insert(format!("{k}/{name}/param"), param);
    if let Some(state) = state {
        outcomes.insert(format!("{k}/{name}/exp_avg"), state.exp_avg);
        outcomes.insert(format!("{k}/{name}/exp_avg_sq"), state.exp_avg_sq);
    }
}

/// The core, on a device of its own.
fn on_the_core(trace: &Trace, gpu: &headless::Gpu) -> Outcomes {
    let defaults = AdamOptions::default();
    let mut core = SparseAdam::new(&gpu.device, &gpu.queue, defaults).unwrap();
    let mut buffers = BTreeMap::new();
    let mut groups: Vec<GroupId> = Vec::new();
    for group in &trace.recipe.groups {
        let params = group.params.iter().map(|name| {
            let buffer = gpu.upload(name, trace.initial(name).unwrap());
            let param = Param::new(name, &buffer, &trace.recipe.params[name]);
            buffers.insert(name, buffer);
            param
        });
        let params = ParamGroup::new(params);
        let group = core.add_param_group(overrides(group.options)(params));
        groups.push(group.unwrap());
    }
    let mut outcomes = Outcomes::new();
    for (k, step) in trace.recipe.steps.iter().enumerate() {
        for set in &step.set {
            let group = groups[set.group];
            let options = changed(core.options(group).unwrap(), set);
            core.set_options(group, options).unwrap();
        }
        core.clear_grads();
        for name in &step.grads {
            let (indices, values) = trace.grad(k, name).unwrap();
            let nnz = indices.len() as u32;
            let pair = match nnz {
                0 => (gpu.zeroed("indices", 16), gpu.zeroed("values", 16)),
                _ => (gpu.upload("indices", indices), gpu.upload("values", values)),
            };
            let grad = SparseGrad::new(&pair.0, &pair.1, nnz).index_dtype(IndexDtype::I64);
            core.set_grad(core.param(name).unwrap(), grad).unwrap();
        }
        gpu.submit(|encoder| core.step(encoder)).unwrap();
        if trace.recipe.expect.contains(&k) {
            for name in trace.recipe.params.keys() {
                let param = pollster::block_on(gpu.read(&buffers[name])).unwrap();
                outcome(&core, k, name, param, &mut outcomes);
            }
        }
    }
    outcomes
}

/// How a trace's gradients come about.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Given as they are.
    Pushed,
    /// By a loss whose backward pass yields them.
    Backward,
}

/// Ids as they lie in engines: in the middle of a larger tensor.
fn sliced(indices: &[i64]) -> Tensor<1, Int> {
    let around = 64;
    let mut all = vec![i32::MAX; 2 * around + indices.len().next_multiple_of(around)];
    for (at, &index) in indices.iter().enumerate() {
        all[around + at] = index as i32;
    }
    let data = TensorData::new(all.clone(), [all.len()]);
    let all = Tensor::<1, Int>::from_data(data, &gpu().device());
    all.slice(around..around + indices.len())
}

fn through_burn(trace: &Trace, way: Way) -> Outcomes {
    let mut optimizer = sparse_adam_burn::SparseAdam::new(gpu(), AdamOptions::default()).unwrap();
    let names: Vec<_> = trace.recipe.params.keys().collect();
    let tables = names.iter().map(|name| {
        let values = trace.initial(name).unwrap().to_vec();
        embedding(values, dim(&trace.recipe, name))
    });
    let mut module = Tables {
        tables: tables.collect(),
    };
    let number = |name: &String| names.iter().position(|&other| other == name).unwrap();
    let mut groups = Vec::new();
    for group in &trace.recipe.groups {
        let members = group.params.iter();
        let members = members.map(|name| (name, &module.tables[number(name)].weight));
        let group = optimizer.add_group(members, overrides(group.options));
        groups.push(group.unwrap());
    }
    let mut outcomes = Outcomes::new();
    for (k, step) in trace.recipe.steps.iter().enumerate() {
        for set in &step.set {
            let group = groups[set.group];
            let options = changed(optimizer.core().options(group).unwrap(), set);
            optimizer.core_mut().set_options(group, options).unwrap();
        }
        let (mut pushed, mut lookups) = (SparseGrads::new(), Lookups::new());
        let mut loss = Tensor::<1>::zeros([1], &training());
        for name in &step.grads {
            let table = &module.tables[number(name)];
            let (indices, values) = trace.grad(k, name).unwrap();
            let (indices, values) = match indices {
                [] => (ids(&[]), rows(&[], dim(&trace.recipe, name))),
                _ => (sliced(indices), rows(values, dim(&trace.recipe, name))),
            };
            match way {
                Way::Backward if !indices.shape().is_empty() && indices.dims() != [0] => {
                    let looked_up = table.rows(indices, &mut lookups);
                    loss = loss + (looked_up * Tensor::from_inner(values)).sum();
                }
                _ => pushed.push(&table.weight, indices, values),
            }
        }
        if !lookups.is_empty() {
            pushed.append(lookups.gradients(&mut loss.backward()));
        }
        module = optimizer.step_rows(module, pushed).unwrap();
        if trace.recipe.expect.contains(&k) {
            for (name, table) in names.iter().zip(&module.tables) {
                outcome(optimizer.core(), k, name, weight(table), &mut outcomes);
            }
        }
    }
    outcomes
}

fn replay(way: Way) {
    let core = pollster::block_on(headless::Gpu::open()).unwrap();
    for (path, trace) in traces() {
        let expected = on_the_core(&trace, &core);
        let found = through_burn(&trace, way);
        let what = format!("{} {way:?}", path.display());
        assert!(found.keys().eq(expected.keys()), "{what}: other tensors");
        for (name, found) in &found {
            assert_eq!(bits(found), bits(&expected[name]), "{what}: {name}");
            let mut parts = name.split('/');
            let k = parts.next().unwrap().parse().unwrap();
            let (param, tensor) = (parts.next().unwrap(), parts.next().unwrap());
            let torch = trace.expected(k, param, tensor).unwrap_or(&[]);
            let tolerance = trace.recipe.tolerance;
            let comparison = Comparison::new(name.clone(), found, torch, tolerance);
            assert!(comparison.within, "{what}: {comparison:?}");
        }
    }
}

#[test]
fn traces_pushed_as_tensors_give_the_cores_bits() {
    replay(Way::Pushed);
}

#[test]
fn traces_through_backward_give_the_cores_bits() {
    replay(Way::Backward);
}
