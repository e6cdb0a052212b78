//! What the GPU refused.

/// Entries of one parameter's gradients that the GPU refused or remarked on, since it was added.
///
/// The counterpart of FBGEMM's bounds-check modes: nothing is ever written outside a table, a
/// bad entry is left out and counted, and the caller decides what to do about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
#[non_exhaustive]
pub struct Status {
    /// Entries whose index was negative or not below the table's size.
    pub out_of_range: u32,
    /// Entries whose value row lay outside the values.
    pub bad_value_row: u32,
    /// Entries whose value row held an infinity or a NaN, where that is looked for
    /// ([`NonFinite`](crate::NonFinite)). They are left out only if asked for.
    pub non_finite: u32,
    /// Entries of a row named before, where a promise that there are none is checked
    /// ([`Duplicates::NoneChecked`](crate::Duplicates::NoneChecked)). They are applied.
    pub repeated: u32,
}

impl Status {
    /// Whether there was nothing to refuse or remark on.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}
