//! The GPU's own time of what an encoder holds, where the adapter has timestamps.

use sparse_adam::Error;
use sparse_adam::headless::Gpu;
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, CommandEncoder, ComputePassDescriptor,
    ComputePassTimestampWrites, Features, QuerySet, QuerySetDescriptor, QueryType,
};

/// Two timestamps, written by empty passes before and after what is timed.
pub struct GpuClock<'a> {
    gpu: &'a Gpu,
    queries: QuerySet,
    resolved: Buffer,
}

impl<'a> GpuClock<'a> {
    /// None where the adapter has no timestamps.
    pub fn new(gpu: &'a Gpu) -> Option<Self> {
        if !gpu.device.features().contains(Features::TIMESTAMP_QUERY) {
            return None;
        }
        let queries = gpu.device.create_query_set(&QuerySetDescriptor {
            label: Some("clock"),
            ty: QueryType::Timestamp,
            count: 2,
        });
        let resolved = gpu.device.create_buffer(&BufferDescriptor {
            label: Some("clock"),
            size: 16,
            usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        Some(Self { gpu, queries, resolved })
    }

    /// Milliseconds of what `record` records.
    pub fn time_ms(
        &self,
        record: impl FnOnce(&mut CommandEncoder) -> Result<(), Error>,
    ) -> Result<f64, Error> {
        self.gpu.submit(|encoder| {
            self.stamp(encoder, Some(0), None);
            record(encoder)?;
            self.stamp(encoder, None, Some(1));
            encoder.resolve_query_set(&self.queries, 0..2, &self.resolved, 0);
            Ok(())
        })?;
        let ticks = pollster::block_on(self.gpu.read::<u64>(&self.resolved))?;
        let period = f64::from(self.gpu.queue.get_timestamp_period());
        Ok(ticks[1].saturating_sub(ticks[0]) as f64 * period / 1e6)
    }

    fn stamp(&self, encoder: &mut CommandEncoder, begin: Option<u32>, end: Option<u32>) {
        drop(encoder.begin_compute_pass(&ComputePassDescriptor {
            label: Some("clock"),
            timestamp_writes: Some(ComputePassTimestampWrites {
                query_set: &self.queries,
                beginning_of_pass_write_index: begin,
                end_of_pass_write_index: end,
            }),
        }));
    }
}
