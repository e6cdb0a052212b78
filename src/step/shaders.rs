//! The WGSL of every stage: shared fragments and the stage's own file, joined here.

/// Whether a row is handled one f32 or four at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    Scalar,
    Vec4,
}

impl Width {
    pub fn of(dim: u32) -> Self {
        if dim.is_multiple_of(4) { Self::Vec4 } else { Self::Scalar }
    }

    fn fragment(self) -> &'static str {
        match self {
            Self::Scalar => include_str!("../../shaders/shared/scalar.wgsl"),
            Self::Vec4 => include_str!("../../shaders/shared/vec4.wgsl"),
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
    IngestSmall,
    Source,
    Inspect(Width, Reach),
    SortSerialHistogram,
    SortSerialScan,
    SortSerialScatter,
    SortWideHistogram,
    SortWideScan,
    SortWideScatter,
    Repeats,
    Partial(Width, Reach),
    Update(Width, Reach),
}

const GRID: &str = include_str!("../../shaders/shared/grid.wgsl");
const SORT: &str = include_str!("../../shaders/shared/sort.wgsl");
const SCAN: &str = include_str!("../../shaders/shared/scan.wgsl");
const RUNS: &str = include_str!("../../shaders/shared/runs.wgsl");
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
            Self::IngestSmall => stage!("ingest_small"),
            Self::Source => stage!("source"),
            Self::Inspect(..) => stage!("inspect"),
            Self::SortSerialHistogram => stage!("sort_serial_histogram"),
            Self::SortSerialScan => stage!("sort_serial_scan"),
            Self::SortSerialScatter => stage!("sort_serial_scatter"),
            Self::SortWideHistogram => stage!("sort_wide_histogram"),
            Self::SortWideScan => stage!("sort_wide_scan"),
            Self::SortWideScatter => stage!("sort_wide_scatter"),
            Self::Repeats => stage!("repeats"),
            Self::Partial(..) => stage!("partial"),
            Self::Update(..) => stage!("update"),
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
            Self::IngestSmall => &[ENTRIES, STATUS, TAKE_ENTRY],
            Self::Source => &[GRID, ENTRIES],
            Self::Inspect(width, reach) => {
                &[width.fragment(), reach.fragment(), GRID, ENTRIES, STATUS]
            }
            Self::SortSerialHistogram | Self::SortSerialScan | Self::SortSerialScatter => &[SORT],
            Self::SortWideHistogram => &[GRID, SORT],
            Self::SortWideScan => &[SORT, SCAN],
            Self::SortWideScatter => &[GRID, SORT, SCAN],
            Self::Repeats => &[GRID, STATUS],
            Self::Partial(width, reach) => &[width.fragment(), reach.fragment(), GRID, RUNS],
            Self::Update(width, reach) => &[width.fragment(), reach.fragment(), GRID, RUNS, ADAM],
        };
        [&shared.concat(), self.file().1].concat()
    }
}

#[cfg(test)]
#[path = "shaders_tests.rs"]
mod tests;
