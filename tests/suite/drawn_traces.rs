//! Traces of any parameters, formats, rules and steps: written, read, and replayed on the twin and on adapters.
//!
//! Other seeds each run; `SPARSE_ADAM_SEED` repeats one, `SPARSE_ADAM_CAMPAIGN_SECONDS` goes on for longer.

use super::formats;
use super::traces_in_16_bits::{EXACT, assert_within, tolerance};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};
use serde_json::json;
use sparse_adam::Tuning;
use sparse_adam_testkit::campaign::Budget;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::trace::{GroupRecipe, Outcomes, Recipe, SetRecipe, StepRecipe, Trace};
use sparse_adam_testkit::{Rng, Stored, gpus, rounded, variants};
use std::collections::{BTreeMap, HashMap};

/// Numbers of a tensor, and its shape.
type Tensor = (Vec<u8>, Dtype, Vec<usize>);

/// The bytes of a trace.
fn written(recipe: &Recipe, tensors: &BTreeMap<String, Tensor>) -> Vec<u8> {
    let views = tensors.iter().map(|(name, (bytes, dtype, shape))| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    let metadata = HashMap::from([("trace".into(), serde_json::to_string(recipe).unwrap())]);
    serialize(views, Some(metadata)).unwrap()
}

fn floats(values: &[f32], shape: &[usize]) -> Tensor {
    (bytemuck::cast_slice(values).to_vec(), Dtype::F32, shape.to_vec())
}

/// A trace under way: what it does, and its tensors.
struct Drawn {
    recipe: Recipe,
    tensors: BTreeMap<String, Tensor>,
}

impl Drawn {
    /// Any trace of up to three parameters, without what to expect.
    fn any(rng: &mut Rng) -> Self {
        let recipe = json!({"version": 1, "params": {}, "groups": [], "steps": [], "expect": [],
            "tolerance": EXACT, "source": "drawn"});
        let recipe = serde_json::from_value(recipe).unwrap();
        let mut drawn = Self { recipe, tensors: BTreeMap::new() };
        (0..1 + rng.below(3)).for_each(|number| drawn.param(rng, format!("p{number}")));
        (0..1 + rng.below(4)).for_each(|k| drawn.step(rng, k));
        drawn
    }

    /// A parameter of one to three axes, in a group of its own; one in four is not named in the formats.
    fn param(&mut self, rng: &mut Rng, name: String) {
        let shape = [1 + rng.below(60), [1, 3, 6, 8, 33][rng.below(5)], 1 + rng.below(2)];
        let shape = &shape[..1 + rng.below(3)];
        let stored = if rng.below(4) == 0 { Stored::default() } else { Stored::any(rng) };
        let recipe = &mut self.recipe;
        if stored != Stored::default() {
            recipe.formats.insert(name.clone(), stored);
        }
        if rng.below(3) == 0 {
            recipe.start_step.insert(name.clone(), 1 + rng.below(1000) as u64);
        }
        let initial = rounded(stored.param, &rng.floats(shape.iter().product()));
        self.tensors.insert(format!("initial/{name}"), floats(&initial, shape));
        recipe.params.insert(name.clone(), shape.iter().map(|&axis| axis as u32).collect());
        recipe.groups.push(GroupRecipe { options: formats::rule(rng, stored), params: vec![name] });
    }

    /// A step that is compared, perhaps at another learning rate; four of five parameters have a gradient.
    fn step(&mut self, rng: &mut Rng, k: usize) {
        let mut step = StepRecipe::default();
        if rng.below(3) == 0 {
            let group = rng.below(self.recipe.groups.len());
            let (lr, betas) = (Some(rng.fraction() / 10.0), None);
            step.set.push(SetRecipe { group, lr, betas, eps: None, maximize: None });
        }
        for (name, shape) in &self.recipe.params {
            if rng.below(5) == 0 {
                continue;
            }
            let columns: Vec<_> = shape[1..].iter().map(|&axis| axis as usize).collect();
            let nnz = [0, 1, 20, 90][rng.below(4)];
            let grad = rng.gradient(shape[0] as usize, columns.iter().product(), nnz);
            let values = rounded(self.recipe.stored(name).values, &grad.values);
            let values = floats(&values, &[&[nnz], &columns[..]].concat());
            let indices = (bytemuck::cast_slice(&grad.indices).to_vec(), Dtype::I64, vec![nnz]);
            self.tensors.insert(format!("step/{k}/{name}/values"), values);
            self.tensors.insert(format!("step/{k}/{name}/indices"), indices);
            step.grads.push(name.clone());
        }
        self.recipe.steps.push(step);
        self.recipe.expect.push(k);
    }
}

/// What the twin makes of a trace, as the tensors that it expects.
fn expect(outcomes: &Outcomes, tensors: &mut BTreeMap<String, Tensor>) {
    for ((k, name), outcome) in outcomes {
        let mut tell = |tensor: &str, values: &[f32]| {
            let expected = floats(values, &[values.len()]);
            tensors.insert(format!("expected/{k}/{name}/{tensor}"), expected);
        };
        tell("param", &outcome.param);
        if let Some(state) = &outcome.state {
            tell("exp_avg", &state.exp_avg);
            tell("exp_avg_sq", &state.exp_avg_sq);
            state.max_exp_avg_sq.iter().for_each(|largest| tell("max_exp_avg_sq", largest));
        }
    }
}

/// Writes a trace, with what the twin makes of it, and replays it; tells in how many steps and of how many parameters.
fn replay(on: (&Gpu, Tuning), rng: &mut Rng, what: &str) -> (usize, usize) {
    let Drawn { recipe, mut tensors } = Drawn::any(rng);
    let trace = Trace::parse(&written(&recipe, &tensors)).unwrap();
    assert_eq!(trace.recipe, recipe);
    let (outcomes, of_twin) = trace.reference_outcomes_from(None).unwrap();
    expect(&outcomes, &mut tensors);
    let trace = Trace::parse(&written(&recipe, &tensors)).unwrap();
    let compared = trace.replay_reference(EXACT).unwrap();
    assert_within(what, &compared);
    let params = compared.iter().filter(|tensor| tensor.name.ends_with("/param"));
    assert_eq!(params.count(), recipe.steps.len() * recipe.params.len());
    let replay = trace.replay_from(on.0, Some(on.1), tolerance(on), None);
    let (compared, of_gpu) = pollster::block_on(replay).unwrap();
    assert_within(&format!("{what}, {recipe:?} on {}", on.0.describe()), &compared);
    if on.0.has_bits_of_twin(&on.1) {
        assert_eq!(of_gpu, of_twin, "{what}, {recipe:?}");
    }
    (recipe.steps.len(), recipe.params.len())
}

#[test]
fn campaign_replays() {
    for gpu in gpus() {
        let (budget, mut done) = (Budget::shared(gpus().len()), [0; 3]);
        let own: Vec<_> = variants().into_iter().filter(|on| std::ptr::eq(on.0, gpu)).collect();
        while budget.is_left() {
            let seed = budget.seed.wrapping_add(done[0] as u64);
            let mut rng = Rng(seed);
            let on = own[rng.below(own.len())];
            let (steps, params) = replay(on, &mut rng, &format!("SPARSE_ADAM_SEED={seed}"));
            done = [done[0] + 1, done[1] + steps, done[2] + params];
        }
        let [traces, steps, params] = done;
        println!(
            "campaign: replays on {}: traces {traces}, steps {steps}, parameters {params}, wrong 0",
            gpu.describe()
        );
    }
}
