//! How the entries of a gradient name rows.

use crate::{Rng, Shape};
use sparse_adam::reference::Gradient;

/// How often rows are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Each row at most once.
    Once,
    /// Every row equally often.
    Anywhere,
    /// Every entry names one row.
    Hot,
    /// Two entries of three name row 0, as padding does.
    Padding,
    /// Runs of up to 63 entries beside runs of one: the longest wait in a SIMD group.
    Ragged,
    /// Rows in order, some of them often, as those of a sorted list.
    InOrder,
    /// In order, but for one entry.
    NearlyInOrder,
}

impl Named {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Once,
        Self::Anywhere,
        Self::Hot,
        Self::Padding,
        Self::Ragged,
        Self::InOrder,
        Self::NearlyInOrder,
    ];

    /// Any of them.
    pub fn any(rng: &mut Rng) -> Self {
        Self::ALL[rng.below(Self::ALL.len())]
    }

    /// A gradient of up to `nnz` entries, in no order where its name does not say so.
    ///
    /// # Panics
    /// Where the table has no rows.
    pub fn gradient(self, rng: &mut Rng, (rows, dim): Shape, nnz: usize) -> Gradient<f32> {
        let indices = self.indices(rng, rows, nnz);
        let values = rng.floats(indices.len() * dim);
        Gradient { indices, values }
    }

    fn indices(self, rng: &mut Rng, rows: usize, nnz: usize) -> Vec<i64> {
        let mut indices: Vec<i64> = match self {
            Self::Once => (0..rows.min(nnz) as i64).collect(),
            Self::Anywhere | Self::InOrder | Self::NearlyInOrder => {
                (0..nnz).map(|_| rng.below(rows) as i64).collect()
            }
            Self::Hot => vec![rng.below(rows) as i64; nnz],
            Self::Padding => {
                let index = |rng: &mut Rng| if rng.below(3) > 0 { 0 } else { rng.below(rows) };
                (0..nnz).map(|_| index(rng) as i64).collect()
            }
            Self::Ragged => {
                let length = |row: usize| if row.is_multiple_of(8) { 63 } else { 1 + row % 2 };
                let runs = (0..rows).flat_map(|row| std::iter::repeat_n(row as i64, length(row)));
                runs.take(nnz).collect()
            }
        };
        match self {
            Self::InOrder => indices.sort_unstable(),
            Self::NearlyInOrder => {
                indices.sort_unstable();
                if nnz > 0 {
                    let (one, other) = (rng.below(nnz), rng.below(nnz));
                    indices.swap(one, other);
                }
            }
            _ => rng.shuffle(&mut indices),
        }
        indices
    }
}
