//! The GPU's own time of each stage of a step, where the adapter has timestamps.

use crate::headless::Gpu;
use sparse_adam::Error;
use sparse_adam::{TIMED_STAGES, Timestamps};
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, CommandEncoder, Features, QuerySet, QuerySetDescriptor,
    QueryType,
};

/// Parts of a step that are told apart.
pub const STAGES: usize = TIMED_STAGES.len();
const QUERIES: u32 = 2 * STAGES as u32;

/// The clock of one step: two timestamps a stage.
pub struct GpuClock<'a> {
    gpu: &'a Gpu,
    queries: QuerySet,
    resolved: Buffer,
}

impl<'a> GpuClock<'a> {
    /// None where the adapter has no timestamps.
    #[must_use]
    pub fn new(gpu: &'a Gpu) -> Option<Self> {
        if !gpu.device.features().contains(Features::TIMESTAMP_QUERY) {
            return None;
        }
        let queries = gpu.device.create_query_set(&QuerySetDescriptor {
            label: Some("stages"),
            ty: QueryType::Timestamp,
            count: QUERIES,
        });
        let resolved = gpu.device.create_buffer(&BufferDescriptor {
            label: Some("stages"),
            size: 8 * u64::from(QUERIES),
            usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        Some(Self { gpu, queries, resolved })
    }

    /// Milliseconds of each stage of the step that `record` records.
    ///
    /// # Errors
    /// Those of `record`; [`Error::DeviceLost`].
    pub fn time_ms(
        &self,
        record: impl FnOnce(&mut CommandEncoder, Timestamps<'_>) -> Result<(), Error>,
    ) -> Result<[f64; STAGES], Error> {
        self.gpu.submit(|encoder| {
            record(encoder, Timestamps::new(&self.queries, 0))?;
            encoder.resolve_query_set(&self.queries, 0..QUERIES, &self.resolved, 0);
            Ok(())
        })?;
        let ticks = pollster::block_on(self.gpu.read::<u64>(&self.resolved))?;
        let period = f64::from(self.gpu.queue.get_timestamp_period());
        let ms = |stage: usize| {
            ticks[2 * stage + 1].saturating_sub(ticks[2 * stage]) as f64 * period / 1e6
        };
        Ok(std::array::from_fn(ms))
    }
}
