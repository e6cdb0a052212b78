//! What the GPU refused.

use crate::readback::{Reading, Wait};
use crate::{Error, ParamId, Region, SparseAdam};
use std::sync::Arc;
use wgpu::{CommandEncoder, WasmNotSend};

/// Entries of one parameter's gradients that the GPU refused or remarked on, since it was added
/// or [`SparseAdam::reset_status`] was last called.
///
/// The counterpart of FBGEMM's bounds-check modes: nothing is ever written outside a table, a
/// bad entry is left out and counted, and the caller decides what to do about it.
///
/// A counter goes up to 3 * 2^30 and stops there; it then reads `u32::MAX`.
///
/// On the GPU ([`SparseAdam::status_region`]) it is [`Status::BYTES`] bytes: a little-endian u32 each,
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
    pub(crate) reserved: [u32; 2],
}

impl Status {
    /// Where the GPU stops a counter; a few adds may lie beyond it.
    pub(crate) const FULL: u32 = 0xc000_0000;

    /// Its size on the GPU in bytes.
    pub const BYTES: u64 = size_of::<Self>() as u64;

    /// From the bytes of a [`SparseAdam::status_region`] that the caller has read back.
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

impl SparseAdam {
    /// Reads what the GPU refused of a parameter's gradients, in the steps submitted before this call.
    ///
    /// The call itself submits a copy of 32 bytes; the future does not borrow the optimizer, and is
    /// ready once the device has done that and all that was submitted before. A poll of it looks
    /// whether the bytes have arrived and returns at once, so neither queue nor host is held up. Who
    /// blocks on it waits for the device.
    ///
    /// # Errors
    /// [`Error::UnknownParam`], [`Error::DeviceLost`], [`Error::OutOfMemory`].
    pub fn status(
        &self,
        param: ParamId,
    ) -> impl Future<Output = Result<Status, Error>> + WasmNotSend + use<> {
        let read = self.status_region(param).map(|region| self.statuses(&[region]));
        async move { Ok(read?.await?.into_iter().next().unwrap_or_default()) }
    }

    /// As [`SparseAdam::status`], of all parameters, in the order of [`SparseAdam::params`], with one
    /// submit.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::OutOfMemory`].
    pub fn status_all(
        &self,
    ) -> impl Future<Output = Result<Vec<(ParamId, Status)>, Error>> + WasmNotSend + use<> {
        let regions: Vec<_> = self.tables.iter().map(|table| Region::from(&table.status)).collect();
        let (params, read) = (self.params(), self.statuses(&regions));
        async move { Ok(params.zip(read.await?).collect()) }
    }

    /// Where the GPU counts, for who reads back in a way of his own: [`Status::BYTES`] bytes with
    /// usages `STORAGE`, `COPY_SRC` and `COPY_DST`, to be read with [`Status::from_bytes`]. They may
    /// be copied in the encoder of a step, behind it. It stays the same while no call has failed with
    /// [`Error::OutOfMemory`] in a browser.
    ///
    /// # Errors
    /// [`Error::UnknownParam`].
    pub fn status_region(&self, param: ParamId) -> Result<Region, Error> {
        Ok(Region::from(&self.table(param)?.status))
    }

    fn statuses(
        &self,
        regions: &[Region],
    ) -> impl Future<Output = Result<Vec<Status>, Error>> + WasmNotSend + use<> {
        let guard = Arc::clone(&self.recorder.guard);
        let times = guard.times_forgotten();
        let reading = Reading::start(&guard, regions);
        async move {
            let mut statuses = Vec::new();
            let take = |bytes: &[u8]| statuses.push(Status::from_bytes(bytes));
            reading?.finish(&guard, Wait::Yield, take).await?;
            guard.refused_since(times)?;
            statuses.into_iter().collect()
        }
    }

    /// Records that a parameter's counters start anew, at this place among the encoder's commands:
    /// steps recorded before still count towards the old numbers, steps recorded after towards new
    /// ones. Between looks of [`SparseAdam::status`], it tells one epoch's entries from the next's.
    ///
    /// # Errors
    /// [`Error::UnknownParam`], [`Error::DeviceLost`].
    pub fn reset_status(&self, param: ParamId, encoder: &mut CommandEncoder) -> Result<(), Error> {
        self.recorder.guard.alive()?;
        encoder.clear_buffer(&self.table(param)?.status, 0, None);
        Ok(())
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
