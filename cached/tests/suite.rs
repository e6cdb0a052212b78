//! Cached tables on every adapter, and their files.

#[path = "suite/equality.rs"]
mod equality;
#[path = "suite/errors.rs"]
mod errors;
