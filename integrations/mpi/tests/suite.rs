//! The tests: ranks as threads, on the adapter of the environment, which must be there.
