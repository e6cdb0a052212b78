//! The tests: ranks as threads, on the adapter of the environment, which must be there.

mod ranks {
    mod bits;
    mod checkpoints;
    mod clipping;
    mod errors;
    mod exchanges;
    mod golden;
    mod harness;
    mod lookup_errors;
    mod lookups;
    #[path = "../../examples/sharded_replay/over_ranks.rs"]
    mod over_ranks;
    mod overlap;
}
