//! Tables whose rows move, or begin anew.

use super::Table;
use crate::{ParamRows, RowMap, Status};

/// Makes a table one of `from.len()` rows, as [`SparseAdam::remap_rows`](crate::SparseAdam::remap_rows) does: row `i` has what
/// old row `from[i]` had. `place` is what its new region `[rows, dim]` holds before. Returns what was no row.
pub fn remap<T: Copy + Default>(
    table: &mut Table<T>,
    from: &[u32],
    place: Vec<T>,
    param_rows: ParamRows,
) -> Status {
    let old_rows = table.rows();
    let old_row = |row: usize| Some(from[row] as usize).filter(|&old| old < old_rows);
    let old = std::mem::replace(&mut table.param, place);
    if param_rows == ParamRows::Copied {
        move_rows(&old, &mut table.param, table.dim, old_row);
    }
    let begun = |old: &[T]| {
        let columns = old.len() / old_rows;
        let mut new = vec![T::default(); columns * from.len()];
        move_rows(old, &mut new, columns, old_row);
        new
    };
    table.exp_avg = begun(&table.exp_avg);
    table.exp_avg_sq = begun(&table.exp_avg_sq);
    table.max_exp_avg_sq = begun(&table.max_exp_avg_sq);
    for counts in [&mut table.row_counter, &mut table.prev_iter] {
        let mut new = vec![0; counts.len() / old_rows * from.len()];
        move_rows(counts, &mut new, counts.len() / old_rows, old_row);
        *counts = new;
    }
    let is_bad = |&&row: &&u32| row as usize >= old_rows && row != RowMap::NONE;
    Status { bad_map_row: from.iter().filter(is_bad).count() as u32, ..Status::default() }
}

/// Copies the rows of `columns` numbers that new ones come from.
fn move_rows<T: Copy>(
    old: &[T],
    new: &mut [T],
    columns: usize,
    old_row: impl Fn(usize) -> Option<usize>,
) {
    for (row, new) in new.chunks_exact_mut(columns.max(1)).enumerate() {
        if let Some(from) = old_row(row) {
            new.copy_from_slice(&old[from * columns..][..columns]);
        }
    }
}

/// Makes the state of `rows` that of rows which no step has named, as
/// [`SparseAdam::reset_rows`](crate::SparseAdam::reset_rows) does. Returns what was no row.
pub fn reset_rows<T: Copy + Default>(table: &mut Table<T>, rows: &[u32]) -> Status {
    let mut status = Status::default();
    let all = table.rows();
    for &row in rows {
        let row = row as usize;
        if row >= all {
            status.out_of_range += 1;
            continue;
        }
        let values = [&mut table.exp_avg, &mut table.exp_avg_sq, &mut table.max_exp_avg_sq];
        for values in values {
            let columns = values.len() / all;
            values[row * columns..][..columns].fill(T::default());
        }
        for counts in [&mut table.row_counter, &mut table.prev_iter] {
            counts.iter_mut().skip(row).take(1).for_each(|count| *count = 0);
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<f32> {
        let mut table = Table::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2);
        table.exp_avg = vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
        table.exp_avg_sq = vec![7.0, 8.0, 9.0];
        table.row_counter = vec![3, 1, 2];
        table.step = 9;
        table
    }

    #[test]
    fn rows_move_with_all_they_have() {
        let mut table = table();
        let status = remap(&mut table, &[2, RowMap::NONE, 0, 3], vec![-1.0; 8], ParamRows::Copied);
        assert_eq!(status.bad_map_row, 1);
        assert_eq!(table.param, [5.0, 6.0, -1.0, -1.0, 1.0, 2.0, -1.0, -1.0]);
        assert_eq!(table.exp_avg, [0.5, 0.6, 0.0, 0.0, 0.1, 0.2, 0.0, 0.0]);
        assert_eq!(table.exp_avg_sq, [9.0, 0.0, 7.0, 0.0]);
        assert_eq!((&*table.row_counter, table.step), (&[2, 0, 3, 0][..], 9));
        assert!(table.max_exp_avg_sq.is_empty() && table.prev_iter.is_empty());
        remap(&mut table, &[0], vec![9.0, 9.0], ParamRows::Left);
        assert_eq!((table.param, table.exp_avg), (vec![9.0, 9.0], vec![0.5, 0.6]));
    }

    #[test]
    fn rows_that_are_reset_have_no_past() {
        let mut table = table();
        assert_eq!(reset_rows(&mut table, &[1, 3, 1]).out_of_range, 1);
        assert_eq!(table.exp_avg, [0.1, 0.2, 0.0, 0.0, 0.5, 0.6]);
        assert_eq!(table.exp_avg_sq, [7.0, 0.0, 9.0]);
        assert_eq!(table.row_counter, [3, 0, 2]);
        assert_eq!(table.param, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }
}
