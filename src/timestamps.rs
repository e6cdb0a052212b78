//! Where the GPU's time goes in a step.

/// The parts of a step that [`Timestamps`] tells apart, in their order: entries become sorted
/// pairs (`ingest`, `sort`), long runs are summed (`partial`), rows are updated (`update`). A small
/// step is sorted in `ingest`. Copies of accumulated gradients and of counts are in none.
pub const TIMED_STAGES: [&str; 4] = ["ingest", "sort", "partial", "update"];

/// A part of a step, in the order of [`TIMED_STAGES`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timed {
    Ingest,
    Sort,
    Partial,
    Update,
}

impl Timed {
    pub const ALL: [Self; TIMED_STAGES.len()] =
        [Self::Ingest, Self::Sort, Self::Partial, Self::Update];
}

/// Where [`SparseAdam::step_with_timestamps`](crate::SparseAdam::step_with_timestamps) writes the
/// GPU's clock: query `first + 2 k` when stage `k` of [`TIMED_STAGES`] begins, the next one when it
/// ends. A stage that a step does not need begins and ends at once.
#[derive(Clone, Copy, Debug)]
pub struct Timestamps<'a> {
    /// A set of type `Timestamp` with at least `first + 8` queries. The device needs
    /// `Features::TIMESTAMP_QUERY`.
    pub query_set: &'a wgpu::QuerySet,
    /// The first query.
    pub first: u32,
}

impl Timestamps<'_> {
    /// Those of a part.
    pub(crate) fn of(&self, part: Timed) -> wgpu::ComputePassTimestampWrites<'_> {
        let begin = self.first + 2 * part as u32;
        wgpu::ComputePassTimestampWrites {
            query_set: self.query_set,
            beginning_of_pass_write_index: Some(begin),
            end_of_pass_write_index: Some(begin + 1),
        }
    }
}
