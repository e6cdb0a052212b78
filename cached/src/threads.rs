//! Threads that read from a store, several at once, and one that writes to it, in order.

use crate::{Error, RowStore};
use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Fewest rows that a thread of their own is asked for.
const FEWEST: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that read.
#[derive(Debug)]
pub(crate) struct Readers {
    /// None while they are ended.
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

/// Records on their way from a store, in parts.
#[derive(Debug)]
pub(crate) struct Reading {
    parts: Receiver<(usize, Result<Vec<u8>, Error>)>,
    expected: usize,
    arrived: Vec<(usize, Vec<u8>)>,
}

impl Readers {
    /// So many threads, at least one.
    pub fn new(threads: usize) -> Result<Self, Error> {
        let (jobs, taken) = channel::<Job>();
        let taken = Arc::new(Mutex::new(taken));
        let run = |taken: Arc<Mutex<Receiver<Job>>>| {
            move || {
                loop {
                    // Let go of before the job runs.
                    let job = locked(&taken).recv();
                    match job {
                        Ok(job) => job(),
                        Err(_) => return,
                    }
                }
            }
        };
        let spawn = |_| thread::Builder::new().name("cached-read".into()).spawn(run(taken.clone()));
        let threads = (0..threads.max(1)).map(spawn).collect::<io::Result<_>>();
        Ok(Self { jobs: Some(jobs), threads: threads.map_err(Error::io("starting a thread"))? })
    }

    /// Begins to read rows.
    pub fn read<S: RowStore>(&self, store: &Arc<S>, rows: &[u64]) -> Reading {
        let (done, parts) = channel();
        let each = rows.len().div_ceil(self.threads.len() * 2).max(FEWEST);
        for (at, rows) in (0..).step_by(each).zip(rows.chunks(each)) {
            let (store, rows, done) = (Arc::clone(store), rows.to_vec(), done.clone());
            let job = move || {
                let mut records = vec![0; rows.len() * store.layout().bytes()];
                let read = store.read(&rows, &mut records).map(|()| records);
                // Nobody waits for what a dropped plan asked for.
                let _ = done.send((at, read));
            };
            if let Some(jobs) = &self.jobs {
                // Where all threads have ended, `done` is gone, which whoever waits is told.
                let _ = jobs.send(Box::new(job));
            }
        }
        Reading { parts, expected: rows.len().div_ceil(each), arrived: Vec::new() }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Reading {
    /// Waits for what is missing; whether it had to. The records follow in [`Reading::parts`].
    ///
    /// # Errors
    /// The store's; [`Error::Io`] where a thread has ended.
    pub fn wait(&mut self) -> Result<bool, Error> {
        let mut waited = false;
        while self.arrived.len() < self.expected {
            let part = self.parts.try_recv().or_else(|_| {
                waited = true;
                self.parts.recv()
            });
            let ended = |_| Error::io("reading from a store")(io::Error::other("a thread ended"));
            let (at, records) = part.map_err(ended)?;
            self.arrived.push((at, records?));
        }
        Ok(waited)
    }

    /// What has arrived: records, and the place of the first of them.
    pub fn parts(&self) -> &[(usize, Vec<u8>)] {
        &self.arrived
    }
}

/// Rows to be written.
#[derive(Debug)]
pub(crate) struct Write {
    /// The batch that evicted them.
    pub batch: u64,
    pub rows: Vec<u64>,
    pub records: Vec<u8>,
}

#[derive(Debug, Default)]
struct Queue {
    /// The first of them is being written.
    writes: VecDeque<Arc<Write>>,
    landed: Vec<u64>,
    failed: Option<Error>,
    /// Nothing is written before the next retry.
    stopped: bool,
    ended: bool,
}

/// A thread that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<(Mutex<Queue>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub fn new<S: RowStore>(store: Arc<S>) -> Result<Self, Error> {
        let shared = Arc::new((Mutex::new(Queue::default()), Condvar::new()));
        let of_thread = Arc::clone(&shared);
        let run = move || {
            let _told = Ended(&of_thread);
            while let Some(write) = next(&of_thread) {
                let result = store.write(&write.rows, &write.records);
                let mut queue = locked(&of_thread.0);
                match result {
                    Ok(()) => {
                        queue.writes.pop_front();
                        queue.landed.push(write.batch);
                    }
                    Err(error) => (queue.failed, queue.stopped) = (Some(error), true),
                }
                of_thread.1.notify_all();
            }
        };
        let spawned = thread::Builder::new().name("cached-write".into()).spawn(run);
        Ok(Self { shared, thread: Some(spawned.map_err(Error::io("starting a thread"))?) })
    }

    /// Adds rows to what is to be written.
    pub fn push(&self, write: Write) {
        locked(&self.shared.0).writes.push_back(Arc::new(write));
        self.shared.1.notify_all();
    }

    /// The batches whose rows have been written since the last call.
    ///
    /// # Errors
    /// The store's, once. What could not be written is tried again after that.
    pub fn landed(&self) -> Result<Vec<u64>, Error> {
        let mut queue = locked(&self.shared.0);
        if let Some(error) = queue.failed.take() {
            queue.stopped = false;
            self.shared.1.notify_all();
            return Err(error);
        }
        Ok(std::mem::take(&mut queue.landed))
    }

    /// Waits until all has been written, or could not be.
    ///
    /// # Errors
    /// [`Error::Io`] where the thread has ended.
    pub fn wait(&self) -> Result<(), Error> {
        let mut queue = locked(&self.shared.0);
        while !queue.writes.is_empty() && queue.failed.is_none() {
            if queue.ended {
                return Err(Error::io("writing to a store")(io::Error::other("its thread ended")));
            }
            queue = self.shared.1.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        locked(&self.shared.0).ended = true;
        self.shared.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Tells those who wait that the thread is gone, whatever ended it.
struct Ended<'a>(&'a (Mutex<Queue>, Condvar));

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        locked(&self.0.0).ended = true;
        self.0.1.notify_all();
    }
}

/// What is to be written next; None at the end, when what is left is let go of.
fn next(shared: &(Mutex<Queue>, Condvar)) -> Option<Arc<Write>> {
    let mut queue = locked(&shared.0);
    loop {
        match queue.writes.front() {
            _ if queue.ended => return None,
            Some(write) if !queue.stopped => return Some(Arc::clone(write)),
            _ => queue = shared.1.wait(queue).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// A lock, also where a thread panicked with it: what it guards is whole after every statement.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
