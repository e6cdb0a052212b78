//! Order on the queue, threads, and where tensors lie.

use super::harness::{Rng, assert_same, draw_ids, gpu, ids, rows, single, weight};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Int, Tensor, TensorData};
use sparse_adam::AdamOptions;
use sparse_adam::reference::{self, Gradient, Table};
use sparse_adam_burn::SparseGrads;

/// Value rows that burn computes from the weight, right before the step and right after.
#[test]
fn steps_and_burns_work_take_turns_without_waiting() {
    let (mut module, mut optimizer) = single(50, 4, 11);
    let mut table = Table::new(weight(&module.tables[0]), 4);
    let mut rng = Rng(12);
    let steps: Vec<Vec<i32>> = (0..30).map(|_| draw_ids(&mut rng, 50, 20)).collect();
    for names in &steps {
        let named = ids(names);
        let values = module.tables[0].weight.val().inner();
        let values = values.select(0, named.clone()).mul_scalar(2.0);
        let mut grads = SparseGrads::new();
        grads.push(&module.tables[0].weight, named, values);
        module = optimizer.step_rows(module, grads).unwrap();
    }
    for names in &steps {
        let values = names.iter().flat_map(|&id| {
            let row = &table.param[4 * id as usize..4 * id as usize + 4];
            row.iter().map(|value| 2.0 * value).collect::<Vec<_>>()
        });
        let gradient = Gradient {
            values: values.collect(),
            indices: names.iter().map(|&id| i64::from(id)).collect(),
        };
        reference::step(&mut table, &gradient, &AdamOptions::default());
    }
    assert_same("the weight", &weight(&module.tables[0]), &table.param);
}

/// Ids and value rows cut out of larger tensors: at what a device can bind, and elsewhere.
#[test]
fn slices_at_any_offset_are_read_where_they_are() {
    let (module, mut optimizer) = single(40, 4, 13);
    let mut table = Table::new(weight(&module.tables[0]), 4);
    let mut module = module;
    let mut rng = Rng(14);
    let (all_ids, all_values) = (draw_ids(&mut rng, 40, 1024), rng.floats(4 * 1024));
    let (gpu_ids, gpu_values) = (ids(&all_ids), rows(&all_values, 4));
    for (start, end) in [
        (0, 64),
        (256, 512),
        (3, 10),
        (1, 1023),
        (511, 512),
        (960, 1024),
    ] {
        let mut grads = SparseGrads::new();
        grads.push(
            &module.tables[0].weight,
            gpu_ids.clone().slice(start..end),
            gpu_values.clone().slice(start..end),
        );
        module = optimizer.step_rows(module, grads).unwrap();
        let gradient = Gradient {
            indices: all_ids[start..end]
                .iter()
                .map(|&id| i64::from(id))
                .collect(),
            values: all_values[4 * start..4 * end].to_vec(),
        };
        reference::step(&mut table, &gradient, &AdamOptions::default());
    }
    assert_same("the weight", &weight(&module.tables[0]), &table.param);
}

#[test]
fn ids_of_64_bits_are_read_as_they_are() {
    let (module, mut optimizer) = single(9, 2, 15);
    let mut table = Table::new(weight(&module.tables[0]), 2);
    let names = TensorData::new(vec![7i64, 0, 7], [3]);
    let options = (&gpu().device(), burn::tensor::DType::I64);
    let mut grads = SparseGrads::new();
    let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let named = Tensor::<1, Int>::from_data(names, options);
    grads.push(&module.tables[0].weight, named, rows(&values, 2));
    let module = optimizer.step_rows(module, grads).unwrap();
    let gradient = Gradient {
        indices: vec![7, 0, 7],
        values: values.to_vec(),
    };
    reference::step(&mut table, &gradient, &AdamOptions::default());
    assert_same("the weight", &weight(&module.tables[0]), &table.param);
}

/// Gives every weight another buffer, as burn's own operations do.
struct Moved;

impl ModuleMapper for Moved {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let keep = param.val();
        let moved = param.map(|tensor| {
            let device = tensor.device();
            Tensor::from_data(tensor.into_data(), &device).require_grad()
        });
        drop(keep);
        moved
    }
}

#[test]
fn a_weight_that_moved_keeps_its_moments() {
    let (mut module, mut optimizer) = single(12, 4, 16);
    let mut table = Table::new(weight(&module.tables[0]), 4);
    let mut rng = Rng(17);
    for _ in 0..4 {
        let (names, values) = (draw_ids(&mut rng, 12, 9), rng.floats(36));
        let mut grads = SparseGrads::new();
        grads.push(&module.tables[0].weight, ids(&names), rows(&values, 4));
        module = optimizer.step_rows(module, grads).unwrap().map(&mut Moved);
        let gradient = Gradient {
            indices: names.into_iter().map(i64::from).collect(),
            values,
        };
        reference::step(&mut table, &gradient, &AdamOptions::default());
    }
    assert_same("the weight", &weight(&module.tables[0]), &table.param);
}

#[test]
fn a_model_can_be_trained_on_another_thread() {
    let (module, mut optimizer) = single(12, 4, 18);
    let mut table = Table::new(weight(&module.tables[0]), 4);
    let (names, values) = ([3, 3, 9], Rng(19).floats(12));
    let (named, valued) = (ids(&names), rows(&values, 4));
    let trained = std::thread::spawn(move || {
        let mut grads = SparseGrads::new();
        grads.push(&module.tables[0].weight, named, valued);
        optimizer.step_rows(module, grads).unwrap()
    });
    let module = trained.join().unwrap();
    let gradient = Gradient {
        indices: vec![3, 3, 9],
        values,
    };
    reference::step(&mut table, &gradient, &AdamOptions::default());
    assert_same("the weight", &weight(&module.tables[0]), &table.param);
}
