//! A step that is recorded in two halves, around what is made of the norm's total.

use super::{Recorder, Tables, write_passes};
use crate::step::stages::Stage;
use wgpu::CommandEncoder;

impl Recorder {
    /// Records what comes before the norm is taken of the total, of the step that is ready.
    pub fn record_until_norm(&mut self, encoder: &mut CommandEncoder, tables: &impl Tables) {
        if let Some(norm) = &mut self.norm {
            norm.in_halves = true;
        }
        self.begin(encoder, tables);
        let takes = self.list.iter().position(|of| of.kernel.stage == Stage::NormFactor);
        let rest = self.ready.split_off(takes.unwrap_or(self.ready.len()));
        write_passes(&self.ready, encoder);
        self.ready = rest;
    }

    /// Records the rest.
    pub fn record_rest(&mut self, encoder: &mut CommandEncoder) {
        write_passes(&self.ready, encoder);
        self.ready.clear();
    }

    /// Lets go of it.
    pub fn forget_rest(&mut self) {
        self.ready.clear();
    }
}
