//! A step that is ready, written into an encoder: at once, each part with the GPU's clock around it, or in two halves, around
//! what is made of the norm's total.

use super::passes::passes;
use super::ready::Ready;
use super::{Recorder, Tables};
use crate::step::stages::Stage;
use crate::timestamps::{Timed, Timestamps};
use wgpu::{CommandEncoder, ComputePassDescriptor};

const LABEL: &str = "sparse_adam::step";

impl Recorder {
    /// Records the step that is ready, with `tables` as they were when it was made.
    pub fn record(
        &mut self,
        encoder: &mut CommandEncoder,
        tables: &impl Tables,
        timestamps: Option<Timestamps<'_>>,
    ) {
        self.begin(encoder, tables);
        if let Some(timestamps) = timestamps {
            let label = Some(LABEL);
            // A part without dispatches writes its timestamps too.
            for part in Timed::ALL {
                let timestamp_writes = Some(timestamps.of(part));
                let descriptor = ComputePassDescriptor { label, timestamp_writes };
                let mut pass = encoder.begin_compute_pass(&descriptor);
                let of_part = self.ready.iter().filter(|ready| ready.part == part);
                of_part.for_each(|ready| ready.write(&mut pass));
            }
        } else {
            write_passes(&self.ready, encoder);
        }
        // What is ready would hold the caller's buffers.
        self.ready.clear();
    }

    fn begin(&mut self, encoder: &mut CommandEncoder, tables: &impl Tables) {
        tables.copy_inputs(encoder);
        for &(table, at) in &self.numbered {
            tables.copy_numbers(table, encoder, (&self.scratch.sorted, at));
        }
        self.dispatches = self.ready.len() as u32;
        if let Some(norm) = self.norm.as_ref().filter(|norm| norm.in_halves) {
            norm.clear_total(encoder);
        }
    }

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

fn write_passes(ready: &[Ready], encoder: &mut CommandEncoder) {
    for of_pass in passes(ready, |ready| ready.part) {
        let descriptor = ComputePassDescriptor { label: Some(LABEL), timestamp_writes: None };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        of_pass.iter().for_each(|ready| ready.write(&mut pass));
    }
}
