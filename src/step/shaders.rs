//! The WGSL of every stage: shared fragments and the stage's own file, joined here.

/// How many f32 of a row are handled at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    Scalar,
    Vec4,
    /// Eight, moved as four u64; needs `Features::SHADER_INT64`.
    Vec8,
}

impl Width {
    /// The widest that divides rows of `dim` f32; `Vec8` only where `wide_words` allows it.
    pub fn of(dim: u32, wide_words: bool) -> Self {
        match dim {
            dim if dim.is_multiple_of(8) && wide_words => Self::Vec8,
            dim if dim.is_multiple_of(4) => Self::Vec4,
            _ => Self::Scalar,
        }
    }

    /// Lanes of a row of `dim` f32.
    pub fn columns(self, dim: u32) -> u32 {
        dim / self.lane_width()
    }

    /// f32 of a lane.
    pub fn lane_width(self) -> u32 {
        match self {
            Self::Scalar => 1,
            Self::Vec4 => 4,
            Self::Vec8 => 8,
        }
    }

    fn fragment(self) -> &'static str {
        match self {
            Self::Scalar => concat!(
                include_str!("../../shaders/shared/scalar.wgsl"),
                include_str!("../../shaders/shared/flat.wgsl")
            ),
            Self::Vec4 => concat!(
                include_str!("../../shaders/shared/vec4.wgsl"),
                include_str!("../../shaders/shared/flat.wgsl")
            ),
            Self::Vec8 => include_str!("../../shaders/shared/vec8.wgsl"),
        }
    }
}

impl Width {
    /// How a partial sum is read.
    fn partials(self) -> &'static str {
        match self {
            Self::Scalar => include_str!("../../shaders/shared/partial_scalar.wgsl"),
            Self::Vec4 => include_str!("../../shaders/shared/partial_vec4.wgsl"),
            Self::Vec8 => include_str!("../../shaders/shared/partial_vec8.wgsl"),
        }
    }
}

/// How the gradient's values are bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// In one binding.
    Narrow,
    /// In up to [`WIDE_WINDOWS`] bindings.
    Wide,
}

/// Bindings of values of a [`Reach::Wide`] stage.
pub const WIDE_WINDOWS: usize = 5;

impl Reach {
    fn fragment(self) -> &'static str {
        match self {
            Self::Narrow => include_str!("../../shaders/shared/values.wgsl"),
            Self::Wide => include_str!("../../shaders/shared/values_wide.wgsl"),
        }
    }
}

/// A compute stage; its name is that of its file, label, twin and test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    Ingest,
    IngestSmallSerial,
    IngestSmallWide,
    Source,
    Inspect(Width, Reach),
    SortSerialHistogram,
    SortSerialScan,
    SortSerialScatter,
    SortWideHistogram,
    SortWideScan,
    SortWideScatter,
    Heads,
    Repeats,
    Partial(Width, Reach),
    UpdateSerial(Width, Reach),
    UpdateWide(Width, Reach),
}

const GRID: &str = include_str!("../../shaders/shared/grid.wgsl");
const TILES: &str = include_str!("../../shaders/shared/tiles.wgsl");
const SLICES: &str = include_str!("../../shaders/shared/slices.wgsl");
const SORT: &str = include_str!("../../shaders/shared/sort.wgsl");
const SCAN: &str = include_str!("../../shaders/shared/scan.wgsl");
const RUNS: &str = include_str!("../../shaders/shared/runs.wgsl");
const HEADS: &str = include_str!("../../shaders/shared/heads.wgsl");
const LIST_HEADS: &str = include_str!("../../shaders/shared/list_heads.wgsl");
const SUMS: &str = include_str!("../../shaders/shared/sums.wgsl");
const TOUCH: &str = include_str!("../../shaders/shared/touch.wgsl");
const NO_TOUCH: &str = include_str!("../../shaders/shared/no_touch.wgsl");
const UPDATE_ROW: &str = include_str!("../../shaders/shared/update_row.wgsl");
const ADAM: &str = include_str!("../../shaders/shared/adam.wgsl");
const ENTRIES: &str = include_str!("../../shaders/shared/entries.wgsl");
const TAKE_ENTRY: &str = include_str!("../../shaders/shared/take_entry.wgsl");
const STATUS: &str = include_str!("../../shaders/shared/status.wgsl");

/// `sparse_adam::<name>` and the text of `shaders/<name>.wgsl`.
macro_rules! stage {
    ($name:literal) => {
        (concat!("sparse_adam::", $name), include_str!(concat!("../../shaders/", $name, ".wgsl")))
    };
}

impl Stage {
    /// The label of everything made for this stage, and its own WGSL.
    fn file(self) -> (&'static str, &'static str) {
        match self {
            Self::Ingest => stage!("ingest"),
            Self::IngestSmallSerial => stage!("ingest_small_serial"),
            Self::IngestSmallWide => stage!("ingest_small_wide"),
            Self::Source => stage!("source"),
            Self::Inspect(..) => stage!("inspect"),
            Self::SortSerialHistogram => stage!("sort_serial_histogram"),
            Self::SortSerialScan => stage!("sort_serial_scan"),
            Self::SortSerialScatter => stage!("sort_serial_scatter"),
            Self::SortWideHistogram => stage!("sort_wide_histogram"),
            Self::SortWideScan => stage!("sort_wide_scan"),
            Self::SortWideScatter => stage!("sort_wide_scatter"),
            Self::Heads => stage!("heads"),
            Self::Repeats => stage!("repeats"),
            Self::Partial(..) => stage!("partial"),
            Self::UpdateSerial(..) => stage!("update_serial"),
            Self::UpdateWide(..) => stage!("update_wide"),
        }
    }

    /// The label of everything made for this stage.
    pub fn label(self) -> &'static str {
        self.file().0
    }

    /// The stage's complete WGSL.
    pub fn source(self) -> String {
        let shared: &[&str] = match self {
            Self::Ingest => &[GRID, ENTRIES, STATUS, TAKE_ENTRY],
            Self::IngestSmallSerial => &[ENTRIES, STATUS, TAKE_ENTRY, RUNS, HEADS, LIST_HEADS],
            Self::IngestSmallWide => &[ENTRIES, STATUS, TAKE_ENTRY],
            Self::Source => &[GRID, ENTRIES],
            Self::Inspect(width, reach) => {
                &[width.fragment(), reach.fragment(), GRID, ENTRIES, STATUS]
            }
            Self::SortSerialHistogram | Self::SortSerialScan | Self::SortSerialScatter => &[SORT],
            Self::SortWideHistogram => &[GRID, SORT],
            Self::SortWideScan => &[SORT, SCAN],
            Self::SortWideScatter => &[GRID, SORT, SCAN],
            Self::Heads => &[GRID, RUNS, HEADS, LIST_HEADS],
            Self::Repeats => &[GRID, STATUS],
            Self::Partial(width, reach) => &[
                width.fragment(),
                width.partials(),
                reach.fragment(),
                GRID,
                TILES,
                SLICES,
                RUNS,
                SUMS,
            ],
            Self::UpdateSerial(width, reach) => {
                let touch = match (width, reach) {
                    (Width::Scalar, _) | (_, Reach::Wide) => NO_TOUCH,
                    _ => TOUCH,
                };
                let (lane, reach, sum) = (width.fragment(), reach.fragment(), width.partials());
                &[lane, reach, sum, GRID, TILES, SLICES, RUNS, SUMS, HEADS, ADAM, touch, UPDATE_ROW]
            }
            Self::UpdateWide(width, reach) => {
                let (lane, reach, sum) = (width.fragment(), reach.fragment(), width.partials());
                &[lane, reach, sum, GRID, SLICES, RUNS, SUMS, ADAM, UPDATE_ROW]
            }
        };
        [&shared.concat(), self.file().1].concat()
    }
}

#[cfg(test)]
#[path = "shaders_tests.rs"]
mod tests;
