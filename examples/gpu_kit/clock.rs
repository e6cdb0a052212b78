//! How long passes take, by the GPU's clock and by the host's.

use crate::finding::Failure;
use sparse_adam_testkit::headless::Gpu;
use std::time::Instant;
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, ComputePass, ComputePassDescriptor,
    ComputePassTimestampWrites, Features, QuerySet, QuerySetDescriptor, QueryType,
};

/// Two queries: where the first pass begins, and where the last one ends.
pub struct Clock {
    queries: Option<(QuerySet, Buffer)>,
}

/// Seconds between the beginning of the first pass and the end of the last.
#[derive(Clone, Copy)]
pub struct Span {
    /// By the GPU's clock, where it has one.
    pub gpu: Option<f64>,
    /// By the host's, with submitting and waiting.
    pub host: f64,
}

impl Clock {
    pub fn new(gpu: &Gpu) -> Self {
        let make = || {
            let queries = gpu.device.create_query_set(&QuerySetDescriptor {
                label: Some("gpu_kit"),
                ty: QueryType::Timestamp,
                count: 2,
            });
            let resolved = gpu.device.create_buffer(&BufferDescriptor {
                label: Some("gpu_kit"),
                size: 16,
                usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            (queries, resolved)
        };
        let has = gpu.device.features().contains(Features::TIMESTAMP_QUERY);
        Self { queries: has.then(make) }
    }

    /// Times `passes` passes, of which `record` fills each, given its number.
    pub fn span(
        &self,
        gpu: &Gpu,
        passes: u32,
        record: impl Fn(&mut ComputePass<'_>, u32),
    ) -> Result<Span, Failure> {
        let start = Instant::now();
        gpu.submit(|encoder| {
            for pass in 0..passes {
                let timestamp_writes = self.writes(pass == 0, pass + 1 == passes);
                let descriptor = ComputePassDescriptor { label: None, timestamp_writes };
                record(&mut encoder.begin_compute_pass(&descriptor), pass);
            }
            if let Some((queries, resolved)) = &self.queries {
                encoder.resolve_query_set(queries, 0..2, resolved, 0);
            }
            Ok(())
        })?;
        gpu.wait()?;
        let host = start.elapsed().as_secs_f64();
        let Some((_, resolved)) = &self.queries else {
            return Ok(Span { gpu: None, host });
        };
        let ticks = pollster::block_on(gpu.read::<u64>(resolved))?;
        let period = f64::from(gpu.queue.get_timestamp_period());
        let ticked = ticks[1].wrapping_sub(ticks[0]) as i64 as f64;
        Ok(Span { gpu: Some(ticked * period / 1e9), host })
    }

    fn writes(&self, first: bool, last: bool) -> Option<ComputePassTimestampWrites<'_>> {
        let (query_set, _) = self.queries.as_ref().filter(|_| first || last)?;
        Some(ComputePassTimestampWrites {
            query_set,
            beginning_of_pass_write_index: first.then_some(0),
            end_of_pass_write_index: last.then_some(1),
        })
    }
}
