//! The stages that find the norm of a step's gradients, or of its rows'.

use super::Bound::{Read, ReadWrite, Uniform};
use super::Fragment::{
    AddTotal, Arithmetic, Blocks, Lane, Norm, Operations, PartialSum, RuleGradient, Scalars,
    Stored, TakeTotal, Values,
};
use super::Override::{Interleave, Lanes, Limited, Tile, Weighted, Workgroup};
use super::{
    COUNTED, Fragment, GRID, HEADS, RUN_SUMS, RUNS, SLICES, SUMS, Spec, Stage, TILES, plain_spec,
};
use crate::Form;

const ROWS_NAMED: Fragment = shared!("rows_named");
const SQUARE_ROW: Fragment = shared!("square_row");
const NORM_GRADIENT: Fragment = shared!("norm_gradient");
const ROW_GRADIENT: Fragment = shared!("row_gradient");
const NORM_STATE: Fragment = shared!("norm_state");

pub(super) const SQUARES_SERIAL: Spec = Spec {
    fragments: &[
        Lane,
        Operations,
        Arithmetic,
        Stored,
        PartialSum,
        Values,
        GRID,
        TILES,
        SLICES,
        RUNS,
        SUMS,
        RUN_SUMS,
        HEADS,
        COUNTED,
        Scalars,
        Norm,
        NORM_GRADIENT,
        Blocks,
        SQUARE_ROW,
    ],
    bound: &[Uniform, ReadWrite],
    reads_values: true,
    overrides: &[Workgroup, Weighted, Limited, Interleave],
    ..plain_spec(Stage::SquaresSerial, "sparse_adam::squares_serial", file!("squares_serial"))
};

pub(super) const SQUARES_PARALLEL: Spec = Spec {
    fragments: &[
        Lane,
        Operations,
        Arithmetic,
        Stored,
        PartialSum,
        Values,
        GRID,
        SLICES,
        RUNS,
        SUMS,
        RUN_SUMS,
        HEADS,
        ROWS_NAMED,
        COUNTED,
        Scalars,
        Norm,
        NORM_GRADIENT,
        Blocks,
        SQUARE_ROW,
    ],
    bound: &[Uniform, ReadWrite],
    reads_values: true,
    overrides: &[Workgroup, Lanes, Weighted, Limited, Tile],
    ..plain_spec(Stage::SquaresParallel, "sparse_adam::squares_parallel", file!("squares_parallel"))
};

pub(super) const ROW_SQUARES_SERIAL: Spec = Spec {
    fragments: &[
        Lane,
        Operations,
        Arithmetic,
        Stored,
        PartialSum,
        Values,
        GRID,
        TILES,
        SLICES,
        RUNS,
        SUMS,
        RUN_SUMS,
        HEADS,
        COUNTED,
        Scalars,
        RuleGradient,
        ROW_GRADIENT,
        Blocks,
        SQUARE_ROW,
    ],
    bound: &[Uniform, Uniform, ReadWrite, ReadWrite],
    reads_values: true,
    overrides: &[Workgroup, Weighted, Limited, Interleave],
    ..plain_spec(
        Stage::RowSquaresSerial,
        "sparse_adam::row_squares_serial",
        file!("squares_serial"),
    )
};

pub(super) const ROW_SQUARES_PARALLEL: Spec = Spec {
    fragments: &[
        Lane,
        Operations,
        Arithmetic,
        Stored,
        PartialSum,
        Values,
        GRID,
        SLICES,
        RUNS,
        SUMS,
        RUN_SUMS,
        HEADS,
        ROWS_NAMED,
        COUNTED,
        Scalars,
        RuleGradient,
        ROW_GRADIENT,
        Blocks,
        SQUARE_ROW,
    ],
    bound: &[Uniform, Uniform, ReadWrite, ReadWrite],
    reads_values: true,
    overrides: &[Workgroup, Lanes, Weighted, Limited, Tile],
    ..plain_spec(
        Stage::RowSquaresParallel,
        "sparse_adam::row_squares_parallel",
        file!("squares_parallel"),
    )
};

pub(super) const NORM_SUM: Spec = Spec {
    fragments: &[GRID, RUNS, ROWS_NAMED, NORM_STATE, AddTotal],
    bound: &[Uniform, Read, ReadWrite],
    overrides: &[Workgroup, Lanes],
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
