//! How the rows of a table are read and written.

use super::demand::TableDemand;
use super::shape::{DeviceShape, rows_per_window};
use super::stages::VALUE_WINDOWS;
use super::width::Width;
use crate::Tuning;
use crate::format::Formats;

/// How the gradient's values are bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Values {
    /// In one binding.
    One,
    /// In up to [`VALUE_WINDOWS`] bindings.
    Windows,
}

impl Values {
    pub fn bindings(self) -> usize {
        match self {
            Self::One => 1,
            Self::Windows => VALUE_WINDOWS,
        }
    }
}

/// How a table's rows are read: what the kernels that read them are specialised for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowAccess {
    pub width: Width,
    pub values: Values,
    pub weighted: bool,
    /// Whether entries are clipped.
    pub limited: bool,
    pub formats: Formats,
}

impl RowAccess {
    pub fn of(demand: &TableDemand, device: DeviceShape, tuning: &Tuning) -> Self {
        let width = device.width(demand.geometry.dim, tuning);
        let one = rows_per_value_window(demand, device) >= demand.value_rows;
        Self {
            width,
            values: if one { Values::One } else { Values::Windows },
            weighted: demand.weighted,
            limited: demand.limit.is_some(),
            formats: demand.formats,
        }
    }
}

/// Value rows that one binding holds.
pub fn rows_per_value_window(demand: &TableDemand, device: DeviceShape) -> u32 {
    let bytes = demand.formats.values.bytes(demand.geometry.dim.into());
    rows_per_window(demand.value_rows, bytes, bytes, device)
}
