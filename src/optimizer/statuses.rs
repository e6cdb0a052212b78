//! Reading what the GPU counted.

use crate::readback::{Reading, Wait};
use crate::{Error, ParamId, Region, SparseAdam, Status};
use std::sync::Arc;
use wgpu::{CommandEncoder, WasmNotSend};

impl SparseAdam {
    /// Reads what the GPU refused of a parameter's gradients, in the steps submitted before this call.
    ///
    /// The call itself submits a copy of 32 bytes; the future does not borrow the optimizer, and is
    /// ready once the device has done that and all that was submitted before. A poll of it looks
    /// whether the bytes have arrived and returns at once, so neither queue nor host is held up. Who
    /// blocks on it waits for the device.
    ///
    /// # Errors
    /// [`Error::UnknownParam`], [`Error::DeviceLost`], [`Error::OutOfMemory`], [`Error::Refused`].
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
    /// [`Error::DeviceLost`], [`Error::OutOfMemory`], [`Error::Refused`].
    pub fn status_all(
        &self,
    ) -> impl Future<Output = Result<Vec<(ParamId, Status)>, Error>> + WasmNotSend + use<> {
        let regions: Vec<_> = self.tables.iter().map(|table| table.status.clone()).collect();
        let (params, read) = (self.params(), self.statuses(&regions));
        async move { Ok(params.zip(read.await?).collect()) }
    }

    /// Where the GPU counts, for who reads back in a way of his own: [`Status::BYTES`] bytes of a buffer with
    /// usages `STORAGE`, `COPY_SRC` and `COPY_DST`, to be read with [`Status::from_bytes`]. They may
    /// be copied in the encoder of a step, behind it. It stays the same while no call has failed with
    /// [`Error::OutOfMemory`] in a browser.
    ///
    /// # Errors
    /// [`Error::UnknownParam`].
    pub fn status_region(&self, param: ParamId) -> Result<Region, Error> {
        Ok(self.table(param)?.status.clone())
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
        let status = &self.table(param)?.status;
        encoder.clear_buffer(status.buffer(), status.offset(), Some(status.size()));
        Ok(())
    }
}

#[cfg(test)]
#[path = "statuses_tests.rs"]
mod tests;
