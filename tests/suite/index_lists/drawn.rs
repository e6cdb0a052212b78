//! Index lists of every kind, as the optimizer gets them in both ways, and as the twin does.

use sparse_adam::reference::{Gradient, gather_values};
use sparse_adam::{
    Duplicates, Format, GradValues, IndexDtype, IndexList, NonFinite, Region, SparseGrad,
};
use sparse_adam_testkit::{Named, Pair, Rng, encode, rounded};
use std::collections::BTreeSet;

/// A list, without values.
#[derive(Debug)]
pub struct List {
    pub indices: Vec<i64>,
    pub dtype: IndexDtype,
    /// Value row of each entry, and how many there are; one of them may not be there.
    pub map: Option<(Vec<u32>, usize)>,
    pub weights: Option<Vec<f32>>,
    pub count: Option<u32>,
    pub duplicates: Duplicates,
    pub padding: Option<u32>,
    pub non_finite: NonFinite,
    /// Whether values are those of dense gradients.
    pub of_rows: bool,
}

impl List {
    pub fn plain(indices: Vec<i64>) -> Self {
        Self {
            indices,
            dtype: IndexDtype::U32,
            map: None,
            weights: None,
            count: None,
            duplicates: Duplicates::Summed,
            padding: None,
            non_finite: NonFinite::Applied,
            of_rows: false,
        }
    }

    /// Any list of `nnz` entries for tables of so many rows; now and then an index is outside.
    pub fn any(rng: &mut Rng, rows: usize, nnz: usize) -> Self {
        let named = Named::any(rng);
        let indices = named.gradient(rng, (rows, 1), nnz).indices;
        let outside = |rng: &mut Rng, index| match rng.below(50) {
            0 => (rows + rng.below(9)) as i64,
            _ => index,
        };
        let indices = indices.into_iter().map(|index| outside(rng, index)).collect();
        let mut list = Self::plain(indices);
        list.dtype = [IndexDtype::U32, IndexDtype::I32, IndexDtype::I64][rng.below(3)];
        match rng.below(6) {
            0 => list.of_rows = true,
            1 if nnz > 0 => {
                let there = 1 + rng.below(nnz);
                let row = |rng: &mut Rng| {
                    let outside = rng.below(40) == 0;
                    rng.below(there + usize::from(outside))
                };
                list.map = Some(((0..nnz).map(|_| row(rng) as u32).collect(), there));
            }
            2 => {
                list.indices = rng.permutation(rows);
                list.indices.truncate(nnz);
                list.duplicates = [Duplicates::None, Duplicates::NoneChecked][rng.below(2)];
            }
            3 => list.duplicates = Duplicates::NoneChecked,
            _ => {}
        }
        let nnz = list.indices.len();
        list.weights = (!list.of_rows && rng.below(3) == 0).then(|| rng.floats(nnz));
        list.count = (rng.below(3) == 0).then(|| rng.below(nnz + 2) as u32);
        list.padding = (rng.below(3) == 0).then(|| rng.below(rows) as u32);
        let rules = [NonFinite::Applied, NonFinite::Counted, NonFinite::Skipped];
        list.non_finite = rules[rng.below(3)];
        list
    }

    /// Whether another gradient may follow its own.
    pub fn accumulates(&self) -> bool {
        !self.of_rows && self.duplicates == Duplicates::Summed
    }

    /// Values of a table for it, as they are stored; some of them not finite, where those are left out.
    pub fn values(&self, rng: &mut Rng, (rows, dim): (usize, usize), format: Format) -> Vec<f32> {
        let of = match &self.map {
            Some((_, there)) => *there,
            None if self.of_rows => rows,
            None => self.indices.len(),
        };
        let mut values = rng.floats(of * dim);
        if self.non_finite == NonFinite::Skipped && !values.is_empty() {
            for _ in 0..rng.below(1 + of.div_ceil(8)) {
                let at = rng.below(of * dim);
                values[at] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][rng.below(3)];
            }
        }
        rounded(format, &values)
    }

    /// As one list for several parameters.
    pub fn index_list(&self, pair: &mut Pair) -> IndexList {
        let (indices, nnz) = (self.held(pair), self.indices.len() as u32);
        let mut list = match self.of_rows {
            true => IndexList::of_rows(indices, nnz),
            false => IndexList::new(indices, nnz),
        };
        list = list.index_dtype(self.dtype).duplicates(self.duplicates).non_finite(self.non_finite);
        if let Some((map, there)) = &self.map {
            list = list.value_map(pair.hold(map), *there as u32);
        }
        if let Some(weights) = &self.weights {
            list = list.weights(pair.hold(weights));
        }
        if let Some(count) = self.count {
            list = list.count(pair.hold(&[count]));
        }
        self.padding.into_iter().fold(list, IndexList::padding_idx)
    }

    /// As a gradient of one parameter, in buffers of its own.
    pub fn sparse_grad(&self, pair: &mut Pair, values: &[f32], format: Format) -> SparseGrad {
        let (indices, nnz) = (self.held(pair), self.indices.len() as u32);
        let held = pair.hold(&format.pack(values));
        let mut grad = match self.of_rows {
            true => SparseGrad::of_rows(indices, held, nnz),
            false => SparseGrad::new(indices, held, nnz),
        };
        grad = grad
            .index_dtype(self.dtype)
            .format(format)
            .duplicates(self.duplicates)
            .non_finite(self.non_finite);
        if let Some((map, there)) = &self.map {
            grad = grad.value_map(pair.hold(map), *there as u32);
        }
        if let Some(weights) = &self.weights {
            grad = grad.weights(pair.hold(weights));
        }
        if let Some(count) = self.count {
            grad = grad.count(pair.hold(&[count]));
        }
        self.padding.into_iter().fold(grad, SparseGrad::padding_idx)
    }

    /// At least a word, so that it can be bound.
    fn held(&self, pair: &mut Pair) -> Region {
        match &*self.indices {
            [] => pair.hold(&[0u32]),
            indices => pair.hold(&encode(indices, self.dtype)),
        }
    }

    /// The gradient as a table's twin knows it.
    pub fn same(&self, values: &[f32], (rows, dim): (usize, usize)) -> Gradient<f32> {
        let (mut indices, mut map, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        let mut named = BTreeSet::new();
        let counted = self.count.map_or(usize::MAX, |count| count as usize);
        for (entry, &row) in self.indices.iter().enumerate().take(counted) {
            let value_row = match &self.map {
                Some((map, _)) => map[entry] as usize,
                None if self.of_rows => row as usize,
                None => entry,
            };
            let is_padding = self.padding.is_some_and(|padding| row == i64::from(padding));
            if row >= rows as i64 || is_padding || (value_row + 1) * dim > values.len() {
                continue;
            }
            let lanes = &values[value_row * dim..(value_row + 1) * dim];
            let is_finite = lanes.iter().all(|lane| lane.is_finite());
            let left_out = self.non_finite == NonFinite::Skipped && !is_finite;
            if left_out || (self.of_rows && !named.insert(row)) {
                continue;
            }
            indices.push(row);
            map.push(value_row as u32);
            weights.extend(self.weights.as_ref().map(|weights| weights[entry]));
        }
        let weights = self.weights.as_ref().map(|_| &*weights);
        Gradient { indices, values: gather_values(values, dim, &map, weights) }
    }
}

/// Sets the gradients of tables by one list. Returns each table's values, and what its twin knows.
pub fn set(
    pair: &mut Pair,
    rng: &mut Rng,
    list: &List,
    taking: &[usize],
) -> Vec<(usize, Vec<f32>, Gradient<f32>)> {
    let indices = list.index_list(pair);
    let (mut all, mut drawn) = (Vec::new(), Vec::new());
    for &table in taking {
        let (twin, format) = (&pair.twins[table], pair.stored[table].values);
        let shape = (twin.rows(), twin.dim);
        let values = list.values(rng, shape, format);
        all.push((pair.ids[table], held(pair, &values, format)));
        let same = list.same(&values, shape);
        drawn.push((table, values, same));
    }
    pair.optimizer.set_grads(indices, all).unwrap();
    drawn
}

/// Values of a parameter in buffers of their own.
pub fn held(pair: &mut Pair, values: &[f32], format: Format) -> GradValues {
    match values {
        [] => GradValues::new(pair.hold(&[0u32])),
        values => GradValues::new(pair.hold(&format.pack(values))).format(format),
    }
}
