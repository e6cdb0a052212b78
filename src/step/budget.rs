//! How many turns the loops of one invocation may take.
//!
//! llvmpipe before Mesa 25 counts the turns of a SIMD group of eight invocations, all loops added
//! up, nested and successive, and after 65,535 ends every loop at its next turn without a word
//! (gallivm, `lp_exec_endloop`: one counter a shader run, "shared between every loop"). A loop
//! whose body runs n times takes n + 1 turns, in a group as many as the slowest lane needs. So
//! each dispatch is planned to stay within [`TURNS`]: where a row has too many columns, it is
//! dealt out in slices to several workgroups, which changes no bit.

/// Most turns of an invocation: thirteen sixteenths of what the strictest driver lets it, so that
/// rows of up to 34 columns, of 272 numbers, need no slices whatever a block holds.
pub const TURNS: u32 = 53_248;

/// Most columns of a row: `inspect` alone walks whole rows, some columns per turn.
pub const MOST_COLUMNS: u32 = INSPECTED_AT_ONCE * (TURNS - 2);

/// Columns that a turn of `inspect` looks at.
pub const INSPECTED_AT_ONCE: u32 = 4;
