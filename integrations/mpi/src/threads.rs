//! Ranks as threads of one process: channels to and from every rank.

use crate::transport::{Blocks, TIMEOUT, Transport};
use crate::{Error, Ranks};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// A rank that is a thread.
#[derive(Debug)]
pub(crate) struct Threads {
    rank: u32,
    to: Vec<Sender<Vec<u32>>>,
    from: Vec<Receiver<Vec<u32>>>,
    timeout: Duration,
}

impl Threads {
    /// The ends of a group of `ranks`, in order of rank.
    pub fn group(ranks: Ranks) -> Vec<Self> {
        let all = 0..ranks.get();
        let end = |rank| Self { rank, to: Vec::new(), from: Vec::new(), timeout: TIMEOUT };
        let mut ends: Vec<_> = all.clone().map(end).collect();
        for source in all.clone() {
            for owner in all.clone() {
                let (sender, receiver) = channel();
                ends[source as usize].to.push(sender);
                ends[owner as usize].from.push(receiver);
            }
        }
        ends
    }

    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}

impl Transport for Threads {
    fn rank(&self) -> u32 {
        self.rank
    }

    fn size(&self) -> u32 {
        self.to.len() as u32
    }

    fn exchange(&mut self, doing: &str, send: Blocks) -> Result<Blocks, Error> {
        for ((rank, to), block) in (0..).zip(&self.to).zip(send) {
            to.send(block).map_err(|_| Error::RankLost { rank })?;
        }
        let seconds = self.timeout.as_secs();
        let told = |rank, error| match error {
            RecvTimeoutError::Disconnected => Error::RankLost { rank },
            RecvTimeoutError::Timeout => Error::Silent { rank, doing: doing.into(), seconds },
        };
        let received = (0..).zip(&self.from);
        let receive = |(rank, from): (u32, &Receiver<_>)| {
            from.recv_timeout(self.timeout).map_err(|error| told(rank, error))
        };
        received.map(receive).collect()
    }
}
