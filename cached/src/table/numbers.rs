//! The rows' numbers in the table, by which the optimizer draws random bits for them.

use super::lanes::Lane;
use crate::Error;
use crate::gpu::Gpu;
use crate::layout::{Layout, Part};
use crate::moves::{Mover, Ready, Rows, Way};
use crate::plan::Load;
use crate::table::lanes::list;
use sparse_adam::{ParamId, Region, Rounding, SparseAdam};
use wgpu::{Buffer, BufferUsages};

/// Of each slot, the number of its row, u32 `[slots]`: the low 32 bits.
#[derive(Debug)]
pub(super) struct Numbers {
    region: Region,
    mover: Mover,
}

impl Numbers {
    /// Has a parameter draw by numbers of its own, where it draws.
    ///
    /// # Errors
    /// Those of [`SparseAdam::set_row_numbers`] and of the device.
    pub fn new(
        gpu: &Gpu,
        adam: &mut SparseAdam,
        param: ParamId,
        slots: u32,
    ) -> Result<Option<Self>, Error> {
        if adam.state_storage(param)?.rounding == Rounding::Nearest {
            return Ok(None);
        }
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
        let buffer = gpu.buffer("numbers of rows", 4 * u64::from(slots), usage)?;
        let binding = gpu.device.limits().max_storage_buffer_binding_size;
        let part = Part::of_numbers(&buffer, slots, binding);
        let mover = Mover::new(gpu, Layout::new(4, 0, 0)?, vec![part])?;
        let region = Region::new(&buffer, 0, 4 * u64::from(slots));
        adam.set_row_numbers(param, &region)?;
        Ok(Some(Self { region, mover }))
    }

    /// Whether the optimizer reads them.
    pub fn are_read(&self, adam: &SparseAdam, param: ParamId) -> Result<bool, Error> {
        Ok(adam.row_numbers(param)?.as_ref() == Some(&self.region))
    }

    /// What writes the numbers of rows that are loaded into their slots, `to`.
    pub fn ready(
        &self,
        gpu: &Gpu,
        lane: &mut Lane,
        (loads, to): (&[Load], &Buffer),
    ) -> Result<Ready, Error> {
        let numbers: Vec<u32> = loads.iter().map(|load| load.row as u32).collect();
        let records = list(gpu, "numbers of loaded rows", &mut lane.numbers, &numbers)?;
        let rows = Rows { way: Way::Scatter, list: to, records: &records, count: loads.len() };
        self.mover.ready(gpu, &mut lane.numbers_uniform, &[rows])
    }
}
