//! Ranks as processes of an MPI job.

use crate::notes::{Note, noted, of_words, words_of};
use crate::rounds::{of_round, rounds};
use crate::transport::{Blocks, TIMEOUT, Transport};
use crate::watch::Watch;
use crate::{Error, launcher};
use mpi::Threading;
use mpi::datatype::{Partition, PartitionMut};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Destination, MatchedReceiveVec, Source};
use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A rank that is a process of an MPI job, started by `mpirun` or its like.
#[derive(Debug)]
pub(crate) struct Mpi {
    rank: u32,
    size: u32,
    requests: Sender<Request>,
    thread: Option<JoinHandle<()>>,
    /// Closed once the thread has finalised MPI.
    running: Receiver<Infallible>,
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
    /// # Errors
    /// [`Error::MpiInUse`], [`Error::Launcher`].
    pub fn init() -> Result<Self, Error> {
        let (requests, asked) = channel();
        let (opened, opening) = channel();
        let (runs, running) = channel();
        let thread = thread::spawn(move || {
            // Dropped at last, also by a panic.
            let _runs: Sender<Infallible> = runs;
            serve(&opened, &asked);
        });
        // Without an answer the thread has panicked, and the job is being ended.
        let (rank, size, watch) = opening.recv().map_err(|_| Error::MpiInUse)??;
        let thread = Some(thread);
        Ok(Self { rank, size, requests, thread, running, timeout: TIMEOUT, watch })
    }

    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Says who is waited for, and ends the job.
    fn give_up(&self, doing: &str) -> ! {
        eprintln!("sparse_adam_mpi: {}", self.watch.told(self.rank, doing, self.timeout));
        // MPI's own thread is the only one that may call MPI, and it waits. The launcher ends the other ranks.
        std::process::abort()
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
            Err(RecvTimeoutError::Timeout) => self.give_up(doing),
        }
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        let last = if thread::panicking() { Request::Abort } else { Request::End };
        self.watch.begin();
        // A thread that is gone has ended the job, or is about to.
        let _ = self.requests.send(last);
        // A rank that hangs outside its exchanges would never hear that this one ends.
        if self.running.recv_timeout(self.timeout) == Err(RecvTimeoutError::Timeout) {
            self.give_up("its own end");
        }
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
                    None => exchange(&world, &watch, send),
                };
                lost = lost.or(received.as_ref().err().cloned());
                // The asker waits for it, unless it panics.
                let _ = reply.send(received);
            }
            Request::End => {
                // Who has heard of a rank that ends needs to tell nobody: all have.
                if lost.is_none() {
                    notes(&world, &watch, vec![None; size as usize]);
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

/// Tells every rank of its block, and hears theirs, as each comes: so it is known who has not come yet.
fn notes(world: &SimpleCommunicator, watch: &Watch, own: Vec<Option<Note>>) -> Vec<Option<Note>> {
    let words: Vec<_> = own.into_iter().map(words_of).collect();
    mpi::request::scope(|scope| {
        let sending = (0..)
            .zip(&words)
            .map(|(rank, words)| world.process_at_rank(rank).immediate_send(scope, &words[..]));
        let sending: Vec<_> = sending.collect();
        let mut theirs = vec![None; words.len()];
        let mut last = Instant::now();
        while theirs.contains(&None) {
            let mut heard = false;
            for (rank, note) in theirs.iter_mut().enumerate().filter(|(_, held)| held.is_none()) {
                let source = world.process_at_rank(rank as i32);
                if let Some(sent) = source.immediate_matched_probe() {
                    *note = Some(of_words(sent.matched_receive_vec().0));
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

fn exchange(world: &SimpleCommunicator, watch: &Watch, mut send: Blocks) -> Result<Blocks, Error> {
    let (ranks, rank) = (send.len(), world.rank() as usize);
    // What a rank sends itself stays where it is.
    let kept = std::mem::take(&mut send[rank]);
    // MPI counts what a rank sends and receives at once in i32.
    let part = (i32::MAX as u64 / ranks as u64).max(1);
    let (own, rest) = noted(send);
    let theirs = notes(world, watch, own);
    if let Some(rank) = theirs.iter().position(Option::is_none) {
        return Err(Error::RankLost { rank: rank as u32 });
    }
    let theirs: Vec<_> = theirs.into_iter().flatten().collect();
    let largest = theirs.iter().map(|note| note.largest).max().unwrap_or(0);
    let lengths = |blocks: &Blocks| blocks.iter().map(|block| block.len() as u64).collect();
    let (own, left): (Vec<u64>, Vec<u64>) =
        (lengths(&rest), theirs.iter().map(|note| note.left).collect());
    let mut received: Blocks = theirs.into_iter().map(|note| note.words).collect();
    for round in 0..rounds(largest, part) {
        let cut = |lengths: &[u64]| {
            lengths.iter().map(|&length| of_round(length, round, part)).collect::<Vec<_>>()
        };
        one_round(world, &rest, (&cut(&own), &cut(&left)), &mut received);
    }
    received[rank] = kept;
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
