//! How numbers are stored: of the parameter, of its state, of a gradient's values.

use crate::rule::Rule;

/// How a number is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    F32,
}

impl Format {
    /// Bytes of `count` numbers.
    pub const fn bytes(self, count: u64) -> u64 {
        match self {
            Self::F32 => 4 * count,
        }
    }
}

/// The formats of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Formats {
    pub param: Format,
    pub state: Format,
    pub values: Format,
}

/// Bytes per row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowBytes {
    pub param: u64,
    /// Of all fields of the state of its values.
    pub state: u64,
    /// Of what it has of its own.
    pub rows: u64,
    pub values: u64,
}

impl RowBytes {
    /// Of rows of `dim` values.
    pub fn of(dim: u32, formats: Formats, rule: Rule) -> Self {
        let dim = u64::from(dim);
        Self {
            param: formats.param.bytes(dim),
            state: formats.state.bytes(dim * rule.state().len() as u64),
            rows: 4 * rule.row_state().len() as u64,
            values: formats.values.bytes(dim),
        }
    }
}
