//! Ranks as processes of an MPI job.

use crate::rounds::{of_round, rounds};
use crate::transport::{Blocks, TIMEOUT, Transport};
use crate::watch::Watch;
use crate::{Error, launcher};
use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::datatype::{Partition, PartitionMut};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Destination, Source};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What a rank that ends tells in place of a block's length.
const GONE: u64 = u64::MAX;

/// A rank that is a process of an MPI job, started by `mpirun` or its like.
///
/// MPI lives on a thread of its own, which initialises and finalises it, so that a rank may be moved between threads.
/// What MPI itself cannot do ends the job, as is MPI's custom, and so do a panic, and an exchange that takes too long
/// ([`Mpi::timeout`]). A rank that is dropped
/// tells the others, whose next exchange fails with [`Error::RankLost`], and waits until each has heard of it.
#[derive(Debug)]
pub struct Mpi {
    rank: u32,
    size: u32,
    requests: Sender<Request>,
    thread: Option<JoinHandle<()>>,
    timeout: Duration,
    /// Who has been heard in the exchange that goes on.
    watch: Arc<Watch>,
}

#[derive(Debug)]
enum Request {
    Exchange(Blocks, Sender<Result<Blocks, Error>>),
    End,
    Abort,
}

impl Mpi {
    /// Initialises MPI: once in the life of a process.
    ///
    /// # Errors
    /// [`Error::MpiInUse`] where it was initialised before; [`Error::Launcher`] where the process is not a rank of the
    /// job that it was started for.
    pub fn init() -> Result<Self, Error> {
        let (requests, asked) = channel();
        let (opened, opening) = channel();
        let thread = thread::spawn(move || serve(&opened, &asked));
        // Without an answer the thread has panicked, and the job is being ended.
        let (rank, size, watch) = opening.recv().map_err(|_| Error::MpiInUse)??;
        Ok(Self { rank, size, requests, thread: Some(thread), timeout: TIMEOUT, watch })
    }

    /// How long an exchange may take (default 10 minutes): then this rank says on stderr what it waits for and for whom, and ends
    /// the job. [`Duration::MAX`] for one that is looked at in a debugger.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl Transport for Mpi {
    fn rank(&self) -> u32 {
        self.rank
    }

    fn size(&self) -> u32 {
        self.size
    }

    fn exchange(&mut self, doing: &str, send: Blocks) -> Result<Blocks, Error> {
        let (reply, received) = channel();
        let own = Error::RankLost { rank: self.rank };
        self.watch.begin();
        self.requests.send(Request::Exchange(send, reply)).map_err(|_| own.clone())?;
        match received.recv_timeout(self.timeout) {
            Ok(received) => received,
            Err(RecvTimeoutError::Disconnected) => Err(own),
            Err(RecvTimeoutError::Timeout) => {
                eprintln!("sparse_adam_mpi: {}", self.watch.told(self.rank, doing, self.timeout));
                // MPI's own thread is the only one that may call MPI, and it waits. The launcher ends the other ranks.
                std::process::abort()
            }
        }
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        let last = if thread::panicking() { Request::Abort } else { Request::End };
        // A thread that is gone has ended the job, or is about to.
        let _ = self.requests.send(last);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Rank, size, and who is heard.
type Opened = (u32, u32, Arc<Watch>);

/// The thread that MPI lives on.
fn serve(opened: &Sender<Result<Opened, Error>>, requests: &Receiver<Request>) {
    let Some((universe, _)) = mpi::initialize_with_threading(Threading::Funneled) else {
        let _ = opened.send(Err(Error::MpiInUse));
        return;
    };
    let world = universe.world();
    // Dropped before the universe, whose drop would wait for ranks that wait for this one.
    let _guard = AbortOnPanic(universe.world());
    let (rank, size) = (world.rank() as u32, world.size() as u32);
    let checked = launcher::check(size, |name| std::env::var(name).ok());
    let is_alone = checked.is_err();
    let host = mpi::environment::processor_name().unwrap_or_default();
    let watch = Arc::new(Watch::new(host, size));
    let _ = opened.send(checked.map(|()| (rank, size, Arc::clone(&watch))));
    if is_alone {
        return;
    }
    let mut lost = None;
    for request in requests {
        match request {
            Request::Exchange(send, reply) => {
                let received = match &lost {
                    Some(error) => Err(Error::clone(error)),
                    None => exchange(&world, &watch, &send),
                };
                lost = lost.or(received.as_ref().err().cloned());
                // The asker waits for it, unless it panics.
                let _ = reply.send(received);
            }
            Request::End => {
                // Who has heard of a rank that ends needs to tell nobody: all have.
                if lost.is_none() {
                    lengths(&world, &watch, &vec![GONE; size as usize]);
                }
                return;
            }
            Request::Abort => world.abort(1),
        }
    }
}

/// Ends the job where its thread panics.
struct AbortOnPanic(SimpleCommunicator);

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.abort(1);
        }
    }
}

/// Between looks at who has sent: at first the core is only lent, later the thread sleeps.
const LENT: Duration = Duration::from_millis(2);
const ASLEEP: Duration = Duration::from_micros(50);

/// Tells every rank the length of its block, and hears theirs, as each comes: so it is known who has not come yet.
fn lengths(world: &SimpleCommunicator, watch: &Watch, own: &[u64]) -> Vec<u64> {
    mpi::request::scope(|scope| {
        let send = |(rank, length)| world.process_at_rank(rank).immediate_send(scope, length);
        let sending: Vec<_> = (0..).zip(own).map(send).collect();
        let mut theirs = vec![None; own.len()];
        let mut last = Instant::now();
        while theirs.contains(&None) {
            let mut heard = false;
            for (rank, length) in theirs.iter_mut().enumerate().filter(|(_, held)| held.is_none()) {
                let source = world.process_at_rank(rank as i32);
                if let Some((message, _)) = source.immediate_matched_probe() {
                    *length = Some(message.matched_receive::<u64>().0);
                    watch.heard(rank);
                    heard = true;
                }
            }
            if heard {
                last = Instant::now();
            } else if last.elapsed() < LENT {
                thread::yield_now();
            } else {
                thread::sleep(ASLEEP);
            }
        }
        for sent in sending {
            sent.wait();
        }
        theirs.into_iter().flatten().collect()
    })
}

fn exchange(world: &SimpleCommunicator, watch: &Watch, send: &Blocks) -> Result<Blocks, Error> {
    let own: Vec<_> = send.iter().map(|block| block.len() as u64).collect();
    let theirs = lengths(world, watch, &own);
    if let Some(rank) = theirs.iter().position(|&length| length == GONE) {
        return Err(Error::RankLost { rank: rank as u32 });
    }
    let (mut largest, most) = (0u64, own.iter().copied().max().unwrap_or(0));
    world.all_reduce_into(&most, &mut largest, SystemOperation::max());
    // MPI counts what a rank sends and receives at once in i32.
    let part = (i32::MAX as u64 / own.len() as u64).max(1);
    let mut received = vec![Vec::new(); send.len()];
    for round in 0..rounds(largest, part) {
        let cut = |lengths: &[u64]| {
            lengths.iter().map(|&length| of_round(length, round, part)).collect::<Vec<_>>()
        };
        one_round(world, send, (&cut(&own), &cut(&theirs)), &mut received);
    }
    Ok(received)
}

/// Sends parts of blocks, and appends those that arrive.
fn one_round(
    world: &SimpleCommunicator,
    send: &Blocks,
    (own, theirs): (&[Range<u64>], &[Range<u64>]),
    received: &mut Blocks,
) {
    let sent = send
        .iter()
        .zip(own)
        .flat_map(|(block, part)| block[part.start as usize..part.end as usize].iter().copied());
    let sent: Vec<u32> = sent.collect();
    let (send_counts, send_places) = counts(own);
    let (counts, places) = counts(theirs);
    let mut arrived = vec![0u32; counts.iter().map(|&count| count as usize).sum()];
    let from = Partition::new(&sent[..], send_counts, send_places);
    let mut to = PartitionMut::new(&mut arrived[..], &counts[..], &places[..]);
    world.all_to_all_varcount_into(&from, &mut to);
    let mut rest = &arrived[..];
    for (block, &count) in received.iter_mut().zip(&counts) {
        let (part, left) = rest.split_at(count as usize);
        block.extend_from_slice(part);
        rest = left;
    }
}

/// How long parts are, and where each begins when they lie one behind the other.
fn counts(parts: &[Range<u64>]) -> (Vec<i32>, Vec<i32>) {
    let counts: Vec<_> = parts.iter().map(|part| (part.end - part.start) as i32).collect();
    let next = |at: &mut i32, &count: &i32| {
        let place = *at;
        *at += count;
        Some(place)
    };
    let places = counts.iter().scan(0, next).collect();
    (counts, places)
}
