//! What the GPU refused.

use crate::Error;

/// Entries of one parameter's gradients that the GPU refused or remarked on, since it was added
/// or [`SparseAdam::reset_status`](crate::SparseAdam::reset_status) was last called.
///
/// The counterpart of FBGEMM's bounds-check modes: nothing is ever written outside a table, a
/// bad entry is left out and counted, and the caller decides what to do about it.
///
/// A counter goes up to 3 * 2^30 and stops there; it then reads `u32::MAX`.
///
/// On the GPU ([`SparseAdam::status_region`](crate::SparseAdam::status_region)) it is [`Status::BYTES`] bytes: a little-endian u32 each,
/// in the order of the fields below, then some that are reserved and 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
#[non_exhaustive]
pub struct Status {
    /// Entries whose index was negative or not below the table's size.
    pub out_of_range: u32,
    /// Entries whose value row lay outside the values.
    pub bad_value_row: u32,
    /// Entries whose value row held an infinity or a NaN, where that is looked for
    /// ([`NonFinite`](crate::NonFinite)). They are left out only if asked for. Finite entries of a
    /// row whose sum is not finite are not among them.
    pub non_finite: u32,
    /// Entries of a row named before, where a promise that there are none is checked
    /// ([`Duplicates::NoneChecked`](crate::Duplicates::NoneChecked)). They are applied.
    pub repeated: u32,
    /// Entries of the row that is padding ([`SparseGrad::padding_idx`](crate::SparseGrad)). They
    /// are left out, as they should be: this is no mistake.
    pub padding: u32,
    /// Gradients whose count on the GPU ([`SparseGrad::count`](crate::SparseGrad)) was above their
    /// capacity when a step ran, once a step and gradient. What fits was applied, the rest lost.
    pub over_capacity: u32,
    /// New rows of a [`SparseAdam::remap_rows`](crate::SparseAdam::remap_rows) whose old row was no row of the table, and not
    /// [`RowMap::NONE`](crate::RowMap::NONE). They are as if it had been.
    pub bad_map_row: u32,
    pub(crate) reserved: u32,
}

impl Status {
    /// Where the GPU stops a counter; a few adds may lie beyond it.
    pub(crate) const FULL: u32 = 0xc000_0000;

    /// Its size on the GPU in bytes.
    pub const BYTES: u64 = size_of::<Self>() as u64;

    /// From the bytes of a [`SparseAdam::status_region`](crate::SparseAdam::status_region) that the caller has read back.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`] for fewer than [`Status::BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let Some(bytes) = bytes.get(..size_of::<Self>()) else {
            let (what, found) = ("a status".to_string(), bytes.len() as u64);
            return Err(Error::BufferTooSmall { what, expected: Self::BYTES, found });
        };
        Ok(bytemuck::pod_read_unaligned::<Self>(bytes).saturated())
    }

    /// Whether there was no mistake to refuse or remark on. Padding is none.
    pub fn is_clean(&self) -> bool {
        Self { padding: 0, ..*self } == Self::default()
    }

    /// What the GPU counted, with counters that it stopped shown as the largest number.
    pub(crate) fn saturated(self) -> Self {
        let shown = |count: u32| if count >= Self::FULL { u32::MAX } else { count };
        let words: [u32; size_of::<Self>() / 4] = bytemuck::cast(self);
        bytemuck::cast(words.map(shown))
    }
}
