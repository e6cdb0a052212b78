//! Files for peers: a case's sizes, its ids, and some rows of what the twin computed.
//!
//! `<folder>/<case>/case.json`, and for each table `<number>.ids` (u32) and `<number>.rows`
//! (f32 parameter rows after the checked steps, of the first rows that are named).

use serde_json::json;
use sparse_adam_testkit::bench::{Bench, CHECKED_STEPS, Case, Expected};
use std::path::Path;
use std::{fs, io};

/// Most rows of a table that are written.
const ROWS: usize = 4096;

pub fn dump(folder: &Path, case: &Case, bench: &Bench<'_>, checked: &[Expected]) -> io::Result<()> {
    let folder = folder.join(&case.name);
    fs::create_dir_all(&folder)?;
    let description = json!({
        "case": case.name,
        "rows": case.rows,
        "dim": case.dim,
        "nnz": case.nnz,
        "tables": case.tables,
        "distribution": case.distribution.to_string(),
        "bag": case.bag,
        "steps": CHECKED_STEPS,
    });
    fs::write(folder.join("case.json"), format!("{description}\n"))?;
    for (number, (table, expected)) in bench.tables.iter().zip(checked).enumerate() {
        fs::write(folder.join(format!("{number}.ids")), bytemuck::cast_slice(&table.ids))?;
        let written = expected.rows.len().min(ROWS) * expected.table.dim;
        let rows = bytemuck::cast_slice(&expected.table.param[..written]);
        fs::write(folder.join(format!("{number}.rows")), rows)?;
    }
    Ok(())
}
