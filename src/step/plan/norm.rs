//! What measuring a table's gradient takes: scratch, and the dispatches that write it and add it up.

use super::{HeadsPlan, LevelPlan, update_workgroups};
use crate::step::demand::TableDemand;
use crate::step::shape::{DeviceShape, Grid, Launch};
use crate::step::turns::{self, Runs};
use crate::{Error, Form, Tuning};

/// f32 columns of a block: those of `shaders/shared/square_row.wgsl`.
pub(crate) const BLOCK: u32 = 16;
/// Sorted positions per list of heads at most, such that the least slice, a block of columns, stays within the turns
/// of an invocation of `squares_serial` where it sums long runs itself.
pub(crate) const MOST_POSITIONS: u32 = 512;
/// Most that add digits of 16 bits to the digits of a step's total, which have 32.
const MOST_ADDERS: u32 = 1 << 16;
/// Positions that an invocation of `norm_sum` takes, if a step has not very many.
const PARALLEL_POSITIONS: u32 = 8;
const SERIAL_POSITIONS: u32 = 128;

/// Of a table whose gradient is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SquaresPlan {
    /// First word of the block sums `[positions, blocks]`, and blocks per row.
    pub first: u32,
    pub blocks: u32,
    /// Blocks that a workgroup of squares takes.
    pub slice: u32,
    pub launch: Launch,
    /// Positions that a workgroup of norm_sum takes.
    pub tile: u32,
    pub sum: Launch,
}

/// What is measured of a table, where something is; takes its `words`. An invocation of norm_sum takes `each`
/// positions, if it can.
pub(super) fn squares(
    step: TableDemand,
    (words, each): (&mut u64, u32),
    (first, levels, heads): (u32, &[LevelPlan], Option<HeadsPlan>),
    device: DeviceShape,
    tuning: &Tuning,
) -> Result<Option<SquaresPlan>, Error> {
    if !step.squares {
        return Ok(None);
    }
    let (blocks, lanes) = dealt(&step, tuning);
    let width = device.width(step.geometry.dim, tuning);
    let (levels, counted) = (levels.len() as u32, step.rule.counts_entries());
    let runs = Runs { nnz: step.nnz, levels, first_wins: step.first_wins, counted };
    let turns = match heads {
        Some(heads) => turns::squares_serial(heads.lists.block, runs, width),
        None => turns::squares_parallel(tuning.update_tile, lanes, runs, width),
    };
    let slice = turns.slice(blocks);
    let workgroups = update_workgroups(first, step.nnz, heads, tuning);
    let grid = Grid::of_slices(workgroups, blocks.div_ceil(slice), device)?;
    let launch = Launch { grid, turns: turns.of(slice) };
    let tile = tile(&step, each, tuning);
    let turns = turns::norm_sum(tile / (tuning.workgroup / lanes), blocks.div_ceil(lanes));
    let sum = Launch { grid: Grid::over(step.nnz.div_ceil(tile), device), turns };
    // Truncation is harmless: a plan of so many words is refused before it is used.
    let first = *words as u32;
    *words += u64::from(step.nnz) * u64::from(blocks);
    Ok(Some(SquaresPlan { first, blocks, slice, launch, tile, sum }))
}

/// The blocks of a row, and the invocations that share one.
fn dealt(step: &TableDemand, tuning: &Tuning) -> (u32, u32) {
    let blocks = step.geometry.dim.div_ceil(BLOCK);
    (blocks, tuning.lanes(blocks))
}

/// Positions of a workgroup of norm_sum whose invocations take `each`, or as many as they can.
fn tile(step: &TableDemand, each: u32, tuning: &Tuning) -> u32 {
    let (blocks, lanes) = dealt(step, tuning);
    each.min(turns::norm_sum_positions(blocks.div_ceil(lanes))) * (tuning.workgroup / lanes)
}

/// Positions that each invocation of norm_sum takes, so that the digits of a total hold what all add.
///
/// # Errors
/// [`Error::TooLarge`] where there is no such number.
pub(super) fn positions_each(steps: &[TableDemand], tuning: &Tuning) -> Result<u32, Error> {
    // GPUs add the digits of a workgroup, CPU adapters those of an invocation.
    let (least, adders) = match tuning.form {
        Form::Parallel => (PARALLEL_POSITIONS, 1),
        Form::Serial => (SERIAL_POSITIONS, tuning.workgroup),
    };
    let found = |each: u32| -> u64 {
        let measured = steps.iter().filter(|step| step.normed);
        measured.map(|step| u64::from(step.nnz.div_ceil(tile(step, each, tuning)) * adders)).sum()
    };
    let most = u64::from(MOST_ADDERS);
    let fits = (0..16).map(|doubled| least << doubled).find(|&each| found(each) <= most);
    let few = "spread the tables over several steps";
    fits.map_or_else(
        || {
            let (what, found) = ("invocations that add up a norm".into(), found(least << 15));
            Err(Error::TooLarge { what, found, limit: most, remedy: few })
        },
        Ok,
    )
}

/// `norm_factor`.
pub(crate) fn factor() -> Launch {
    Launch { grid: Grid { x: 1, y: 1 }, turns: turns::norm_factor() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::budget::TURNS;
    use crate::step::plan::tests::{DEVICE, step};
    use crate::step::plan::{MOST_ENTRIES, plan};

    #[test]
    fn what_is_measured_of_a_table_follows_its_sums() {
        let measured =
            |dim, nnz| TableDemand { squares: true, normed: true, ..step(1000, dim, nnz) };
        let plan =
            plan(&[measured(64, 1000), step(10, 4, 5), measured(33, 7)], DEVICE, &Tuning::GPU);
        let plan = plan.unwrap();
        let found: Vec<_> = plan.tables.iter().map(|at| at.squares).collect();
        let [Some(first), None, Some(last)] = found[..] else { panic!("{found:?}") };
        // Two words per pair, and sums of 16 blocks of positions.
        let sums = 2 * 1012 + 16 * 64;
        assert_eq!((first.first, first.blocks), (sums, 4));
        assert_eq!((last.first, last.blocks), (sums + 4000, 3));
        assert_eq!(plan.sorted_words, u64::from(sums) + 4000 + 21);
        assert_eq!((first.tile, first.sum.grid.x, last.sum.grid.x), (512, 2, 1));
    }

    #[test]
    fn no_step_has_more_adders_than_the_digits_of_its_total_hold() {
        let device = DeviceShape { max_binding: u64::MAX, ..DEVICE };
        let large = Tuning { workgroup: 256, ..Tuning::CPU };
        for tuning in [Tuning::CPU, Tuning::GPU, large] {
            for (tables, dim, nnz) in [
                (1, 1, 1),
                (1, 1, MOST_ENTRIES),
                (200, 64, 100_000),
                (26, 4096, 9000),
                (2, 851_936, 3),
                (1, 16_384, 900),
            ] {
                let each = TableDemand { squares: true, normed: true, ..step(1000, dim, nnz) };
                let plan = plan(&vec![each; tables], device, &tuning).unwrap();
                let squares = || plan.tables.iter().filter_map(|at| at.squares);
                let adders = |at: SquaresPlan| match tuning.form {
                    Form::Serial => nnz.div_ceil(at.tile) * tuning.workgroup,
                    Form::Parallel => nnz.div_ceil(at.tile),
                };
                let added = |at: SquaresPlan| {
                    let lanes = tuning.lanes(at.blocks);
                    at.tile / (tuning.workgroup / lanes) * at.blocks.div_ceil(lanes)
                };
                assert!(
                    squares().all(|at| added(at) <= turns::MOST_ADDED),
                    "{tables} x {dim}, {nnz}"
                );
                // Each adds less than 2^16 to digits of 32 bits, having added up as much of its own.
                assert!(squares().map(adders).sum::<u32>() <= 1 << 16, "{tables} x {dim}, {nnz}");
                assert!(squares().all(|at| at.sum.turns <= TURNS));
                assert!(squares().all(|at| at.sum.grid.x * at.sum.grid.y * at.tile >= nnz));
            }
        }
        let measured = TableDemand { squares: true, normed: true, ..step(10, 1, 1) };
        let many = vec![measured; (1 << 16) + 1];
        assert!(matches!(plan(&many, device, &Tuning::GPU), Err(Error::TooLarge { .. })));
    }
}
