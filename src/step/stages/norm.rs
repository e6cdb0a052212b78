//! The stages that find the norm of a step's gradients, or of its rows'.

use super::Bound::{Read, ReadWrite, Uniform};
use super::Fragment::{
    AddTotal, Arithmetic, Blocks, Lane, Measured, Operations, Scalars, TakeTotal,
};
use super::Override::{Interleave, Limited, MaxLanes, Tile, Weighted, Workgroup};
use super::{
    Bound, COUNTED, Fragment, GRID, HEADS, LANES, RUN_SUMS, RUNS, SUMMING_PARALLEL, SUMMING_SERIAL,
    Spec, Stage, TILES, WINDOW_HEADS, plain_spec,
};
use crate::Form;

const ROWS_NAMED: Fragment = shared!("rows_named");
const SQUARE_ROW: Fragment = shared!("square_row");
const NORM_STATE: Fragment = shared!("norm_state");

const SERIAL: &[Fragment] =
    &[TILES, RUN_SUMS, HEADS, COUNTED, Scalars, Measured, Blocks, SQUARE_ROW];
const PARALLEL: &[Fragment] =
    &[RUN_SUMS, HEADS, WINDOW_HEADS, COUNTED, Scalars, Measured, Blocks, SQUARE_ROW];

const fn serial(stage: Stage, label: &'static str, bound: &'static [Bound]) -> Spec {
    let overrides = &[Workgroup, Weighted, Limited, Interleave];
    let wgsl = file!("squares_serial");
    let begins = SUMMING_SERIAL;
    Spec { stage, label, wgsl, begins, fragments: SERIAL, bound, reads_values: true, overrides }
}

const fn parallel(stage: Stage, label: &'static str, bound: &'static [Bound]) -> Spec {
    let overrides = &[Workgroup, MaxLanes, Weighted, Limited, Tile];
    let wgsl = file!("squares_parallel");
    let begins = SUMMING_PARALLEL;
    Spec { stage, label, wgsl, begins, fragments: PARALLEL, bound, reads_values: true, overrides }
}

/// Of a norm, and of a rule: with its words, and the parameter.
const BOUND: &[Bound] = &[Uniform, ReadWrite];
const ROW_BOUND: &[Bound] = &[Uniform, Uniform, ReadWrite, ReadWrite];

pub(super) const SQUARES_SERIAL: Spec =
    serial(Stage::SquaresSerial, "sparse_adam::squares_serial", BOUND);
pub(super) const SQUARES_PARALLEL: Spec =
    parallel(Stage::SquaresParallel, "sparse_adam::squares_parallel", BOUND);
pub(super) const ROW_SQUARES_SERIAL: Spec =
    serial(Stage::RowSquaresSerial, "sparse_adam::row_squares_serial", ROW_BOUND);
pub(super) const ROW_SQUARES_PARALLEL: Spec =
    parallel(Stage::RowSquaresParallel, "sparse_adam::row_squares_parallel", ROW_BOUND);

pub(super) const NORM_SUM: Spec = Spec {
    fragments: &[GRID, LANES, RUNS, ROWS_NAMED, NORM_STATE, AddTotal],
    bound: &[Uniform, Read, ReadWrite],
    overrides: &[Workgroup, MaxLanes],
    ..plain_spec(Stage::NormSum, "sparse_adam::norm_sum", file!("norm_sum"))
};

pub(super) const NORM_FACTOR: Spec = Spec {
    fragments: &[Lane, Operations, Arithmetic, Scalars, NORM_STATE, TakeTotal],
    bound: &[Uniform, ReadWrite],
    ..plain_spec(Stage::NormFactor, "sparse_adam::norm_factor", file!("norm_factor"))
};

impl Stage {
    pub fn row_squares(form: Form) -> Self {
        match form {
            Form::Serial => Self::RowSquaresSerial,
            Form::Parallel => Self::RowSquaresParallel,
        }
    }

    pub fn squares(form: Form) -> Self {
        match form {
            Form::Serial => Self::SquaresSerial,
            Form::Parallel => Self::SquaresParallel,
        }
    }
}
