//! How long submissions take, by the GPU's clock and by the host's.

use crate::guard::{self, Guard};
use crate::readback::{Reading, Wait};
use crate::{Error, Region};
use futures::channel::oneshot;
use web_time::Instant;
use wgpu::{
    Buffer, BufferUsages, CommandEncoder, ComputePassDescriptor, ComputePassTimestampWrites,
    Features, PollType, QuerySet, QuerySetDescriptor, QueryType,
};

const LABEL: &str = "sparse_adam::tune";

/// Two queries: before the work, and behind it.
pub struct Stopwatch {
    queries: Option<(QuerySet, Buffer)>,
}

/// Seconds of a submission.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// By the GPU's clock, where it has one.
    pub gpu: Option<f64>,
    /// By the host's, with submitting and waiting.
    pub host: f64,
}

impl Span {
    /// The shorter of two, by each clock.
    pub fn min(self, other: Self) -> Self {
        let gpu = self.gpu.zip(other.gpu).map(|(one, other)| one.min(other));
        Self { gpu, host: self.host.min(other.host) }
    }
}

impl Stopwatch {
    /// # Errors
    /// As [`Guard::make`].
    pub fn new(guard: &Guard) -> Result<Self, Error> {
        if !guard.device.features().contains(Features::TIMESTAMP_QUERY) {
            return Ok(Self { queries: None });
        }
        let descriptor =
            QuerySetDescriptor { label: Some(LABEL), ty: QueryType::Timestamp, count: 2 };
        let set = guard.make(LABEL, 0, |device| device.create_query_set(&descriptor))?;
        let usage = BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC;
        Ok(Self { queries: Some((set, guard.buffer(LABEL, 16, usage)?)) })
    }

    /// Times what `record` records, waiting for it.
    ///
    /// # Errors
    /// Those of `record`; [`Error::DeviceLost`], [`Error::OutOfMemory`], [`Error::Refused`].
    pub async fn time(
        &self,
        guard: &Guard,
        record: impl FnOnce(&mut CommandEncoder) -> Result<(), Error>,
    ) -> Result<Span, Error> {
        guard.alive()?;
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some(LABEL) };
        let mut encoder = guard.device.create_command_encoder(&descriptor);
        self.write(&mut encoder, 0);
        record(&mut encoder)?;
        self.write(&mut encoder, 1);
        if let Some((set, resolved)) = &self.queries {
            encoder.resolve_query_set(set, 0..2, resolved, 0);
        }
        let commands = guard.make(LABEL, 0, |_| encoder.finish())?;
        let start = Instant::now();
        guard.make(LABEL, 0, |_| guard.queue.submit([commands]))?;
        finished(guard).await?;
        let host = start.elapsed().as_secs_f64();
        Ok(Span { gpu: self.read(guard).await?, host })
    }

    /// A pass of nothing but the clock.
    fn write(&self, encoder: &mut CommandEncoder, query: u32) {
        if let Some((query_set, _)) = &self.queries {
            let timestamp_writes = Some(ComputePassTimestampWrites {
                query_set,
                beginning_of_pass_write_index: Some(query),
                end_of_pass_write_index: None,
            });
            let descriptor = ComputePassDescriptor { label: Some(LABEL), timestamp_writes };
            drop(encoder.begin_compute_pass(&descriptor));
        }
    }

    async fn read(&self, guard: &Guard) -> Result<Option<f64>, Error> {
        let Some((_, resolved)) = &self.queries else {
            return Ok(None);
        };
        let mut ticks: Vec<u64> = Vec::new();
        let reading = Reading::start(guard, &[Region::from(resolved)])?;
        let take = |bytes: &[u8]| ticks = bytemuck::pod_collect_to_vec(bytes);
        reading.finish(guard, Wait::Block, take).await?;
        let [first, last] = [ticks[0], ticks[1]];
        // A clock that stands still, or that a pass without work does not write, counts nothing.
        let ticked = if first == 0 { 0 } else { last.saturating_sub(first) };
        Ok(Some(ticked as f64 * f64::from(guard.queue.get_timestamp_period()) / 1e9))
    }
}

/// Waits for all that was submitted: natively in the first poll of the future, so that nothing else has the CPU meanwhile; a browser
/// wakes it.
async fn finished(guard: &Guard) -> Result<(), Error> {
    let (sender, done) = oneshot::channel();
    // The receiver is only gone if the future was dropped: then nobody wants to know.
    guard.queue.on_submitted_work_done(move || {
        let _ = sender.send(());
    });
    guard::poll_device(&guard.device, PollType::wait_indefinitely())?;
    done.await.map_err(|gone| guard::lost_while(&format!("waiting for it: {gone}")))
}

/// Whether the GPU's clock is to be believed: it counts, twice the work takes it about twice as long, and it
/// agrees with the host's.
pub fn is_believed(once: Span, twice: Span) -> bool {
    let (Some(first), Some(second)) = (once.gpu, twice.gpu) else {
        return false;
    };
    let doubles = (1.6..=2.4).contains(&(second / first));
    let agrees = (0.5..=2.0).contains(&(second / twice.host));
    first > 0.0 && doubles && agrees
}

/// Seconds of one step, of submissions of `steps` and of twice as many, by one clock. What surrounds the steps is
/// in both, so it goes with the difference; where noise has swallowed that, the longer one counts.
pub fn step_seconds(once: f64, twice: f64, steps: u32) -> f64 {
    let difference = twice - once;
    let seconds = if difference > 0.2 * twice { difference } else { twice / 2.0 };
    (seconds / f64::from(steps)).max(1e-9)
}

/// The middle one, or of an even number the upper of the two; None of none.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_believed_only_where_it_counts_doubles_and_agrees() {
        let span = |gpu, host| Span { gpu, host };
        let judged = |[once, twice, host]: [f64; 3]| {
            is_believed(span(Some(once), host / 2.0), span(Some(twice), host))
        };
        assert!(judged([5.0, 10.0, 11.0]));
        assert!(!judged([0.0, 0.0, 11.0]), "it stands still");
        assert!(!judged([0.0, 10.0, 11.0]), "it began at 0");
        assert!(!judged([9.0, 10.0, 11.0]), "it does not double");
        assert!(!judged([2.0, 10.0, 11.0]), "it more than doubles");
        assert!(!judged([1.0, 2.0, 11.0]), "the host's says otherwise");
        assert!(!judged([10.0, 20.0, 9.0]), "the host's says otherwise");
        assert!(!is_believed(span(None, 1.0), span(None, 2.0)));
    }

    #[test]
    fn a_step_is_the_difference_unless_noise_has_swallowed_it() {
        assert_eq!(step_seconds(1.5, 2.5, 4), 0.25);
        assert_eq!(step_seconds(2.4, 2.5, 5), 0.25);
        assert_eq!(step_seconds(0.0, 0.0, 5), 1e-9);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
