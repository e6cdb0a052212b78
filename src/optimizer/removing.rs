//! Letting go of parameters.

use crate::{Error, ParamId, SparseAdam};

impl SparseAdam {
    /// Lets go of a parameter: its state, its gradients and its place; memory of moments that share a buffer with others'
    /// ([`Resources::state_bytes`](crate::Resources::state_bytes)) once those are gone too. What was recorded before still runs. Its name is free
    /// again; the ids of all others stay valid, and its own is refused from now on. Its group stays, perhaps empty, so that
    /// groups have their ids too. In a state dict the others are numbered as if it had never been there, as torch numbers those
    /// of an optimizer that is made of them.
    ///
    /// # Errors
    /// [`Error::UnknownParam`], [`Error::RemovedParam`], [`Error::DeviceLost`]; those of what was made before, in a browser.
    pub fn remove_param(&mut self, param: ParamId) -> Result<(), Error> {
        self.begin()?;
        let number = self.number_of(param)?;
        self.tables.remove(number);
        self.places.remove(number);
        if let Some(before) = &mut self.before {
            before.remove(number);
        }
        // They would hold its buffers for some steps yet.
        self.recorder.bind_groups.clear();
        Ok(())
    }
}
