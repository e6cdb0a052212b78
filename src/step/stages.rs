//! The compute stages: one table of all that is known of each.

use crate::Form;

/// A compute stage; its name is that of its file, label, twin and test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    Ingest,
    IngestSmallSerial,
    IngestSmallParallel,
    Weigh,
    Inspect,
    SortSerialHistogram,
    SortSerialScan,
    SortSerialScatter,
    SortParallelHistogram,
    SortParallelScan,
    SortParallelScatter,
    Heads,
    Repeats,
    Partial,
    SquaresSerial,
    SquaresParallel,
    NormSum,
    NormFactor,
    RowSquaresSerial,
    RowSquaresParallel,
    Rows,
    UpdateSerial,
    UpdateParallel,
    Flush,
    FlushRows,
}

/// What a stage binds. Buffers of the caller's are always `ReadWrite`: an engine may hand out
/// slices of one buffer, which must not be bound both ways in one dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Uniform,
    Read,
    ReadWrite,
}

/// A piece of WGSL that a stage is joined from.
#[derive(Clone, Copy, Debug)]
pub enum Fragment {
    Text(&'static str),
    /// How a row is read, by its width.
    Lane,
    /// How it is computed with, by its width.
    Operations,
    /// What those operations are made of, by the tuning's arithmetic.
    Arithmetic,
    /// How numbers are stored, by their formats and the width.
    Stored,
    /// How a partial sum is read, by the width.
    PartialSum,
    /// How values are bound.
    Values,
    /// Reading a row ahead, where that is possible.
    Touch,
    Rule,
    /// The rule's numbers, and the gradient as it takes it.
    RuleGradient,
    /// What the rule does to what rows have of their own.
    RowRule,
    /// What the rule does to rows that are behind.
    CatchUp,
    /// How refused entries are counted, by the tuning's form.
    Counts,
    /// What the GPU knows of a step, where the rule reads it; without a rule, in any case.
    Scalars,
    /// How blocks of a row are added up, by the width.
    Blocks,
    /// What is added up for a norm, by its type.
    Norm,
    /// How blocks are added up to a total, by the norm's type and the form; and how the total is taken.
    AddTotal,
    TakeTotal,
}

/// A number that a stage's pipeline is specialised by.
#[derive(Clone, Copy, Debug)]
pub enum Override {
    Workgroup,
    Lanes,
    Weighted,
    Limited,
    Plain,
    Interleave,
    OfEntries,
    AtOnce,
    Tile,
    Strip,
}

/// All that is known of a stage.
#[derive(Debug)]
pub struct Spec {
    pub stage: Stage,
    /// The label of everything made for it.
    pub label: &'static str,
    /// Its own file, behind the fragments.
    pub wgsl: &'static str,
    pub fragments: &'static [Fragment],
    /// Its bindings from 0 on.
    pub bound: &'static [Bound],
    /// Whether it binds values too, from [`FIRST_VALUES`] on.
    pub reads_values: bool,
    pub overrides: &'static [Override],
}

/// The binding of the first window of values; the others follow it.
pub const FIRST_VALUES: u32 = 5;
/// Most bindings of values.
pub const VALUE_WINDOWS: usize = 5;
/// The binding of scalars that the GPU knows: a uniform buffer without a dynamic offset.
pub const SCALARS: u32 = FIRST_VALUES + VALUE_WINDOWS as u32;
/// One more than the highest binding of any stage.
pub const MOST_BINDINGS: usize = SCALARS as usize + 1;
/// Most uniform buffers of a stage with a dynamic offset, and in all.
pub const MOST_DYNAMIC: usize = 2;
pub const MOST_UNIFORMS: usize = 3;

impl Stage {
    pub fn spec(self) -> &'static Spec {
        &STAGES[self as usize]
    }

    pub fn ingest(form: Form, small: bool) -> Self {
        match (small, form) {
            (false, _) => Self::Ingest,
            (true, Form::Serial) => Self::IngestSmallSerial,
            (true, Form::Parallel) => Self::IngestSmallParallel,
        }
    }

    /// Histogram, scan, scatter.
    pub fn sort(form: Form) -> [Self; 3] {
        match form {
            Form::Serial => {
                [Self::SortSerialHistogram, Self::SortSerialScan, Self::SortSerialScatter]
            }
            Form::Parallel => {
                [Self::SortParallelHistogram, Self::SortParallelScan, Self::SortParallelScatter]
            }
        }
    }

    pub fn update(form: Form) -> Self {
        match form {
            Form::Serial => Self::UpdateSerial,
            Form::Parallel => Self::UpdateParallel,
        }
    }
}

macro_rules! file {
    ($($name:literal),+) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $($name,)+ ".wgsl"))
    };
}

macro_rules! shared {
    ($name:literal) => {
        Fragment::Text(file!("shared/", $name))
    };
}

// Behind the macros that it is written with.
mod norm;

const GRID: Fragment = shared!("grid");
const TILES: Fragment = shared!("tiles");
const SLICES: Fragment = shared!("slices");
const SORT: Fragment = shared!("sort");
const SCAN: Fragment = shared!("scan");
const RUNS: Fragment = shared!("runs");
const HEADS: Fragment = shared!("heads");
const LIST_HEADS: Fragment = shared!("list_heads");
const SUMS: Fragment = shared!("sums");
const COUNTED: Fragment = shared!("counted");
const ROW_STATE: Fragment = shared!("row_state");
const FLUSH_CONFIG: Fragment = shared!("flush_config");
const RUN_SUMS: Fragment = shared!("run_sums");
const UPDATE_ROW: Fragment = shared!("update_row");
const ENTRIES: Fragment = shared!("entries");
const TAKE_ENTRY: Fragment = shared!("take_entry");
const STATUS: Fragment = shared!("status");

use Bound::{Read, ReadWrite, Uniform};
use Fragment::{
    Arithmetic, CatchUp, Counts, Lane, Operations, PartialSum, RowRule, Rule, Scalars, Stored,
    Touch, Values,
};
use Override::{
    AtOnce, Interleave, Lanes, Limited, OfEntries, Plain, Strip, Tile, Weighted, Workgroup,
};

const INGEST: &[Bound] = &[Uniform, Uniform, ReadWrite, ReadWrite, ReadWrite, ReadWrite];
const HISTOGRAM: &[Bound] = &[Uniform, Read, ReadWrite];
const SCATTER: &[Bound] = &[Uniform, Read, ReadWrite, ReadWrite];
const UPDATE: &[Bound] = &[Uniform, Uniform, ReadWrite, ReadWrite, Read];

const fn plain_spec(stage: Stage, label: &'static str, wgsl: &'static str) -> Spec {
    let (fragments, bound, overrides): (&[Fragment], &[Bound], &[Override]) = (&[], &[], &[]);
    Spec { stage, label, wgsl, fragments, bound, reads_values: false, overrides }
}

static STAGES: [Spec; 25] = [
    Spec {
        fragments: &[GRID, ENTRIES, STATUS, Counts, TAKE_ENTRY],
        bound: INGEST,
        overrides: &[Workgroup, Plain, Strip],
        ..plain_spec(Stage::Ingest, "sparse_adam::ingest", file!("ingest"))
    },
    Spec {
        fragments: &[ENTRIES, STATUS, Counts, TAKE_ENTRY, RUNS, HEADS, LIST_HEADS],
        bound: INGEST,
        overrides: &[Plain],
        ..plain_spec(
            Stage::IngestSmallSerial,
            "sparse_adam::ingest_small_serial",
            file!("ingest_small_serial"),
        )
    },
    Spec {
        fragments: &[ENTRIES, STATUS, Counts, TAKE_ENTRY],
        bound: INGEST,
        overrides: &[Plain],
        ..plain_spec(
            Stage::IngestSmallParallel,
            "sparse_adam::ingest_small_parallel",
            file!("ingest_small_parallel"),
        )
    },
    Spec {
        fragments: &[GRID, ENTRIES],
        bound: &[Uniform, ReadWrite, ReadWrite, ReadWrite],
        overrides: &[Workgroup],
        ..plain_spec(Stage::Weigh, "sparse_adam::weigh", file!("weigh"))
    },
    Spec {
        fragments: &[Lane, Stored, Values, GRID, ENTRIES, STATUS, Counts],
        bound: &[Uniform, ReadWrite, ReadWrite, ReadWrite],
        reads_values: true,
        overrides: &[Workgroup],
        ..plain_spec(Stage::Inspect, "sparse_adam::inspect", file!("inspect"))
    },
    Spec {
        fragments: &[SORT],
        bound: HISTOGRAM,
        overrides: &[Workgroup],
        ..plain_spec(
            Stage::SortSerialHistogram,
            "sparse_adam::sort_serial_histogram",
            file!("sort_serial_histogram"),
        )
    },
    Spec {
        fragments: &[SORT],
        bound: &[Uniform, ReadWrite],
        overrides: &[Workgroup],
        ..plain_spec(
            Stage::SortSerialScan,
            "sparse_adam::sort_serial_scan",
            file!("sort_serial_scan"),
        )
    },
    Spec {
        fragments: &[SORT],
        bound: SCATTER,
        overrides: &[Workgroup],
        ..plain_spec(
            Stage::SortSerialScatter,
            "sparse_adam::sort_serial_scatter",
            file!("sort_serial_scatter"),
        )
    },
    Spec {
        fragments: &[GRID, SORT],
        bound: HISTOGRAM,
        ..plain_spec(
            Stage::SortParallelHistogram,
            "sparse_adam::sort_parallel_histogram",
            file!("sort_parallel_histogram"),
        )
    },
    Spec {
        fragments: &[SORT, SCAN],
        bound: &[Uniform, ReadWrite],
        ..plain_spec(
            Stage::SortParallelScan,
            "sparse_adam::sort_parallel_scan",
            file!("sort_parallel_scan"),
        )
    },
    Spec {
        fragments: &[GRID, SORT, SCAN],
        bound: SCATTER,
        ..plain_spec(
            Stage::SortParallelScatter,
            "sparse_adam::sort_parallel_scatter",
            file!("sort_parallel_scatter"),
        )
    },
    Spec {
        fragments: &[GRID, RUNS, HEADS, LIST_HEADS],
        bound: &[Uniform, ReadWrite],
        overrides: &[Workgroup],
        ..plain_spec(Stage::Heads, "sparse_adam::heads", file!("heads"))
    },
    Spec {
        fragments: &[GRID, STATUS, Counts, RUNS],
        bound: &[Uniform, Read, ReadWrite],
        overrides: &[Workgroup],
        ..plain_spec(Stage::Repeats, "sparse_adam::repeats", file!("repeats"))
    },
    Spec {
        fragments: &[
            Lane, Operations, Arithmetic, Stored, PartialSum, Values, GRID, TILES, SLICES, RUNS,
            SUMS,
        ],
        bound: &[Uniform, ReadWrite],
        reads_values: true,
        overrides: &[Workgroup, Lanes, Weighted, Limited, OfEntries, AtOnce, Interleave],
        ..plain_spec(Stage::Partial, "sparse_adam::partial", file!("partial"))
    },
    norm::SQUARES_SERIAL,
    norm::SQUARES_PARALLEL,
    norm::NORM_SUM,
    norm::NORM_FACTOR,
    norm::ROW_SQUARES_SERIAL,
    norm::ROW_SQUARES_PARALLEL,
    Spec {
        fragments: &[
            Lane, Operations, Arithmetic, GRID, RUNS, COUNTED, Scalars, RowRule, ROW_STATE,
        ],
        bound: &[Uniform, Uniform, ReadWrite, ReadWrite],
        overrides: &[Workgroup],
        ..plain_spec(Stage::Rows, "sparse_adam::rows", file!("rows"))
    },
    Spec {
        fragments: &[
            Lane, Operations, Arithmetic, Stored, PartialSum, Values, GRID, TILES, SLICES, RUNS,
            SUMS, RUN_SUMS, HEADS, COUNTED, Scalars, Rule, UPDATE_ROW, Touch,
        ],
        bound: UPDATE,
        reads_values: true,
        overrides: &[Workgroup, Weighted, Limited, Interleave],
        ..plain_spec(Stage::UpdateSerial, "sparse_adam::update_serial", file!("update_serial"))
    },
    Spec {
        fragments: &[
            Lane, Operations, Arithmetic, Stored, PartialSum, Values, GRID, SLICES, RUNS, SUMS,
            RUN_SUMS, HEADS, COUNTED, Scalars, Rule, UPDATE_ROW,
        ],
        bound: UPDATE,
        reads_values: true,
        overrides: &[Workgroup, Lanes, Weighted, Limited, Tile],
        ..plain_spec(
            Stage::UpdateParallel,
            "sparse_adam::update_parallel",
            file!("update_parallel"),
        )
    },
    Spec {
        fragments: &[
            Lane,
            Operations,
            Arithmetic,
            GRID,
            Scalars,
            RowRule,
            ROW_STATE,
            FLUSH_CONFIG,
            CatchUp,
        ],
        bound: &[Uniform, Uniform, ReadWrite, ReadWrite, ReadWrite],
        overrides: &[Workgroup],
        ..plain_spec(Stage::Flush, "sparse_adam::flush", file!("flush"))
    },
    Spec {
        fragments: &[Lane, Operations, Arithmetic, GRID, Scalars, RowRule, ROW_STATE, FLUSH_CONFIG],
        bound: &[Uniform, Uniform, ReadWrite],
        overrides: &[Workgroup],
        ..plain_spec(Stage::FlushRows, "sparse_adam::flush_rows", file!("flush_rows"))
    },
];

/// Each stage is at its place, and binds no value where something else is.
const _: () = {
    let mut at = 0;
    while at < STAGES.len() {
        assert!(STAGES[at].stage as usize == at);
        assert!(STAGES[at].bound.len() <= FIRST_VALUES as usize || !STAGES[at].reads_values);
        at += 1;
    }
};
