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

/// A compute stage; its name is that of its file, label, twin and test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    Ingest,
    SortSerialHistogram,
    SortSerialScan,
    SortSerialScatter,
    SortWideHistogram,
    SortWideScan,
    SortWideScatter,
    Partial(Width),
    Update(Width),
}

const GRID: &str = include_str!("../../shaders/shared/grid.wgsl");
const SORT: &str = include_str!("../../shaders/shared/sort.wgsl");
const RUNS: &str = include_str!("../../shaders/shared/runs.wgsl");
const ADAM: &str = include_str!("../../shaders/shared/adam.wgsl");

impl Stage {
    #[cfg(test)]
    pub const ALL: [Self; 11] = [
        Self::Ingest,
        Self::SortSerialHistogram,
        Self::SortSerialScan,
        Self::SortSerialScatter,
        Self::SortWideHistogram,
        Self::SortWideScan,
        Self::SortWideScatter,
        Self::Partial(Width::Scalar),
        Self::Partial(Width::Vec4),
        Self::Update(Width::Scalar),
        Self::Update(Width::Vec4),
    ];

    /// The label of everything made for this stage.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ingest => "sparse_adam::ingest",
            Self::SortSerialHistogram => "sparse_adam::sort_serial_histogram",
            Self::SortSerialScan => "sparse_adam::sort_serial_scan",
            Self::SortSerialScatter => "sparse_adam::sort_serial_scatter",
            Self::SortWideHistogram => "sparse_adam::sort_wide_histogram",
            Self::SortWideScan => "sparse_adam::sort_wide_scan",
            Self::SortWideScatter => "sparse_adam::sort_wide_scatter",
            Self::Partial(_) => "sparse_adam::partial",
            Self::Update(_) => "sparse_adam::update",
        }
    }

    /// The stage's complete WGSL.
    pub fn source(self) -> String {
        match self {
            Self::Ingest => [GRID, include_str!("../../shaders/ingest.wgsl")].concat(),
            Self::SortSerialHistogram => {
                [SORT, include_str!("../../shaders/sort_serial_histogram.wgsl")].concat()
            }
            Self::SortSerialScan => {
                [SORT, include_str!("../../shaders/sort_serial_scan.wgsl")].concat()
            }
            Self::SortSerialScatter => {
                [SORT, include_str!("../../shaders/sort_serial_scatter.wgsl")].concat()
            }
            Self::SortWideHistogram => {
                [GRID, SORT, include_str!("../../shaders/sort_wide_histogram.wgsl")].concat()
            }
            Self::SortWideScan => {
                [SORT, include_str!("../../shaders/sort_wide_scan.wgsl")].concat()
            }
            Self::SortWideScatter => {
                [GRID, SORT, include_str!("../../shaders/sort_wide_scatter.wgsl")].concat()
            }
            Self::Partial(width) => {
                let stage = include_str!("../../shaders/partial.wgsl");
                [width.fragment(), GRID, RUNS, stage].concat()
            }
            Self::Update(width) => {
                let stage = include_str!("../../shaders/update.wgsl");
                [width.fragment(), GRID, RUNS, ADAM, stage].concat()
            }
        }
    }
}
