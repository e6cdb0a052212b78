//! One rank of a group: a thread, or a process.

use crate::threads::Threads;
use crate::{Blocks, Error, Ranks, Transport};
use std::thread;
use std::time::Duration;

/// One rank of a group that exchanges words: a thread of this process ([`World::threads`]), or a process of an MPI job
/// (`World::init`, feature `mpi`).
///
/// Ranks of threads have channels to and from one another. A rank that is dropped, also by a panic, is lost to the others: their
/// next exchange fails with [`Error::RankLost`], and nobody waits for it.
///
/// Of a process, MPI lives on a thread of its own, which initialises and finalises it, so that a rank may be moved between
/// threads, and what travels does so beside what the device does. What MPI itself cannot do ends the job, as is MPI's custom, and so
/// do a panic, and an exchange that takes too long ([`World::timeout`]). A rank that is dropped tells the others, whose next exchange
/// fails with [`Error::RankLost`], and waits as long as for an exchange until each has heard of it.
#[derive(Debug)]
pub struct World(Kind);

#[derive(Debug)]
enum Kind {
    Threads(Threads),
    #[cfg(feature = "mpi")]
    Mpi(crate::mpi::Mpi),
}

impl World {
    /// This process, as a rank of the MPI job that it was started for; initialises MPI, once in the life of a process. Feature `mpi`.
    ///
    /// # Errors
    /// [`Error::MpiInUse`] where it was initialised before; [`Error::Launcher`] where the process is not a rank of the
    /// job that it was started for.
    #[cfg(feature = "mpi")]
    pub fn init() -> Result<Self, Error> {
        Ok(Self(Kind::Mpi(crate::mpi::Mpi::init()?)))
    }

    /// Ranks of this process, in order of rank, each to be moved into a thread of its own.
    #[must_use]
    pub fn threads(ranks: Ranks) -> Vec<Self> {
        Threads::group(ranks).into_iter().map(|end| Self(Kind::Threads(end))).collect()
    }

    /// Runs `body` on a thread for each of [`World::threads`], and returns what they returned, by rank. A panic of one goes
    /// on here, once all have ended.
    pub fn run<T: Send>(ranks: Ranks, body: impl Fn(Self) -> T + Sync) -> Vec<T> {
        thread::scope(|scope| {
            let body = &body;
            let spawn = |rank| scope.spawn(move || body(rank));
            let running: Vec<_> = Self::threads(ranks).into_iter().map(spawn).collect();
            let ended: Vec<_> = running.into_iter().map(thread::ScopedJoinHandle::join).collect();
            let value = |ended: thread::Result<T>| {
                ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            ended.into_iter().map(value).collect()
        })
    }

    /// How long an exchange waits for a rank (default 10 minutes). A thread's is [`Error::Silent`] then; a process says on stderr what
    /// it waits for and for whom, and ends the job. [`Duration::MAX`] for one that is looked at in a debugger.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(match self.0 {
            Kind::Threads(end) => Kind::Threads(end.timeout(timeout)),
            #[cfg(feature = "mpi")]
            Kind::Mpi(end) => Kind::Mpi(end.timeout(timeout)),
        })
    }
}

impl Transport for World {
    fn rank(&self) -> u32 {
        match &self.0 {
            Kind::Threads(end) => end.rank(),
            #[cfg(feature = "mpi")]
            Kind::Mpi(end) => end.rank(),
        }
    }

    fn size(&self) -> u32 {
        match &self.0 {
            Kind::Threads(end) => end.size(),
            #[cfg(feature = "mpi")]
            Kind::Mpi(end) => end.size(),
        }
    }

    fn exchange(&mut self, doing: &str, send: Blocks) -> Result<Blocks, Error> {
        match &mut self.0 {
            Kind::Threads(end) => end.exchange(doing, send),
            #[cfg(feature = "mpi")]
            Kind::Mpi(end) => end.exchange(doing, send),
        }
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
            World::run(ranks(count), |mut end| {
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
        let heard = World::run(ranks(3), |mut end| match end.rank() {
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
        World::run(ranks(2), |mut end| {
            assert!(end.rank() == 0, "of rank 1");
            assert!(end.exchange("t", vec![Vec::new(); 2]).is_err());
        });
    }

    #[test]
    fn a_rank_that_sends_nothing_is_named_with_what_it_is_waited_for() {
        let short = Duration::from_millis(50);
        let mut ends: Vec<_> =
            World::threads(ranks(2)).into_iter().map(|end| end.timeout(short)).collect();
        let silent = ends[0].exchange("step 3", vec![Vec::new(); 2]);
        assert_eq!(silent, Err(Error::Silent { rank: 1, doing: "step 3".into(), seconds: 0 }));
    }
}
