//! Tables that grow, rows that begin anew, weights that are let go of, against the core's twin.

use super::harness::{
    Rng, Tables, assert_same, bits, draw_ids, embedding, ids, read, rows, single, training, weight,
};
use burn::module::{Param, ParamId};
use burn::tensor::{DType, Int, Tensor, TensorData};
use sparse_adam::reference::{self, Gradient, Table};
use sparse_adam::{AdamOptions, ParamRows, RowMap};
use sparse_adam_burn::{Error, SparseAdam, SparseGrads};

/// A step of all tables on both sides, of `count` rows that `rng` draws.
fn step(
    module: Tables,
    optimizer: &mut SparseAdam,
    twins: &mut [Table<f32>],
    rng: &mut Rng,
) -> Tables {
    let mut grads = SparseGrads::new();
    for (table, twin) in module.tables.iter().zip(twins) {
        let (named, values) = (draw_ids(rng, twin.rows(), 40), rng.floats(40 * twin.dim));
        grads.push(&table.weight, ids(&named), rows(&values, twin.dim));
        let indices = named.into_iter().map(i64::from).collect();
        reference::step(twin, &Gradient { indices, values }, &AdamOptions::default());
    }
    optimizer.step_rows(module, grads).unwrap()
}

/// Two tables of 30 rows, an optimizer that has them, and their twins.
fn two(rng: &mut Rng) -> (Tables, SparseAdam, Vec<Table<f32>>) {
    let (mut tables, mut twins) = (Vec::new(), Vec::new());
    for dim in [4, 3] {
        let values = rng.floats(30 * dim);
        twins.push(Table::new(values.clone(), dim));
        tables.push(embedding(values, dim));
    }
    let mut optimizer = SparseAdam::new(super::harness::gpu(), Default::default()).unwrap();
    for (name, table) in ["a", "b"].into_iter().zip(&tables) {
        optimizer.add(name, &table.weight).unwrap();
    }
    (Tables { tables }, optimizer, twins)
}

fn assert_twins(module: &Tables, optimizer: &SparseAdam, twins: &[Table<f32>]) {
    let dict = pollster::block_on(optimizer.state_dict()).unwrap();
    for (number, (table, twin)) in module.tables.iter().zip(twins).enumerate() {
        assert_same("weight", &weight(table), &twin.param);
        let state = &dict.state[&number];
        assert_eq!(state.step, twin.step);
        assert_same("exp_avg", &state.exp_avg, &twin.exp_avg);
        assert_same("exp_avg_sq", &state.exp_avg_sq, &twin.exp_avg_sq);
    }
}

#[test]
fn tables_that_grow_and_shrink_equal_their_twins() {
    let mut rng = Rng(611);
    let (mut module, mut optimizer, mut twins) = two(&mut rng);
    for new in [60, 11, 30] {
        module = step(module, &mut optimizer, &mut twins, &mut rng);
        let old = twins[0].rows();
        let row = |row: usize, rng: &mut Rng| match rng.below(4) {
            0 => RowMap::NONE,
            1 => rng.below(old) as u32,
            _ => row.min(old - 1) as u32,
        };
        let from: Vec<u32> = (0..new).map(|at| row(at, &mut rng)).collect();
        let mut weights = Vec::new();
        for (table, twin) in module.tables.iter().zip(&mut twins) {
            let begun = rng.floats(new * twin.dim);
            // On either device: a new weight is made as its old one was.
            let tensor = rows(&begun, twin.dim);
            let tensor = if twin.dim == 4 {
                Tensor::from_inner(tensor)
            } else {
                tensor
            };
            weights.push((table.weight.id, tensor));
            reference::remap(twin, &from, begun, ParamRows::Copied);
        }
        let signed: Vec<i32> = from.iter().map(|&row| row as i32).collect();
        module = optimizer.remap_rows(module, ids(&signed), weights).unwrap();
        let table = &module.tables[0].weight;
        assert_eq!(table.dims(), [new, 4]);
        assert!(table.val().is_require_grad());
    }
    module = step(module, &mut optimizer, &mut twins, &mut rng);
    let reset = [3, 7, 29];
    let all: Vec<_> = module.tables.iter().map(|table| table.weight.id).collect();
    optimizer.reset_rows(all, ids(&reset)).unwrap();
    for twin in &mut twins {
        reference::reset_rows(twin, &reset.map(|row| row as u32));
    }
    module = step(module, &mut optimizer, &mut twins, &mut rng);
    assert_twins(&module, &optimizer, &twins);
}

/// A map, new weights, and whether an error is the expected one.
type Case = (
    Tensor<1, Int>,
    Vec<(ParamId, Tensor<2>)>,
    fn(&Error) -> bool,
);

#[test]
fn what_will_not_do_gives_the_module_back_unchanged() {
    let mut rng = Rng(612);
    let (module, mut optimizer, mut twins) = two(&mut rng);
    let mut module = step(module, &mut optimizer, &mut twins, &mut rng);
    let (id, other) = (module.tables[0].weight.id, module.tables[1].weight.id);
    let stranger: Param<Tensor<2>> = embedding(vec![0.0; 8], 4).weight;
    let begun = |rows: usize, dim: usize| Tensor::<2>::zeros([rows, dim], &training());
    let shared = begun(2, 4);
    let wide = Tensor::<1, Int>::from_data(
        TensorData::new(vec![0i64, 1], [2]),
        (&super::harness::gpu().device(), DType::I64),
    );
    let cases: Vec<Case> = vec![
        (wide, vec![(id, begun(2, 4))], |error| {
            matches!(error, Error::WrongType { .. })
        }),
        (ids(&[0, 1]), vec![(id, begun(3, 4))], |error| {
            matches!(error, Error::WrongShape { .. })
        }),
        (ids(&[0, 1]), vec![(stranger.id, begun(2, 4))], |error| {
            matches!(error, Error::NotAdded { .. })
        }),
        (ids(&[0, 1]), vec![(id, shared.clone())], |error| {
            matches!(error, Error::SharedWeight { .. })
        }),
        (
            ids(&[0, 1]),
            vec![(id, begun(2, 4)), (id, begun(2, 4))],
            |error| matches!(error, Error::Core(_)),
        ),
    ];
    for (from, weights, is_expected) in cases {
        let failed = optimizer.remap_rows(module, from, weights).unwrap_err();
        assert!(is_expected(&failed.error), "{failed}");
        module = failed.module;
    }
    drop(shared);
    let empty = Tables { tables: Vec::new() };
    let failed = optimizer.remap_rows(empty, ids(&[0, 1]), [(other, begun(2, 3))]);
    assert!(matches!(
        failed.unwrap_err().error,
        Error::NotInModule { .. }
    ));
    assert_twins(&module, &optimizer, &twins);
    // And what is let go of is known no longer.
    optimizer.remove(id).unwrap();
    assert!(matches!(optimizer.remove(id), Err(Error::NotAdded { .. })));
    assert!(optimizer.reset_rows([id], ids(&[0])).is_err());
    optimizer.add("a", &module.tables[0].weight).unwrap();
    let (_, mut fresh) = single(5, 2, 1);
    assert!(fresh.remove(id).is_err());
    let before = bits(&read(module.tables[1].weight.val().inner()));
    let module = step(module, &mut optimizer, &mut twins, &mut rng);
    assert_ne!(bits(&read(module.tables[1].weight.val().inner())), before);
}
