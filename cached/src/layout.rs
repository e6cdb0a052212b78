//! What a row is, as bytes.

use crate::Error;
use sparse_adam::{RowWindow, SparseAdam};

/// The bytes of a row's record: its weights, its moments, what it has of its own, one behind the other, as they lie
/// on the GPU (little-endian words). Each is a multiple of 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Layout {
    /// Weights, `[dim]` of the parameter's format.
    pub weights: u32,
    /// Moments, f32 `[fields, dim]` ([`SparseAdam::moments`]).
    pub moments: u32,
    /// Counts and second moments of the row, u32 `[fields]` ([`SparseAdam::row_state`]); 0 without any.
    pub row_state: u32,
}

impl Layout {
    /// A layout of so many bytes, each a multiple of 4.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for other numbers, or no weights.
    pub fn new(weights: u32, moments: u32, row_state: u32) -> Result<Self, Error> {
        let layout = Self { weights, moments, row_state };
        let parts = [weights, moments, row_state];
        let whole = u64::from(weights) + u64::from(moments) + u64::from(row_state);
        if weights == 0 || parts.iter().any(|part| !part.is_multiple_of(4)) || whole > 1 << 31 {
            return Err(Error::Mismatch {
                what: "bytes of a row's parts",
                expected: "multiples of 4, weights, 2 GiB at most".into(),
                found: format!("{parts:?}"),
            });
        }
        Ok(layout)
    }

    /// That of torch's SparseAdam over f32 `[rows, dim]`: `12 * dim` bytes.
    ///
    /// # Errors
    /// As [`Layout::new`].
    pub fn f32(dim: u32) -> Result<Self, Error> {
        let bytes = dim.checked_mul(4).unwrap_or_default();
        Self::new(bytes, bytes.checked_mul(2).unwrap_or(1), 0)
    }

    /// Bytes of a record.
    pub fn bytes(&self) -> usize {
        self.weights as usize + self.moments as usize + self.row_state as usize
    }
}

/// A part of a row, and where the rows that are in the cache have it.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Words of it in a row.
    pub words: u32,
    /// Where it begins in a record, in words.
    pub at: u32,
    /// `[rows, words]` each.
    pub windows: Vec<RowWindow>,
}

/// The parts of a parameter's rows, as the optimizer has them.
pub(crate) fn parts(
    adam: &mut SparseAdam,
    param: sparse_adam::ParamId,
) -> Result<(Layout, Vec<Part>), Error> {
    let all = [adam.regions(param)?, adam.moments(param)?, adam.row_state(param)?];
    let mut bytes = [0; 3];
    for (bytes, windows) in bytes.iter_mut().zip(&all) {
        *bytes = windows.first().map_or(0, |window| window.region.size() / u64::from(window.rows));
    }
    let [weights, moments, row_state] = bytes.map(|bytes| u32::try_from(bytes).unwrap_or(1));
    let layout = Layout::new(weights, moments, row_state)?;
    let mut at = 0;
    let parts = all.into_iter().zip([weights, moments, row_state]).map(|(windows, bytes)| {
        let part = Part { words: bytes / 4, at, windows };
        at += part.words;
        part
    });
    Ok((layout, parts.filter(|part| part.words > 0).collect()))
}
