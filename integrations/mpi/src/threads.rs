//! Ranks as threads of one process.

use crate::transport::{Blocks, TIMEOUT, Transport};
use crate::{Error, Ranks};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// A rank that is a thread: channels to and from every rank.
///
/// A rank that is dropped, also by a panic, is lost to the others: their next exchange fails, and nobody waits
/// for it.
#[derive(Debug)]
pub struct Threads {
    rank: u32,
    to: Vec<Sender<Vec<u32>>>,
    from: Vec<Receiver<Vec<u32>>>,
    timeout: Duration,
}

impl Threads {
    /// The ends of a group of `ranks`, in order of rank, each to be moved into a thread of its own.
    #[must_use]
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

    /// How long an exchange waits for a rank, before it is [`Error::Silent`] (default 10 minutes).
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Runs `body` on a thread for each of `ranks`, and returns what they returned, by rank. A panic of one goes on
    /// here, once all have ended.
    pub fn run<T: Send>(ranks: Ranks, body: impl Fn(Self) -> T + Sync) -> Vec<T> {
        thread::scope(|scope| {
            let body = &body;
            let spawn = |end| scope.spawn(move || body(end));
            let running: Vec<_> = Self::group(ranks).into_iter().map(spawn).collect();
            let ended: Vec<_> = running.into_iter().map(thread::ScopedJoinHandle::join).collect();
            let value = |ended: thread::Result<T>| {
                ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            ended.into_iter().map(value).collect()
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(count: u32) -> Ranks {
        Ranks::new(count).unwrap()
    }

    #[test]
    fn blocks_arrive_by_rank_in_every_exchange() {
        for count in 1..=5 {
            Threads::run(ranks(count), |mut end| {
                let rank = end.rank();
                for round in 0..20 {
                    // A block's length differs too, and may be 0.
                    let block =
                        |owner: u32| vec![100 * rank + owner; ((owner + round) % 3) as usize];
                    let received = end.exchange("t", (0..count).map(block).collect()).unwrap();
                    for (source, block) in (0..).zip(received) {
                        assert_eq!(block, vec![100 * source + rank; ((rank + round) % 3) as usize]);
                    }
                }
            });
        }
    }

    #[test]
    fn a_rank_that_is_gone_is_named_and_nobody_waits_for_it() {
        let heard = Threads::run(ranks(3), |mut end| match end.rank() {
            1 => None,
            _ => end.exchange("t", vec![Vec::new(); 3]).err(),
        });
        assert_eq!(heard[1], None);
        for rank in [0, 2] {
            // A rank whose exchange failed is gone too, for the other.
            let lost = heard[rank].as_ref().unwrap();
            assert!(
                matches!(lost, Error::RankLost { rank: lost } if *lost as usize != rank),
                "{lost}"
            );
        }
    }

    #[test]
    #[should_panic(expected = "of rank 1")]
    fn a_panic_of_a_rank_ends_all() {
        Threads::run(ranks(2), |mut end| {
            assert!(end.rank() == 0, "of rank 1");
            assert!(end.exchange("t", vec![Vec::new(); 2]).is_err());
        });
    }
    #[test]
    fn a_rank_that_sends_nothing_is_named_with_what_it_is_waited_for() {
        let short = Duration::from_millis(50);
        let mut ends: Vec<_> =
            Threads::group(ranks(2)).into_iter().map(|end| end.timeout(short)).collect();
        let silent = ends[0].exchange("step 3", vec![Vec::new(); 2]);
        assert_eq!(silent, Err(Error::Silent { rank: 1, doing: "step 3".into(), seconds: 0 }));
    }
}
