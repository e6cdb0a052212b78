//! Recording what brings rows up to date.

use super::Recorder;
use crate::step::list::{Behind, flush};
use wgpu::{CommandEncoder, ComputePassDescriptor};

impl Recorder {
    /// Lists what brings rows of windows up to date, in the place of a step.
    pub fn prepare_flush(&mut self, windows: impl Iterator<Item = Behind>) {
        self.listed = None;
        flush(windows, (self.shape, self.kit.tuning()), &mut self.list);
    }

    /// Records what is ready as a pass of its own, which needs no inputs copied.
    pub fn record_ready(&mut self, encoder: &mut CommandEncoder, label: &'static str) {
        if !self.ready.is_empty() {
            let label = Some(label);
            let descriptor = ComputePassDescriptor { label, timestamp_writes: None };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            self.ready.iter().for_each(|ready| ready.write(&mut pass));
        }
        // What is ready would hold the caller's buffers.
        self.ready.clear();
    }
}
