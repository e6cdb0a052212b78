//! Whether the GPU computed what the CPU twin does.

use super::cases::Case;
use super::elements::{initial, values};
use super::{Bench, Table};
use sparse_adam::reference::{self, Gradient};
use sparse_adam::{AdamOptions, Region};
use std::error::Error;

/// Steps before the check.
pub const CHECKED_STEPS: u64 = 2;
/// Where an adapter rounds in its own way.
const RTOL: f32 = 2e-6;
const ATOL: f32 = 1e-6;
/// Bytes read back at a time.
const CHUNK_BYTES: u32 = 64 << 20;

/// The rows of one table that its gradient names, after [`CHECKED_STEPS`] steps of the twin.
pub struct Expected {
    /// In ascending order.
    pub rows: Vec<u32>,
    /// Their values and moments.
    pub table: reference::Table<f32>,
}

/// Steps and compares every value of every table. Returns what the twin computed.
///
/// # Errors
/// Those of the steps; the first value that differs.
pub fn check(bench: &mut Bench<'_>, case: &Case) -> Result<Vec<Expected>, Box<dyn Error>> {
    for _ in 0..CHECKED_STEPS {
        bench.step()?;
    }
    let mut checked = Vec::new();
    for (number, table) in (0..).zip(&bench.tables) {
        let expected = twin(case, number, &table.ids);
        check_param(bench, case, number, &expected)?;
        check_moments(bench, table, &expected)?;
        checked.push(expected);
    }
    Ok(checked)
}

/// Whether bits must be equal.
#[must_use]
pub fn is_exact(bench: &Bench<'_>) -> bool {
    bench.gpu.has_bits_of_twin(bench.optimizer.tuning())
}

/// The twin's tables hold only the rows that are named: no other row has a part in a step.
fn twin(case: &Case, number: u32, ids: &[u32]) -> Expected {
    let mut rows = ids.to_vec();
    rows.sort_unstable();
    rows.dedup();
    let (dim, initial, values) = (case.dim, initial(number), values(number));
    let param = rows.iter().flat_map(|row| (0..dim).map(move |column| row * dim + column));
    let mut table = reference::Table::new(param.map(initial).collect(), dim as usize);
    let values: Vec<f32> = (0..case.value_rows(number) * dim).map(values).collect();
    let values = match case.value_map(number) {
        Some(map) => reference::gather_values(&values, dim as usize, &map, None),
        None => values,
    };
    let rank = |id: &u32| rows.partition_point(|row| row < id) as i64;
    let grad = Gradient { indices: ids.iter().map(rank).collect(), values };
    for _ in 0..CHECKED_STEPS {
        reference::step(&mut table, &grad, &AdamOptions::default());
    }
    Expected { rows, table }
}

fn check_param(
    bench: &Bench<'_>,
    case: &Case,
    number: u32,
    expected: &Expected,
) -> Result<(), Box<dyn Error>> {
    let rows_a_chunk = (CHUNK_BYTES / (4 * case.dim)).max(1);
    let (region, initial) = (&bench.tables[number as usize].region, initial(number));
    for first in (0..case.rows).step_by(rows_a_chunk as usize) {
        let end = case.rows.min(first + rows_a_chunk);
        let bytes = |row: u32| 4 * u64::from(row) * u64::from(case.dim);
        let (start, size) = (region.offset() + bytes(first), bytes(end) - bytes(first));
        let part = Region::new(region.buffer(), start, size);
        let found = pollster::block_on(bench.gpu.read::<f32>(part))?;
        let part = Part { what: "parameter", first, found: &found, exact: is_exact(bench) };
        let untouched = |at: usize| initial(first * case.dim + at as u32);
        part.compare(expected, &expected.table.param, untouched)?;
    }
    Ok(())
}

fn check_moments(
    bench: &Bench<'_>,
    table: &Table,
    expected: &Expected,
) -> Result<(), Box<dyn Error>> {
    let state = pollster::block_on(bench.optimizer.state_of(table.param))?;
    let state = state.ok_or("the optimizer has no state after a step")?;
    if state.step != CHECKED_STEPS {
        return Err(format!("{} steps are counted, expected {CHECKED_STEPS}", state.step).into());
    }
    let twin = &expected.table;
    for (what, found, twin) in [
        ("exp_avg", &state.exp_avg, &twin.exp_avg),
        ("exp_avg_sq", &state.exp_avg_sq, &twin.exp_avg_sq),
    ] {
        let part = Part { what, first: 0, found, exact: is_exact(bench) };
        part.compare(expected, twin, |_| 0.0)?;
    }
    Ok(())
}

/// Consecutive rows of one tensor, as read back.
struct Part<'a> {
    what: &'a str,
    first: u32,
    found: &'a [f32],
    exact: bool,
}

impl Part<'_> {
    /// Compares the rows that are named with `twin`, whose rows are `expected.rows`, and the
    /// others with `untouched`, bit for bit.
    fn compare(
        &self,
        expected: &Expected,
        twin: &[f32],
        untouched: impl Fn(usize) -> f32,
    ) -> Result<(), String> {
        let dim = expected.table.dim;
        let mut rank = expected.rows.partition_point(|&row| row < self.first);
        for (row, number) in (self.first..).zip(0..self.found.len() / dim) {
            let named = expected.rows.get(rank) == Some(&row);
            for column in 0..dim {
                let at = number * dim + column;
                let wanted = if named { twin[rank * dim + column] } else { untouched(at) };
                let found = self.found[at];
                if !agree(found, wanted, self.exact || !named) {
                    let place = format!("{} [{row}, {column}]", self.what);
                    return Err(format!("{place} is {found:?}, the CPU twin has {wanted:?}"));
                }
            }
            rank += usize::from(named);
        }
        Ok(())
    }
}

fn agree(found: f32, expected: f32, exact: bool) -> bool {
    let near = || (found - expected).abs() <= ATOL + RTOL * expected.abs();
    found.to_bits() == expected.to_bits() || (!exact && near())
}
