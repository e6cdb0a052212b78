//! Our sort, as a step has it: over a table of one column, so that the rest is small.

use crate::pairs::ROWS;
use crate::sort::{About, Sort};
use sparse_adam::reference::{self, Gradient};
use sparse_adam::{AdamOptions, Form, Param, ParamId, SparseAdam, SparseGrad, Timestamps};
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use wgpu::{CommandEncoder, QuerySet};

/// Where an adapter rounds in its own way.
const RTOL: f32 = 2e-6;
const ATOL: f32 = 1e-6;

pub struct Ours<'a> {
    gpu: &'a Gpu,
    optimizer: SparseAdam,
    param: ParamId,
    grad: SparseGrad,
}

impl<'a> Ours<'a> {
    /// Ready to step, and seen to sum each row's own entries in their order: what the sort is
    /// for.
    pub fn checked(gpu: &'a Gpu, ids: &[u32]) -> Result<Self, Box<dyn Error>> {
        let mut optimizer = SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::default())?;
        let table = gpu.zeroed("table", 4 * u64::from(ROWS));
        let param = optimizer.add_param(Param::new("table", &table, [ROWS, 1]))?;
        let values: Vec<f32> = (0..ids.len() as u32).map(value).collect();
        let (indices, rows) = (gpu.upload("ids", ids), gpu.upload("values", &values));
        let grad = SparseGrad::new(&indices, &rows, ids.len() as u32);
        let mut ours = Self { gpu, optimizer, param, grad };
        ours.check(ids, values)?;
        Ok(ours)
    }

    fn exact(&self) -> bool {
        self.optimizer.tuning().form == Form::Serial
    }

    /// Steps once: the first moments are the sums of the rows' values, but for a factor.
    fn check(&mut self, ids: &[u32], values: Vec<f32>) -> Result<(), Box<dyn Error>> {
        let mut encoder = crate::sort::encoder(self.gpu);
        self.record(&mut encoder)?;
        self.gpu.queue.submit([encoder.finish()]);
        let state = pollster::block_on(self.optimizer.state_of(self.param))?;
        let found = state.ok_or("the optimizer has no state after a step")?.exp_avg;
        let mut twin = reference::Table::new(vec![0.0; ROWS as usize], 1);
        let indices = ids.iter().map(|&id| id.into()).collect();
        reference::step(&mut twin, &Gradient { indices, values }, &AdamOptions::default());
        for (row, (&found, &wanted)) in found.iter().zip(&twin.exp_avg).enumerate() {
            if !agree(found, wanted, self.exact()) {
                let what = format!("exp_avg [{row}] is {found:?}, the CPU twin has {wanted:?}");
                return Err(what.into());
            }
        }
        Ok(())
    }
}

/// The value of an entry: fractions, whose sums tell in which order they were added.
fn value(entry: u32) -> f32 {
    (entry.wrapping_mul(0x9e37_79b1) >> 8) as f32 / (1 << 24) as f32 - 0.5
}

fn agree(found: f32, wanted: f32, exact: bool) -> bool {
    let near = || (found - wanted).abs() <= ATOL + RTOL * wanted.abs();
    found.to_bits() == wanted.to_bits() || (!exact && near())
}

impl Sort for Ours<'_> {
    fn about(&self) -> About {
        About { peer: "sparse-adam", version: None, wall_of: "whole step" }
    }

    fn checked(&self) -> &'static str {
        if self.exact() { "bit-equal" } else { "within 2e-6 and 1e-6" }
    }

    fn gpu(&self) -> &Gpu {
        self.gpu
    }

    fn record(&mut self, encoder: &mut CommandEncoder) -> Result<(), Box<dyn Error>> {
        self.optimizer.set_grad(self.param, self.grad.clone())?;
        Ok(self.optimizer.step(encoder)?)
    }

    /// From the beginning of ingest to the end of sort, the first two of the timed stages.
    fn record_clocked(
        &mut self,
        encoder: &mut CommandEncoder,
        query_set: &QuerySet,
    ) -> Result<[u32; 2], Box<dyn Error>> {
        self.optimizer.set_grad(self.param, self.grad.clone())?;
        self.optimizer.step_with_timestamps(encoder, Timestamps::new(query_set, 0))?;
        Ok([0, 3])
    }
}
