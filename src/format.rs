//! How numbers are stored: of the parameter, of its state, of a gradient's values.

use crate::narrow;
use crate::rule::Rule;
use crate::{AdamOptions, Error, SecondMoment};
use serde::{Deserialize, Serialize};

/// How a number is stored. All arithmetic is f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits, 11 of them significant, up to 65,504 (IEEE 754 binary16).
    F16,
    /// 16 bits, 8 of them significant, with the range of f32 (bfloat16).
    Bf16,
}

/// How an f32 becomes a number of 16 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rounding {
    /// To the nearest, ties to even: a step of less than half a spacing is lost.
    #[default]
    Nearest,
    /// Up or down, each with the probability that makes the expected value the f32 itself, up to the
    /// largest finite number. Which of the two depends on `seed`, the step's number, row and column, and
    /// on nothing else: not on the rest of the batch, nor on the adapter. The row counts by its place in the parameter, or by a
    /// number that the caller gives it ([`SparseAdam::set_row_numbers`](crate::SparseAdam::set_row_numbers)).
    /// [`SparseAdam::flush`](crate::SparseAdam::flush) draws bits of its own, by the step that it brings a row up to.
    Stochastic {
        /// Tables of one seed round equal rows and columns alike: give each its own.
        seed: u32,
    },
}

impl Rounding {
    /// What random bits are drawn from, where they are.
    pub(crate) fn drawn_from(self) -> Option<u32> {
        match self {
            Self::Nearest => None,
            Self::Stochastic { seed } => Some(seed),
        }
    }

    /// That of a saved state, where both draw; else this.
    pub(crate) fn or_as(self, saved: Self) -> Self {
        if self == Self::Nearest || saved == Self::Nearest { self } else { saved }
    }
}

impl Format {
    /// Bytes of `count` numbers.
    pub(crate) const fn bytes(self, count: u64) -> u64 {
        match self {
            Self::F32 => 4 * count,
            Self::F16 | Self::Bf16 => 2 * count,
        }
    }

    /// Whether two numbers share a word.
    pub(crate) const fn is_narrow(self) -> bool {
        !matches!(self, Self::F32)
    }

    /// `values` as they lie in a buffer, each rounded to the nearest: a word of 32 bits has one f32, or
    /// two numbers of 16 bits, the first in its low half. A last half that nothing fills is 0.
    #[must_use]
    pub fn pack(self, values: &[f32]) -> Vec<u32> {
        let bits = |value: f32| u32::from(narrow::nearest(self, value));
        match self {
            Self::F32 => values.iter().map(|value| value.to_bits()).collect(),
            Self::F16 | Self::Bf16 => values
                .chunks(2)
                .map(|pair| bits(pair[0]) | pair.get(1).map_or(0, |&high| bits(high) << 16))
                .collect(),
        }
    }

    /// The first `count` numbers of a buffer's `words`; fewer where there are fewer.
    #[must_use]
    pub fn unpack(self, words: &[u32], count: usize) -> Vec<f32> {
        let halves = |&word: &u32| [word as u16, (word >> 16) as u16];
        match self {
            Self::F32 => words.iter().take(count).map(|&word| f32::from_bits(word)).collect(),
            Self::F16 | Self::Bf16 => {
                let halves = words.iter().flat_map(halves).take(count);
                halves.map(|half| narrow::value(self, half)).collect()
            }
        }
    }
}

/// How a table is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Storage {
    pub param: Format,
    pub moments: Format,
    pub rounding: Rounding,
}

impl Storage {
    /// Checks it against the options of a group.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn check(self, options: &AdamOptions) -> Result<(), Error> {
        let refuse = |what, remedy| Err(Error::Unsupported { what, remedy });
        let is_stochastic = self.rounding != Rounding::Nearest;
        match self.moments {
            Format::F16 => refuse(
                "moments in f16, which has no second moment of a gradient below 3e-4,",
                "keep them in f32, or in bf16 with Rounding::Stochastic",
            ),
            Format::Bf16 if !is_stochastic => refuse(
                "moments in bf16 with Rounding::Nearest, where a second moment stops to change,",
                "use Rounding::Stochastic",
            ),
            Format::Bf16 if options.amsgrad => refuse(
                "amsgrad with moments in bf16, whose maximum rounding lets climb,",
                "keep the moments in f32",
            ),
            Format::Bf16 if options.second_moment == SecondMoment::Row => refuse(
                "a second moment per row with moments in bf16",
                "keep the moments in f32: they have 4 bytes per value all the same",
            ),
            Format::F32 if is_stochastic && !self.param.is_narrow() => refuse(
                "Rounding::Stochastic where parameter and moments are f32",
                "store one of them in 16 bits, or leave the rounding out",
            ),
            _ => Ok(()),
        }
    }
}

/// What kernels are specialised for: the formats of a table and of its gradient's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Formats {
    pub param: Format,
    pub moments: Format,
    pub values: Format,
    pub is_stochastic: bool,
    /// Whether its rows draw by numbers of the caller's.
    pub is_numbered: bool,
}

impl Formats {
    pub fn of(storage: Storage, values: Format) -> Self {
        let Storage { param, moments, rounding } = storage;
        let is_stochastic = rounding != Rounding::Nearest;
        Self { param, moments, values, is_stochastic, is_numbered: false }
    }

    /// Those of a table that draws by numbers of the caller's, where they are given and anything is drawn.
    pub fn numbered(self, given: bool) -> Self {
        Self { is_numbered: given && self.is_stochastic, ..self }
    }

    /// Those of kernels that read values alone.
    pub fn of_values(self) -> Self {
        Self { values: self.values, ..Self::default() }
    }
}

/// Bytes per row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowBytes {
    pub param: u64,
    /// Of all fields of the state of its values.
    pub state: u64,
    /// Of what it has of its own.
    pub rows: u64,
}

impl RowBytes {
    /// Of rows of `dim` values.
    pub fn of(dim: u32, storage: Storage, rule: Rule) -> Self {
        let (dim, fields) = (u64::from(dim), rule.state().len() as u64);
        // Both moments of a value share a word; other fields are f32.
        let words = if storage.moments.is_narrow() { fields - 1 } else { fields };
        let rows = 4 * rule.row_state().len() as u64;
        Self { param: storage.param.bytes(dim), state: 4 * dim * words, rows }
    }
}
