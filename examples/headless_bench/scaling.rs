//! Curves: time against one quantity, all others fixed.

use clap::ValueEnum;
use sparse_adam_testkit::bench::{Case, Distribution};

/// The quantity that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scaling {
    /// Entries, 1,024 to 4,194,304
    Nnz,
    /// Rows of the table, 10,000 to 8,000,000
    Rows,
    /// Values a row, 1 to 512
    Dim,
    /// Tables that share the rows and entries, 1 to 208
    Tables,
    /// Entries a row, 1 to all of them
    Duplication,
}

const ROWS: u32 = 1_000_000;
const NNZ: u32 = 65_536;

impl Scaling {
    pub fn cases(self, seed: u64) -> Vec<Case> {
        let uniform = Distribution::Uniform;
        let case = |name: String, sizes, ids| Case::new(&name, sizes, ids, seed);
        match self {
            Self::Nnz => (10..=22)
                .map(|power| case(format!("nnz-{}", 1 << power), [ROWS, 16, 1 << power], uniform))
                .collect(),
            Self::Rows => [10, 30, 100, 300, 1_000, 2_000, 4_000, 8_000]
                .map(|thousands| thousands * 1_000)
                .map(|rows| case(format!("rows-{rows}"), [rows, 16, NNZ], uniform))
                .into(),
            Self::Dim => [1, 2, 4, 8, 16, 17, 32, 37, 64, 100, 128, 256, 512]
                .map(|dim| case(format!("dim-{dim}"), [200_000, dim, 32_768], uniform))
                .into(),
            Self::Tables => [1, 2, 4, 8, 13, 26, 52, 104, 208]
                .map(|tables| {
                    let sizes = [260_000 / tables, 32, 26 * 4_096];
                    Case { tables, ..case(format!("tables-{tables}"), sizes, uniform) }
                })
                .into(),
            Self::Duplication => (0..=9)
                .map(|power| {
                    let (times, sizes) = (1 << (2 * power), [ROWS, 64, 1 << 18]);
                    case(format!("duplication-{times}"), sizes, Distribution::Repeated(times))
                })
                .collect(),
        }
    }
}
