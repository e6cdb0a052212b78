//! P5: rows of a table by ids.

use crate::finding::{Failure, Finding};
use crate::kernel::Kernel;
use crate::lab::Lab;
use sparse_adam_testkit::Rng;
use wgpu::Buffer;

const SOURCE: &str = include_str!("../wgsl/gather.wgsl");
const FILL: &str = include_str!("../wgsl/stream.wgsl");
/// Rows of a team of lanes, and most of all.
const ROWS_EACH: u32 = 16;
/// Rows of a team where only one workgroup runs: repeated, they come from the second cache.
const ROWS_ALONE: u32 = 512;
const MOST_ROWS: u32 = 1 << 22;

/// Lines that end in `each` once per number, `$` being the number; FLIGHT is how many.
fn written_out(source: &str, flight: u32) -> String {
    let mut text = String::new();
    let mut each = Vec::new();
    for line in source.lines().chain([""]) {
        if line.ends_with("// each") {
            each.push(line);
            continue;
        }
        // Line by line, so that all rows are asked for before the first is used.
        for line in each.drain(..) {
            (0..flight).for_each(|number| text += &(line.replace('$', &number.to_string()) + "\n"));
        }
        text += &(line.replace("FLIGHT", &flight.to_string()) + "\n");
    }
    text
}

/// How rows are gathered.
struct Way {
    /// vec4s of a row.
    columns: u32,
    lanes: u32,
    flight: u32,
    sorted: bool,
    /// Whether only one workgroup runs.
    alone: bool,
}

struct Table<'a> {
    lab: &'a Lab,
    buffer: Buffer,
    bytes: u64,
}

pub fn gathers(lab: &Lab) -> Result<Finding, Failure> {
    let mut found =
        Finding::new("P5", "rows by ids: bytes of a row, lanes, rows in flight", "GB/s");
    let bytes = lab.most_bytes();
    let table = Table { lab, buffer: lab.zeroed(bytes), bytes };
    let groups = lab.sized(2048, 64);
    let turns = (bytes / 16) as u32 / (groups * 256);
    let config = [(bytes / 16) as u32 - 1, turns, 0, 0];
    lab.run(&lab.work(
        &lab.kernel(FILL, "write_words", &[]),
        groups,
        config,
        &[(2, &table.buffer)],
    ))?;

    let sizes: &[u32] = if lab.quick { &[4, 16] } else { &[1, 2, 4, 8, 16, 32, 64] };
    for &columns in sizes {
        for sorted in [false, true] {
            let way = Way { columns, lanes: columns.min(32), flight: 4, sorted, alone: false };
            let order = if sorted { "sorted" } else { "random" };
            table.gather(&format!("{order}_{}_b", 16 * columns), &way, &mut found)?;
        }
    }
    for flight in [1, 2, 4, 8] {
        for (name, alone) in [("flight", false), ("alone_flight", true)] {
            let way = Way { columns: 16, lanes: 16, flight, sorted: false, alone };
            table.gather(&format!("{name}_{flight}"), &way, &mut found)?;
        }
    }
    for lanes in [4, 8, 16, 32] {
        let way = Way { columns: 32, lanes, flight: 4, sorted: false, alone: false };
        table.gather(&format!("lanes_{lanes}"), &way, &mut found)?;
    }
    Ok(found)
}

impl Table<'_> {
    /// Adds the GB of rows per second.
    fn gather(&self, name: &str, way: &Way, found: &mut Finding) -> Result<(), Failure> {
        let lab = self.lab;
        let row_bytes = u64::from(16 * way.columns);
        let table_rows = (self.bytes / row_bytes) as u32;
        // Whole workgroups: 256 / lanes teams in each.
        let rows_each = if way.alone { ROWS_ALONE } else { ROWS_EACH };
        let unit = 256 / way.lanes * rows_each;
        let rows = table_rows.min(lab.sized(MOST_ROWS, MOST_ROWS >> 7)) / unit * unit;
        let rows = if way.alone { unit } else { rows };
        let mut rng = Rng(u64::from(way.columns));
        let mut ids: Vec<u32> = (0..rows).map(|_| rng.evenly_below(table_rows)).collect();
        if way.sorted {
            ids.sort_unstable();
        }
        let words = 4 * way.columns;
        let row_sum = |id: &u32| {
            let first = words.wrapping_mul(*id);
            words.wrapping_mul(first).wrapping_add(words * (words - 1) / 2)
        };
        let expected = ids.iter().map(row_sum).fold(0, u32::wrapping_add);
        let groups = rows / unit;
        let sums = lab.zeroed(u64::from(4 * 256 * groups));
        let ids = lab.gpu.upload("ids", &ids);
        let buffers = [(1, &self.buffer), (2, &ids), (3, &sums)];
        let kernel = self.kernel(way);
        let timed =
            lab.time(&lab.work(&kernel, groups, [way.columns, rows_each, 0, 0], &buffers))?;
        found.check(name, lab.sum(&sums)?, expected);
        found.add(name, (u64::from(rows) * row_bytes) as f64 / timed.seconds / 1e9);
        Ok(())
    }

    fn kernel(&self, way: &Way) -> Kernel {
        let source = written_out(SOURCE, way.flight);
        self.lab.kernel(&source, "main", &[("LANES", f64::from(way.lanes))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_out_one_after_another() {
        let source = "for FLIGHTu {\n  let a$ = $u; // each\n  s += a$; // each\n}";
        let expected = "for 2u {\n  let a0 = 0u; // each\n  let a1 = 1u; // each\n  \
                        s += a0; // each\n  s += a1; // each\n}\n\n";
        assert_eq!(written_out(source, 2), expected);
    }
}
