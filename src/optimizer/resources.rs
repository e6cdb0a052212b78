//! What the library holds on the device.

use crate::table::State;
use crate::{Region, SparseAdam};
use std::collections::HashSet;

/// What an optimizer holds on the device, and what it has made in its life.
///
/// In a steady state (the same tables, buffers and entry counts as in one of the four steps before) a
/// step makes nothing but, once in 1,024 changed slots, a chunk of uniforms and its bind groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resources {
    /// Bytes of moments: `8 * rows * dim` per parameter that has had a gradient, `12 * rows * dim` with amsgrad,
    /// `4 * rows * dim` in bf16; with a second moment per row 4 less per value and 4 more per row; where rows count, 4 per
    /// row and count. Moments of up to 64 MiB of parameters in one buffer, made by one step, lie in one buffer too, which has some
    /// bytes between them and is let go of with the last of them.
    pub state_bytes: u64,
    /// Bytes of scratch, which grows in powers of two to what the largest step needs: `16` per
    /// entry, `4 * dim / 63` more an entry for long runs, `8` more where there are weights, `4`
    /// more on CPU adapters, `4 * ceil(dim / 16)` more where gradients are clipped by their norm,
    /// the sort's histogram, and the value rows of accumulated gradients.
    pub scratch_bytes: u64,
    /// Bytes of the current chunk of uniforms.
    pub uniform_bytes: u64,
    /// Chunks of uniforms made so far.
    pub uniform_chunks: u64,
    /// Bind groups made so far.
    pub bind_groups: u64,
    /// Pipelines made so far, by all optimizers of the kit.
    pub pipelines: usize,
}

impl SparseAdam {
    /// What the library holds on the device and has made so far.
    pub fn resources(&self) -> Resources {
        let states = self.tables.iter().filter_map(|table| table.state.as_ref());
        // Several may lie in one buffer; which one it is does not change with what is in it.
        #[allow(clippy::mutable_key_type)]
        let buffers: HashSet<_> = states.flat_map(State::regions).map(Region::buffer).collect();
        let state_bytes = buffers.into_iter().map(wgpu::Buffer::size).sum();
        let gathered = self.tables.iter().filter_map(|table| table.extras.gathered.as_ref());
        let gathered: u64 = gathered.map(wgpu::Buffer::size).sum();
        let scratch_bytes = self.recorder.scratch.bytes() + gathered;
        Resources {
            state_bytes,
            scratch_bytes,
            uniform_bytes: self.recorder.uniforms.bytes(),
            uniform_chunks: self.recorder.uniforms.chunks(),
            bind_groups: self.recorder.bind_groups.created(),
            pipelines: self.recorder.kit.pipelines().created(),
        }
    }

    /// Lets go of what only saves later steps from making it: bind groups, and with them the
    /// caller's buffers that the last steps used; scratch; copies of accumulated gradients. State,
    /// gradients that are set, uniforms and pipelines stay. For an optimizer that rests; the next
    /// step makes anew what it needs.
    pub fn trim(&mut self) {
        self.recorder.trim();
        for table in &mut self.tables {
            table.extras = crate::table::Extras::default();
        }
    }
}
