//! Gradients of every kind, as the optimizer gets them, and as the twin does.

use super::MOST_VALUES;
use sparse_adam::reference::{Gradient, gather_values};
use sparse_adam::{Duplicates, IndexDtype, NonFinite, SparseGrad};
use sparse_adam_testkit::{Pair, Rng, encode};

/// Indices of a table of `rows`: hot ones, few, any; now and then one outside; in four cases of eight in order, in one of these
/// but for one entry.
fn indices(rng: &mut Rng, rows: usize, nnz: usize) -> Vec<i64> {
    let kind = rng.below(4);
    let few = rows.min(1 + rng.below(9));
    let mut index = || match (rng.below(50), kind) {
        (0, _) => rows as i64 + rng.below(1000) as i64,
        (_, 0) => 0,
        (_, 1) => rng.below(few) as i64,
        (at, 2) if at < 30 => rng.below(few) as i64,
        _ => rng.below(rows) as i64,
    };
    let mut indices: Vec<_> = (0..nnz).map(|_| index()).collect();
    let order = rng.below(8);
    if order < 4 {
        indices.sort_unstable();
    }
    if order == 0 && nnz > 0 {
        let (one, other) = (rng.below(nnz), rng.below(nnz));
        indices.swap(one, other);
    }
    indices
}

/// A gradient as the optimizer gets it, and as the twin does.
type Drawn = (SparseGrad, Gradient<f32>);

fn format(rng: &mut Rng) -> IndexDtype {
    [IndexDtype::U32, IndexDtype::I32, IndexDtype::I64][rng.below(3)]
}

/// A value row per entry, perhaps with weights.
fn rows_of_its_own(pair: &mut Pair, rng: &mut Rng, rows: usize, dim: usize, nnz: usize) -> Drawn {
    let mut same = Gradient { indices: indices(rng, rows, nnz), values: rng.floats(nnz * dim) };
    let mut grad = pair.sparse_grad(&same, format(rng));
    if rng.below(3) == 0 {
        let weights = rng.floats(nnz);
        grad = grad.weights(pair.hold(&weights));
        let map: Vec<u32> = (0..nnz as u32).collect();
        same.values = gather_values(&same.values, dim, &map, Some(&weights));
    }
    (grad, same)
}

/// Entries that share value rows; one in forty names a row that is not there.
fn shared_rows(pair: &mut Pair, rng: &mut Rng, rows: usize, dim: usize, nnz: usize) -> Drawn {
    let shared = 1 + rng.below(nnz);
    let outside = |rng: &mut Rng| if rng.below(40) == 0 { shared } else { rng.below(shared) };
    let map: Vec<u32> = (0..nnz).map(|_| outside(rng) as u32).collect();
    let (named, values) = (indices(rng, rows, nnz), rng.floats(shared * dim));
    let weights = (rng.below(2) == 0).then(|| rng.floats(nnz));
    let format = format(rng);
    let held = pair.hold(&encode(&named, format));
    let grad = SparseGrad::new(held, pair.hold(&values), nnz as u32).index_dtype(format);
    let mut grad = grad.value_map(pair.hold(&map), shared as u32);
    if let Some(weights) = &weights {
        grad = grad.weights(pair.hold(weights));
    }
    let there: Vec<usize> = (0..nnz).filter(|&entry| (map[entry] as usize) < shared).collect();
    let map: Vec<u32> = there.iter().map(|&entry| map[entry]).collect();
    let weights = weights.map(|all| there.iter().map(|&entry| all[entry]).collect::<Vec<_>>());
    let indices = there.iter().map(|&entry| named[entry]).collect();
    let values = gather_values(&values, dim, &map, weights.as_deref());
    (grad, Gradient { indices, values })
}

/// Rows of a dense gradient, each once.
fn dense_rows(pair: &mut Pair, rng: &mut Rng, rows: usize, dim: usize, nnz: usize) -> Drawn {
    let (named, dense) = (indices(rng, rows, nnz), rng.floats(rows * dim));
    let held = pair.hold(&encode(&named, IndexDtype::U32));
    let grad = SparseGrad::of_rows(held, pair.hold(&dense), nnz as u32);
    let mut once: Vec<i64> = named.into_iter().filter(|&row| row < rows as i64).collect();
    once.sort_unstable();
    once.dedup();
    let map: Vec<u32> = once.iter().map(|&row| row as u32).collect();
    let values = gather_values(&dense, dim, &map, None);
    (grad, Gradient { indices: once, values })
}

/// As many entries as a number on the GPU says.
fn counted(pair: &mut Pair, rng: &mut Rng, rows: usize, dim: usize, nnz: usize) -> Drawn {
    let full = Gradient { indices: indices(rng, rows, nnz), values: rng.floats(nnz * dim) };
    let count = rng.below(nnz + 1);
    let grad = pair.sparse_grad(&full, format(rng)).count(pair.hold(&[count as u32]));
    let values = full.values[..count * dim].to_vec();
    (grad, Gradient { indices: full.indices[..count].to_vec(), values })
}

/// No row twice, promised or checked.
fn promised(pair: &mut Pair, rng: &mut Rng, rows: usize, dim: usize, nnz: usize) -> Drawn {
    let mut indices = rng.permutation(rows);
    indices.truncate(nnz);
    let same = Gradient { values: rng.floats(indices.len() * dim), indices };
    let promise = [Duplicates::None, Duplicates::NoneChecked][rng.below(2)];
    (pair.sparse_grad(&same, format(rng)).duplicates(promise), same)
}

/// Values that are not finite, left out.
fn not_finite(pair: &mut Pair, rng: &mut Rng, rows: usize, dim: usize, nnz: usize) -> Drawn {
    let mut full = Gradient { indices: indices(rng, rows, nnz), values: rng.floats(nnz * dim) };
    for _ in 0..rng.below(nnz + 1) {
        let at = rng.below(full.values.len());
        full.values[at] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][rng.below(3)];
    }
    let grad = pair.sparse_grad(&full, format(rng)).non_finite(NonFinite::Skipped);
    let mut same = Gradient::default();
    for (&index, row) in full.indices.iter().zip(full.values.chunks(dim)) {
        if row.iter().all(|value| value.is_finite()) {
            same.indices.push(index);
            same.values.extend(row);
        }
    }
    (grad, same)
}

/// One in four with a row that is padding, often one that is named.
fn padded((grad, mut same): Drawn, rng: &mut Rng, rows: usize, dim: usize) -> Drawn {
    if rng.below(4) > 0 {
        return (grad, same);
    }
    let padding = if rng.below(2) == 0 { 0 } else { rng.below(rows) };
    let named = std::mem::take(&mut same.indices);
    let kept = |&(&index, _): &(&i64, _)| index != padding as i64;
    let kept = named.iter().zip(same.values.chunks(dim)).filter(kept);
    let (indices, values): (Vec<i64>, Vec<&[f32]>) = kept.unzip();
    (grad.padding_idx(padding as u32), Gradient { indices, values: values.concat() })
}

/// Sets a drawn gradient of a table, or several that are accumulated. Returns the twin's.
pub fn set(pair: &mut Pair, table: usize, rng: &mut Rng) -> Gradient<f32> {
    let (rows, dim) = (pair.twins[table].rows(), pair.twins[table].dim);
    let most = (MOST_VALUES / dim).max(2);
    let nnz = 1 + if rng.below(2) == 0 { rng.below(most) } else { rng.below(most.min(200)) };
    let (id, kinds) = (pair.ids[table], [dense_rows, counted, promised, not_finite]);
    let several = [rows_of_its_own, shared_rows];
    match rng.below(8) {
        0 => {
            let empty = SparseGrad::new(pair.hold(&[0u32]), pair.hold(&[0f32]), 0);
            pair.optimizer.set_grad(id, empty).unwrap();
            Gradient::default()
        }
        1 => {
            let drawn = several[rng.below(2)](pair, rng, rows, dim, nnz.div_ceil(3));
            let (grad, mut all) = padded(drawn, rng, rows, dim);
            pair.optimizer.set_grad(id, grad).unwrap();
            for _ in 0..rng.below(3) {
                let drawn = several[rng.below(2)](pair, rng, rows, dim, nnz.div_ceil(3));
                let (grad, same) = padded(drawn, rng, rows, dim);
                pair.optimizer.accumulate_grad(id, grad).unwrap();
                all.indices.extend(same.indices);
                all.values.extend(same.values);
            }
            all
        }
        2..5 => {
            let drawn = several[rng.below(2)](pair, rng, rows, dim, nnz);
            let (grad, same) = padded(drawn, rng, rows, dim);
            pair.optimizer.set_grad(id, grad).unwrap();
            same
        }
        _ => {
            let drawn = kinds[rng.below(4)](pair, rng, rows, dim, nnz);
            let (grad, same) = padded(drawn, rng, rows, dim);
            pair.optimizer.set_grad(id, grad).unwrap();
            same
        }
    }
}
