//! Where the tables of a case lie, and what their gradients are of.

use super::Case;
use crate::headless::Gpu;
use bytemuck::Pod;
use sparse_adam::Region;
use wgpu::Buffer;

/// Multiple that a binding may begin at, on any device.
const ALIGNMENT: u64 = 256;

/// What lies there.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Table,
    Ids,
    Values,
}

/// One buffer of each kind, or one of each table.
#[derive(Debug)]
pub struct Places {
    /// Each with its bytes that are taken.
    pools: Option<[(Buffer, u64); 3]>,
}

impl Places {
    pub fn new(gpu: &Gpu, case: &Case) -> Self {
        let bytes = |elements: u32| (4 * u64::from(elements)).next_multiple_of(ALIGNMENT);
        let pools = case.pooled.then(|| {
            let of_all =
                |each: &dyn Fn(u32) -> u32| (0..case.tables).map(|of| bytes(each(of))).sum();
            [
                ("tables", of_all(&|_| case.rows * case.dim)),
                ("ids", of_all(&|table| case.table_nnz(table))),
                ("values", of_all(&|table| case.value_rows(table) * case.dim)),
            ]
            .map(|(label, bytes)| (gpu.zeroed(label, bytes), 0))
        });
        Self { pools }
    }

    /// Where `contents` lie.
    pub fn of<T: Pod>(&mut self, gpu: &Gpu, kind: Kind, contents: &[T]) -> Region {
        let Some(pools) = &mut self.pools else {
            let label = ["table", "ids", "values"][kind as usize];
            return Region::from(gpu.upload(label, contents));
        };
        let (buffer, taken) = &mut pools[kind as usize];
        let (bytes, start) = (size_of_val(contents) as u64, *taken);
        *taken += bytes.next_multiple_of(ALIGNMENT);
        gpu.queue.write_buffer(buffer, start, bytemuck::cast_slice(contents));
        Region::new(buffer, start, bytes)
    }
}
