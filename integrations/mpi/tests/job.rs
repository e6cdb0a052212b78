//! What is promised of ranks that are processes: started by `scripts/test-mpi.sh` under `mpirun`, once for each case.

use sparse_adam_mpi::{Blocks, Error, Transport, World};
use std::error::Error as AnyError;
use std::thread;
use std::time::Duration;

fn main() -> Result<(), Box<dyn AnyError>> {
    let case = std::env::args().nth(1).unwrap_or_default();
    let mut mpi = World::init()?;
    exchange(&mut mpi)?;
    match case.as_str() {
        "end" => end(mpi),
        "lost" => lost(mpi),
        "panic" => panic_of_one(mpi),
        "silent" => silent(mpi),
        "late" => late(mpi),
        _ => Err("expected a case: end, lost, panic, silent or late".into()),
    }
}

/// Blocks of any lengths, some of none, arrive by rank.
fn exchange(mpi: &mut World) -> Result<(), Error> {
    let (rank, size) = (mpi.rank(), mpi.size());
    // Of some exchanges, all blocks are short; of others, some or none.
    let length = |from: u32, to: u32, round: u32| {
        (from * 7 + to * 3 + round * 100) as usize % [20, 400, 2500][round as usize % 3]
    };
    for round in 0..20 {
        let block = |to: u32| vec![rank * 100 + to; length(rank, to, round)];
        let received = mpi.exchange("a test", (0..size).map(block).collect())?;
        for (from, block) in (0..).zip(received) {
            assert_eq!(block, vec![from * 100 + rank; length(from, rank, round)]);
        }
    }
    Ok(())
}

/// All end together.
fn end(mpi: World) -> Result<(), Box<dyn AnyError>> {
    assert!(matches!(World::init(), Err(Error::MpiInUse)), "a process is one rank");
    drop(mpi);
    Ok(())
}

/// A rank that ends early is named to the others, for good.
fn lost(mut mpi: World) -> Result<(), Box<dyn AnyError>> {
    if mpi.rank() == 1 {
        return Ok(());
    }
    for _ in 0..2 {
        let none: Blocks = vec![Vec::new(); mpi.size() as usize];
        assert_eq!(mpi.exchange("a test", none), Err(Error::RankLost { rank: 1 }));
    }
    Ok(())
}

/// The job ends, though rank 1 does nothing.
fn silent(mpi: World) -> Result<(), Box<dyn AnyError>> {
    let mut mpi = mpi.timeout(Duration::from_secs(2));
    if mpi.rank() == 1 {
        thread::sleep(Duration::from_secs(50));
    }
    let none: Blocks = vec![Vec::new(); mpi.size() as usize];
    let received = mpi.exchange("step 5", none);
    Err(format!("nobody ended the job: {received:?}").into())
}

/// The job ends, though rank 1 does nothing that would tell it of the others' end.
fn late(mpi: World) -> Result<(), Box<dyn AnyError>> {
    let rank = mpi.rank();
    let mpi = mpi.timeout(Duration::from_secs(2));
    if rank == 1 {
        thread::sleep(Duration::from_secs(50));
    }
    drop(mpi);
    Err("nobody ended the job".into())
}

/// The job ends, though the others wait for this rank.
fn panic_of_one(mut mpi: World) -> Result<(), Box<dyn AnyError>> {
    assert!(mpi.rank() != 1, "rank 1 panics, as it should");
    let none: Blocks = vec![Vec::new(); mpi.size() as usize];
    let received = mpi.exchange("a test", none);
    Err(format!("nobody ended the job: {received:?}").into())
}
