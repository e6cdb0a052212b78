//! The guides of the repository. They are here so that the README's links lead to them.

/// In a wgpu engine.
#[doc = ""]
#[doc = include_str!("../docs/embedding.md")]
pub mod embedding {}

/// Tables that grow, shrink and move.
#[doc = ""]
#[doc = "[memory]: architecture#memory"]
#[doc = "[speed]: speed"]
#[doc = ""]
#[doc = include_str!("../docs/growing.md")]
pub mod growing {}

/// What runs where.
#[doc = ""]
#[doc = "[numerics]: architecture#numerics"]
#[doc = "[reliability]: reliability"]
#[doc = ""]
#[doc = include_str!("../docs/backends.md")]
pub mod backends {}

/// What was done so that it holds.
#[doc = ""]
#[doc = include_str!("../docs/reliability.md")]
pub mod reliability {}

/// Over several devices and machines.
#[doc = ""]
#[doc = include_str!("../docs/scaling.md")]
pub mod scaling {}

/// How it is built.
// Its drawings are no Rust.
#[allow(rustdoc::invalid_rust_codeblocks)]
#[doc = ""]
#[doc = include_str!("../ARCHITECTURE.md")]
pub mod architecture {}

/// What made steps faster, and what did not.
#[doc = ""]
#[doc = include_str!("../benches/NOTES.md")]
pub mod speed {}
