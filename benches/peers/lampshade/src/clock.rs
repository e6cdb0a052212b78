//! The GPU's own time from one query to another.

use crate::sort::{Sort, encoder};
use sparse_adam::TIMED_STAGES;
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, Features, QUERY_RESOLVE_BUFFER_ALIGNMENT, QuerySet,
    QuerySetDescriptor, QueryType,
};

/// As many as a step of ours writes.
const QUERIES: u32 = 2 * TIMED_STAGES.len() as u32;

pub struct GpuClock {
    queries: QuerySet,
    /// The ticks of the beginning, and behind the alignment those of the end.
    resolved: Buffer,
}

impl GpuClock {
    /// None where the adapter has no timestamps.
    pub fn new(gpu: &Gpu) -> Option<Self> {
        if !gpu.device.features().contains(Features::TIMESTAMP_QUERY) {
            return None;
        }
        let queries = gpu.device.create_query_set(&QuerySetDescriptor {
            label: Some("sort"),
            ty: QueryType::Timestamp,
            count: QUERIES,
        });
        let resolved = gpu.device.create_buffer(&BufferDescriptor {
            label: Some("sort"),
            size: QUERY_RESOLVE_BUFFER_ALIGNMENT + 8,
            usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        Some(Self { queries, resolved })
    }

    /// Milliseconds of one run.
    pub fn time_ms(&self, sort: &mut dyn Sort) -> Result<f64, Box<dyn Error>> {
        let mut encoder = encoder(sort.gpu());
        let span = sort.record_clocked(&mut encoder, &self.queries)?;
        for (query, offset) in span.into_iter().zip([0, QUERY_RESOLVE_BUFFER_ALIGNMENT]) {
            encoder.resolve_query_set(&self.queries, query..query + 1, &self.resolved, offset);
        }
        let gpu = sort.gpu();
        gpu.queue.submit([encoder.finish()]);
        let ticks = pollster::block_on(gpu.read::<u64>(&self.resolved))?;
        let end = ticks[QUERY_RESOLVE_BUFFER_ALIGNMENT as usize / 8];
        let period = f64::from(gpu.queue.get_timestamp_period());
        Ok(end.saturating_sub(ticks[0]) as f64 * period / 1e6)
    }
}
