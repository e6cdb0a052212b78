//! The compute stages: one table of all that is known of each.

use super::plan::Small;
use crate::Form;

/// A compute stage; its name is that of its file, label, twin and test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    Ingest,
    IngestSmallSerial,
    IngestSmallParallel,
    IngestRadixParallel,
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
    Tally,
    PartialSerial,
    PartialParallel,
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
    Remap,
    RemapHalves,
    CheckRows,
    ResetRows,
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
    /// What there is in place of [`items`](super::kernel::items) where a dispatch takes one table.
    OfOne(&'static str),
    /// Which item a workgroup belongs to, and what is bound of each.
    Item,
    /// In which order the workgroups of several are taken.
    DealtOut,
    /// How a row is read, by its width.
    Lane,
    /// What rows are moved by, by their width.
    Piece,
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
    /// What is added up of a row's sum: for a norm, by its type, or for a row's second moment, by the rule.
    Measured,
    /// How the parallel sort ranks pairs, writes them, and counts digits.
    Ranking,
    Putting,
    Counting,
    /// How blocks are added up to a total, by the norm's type and the form; and how the total is taken.
    AddTotal,
    TakeTotal,
}

/// A number that a stage's pipeline is specialised by.
#[derive(Clone, Copy, Debug)]
pub enum Override {
    Workgroup,
    MaxLanes,
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
    /// The fragments before it: those that it shares with stages of its kind, and its own.
    pub begins: &'static [Fragment],
    pub fragments: &'static [Fragment],
    /// Its bindings from 0 on.
    pub bound: &'static [Bound],
    /// Whether it binds values too, from [`FIRST_VALUES`] on.
    pub reads_values: bool,
    pub overrides: &'static [Override],
}

impl Spec {
    /// All fragments, in their order.
    pub fn all_fragments(&self) -> impl Iterator<Item = Fragment> {
        self.begins.iter().chain(self.fragments).copied()
    }
}

/// The binding of the first window of values; the others follow it.
pub const FIRST_VALUES: u32 = 5;
/// Most bindings of values.
pub const VALUE_WINDOWS: usize = 5;
/// The binding of scalars that the GPU knows: a uniform buffer without a dynamic offset.
pub const SCALARS: u32 = FIRST_VALUES + VALUE_WINDOWS as u32;
/// One more than the highest binding of any stage.
pub const MOST_BINDINGS: usize = SCALARS as usize + 1;
/// Most that a dispatch binds, of one item or of several: two uniforms, its storage buffers, and scalars.
pub const MOST_BOUND: usize = 2 + super::kernel::items::MOST_BUFFERS + 1;
/// Most uniform buffers of a stage with a dynamic offset, and in all.
pub const MOST_DYNAMIC: usize = 2;
pub const MOST_UNIFORMS: usize = 3;

impl Stage {
    pub fn spec(self) -> &'static Spec {
        &STAGES[self as usize]
    }

    /// Of entries that are sorted at once, in some way, or are not.
    pub fn ingest(small: Option<Small>) -> Self {
        match small {
            None => Self::Ingest,
            Some(Small::Serial) => Self::IngestSmallSerial,
            Some(Small::Bitonic) => Self::IngestSmallParallel,
            Some(Small::Radix) => Self::IngestRadixParallel,
        }
    }

    /// All there are.
    #[cfg(feature = "tune")]
    pub fn all() -> impl Iterator<Item = Self> {
        STAGES.iter().map(|spec| spec.stage)
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

    pub fn partial(form: Form) -> Self {
        match form {
            Form::Serial => Self::PartialSerial,
            Form::Parallel => Self::PartialParallel,
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

macro_rules! of_one {
    ($name:literal) => {
        Fragment::OfOne(file!("shared/", $name))
    };
}

// Behind the macros that they are written with.
mod norm;
mod table;

use table::STAGES;

const LANES: Fragment = shared!("lanes");
const GRID: Fragment = shared!("grid");
const TILES: Fragment = shared!("tiles");
const SLICES: Fragment = shared!("slices");
const RUNS: Fragment = shared!("runs");
const HEADS: Fragment = shared!("heads");
const SUMS: Fragment = shared!("sums");
const WINDOW_HEADS: Fragment = shared!("window_heads");
const COUNTED: Fragment = shared!("counted");
const RUN_SUMS: Fragment = shared!("run_sums");
const ONE_BY_ONE: Fragment = shared!("one_by_one");

/// What the stages that sum value rows begin with, in either form.
const SUMMING_SERIAL: &[Fragment] = &[
    Fragment::Lane,
    Fragment::Operations,
    Fragment::Arithmetic,
    Fragment::Stored,
    Fragment::PartialSum,
    Fragment::Values,
    GRID,
    SLICES,
    RUNS,
    ONE_BY_ONE,
    SUMS,
    shared!("add_one_by_one"),
];
const SUMMING_PARALLEL: &[Fragment] = &[
    Fragment::Lane,
    Fragment::Operations,
    Fragment::Arithmetic,
    Fragment::Stored,
    Fragment::PartialSum,
    Fragment::Values,
    GRID,
    SLICES,
    RUNS,
    LANES,
    shared!("in_flight"),
    SUMS,
    shared!("add_in_flight"),
];

const fn plain_spec(stage: Stage, label: &'static str, wgsl: &'static str) -> Spec {
    let (fragments, bound, overrides): (&[Fragment], &[Bound], &[Override]) = (&[], &[], &[]);
    Spec { stage, label, wgsl, begins: &[], fragments, bound, reads_values: false, overrides }
}

/// Each stage is at its place, and binds no value where something else is.
const _: () = {
    let mut at = 0;
    while at < STAGES.len() {
        assert!(STAGES[at].stage as usize == at);
        assert!(STAGES[at].bound.len() <= FIRST_VALUES as usize || !STAGES[at].reads_values);
        at += 1;
    }
};
