//! The embedding in modules, and the training loop around it.

use super::harness::{
    Rng, Tables, assert_same, draw_ids, gpu, ids, read, single, training, weight,
};
use burn::module::{Initializer, Module};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Int, Tensor, TensorData};
use sparse_adam::reference::{self, Gradient, Table};
use sparse_adam::{AdamOptions, StateDict};
use sparse_adam_burn::{Lookups, SparseAdam, SparseEmbedding, SparseEmbeddingConfig};

/// Ids `[batch, sequence]`, with repeats inside and across sequences.
const IDS: [[i32; 3]; 2] = [[4, 1, 4], [1, 4, 6]];

fn batch() -> Tensor<2, Int> {
    Tensor::from_data(TensorData::from(IDS), &training())
}

/// The twin of a table, stepped by one value row an id.
fn twin(before: Vec<f32>, dim: usize, indices: &[i64], values: Vec<f32>) -> Table<f32> {
    let mut table = Table::new(before, dim);
    let gradient = Gradient {
        indices: indices.to_vec(),
        values,
    };
    reference::step(&mut table, &gradient, &AdamOptions::default());
    table
}

#[test]
fn a_batch_of_sequences_is_looked_up_and_summed_by_row() {
    let (module, mut optimizer) = single(8, 4, 1);
    let before = weight(&module.tables[0]);
    let mut lookups = Lookups::new();
    let vectors = module.tables[0].forward(batch(), &mut lookups);
    assert_eq!(vectors.dims(), [2, 3, 4]);
    let found: Vec<f32> = vectors
        .clone()
        .inner()
        .into_data()
        .try_to_vec::<f32>()
        .unwrap();
    let row = |id: i32| &before[4 * id as usize..4 * id as usize + 4];
    let expected: Vec<f32> = IDS
        .concat()
        .iter()
        .flat_map(|&id| row(id).to_vec())
        .collect();
    assert_same("the vectors", &found, &expected);

    // d(v * v / 2) / dv = v: the value row of an id is the vector it looked up.
    let mut grads = (vectors.clone() * vectors).sum().mul_scalar(0.5).backward();
    let module = optimizer.step(module, lookups, &mut grads).unwrap();
    let indices: Vec<i64> = IDS.concat().into_iter().map(i64::from).collect();
    let twin = twin(before.clone(), 4, &indices, expected);
    let after = weight(&module.tables[0]);
    assert_same("the weight", &after, &twin.param);
    assert_eq!(after[..4], before[..4], "row 0 was not looked up");
}

#[test]
fn backward_yields_value_rows_and_no_dense_gradient() {
    let (module, _) = single(1000, 4, 2);
    let mut lookups = Lookups::new();
    let vectors = module.tables[0].forward(batch(), &mut lookups);
    let mut grads = vectors.sum().backward();
    assert!(module.tables[0].weight.val().grad(&grads).is_none());
    let sparse = lookups.gradients(&mut grads);
    let shown = format!("{sparse:?}");
    assert!(shown.contains("SparseGrad"), "{shown}");
}

#[test]
fn two_lookups_of_one_table_are_summed() {
    let (module, mut optimizer) = single(8, 2, 3);
    let before = weight(&module.tables[0]);
    let mut lookups = Lookups::new();
    let first = module.tables[0].rows(ids(&[3, 5]), &mut lookups);
    let second = module.tables[0].rows(ids(&[5]), &mut lookups);
    assert_eq!(lookups.len(), 2);
    let mut grads = (first.sum() + second.sum().mul_scalar(2.0)).backward();
    let module = optimizer.step(module, lookups, &mut grads).unwrap();
    let values = vec![1.0, 1.0, 1.0, 1.0, 2.0, 2.0];
    let twin = twin(before, 2, &[3, 5, 5], values);
    assert_same("the weight", &weight(&module.tables[0]), &twin.param);
}

#[test]
fn a_lookup_outside_the_loss_is_left_out() {
    let (module, mut optimizer) = single(8, 2, 4);
    let id = optimizer.core().param("t").unwrap();
    let mut lookups = Lookups::new();
    module.tables[0].rows(ids(&[3]), &mut lookups);
    let mut grads = Tensor::<1>::zeros([1], &training())
        .require_grad()
        .sum()
        .backward();
    optimizer.step(module, lookups, &mut grads).unwrap();
    assert_eq!(optimizer.core().step_count(id).unwrap(), 0);
}

#[test]
fn ids_and_value_rows_may_be_strided() {
    let (module, mut optimizer) = single(8, 3, 5);
    let before = weight(&module.tables[0]);
    let mut lookups = Lookups::new();
    let vectors = module.tables[0].forward(batch().transpose(), &mut lookups);
    // The gradient comes back through two transpositions and as an expanded scalar.
    let mut grads = vectors.swap_dims(0, 2).transpose().sum().backward();
    let module = optimizer.step(module, lookups, &mut grads).unwrap();
    let twin = twin(before, 3, &[4, 1, 1, 4, 4, 6], vec![1.0; 18]);
    assert_same("the weight", &weight(&module.tables[0]), &twin.param);
}

#[test]
fn validation_remembers_nothing() {
    let (module, _) = single(8, 2, 6);
    let mut lookups = Lookups::new();
    let ids = batch().inner();
    let vectors = module.valid().tables[0].forward(ids, &mut lookups);
    assert_eq!(vectors.dims(), [2, 3, 2]);
    assert!(lookups.is_empty());
}

#[test]
fn a_frozen_table_remembers_nothing() {
    let (module, _) = single(8, 2, 7);
    let mut lookups = Lookups::new();
    module.no_grad().tables[0].forward(batch(), &mut lookups);
    assert!(lookups.is_empty());
}

#[test]
fn its_record_is_that_of_burns_embedding() {
    let device = gpu().device();
    let theirs: Embedding = EmbeddingConfig::new(7, 3).init(&device);
    let expected = read(theirs.weight.val());
    let ours = SparseEmbeddingConfig::new(7, 3)
        .with_initializer(Initializer::Zeros)
        .init(&device);
    let ours = ours.load_record(theirs.into_record());
    assert_same("the record", &read(ours.weight.val()), &expected);
    assert_eq!(ours.to_string().lines().count(), 1, "{ours}");
}

/// A classifier of words: a sparse table and a dense layer in nested modules.
#[derive(Module, Debug)]
struct Classifier {
    encoder: Encoder,
    output: Linear,
}

#[derive(Module, Debug)]
struct Encoder {
    words: SparseEmbedding,
}

impl Classifier {
    fn forward(&self, ids: Tensor<2, Int>, lookups: &mut Lookups) -> Tensor<2> {
        let words = self.encoder.words.forward(ids, lookups);
        let [batch, sequence, dim] = words.dims();
        self.output.forward(words.reshape([batch, sequence * dim]))
    }
}

fn bias(model: &Classifier) -> Vec<f32> {
    let bias = model.output.bias.as_ref().unwrap().val().inner();
    bias.into_data().try_to_vec().unwrap()
}

#[test]
fn sparse_and_dense_parameters_train_side_by_side() {
    let device = training();
    device.seed(7);
    let mut model = Classifier {
        encoder: Encoder {
            words: SparseEmbeddingConfig::new(100, 4).init(&device),
        },
        output: LinearConfig::new(12, 1).init(&device),
    };
    let before = weight(&model.encoder.words);
    let before_bias = bias(&model);
    let options = AdamOptions::default().lr(0.05);
    let mut sparse = SparseAdam::new(gpu(), options).unwrap();
    let words = sparse.add("words", &model.encoder.words.weight).unwrap();
    let mut dense = AdamConfig::new().init();
    let target = Tensor::<2>::from_data([[1.0], [-1.0]], &device);
    let mut losses = Vec::new();
    for _ in 0..40 {
        let mut lookups = Lookups::new();
        let error = model.forward(batch(), &mut lookups) - target.clone();
        let loss = (error.clone() * error).mean();
        losses.push(loss.clone().inner().into_scalar::<f32>());
        let mut grads = loss.backward();
        model = sparse.step(model, lookups, &mut grads).unwrap();
        let grads = GradientsParams::from_grads(grads, &model);
        model = dense.step(0.05, model, grads);
    }
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    assert!(last < 0.01 * first.max(0.1), "{losses:?}");
    assert_eq!(sparse.core().step_count(words).unwrap(), 40);
    assert!(
        pollster::block_on(sparse.core().status(words))
            .unwrap()
            .is_clean()
    );
    let after = weight(&model.encoder.words);
    for row in 0..100 {
        let changed = after[4 * row..4 * row + 4] != before[4 * row..4 * row + 4];
        assert_eq!(changed, [1, 4, 6].contains(&row), "row {row}");
    }
    assert_ne!(bias(&model), before_bias, "burn's Adam did nothing");
}

#[test]
fn the_learning_rate_follows_a_schedule() {
    let (mut module, mut optimizer) = single(8, 2, 8);
    let group = optimizer.core().groups().next().unwrap();
    for lr in [0.1, 0.01] {
        optimizer.set_lr(lr).unwrap();
        assert_eq!(optimizer.core().options(group).unwrap().lr, lr);
        let mut lookups = Lookups::new();
        let vectors = module.tables[0].forward(batch(), &mut lookups);
        module = optimizer
            .step(module, lookups, &mut vectors.sum().backward())
            .unwrap();
    }
    let dict: StateDict = pollster::block_on(optimizer.state_dict()).unwrap();
    assert_eq!(dict.state[&0].step, 2);
}

#[test]
fn many_batches_agree_with_the_twin() {
    let (mut module, mut optimizer) = single(300, 5, 9);
    let mut table = Table::new(weight(&module.tables[0]), 5);
    let mut rng = Rng(10);
    for count in [1, 64, 1000, 3, 257, 1000] {
        let (names, values) = (draw_ids(&mut rng, 300, count), rng.floats(5 * count));
        let mut lookups = Lookups::new();
        let looked_up = module.tables[0].rows(ids(&names), &mut lookups);
        let slope = Tensor::from_inner(super::harness::rows(&values, 5));
        let mut grads = (looked_up * slope).sum().backward();
        module = optimizer.step(module, lookups, &mut grads).unwrap();
        let gradient = Gradient {
            indices: names.into_iter().map(i64::from).collect(),
            values,
        };
        reference::step(&mut table, &gradient, &AdamOptions::default());
    }
    assert_same("the weight", &weight(&module.tables[0]), &table.param);
}

#[test]
fn several_tables_are_one_step() {
    let tables = vec![
        SparseEmbeddingConfig::new(20, 3).init(&training()),
        SparseEmbeddingConfig::new(30, 5).init(&training()),
    ];
    let mut module = Tables { tables };
    let mut optimizer = SparseAdam::new(gpu(), AdamOptions::default()).unwrap();
    for (number, table) in module.tables.iter().enumerate() {
        optimizer.add(number.to_string(), &table.weight).unwrap();
    }
    let mut lookups = Lookups::new();
    let sums = module.tables.iter().map(|table| {
        let vectors = table.forward(batch(), &mut lookups);
        vectors.sum()
    });
    let loss = sums.reduce(|a, b| a + b).unwrap();
    module = optimizer
        .step(module, lookups, &mut loss.backward())
        .unwrap();
    assert_eq!(module.num_params(), 20 * 3 + 30 * 5);
    let dict = pollster::block_on(optimizer.state_dict()).unwrap();
    assert_eq!(dict.state.len(), 2);
}
