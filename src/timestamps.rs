//! Where the GPU's time goes in a step.

use crate::Error;
use crate::guard::Guard;
use wgpu::{CommandEncoderDescriptor, ComputePassDescriptor, Features, QueryType};

/// The parts of a step that [`Timestamps`] tells apart, in their order: entries become sorted
/// pairs (`ingest`, `sort`), long runs are summed and a norm is found (`partial`), rows are updated (`update`). A small
/// step is sorted in `ingest`. Copies of accumulated gradients and of counts are in none.
pub const TIMED_STAGES: &[&str] = &["ingest", "sort", "partial", "update"];

/// A part of a step, in the order of [`TIMED_STAGES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timed {
    Ingest,
    Sort,
    Partial,
    Update,
}

impl Timed {
    pub const ALL: [Self; 4] = [Self::Ingest, Self::Sort, Self::Partial, Self::Update];
}

/// Where [`SparseAdam::step_with_timestamps`](crate::SparseAdam::step_with_timestamps) writes the
/// GPU's clock: query `first + 2 k` when stage `k` of [`TIMED_STAGES`] begins, the next one when it
/// ends. A stage that a step does not need begins and ends at once; on
/// Metal, where a pass without a dispatch writes no time, both of its queries are 0 instead, and some
/// versions of macOS write 0 for all: look before you believe.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Timestamps<'a> {
    /// A set of type `Timestamp` with at least `first + 2 * TIMED_STAGES.len()` queries. The device needs
    /// `Features::TIMESTAMP_QUERY`.
    pub query_set: &'a wgpu::QuerySet,
    /// The first query.
    pub first: u32,
}

/// Queries that a step writes.
const QUERIES: u32 = 2 * TIMED_STAGES.len() as u32;

impl<'a> Timestamps<'a> {
    /// Queries of `query_set` from number `first` on.
    #[must_use]
    pub fn new(query_set: &'a wgpu::QuerySet, first: u32) -> Self {
        Self { query_set, first }
    }
}

impl Timestamps<'_> {
    /// Checks that a step can write its timestamps.
    pub(crate) fn check(self, guard: &Guard) -> Result<(), Error> {
        if !guard.device.features().contains(Features::TIMESTAMP_QUERY) {
            return Err(Error::Unsupported {
                what: "a step with timestamps on a device without Features::TIMESTAMP_QUERY",
                remedy: "request the feature with the device, or use step",
            });
        }
        let limit = match self.query_set.ty() {
            QueryType::Timestamp => self.query_set.count(),
            _ => {
                return Err(Error::Unsupported {
                    what: "a query set that is not of type Timestamp",
                    remedy: "make one of QueryType::Timestamp",
                });
            }
        };
        let found = u64::from(self.first) + u64::from(QUERIES);
        if found > u64::from(limit) {
            return Err(Error::TooLarge {
                what: "end of the queries that a step with timestamps writes".into(),
                found,
                limit: limit.into(),
                remedy: "start earlier, or make a larger query set",
            });
        }
        self.try_out(guard)
    }

    /// A pass of the library's own, never submitted, tells of a set of another device.
    fn try_out(self, guard: &Guard) -> Result<(), Error> {
        guard.make("timestamps in the query set that was given", 0, |device| {
            let label = Some("sparse_adam::timestamps");
            let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor { label });
            let timestamp_writes = Some(self.of(Timed::Ingest));
            drop(encoder.begin_compute_pass(&ComputePassDescriptor { label, timestamp_writes }));
            drop(encoder.finish());
        })
    }

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
