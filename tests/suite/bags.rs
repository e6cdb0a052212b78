//! Embedding bags as torch runs them: the backward of `nn.EmbeddingBag(sparse=True)` and
//! SparseAdam there, a value map and weights here. `tests/golden/embedding_bag.py` recorded them.

use safetensors::SafeTensors;
use sparse_adam::reference::{self, Gradient, Table};
use sparse_adam::{AdamOptions, IndexDtype, Param, SparseGrad, Tuning};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::trace::{Comparison, Tolerance};
use sparse_adam_testkit::{Poisoned, encode, variants};
use std::collections::BTreeMap;

/// Metadata key `bags`.
#[derive(Clone, serde::Deserialize)]
struct Recipe {
    rows: u32,
    dim: u32,
    bags: u32,
    /// Whether there are weights other than 1.
    weighted: bool,
    options: AdamOptions,
    steps: usize,
    /// Steps (from 0) after which tensors are compared.
    expect: Vec<usize>,
    tolerance: Tolerance,
}

/// What torch's bags had in one step.
#[derive(Clone)]
struct Step {
    /// `[n]`
    ids: Vec<i64>,
    /// Bag of each entry, `[n]`.
    bags: Vec<u32>,
    /// `[n]`
    weights: Vec<f32>,
    /// `[bags, dim]`
    bag_grads: Vec<f32>,
}

#[derive(Clone)]
struct Recording {
    name: String,
    recipe: Recipe,
    initial: Vec<f32>,
    steps: Vec<Step>,
    /// `<k>/param`, `<k>/exp_avg`, `<k>/exp_avg_sq`
    expected: BTreeMap<String, Vec<f32>>,
}

impl Recording {
    fn parse(name: String, bytes: &[u8]) -> Self {
        let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
        let metadata = header.metadata().as_ref().unwrap();
        let recipe: Recipe = serde_json::from_str(&metadata["bags"]).unwrap();
        let tensors = SafeTensors::deserialize(bytes).unwrap();
        let data = |name: &str| tensors.tensor(name).unwrap().data();
        let floats = |name: &str| bytemuck::pod_collect_to_vec::<_, f32>(data(name));
        let step = |k| Step {
            ids: bytemuck::pod_collect_to_vec(data(&format!("step/{k}/ids"))),
            bags: bytemuck::pod_collect_to_vec(data(&format!("step/{k}/bags"))),
            weights: floats(&format!("step/{k}/weights")),
            bag_grads: floats(&format!("step/{k}/bag_grads")),
        };
        let steps: Vec<_> = (0..recipe.steps).map(step).collect();
        let names = tensors.names().into_iter();
        let expected = names.filter_map(|name| name.strip_prefix("expected/"));
        let expected = expected.map(|name| (name.into(), floats(&format!("expected/{name}"))));
        let expected: BTreeMap<_, _> = expected.collect();
        assert_eq!(expected.len(), 3 * recipe.expect.len(), "{name}");
        Self { name, recipe, initial: floats("initial"), steps, expected }
    }

    /// The table after step `k` beside torch's, where torch's is known.
    fn compare(&self, k: usize, found: &Table<f32>) -> Vec<Comparison> {
        if !self.recipe.expect.contains(&k) {
            return Vec::new();
        }
        let tensors = [
            ("param", &found.param),
            ("exp_avg", &found.exp_avg),
            ("exp_avg_sq", &found.exp_avg_sq),
        ];
        let compare = |(tensor, found): (&str, &Vec<f32>)| {
            let name = format!("{k}/{tensor}");
            let expected = &self.expected[&name];
            Comparison::new(name, found, expected, self.recipe.tolerance)
        };
        tensors.map(compare).into()
    }

    fn replay(&self, gpu: &Gpu, tuning: Tuning) -> Vec<Comparison> {
        let &Recipe { rows, dim, bags, weighted, options, .. } = &self.recipe;
        let param = Poisoned::new(gpu, &self.initial);
        let mut optimizer = gpu.optimizer(options, tuning).unwrap();
        let words = Param::new("words", param.region.clone(), [rows, dim]);
        let words = optimizer.add_param(words).unwrap();
        let mut comparisons = Vec::new();
        for (k, step) in self.steps.iter().enumerate() {
            let ids = Poisoned::new(gpu, &encode(&step.ids, IndexDtype::I64));
            let bag_grads = Poisoned::new(gpu, &step.bag_grads);
            let map = Poisoned::new(gpu, &step.bags);
            let weights = Poisoned::new(gpu, &step.weights);
            let grad = SparseGrad::new(ids.region, bag_grads.region, step.ids.len() as u32)
                .index_dtype(IndexDtype::I64)
                .value_map(map.region, bags);
            let grad = if weighted { grad.weights(weights.region) } else { grad };
            optimizer.set_grad(words, grad).unwrap();
            gpu.submit(|encoder| optimizer.step(encoder)).unwrap();
            let state = pollster::block_on(optimizer.state_of(words)).unwrap().unwrap();
            let mut found = Table::new(param.read(gpu), dim as usize);
            found.step = state.step;
            found.exp_avg = state.exp_avg;
            found.exp_avg_sq = state.exp_avg_sq;
            comparisons.extend(self.compare(k, &found));
        }
        assert!(pollster::block_on(optimizer.status(words)).unwrap().is_clean());
        comparisons
    }

    fn replay_reference(&self) -> Vec<Comparison> {
        let dim = self.recipe.dim as usize;
        let mut table = Table::new(self.initial.clone(), dim);
        let mut comparisons = Vec::new();
        for (k, step) in self.steps.iter().enumerate() {
            let weights = Some(&*step.weights);
            let values = reference::gather_values(&step.bag_grads, dim, &step.bags, weights);
            let grad = Gradient { indices: step.ids.clone(), values };
            reference::step(&mut table, &grad, &self.recipe.options);
            comparisons.extend(self.compare(k, &table));
        }
        comparisons
    }
}

fn recordings() -> Vec<Recording> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/bags");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let parse = |path: std::path::PathBuf| {
        Recording::parse(path.display().to_string(), &std::fs::read(&path).unwrap())
    };
    let recordings: Vec<_> = files.map(parse).collect();
    assert!(recordings.len() >= 4, "recordings of embedding bags are missing");
    recordings
}

fn assert_within(recording: &Recording, on: &str, comparisons: &[Comparison]) {
    assert_eq!(comparisons.len(), recording.expected.len());
    for comparison in comparisons {
        assert!(comparison.within, "{} on {on}: {comparison:?}", recording.name);
    }
}

#[test]
fn torchs_embedding_bags_give_the_same_tables() {
    for recording in recordings() {
        assert_within(&recording, "the twin", &recording.replay_reference());
        for (gpu, tuning) in variants() {
            let comparisons = recording.replay(gpu, tuning);
            assert_within(&recording, &gpu.describe(), &comparisons);
        }
    }
}

#[test]
fn other_bags_weights_or_gradients_give_other_tables() {
    type Alteration = fn(&mut Step);
    let alterations: [(&str, Alteration); 4] = [
        ("one word of another bag", |step| step.bags[0] = step.bags[step.bags.len() - 1]),
        ("one weight a hundredth larger", |step| step.weights[0] *= 1.01),
        ("one value lost", |step| step.bag_grads[step.bags[0] as usize] = 0.0),
        ("one word too few", |step| {
            step.ids.pop();
            step.bags.pop();
            step.weights.pop();
        }),
    ];
    for recording in recordings() {
        for (what, alter) in alterations {
            let mut altered = recording.clone();
            altered.steps.iter_mut().for_each(alter);
            let comparisons = altered.replay_reference();
            assert!(comparisons.iter().any(|c| !c.within), "{}: {what}", recording.name);
        }
    }
}
