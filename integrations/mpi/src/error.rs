//! What can go wrong between ranks.

/// An error of this crate. A step that returns one changed nothing on any rank, unless it says otherwise.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The optimizer of this rank refused.
    #[error(transparent)]
    Core(#[from] sparse_adam::Error),
    /// A number of ranks that there cannot be.
    #[error("{found} ranks, expected 1 to 65,536")]
    RankCount {
        /// The number.
        found: u32,
    },
    /// A rank ended, by a panic or an early return.
    #[error(
        "rank {rank} is gone: its thread or process ended; end this rank too, and look at what rank {rank} said"
    )]
    RankLost {
        /// The rank.
        rank: u32,
    },
    /// A rank sent nothing for longer than a transport waits.
    #[error(
        "rank {rank} sent nothing for {seconds} s, in {doing}: look at what it does; a longer timeout lets it take its time"
    )]
    Silent {
        /// The rank.
        rank: u32,
        /// What this rank was about to do.
        doing: String,
        /// How long it waited, in seconds.
        seconds: u64,
    },
    /// Another rank's call returned an error of its own.
    #[error("rank {rank} failed: {reason}; mend it there, this rank changed nothing")]
    Peer {
        /// The rank.
        rank: u32,
        /// The text of its error.
        reason: String,
    },
    /// Another rank called something else, or has other tables or options.
    #[error(
        "this rank: {here}; rank {rank}: {there}; make the same calls with the same tables and options on all ranks"
    )]
    Disagree {
        /// The other rank.
        rank: u32,
        /// What this rank does.
        here: String,
        /// What the other does.
        there: String,
    },
    /// A rank sent what cannot be read.
    #[error("what rank {rank} sent cannot be read; run the same build of this crate on all ranks")]
    Garbled {
        /// The rank.
        rank: u32,
    },
    /// A gradient whose values do not fit its ids.
    #[error(
        "the gradient of {table:?} has {found} values, expected {expected}: a row of the table's for each id, or bag"
    )]
    WrongLength {
        /// The table.
        table: String,
        /// Values needed.
        expected: usize,
        /// Values there.
        found: usize,
    },
    /// An entry of a gradient whose bag there is not.
    #[error("the gradient of {table:?} names bag {found}, there are {bags}: mend the map")]
    NoSuchBag {
        /// The table.
        table: String,
        /// The bag.
        found: u32,
        /// How many there are.
        bags: u32,
    },
    /// More than one device can take.
    #[error("{what}: {found}, at most {limit}; use more ranks, or smaller batches")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Its size.
        found: u64,
        /// The largest size.
        limit: u64,
    },
    /// A combination that this crate does not do.
    #[error("{what} is not supported over ranks; {remedy}")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A process that is not a rank of the job that it was started for, or was started without a launcher.
    #[error(
        "the launcher tells {told}, MPI found {found} ranks; start the program with the mpirun of the MPI that it was built with"
    )]
    Launcher {
        /// What the launcher tells.
        told: String,
        /// Ranks that MPI found.
        found: u32,
    },
    /// MPI was initialised before in this process.
    #[error(
        "MPI was initialised before; a process is one rank, and has one World::init in its life"
    )]
    MpiInUse,
}
