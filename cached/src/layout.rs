//! What a row is, as bytes.

use crate::Error;
use sparse_adam::{Format, ParamId, Region, RowWindow, SparseAdam};
use wgpu::Buffer;

/// The bytes of a row's record: its weights, its moments, what it has of its own, one behind the other, as they lie
/// on the GPU (little-endian words). Each is a multiple of 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Layout {
    /// Weights, `[dim]` of the parameter's format; of an odd number of values of 16 bits, a half of zeros behind them.
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

/// Rows of the cache that lie behind one another, in one binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub first_row: u32,
    pub rows: u32,
    pub region: Region,
}

/// A part of a row, and where the rows that are in the cache have it.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Words of it in a record.
    pub words: u32,
    /// Where it begins in a record, in words.
    pub at: u32,
    /// Where rows are of so many values of 16 bits, an odd number, and share words in the cache.
    pub halves: Option<u32>,
    /// `[rows, words]` each, or `[rows, halves]`.
    pub windows: Vec<Window>,
}

impl Part {
    /// Numbers of slots, u32 `[slots]`, over bindings of `most` bytes at most: a record of its own.
    pub fn of_numbers(numbers: &Buffer, slots: u32, most: u64) -> Self {
        // 64 words begin where any device can bind.
        let each = (most / 4 / 64 * 64).clamp(64, 1 << 30) as u32;
        let window = |first_row: u32| {
            let rows = each.min(slots - first_row);
            let region = Region::new(numbers, 4 * u64::from(first_row), 4 * u64::from(rows));
            Window { first_row, rows, region }
        };
        let windows = (0..slots).step_by(each as usize).map(window).collect();
        Self { words: 1, at: 0, halves: None, windows }
    }
}

/// Values of a parameter's row.
pub(crate) fn values(adam: &SparseAdam, param: ParamId) -> Result<u64, Error> {
    Ok(adam.shape(param)?.iter().skip(1).map(|&axis| u64::from(axis)).product())
}

/// The parts of a parameter's rows, as the optimizer has them.
pub(crate) fn parts(adam: &mut SparseAdam, param: ParamId) -> Result<(Layout, Vec<Part>), Error> {
    let values = values(adam, param)?;
    let is_narrow = adam.format(param)? != Format::F32;
    let of_weights = if is_narrow { 4 * values.div_ceil(2) } else { 4 * values };
    let all = [adam.regions(param)?, adam.moments(param)?, adam.row_state(param)?];
    let of_row =
        |held: &RowWindow| held.region.size().checked_div(held.rows.into()).unwrap_or_default();
    let [_, moments, row_state] = all.each_ref().map(|windows| windows.first().map_or(0, of_row));
    let bytes = [of_weights, moments, row_state].map(|bytes| u32::try_from(bytes).unwrap_or(1));
    let layout = Layout::new(bytes[0], bytes[1], bytes[2])?;
    let halves = (is_narrow && !values.is_multiple_of(2)).then_some(values as u32);
    let mut at = 0;
    let parts = all.into_iter().zip(bytes).zip([halves, None, None]);
    let parts = parts.map(|((windows, bytes), halves)| {
        let window = |held: RowWindow| Window {
            first_row: held.first_row,
            rows: held.rows,
            region: held.region,
        };
        let windows = windows.into_iter().map(window).collect();
        let part = Part { words: bytes / 4, at, halves, windows };
        at += part.words;
        part
    });
    Ok((layout, parts.filter(|part| part.words > 0).collect()))
}
