//! A transport that counts what another one moves, and how long that takes.

use sparse_adam_mpi::{Blocks, Error, Transport};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Since the last look.
#[derive(Clone, Copy, Default)]
pub struct Count {
    /// Bytes to other ranks.
    pub sent: u64,
    /// Bytes from all ranks, this one included.
    pub received: u64,
    pub milliseconds: f64,
}

/// Shared by a transport and who looks at it.
#[derive(Clone, Default)]
pub struct Counts(Arc<Mutex<Count>>);

impl Counts {
    /// What has been counted, which begins anew.
    pub fn take(&self) -> Count {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

pub struct Counted<T> {
    inner: T,
    counts: Counts,
}

impl<T> Counted<T> {
    pub fn new(inner: T, counts: Counts) -> Self {
        Self { inner, counts }
    }
}

impl<T: Transport> Transport for Counted<T> {
    fn rank(&self) -> u32 {
        self.inner.rank()
    }

    fn size(&self) -> u32 {
        self.inner.size()
    }

    fn exchange(&mut self, doing: &str, send: Blocks) -> Result<Blocks, Error> {
        let bytes = |block: &Vec<u32>| 4 * block.len() as u64;
        let own = self.rank() as usize;
        let others = send.iter().enumerate().filter(|(rank, _)| *rank != own);
        let sent: u64 = others.map(|(_, block)| bytes(block)).sum();
        let start = Instant::now();
        let received = self.inner.exchange(doing, send)?;
        let mut count = self.counts.0.lock().unwrap();
        count.milliseconds += 1e3 * start.elapsed().as_secs_f64();
        count.sent += sent;
        count.received += received.iter().map(bytes).sum::<u64>();
        Ok(received)
    }
}
