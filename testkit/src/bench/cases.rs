//! What is timed: sizes and ids of a step.

use super::ids::{Distribution, draw};

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is called.
    pub name: String,
    /// Rows of each table.
    pub rows: u32,
    /// Values of a row.
    pub dim: u32,
    /// Entries of a step, over all tables.
    pub nnz: u32,
    /// Tables of one step.
    pub tables: u32,
    /// Whether they lie in one buffer, their gradients' ids in another, and the values in a third.
    pub pooled: bool,
    /// Which rows the entries name.
    pub distribution: Distribution,
    /// Entries that share a value row, as those of an embedding bag do; 1 where none do.
    pub bag: u32,
    /// Whether the optimizer is promised that no row is named twice.
    pub promise: bool,
    /// Same seed: same ids.
    pub seed: u64,
}

impl Case {
    /// A case of one table: its rows, the values of one, and the entries of a step.
    pub fn new(
        name: &str,
        [rows, dim, nnz]: [u32; 3],
        distribution: Distribution,
        seed: u64,
    ) -> Self {
        let name = name.to_string();
        Self {
            name,
            rows,
            dim,
            nnz,
            tables: 1,
            pooled: false,
            distribution,
            bag: 1,
            promise: false,
            seed,
        }
    }

    /// Whether it can be run.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn validate(&self) -> Result<(), String> {
        let Self { rows, nnz, tables, .. } = *self;
        let found = |what: String| Err(format!("{}: {what}", self.name));
        if nnz < tables {
            return found(format!("--nnz is {nnz}, but each of {tables} tables needs an entry"));
        }
        if self.distribution == Distribution::Unique && self.table_nnz(0) > rows {
            return found(format!("{} unique ids of {rows} rows", self.table_nnz(0)));
        }
        let values = u64::from(rows.max(self.table_nnz(0))) * u64::from(self.dim);
        if values > u64::from(u32::MAX) {
            return found(format!("{values} values of a table or gradient, at most 2^32 - 1"));
        }
        if self.promise && self.distribution != Distribution::Unique {
            return found("--unique-promise needs --distribution unique".into());
        }
        Ok(())
    }

    /// Entries of one table.
    #[must_use]
    pub fn table_nnz(&self, table: u32) -> u32 {
        self.nnz / self.tables + u32::from(table < self.nnz % self.tables)
    }

    /// Value rows of one table's gradient.
    #[must_use]
    pub fn value_rows(&self, table: u32) -> u32 {
        self.table_nnz(table).div_ceil(self.bag)
    }

    /// Value row of each of one table's entries, where they share them.
    #[must_use]
    pub fn value_map(&self, table: u32) -> Option<Vec<u32>> {
        (self.bag > 1).then(|| (0..self.table_nnz(table)).map(|entry| entry / self.bag).collect())
    }

    /// The ids of one table.
    #[must_use]
    pub fn ids(&self, table: u32) -> Vec<u32> {
        draw(self.distribution, self.rows, self.table_nnz(table), self.seed, table)
    }
}

/// The standard table, or those cases of it whose names, or first words of names, are `wanted`.
///
/// # Errors
/// Where no case has a name that is wanted.
pub fn standard(seed: u64, wanted: &[String]) -> Result<Vec<Case>, String> {
    let all = all(seed);
    if wanted.is_empty() {
        return Ok(all);
    }
    let is = |case: &Case, name: &str| {
        case.name == name || case.name.split('-').next().is_some_and(|first| first == name)
    };
    for name in wanted {
        if !all.iter().any(|case| is(case, name)) {
            return Err(format!("no case is named {name:?}; --list lists them"));
        }
    }
    Ok(all.into_iter().filter(|case| wanted.iter().any(|name| is(case, name))).collect())
}

fn all(seed: u64) -> Vec<Case> {
    use Distribution::{Hot, Uniform, Unique, Zipf};
    let medium = [1_000_000, 64, 65_536];
    let narrow = [1_000_000, 16, 65_536];
    let large = [1_000_000, 64, 524_288];
    let case = |name, sizes, distribution| Case::new(name, sizes, distribution, seed);
    vec![
        case("tiny", [1_000_000, 64, 1_024], Uniform),
        case("small-uniform", [100_000, 128, 4_096], Uniform),
        case("small-zipf", [100_000, 128, 4_096], Zipf),
        case("medium-unique", medium, Unique),
        case("medium-uniform", medium, Uniform),
        case("medium-zipf", medium, Zipf),
        case("medium-hot", medium, Hot),
        case("narrow-uniform", narrow, Uniform),
        case("narrow-zipf", narrow, Zipf),
        case("large-unique", large, Unique),
        case("large-uniform", large, Uniform),
        case("large-zipf", large, Zipf),
        case("hot", [1_000_000, 64, 1_048_576], Hot),
        case("odd", [200_000, 37, 65_536], Zipf),
        Case { tables: 26, ..case("tables", [100_000, 32, 26 * 4_096], Zipf) },
        case("one-table", [26 * 100_000, 32, 26 * 4_096], Zipf),
        Case { bag: 40, ..case("bag", [1_000_000, 64, 8_192 * 40], Zipf) },
        Case { promise: true, ..case("promise", large, Unique) },
    ]
}
