#[path = "plan_tests/turns.rs"]
mod turns;

use super::*;
use crate::format::{Formats, RowBytes, Storage};
use crate::param::Geometry;
use crate::rule::Rule;
use crate::rule::adam::ADAM;
use crate::step::budget::TURNS;
use crate::step::demand::OneList;
use crate::step::shape::{Window, windows};

pub(crate) const DEVICE: DeviceShape = DeviceShape {
    max_binding: 128 << 20,
    alignment: 256,
    max_workgroups: 65_535,
    storage_buffers: 4,
    may_overlap: true,
    value_windows: 1,
    group_bindings: 1000,
    uniform_bytes: 16 << 10,
    array_elements: 0,
    u64_rows: true,
    subgroups: false,
    workgroup_bytes: 16 << 10,
};

fn table(rows: u32, dim: u32) -> Geometry {
    Geometry { axes: [rows, 1, 1], sparse_dim: 1, rows, dim }
}

/// torch's SparseAdam.
pub(crate) const ADAM_RULE: Rule = Rule { family: &ADAM, variant: 0 };

/// A list that a dispatch can take with others.
pub(crate) const JOINS: OneList = OneList { joins: true, pool: None };

pub(crate) fn step(rows: u32, dim: u32, nnz: u32) -> TableDemand {
    TableDemand {
        table: 0,
        geometry: table(rows, dim),
        nnz,
        value_rows: nnz,
        formats: Formats::default(),
        promised: false,
        checked: false,
        first_wins: false,
        rule: ADAM_RULE,
        limit: None,
        grad_scale: 1f32.to_bits(),
        squares: false,
        normed: false,
        weighted: false,
        shares: None,
        tallied: false,
        one_list: None,
        segments: 1,
        windows: 1,
        pools: Default::default(),
    }
}

fn row_bytes(dim: u32) -> RowBytes {
    RowBytes::of(dim, Storage::default(), ADAM_RULE)
}

#[test]
fn tables_own_disjoint_keys_and_positions() {
    let plan = plan(&[step(10, 4, 5), step(7, 3, 2), step(1, 1, 9)], DEVICE, &Tuning::CPU).unwrap();
    let ranges: Vec<_> = plan
        .tables
        .iter()
        .map(|t| (t.keys.first, t.keys.end, t.keys.base, t.keys.sentinel))
        .collect();
    assert_eq!(ranges, [(0, 5, 0, 10), (5, 7, 11, 18), (7, 16, 19, 20)]);
    // Two words per pair, and one block of heads.
    assert_eq!((plan.sort.count, plan.sorted_words), (16, 32 + 18));
}

#[test]
fn promised_tables_lie_behind_the_sorted_ones() {
    let promised = TableDemand { promised: true, first_wins: true, ..step(7, 3, 200) };
    let plan = plan(&[promised, step(10, 4, 5)], DEVICE, &Tuning::GPU).unwrap();
    let ranges: Vec<_> =
        plan.tables.iter().map(|t| (t.keys.first, t.keys.end, t.keys.base)).collect();
    assert_eq!(ranges, [(5, 205, 0), (0, 5, 8)]);
    assert_eq!((plan.sort.count, plan.pairs), (5, 205));
    assert_eq!(plan.tables[0].levels, []);
    assert_eq!([plan.tables[0].sorted, plan.tables[1].sorted], [false, true]);
}

#[test]
fn cpu_adapters_sort_promised_tables_too() {
    let promised = TableDemand { promised: true, first_wins: true, ..step(7, 3, 200) };
    let plan = plan(&[promised], DEVICE, &Tuning::CPU).unwrap();
    assert_eq!((plan.sort.count, plan.tables[0].sorted), (200, true));
}

#[test]
fn weights_take_two_words_an_entry() {
    let weighted = TableDemand { weighted: true, ..step(7, 3, 20) };
    let plan = plan(&[step(10, 4, 5), weighted], DEVICE, &Tuning::GPU).unwrap();
    assert_eq!((plan.tables[1].terms, plan.sorted_words), (50, 90));
}

#[test]
fn digits_cover_exactly_the_bits_that_the_keys_need() {
    for (tuning, rows) in [(Tuning::CPU, 1_000_000), (Tuning::GPU, 1_000_000), (Tuning::GPU, 1)] {
        let plan = plan(&[step(rows, 4, 100)], DEVICE, &tuning).unwrap();
        let mut shift = 0;
        for pass in &plan.sort.passes {
            assert_eq!(pass.shift, shift);
            assert!(pass.radix <= 1 << tuning.digit_bits);
            shift += pass.radix.ilog2();
        }
        assert_eq!(shift, (rows + 1).next_power_of_two().ilog2());
    }
}

#[test]
fn small_gradients_are_sorted_as_they_come_in() {
    let direct = |nnz| TableDemand { one_list: Some(JOINS), ..step(1000, 4, nnz) };
    for (tuning, one, two) in [
        (Tuning::CPU, Some(Small::Serial), None),
        (Tuning::GPU, Some(Small::Radix), Some(Small::Radix)),
    ] {
        let planned = |steps: &[TableDemand]| plan(steps, DEVICE, &tuning).unwrap();
        let small = |steps: &[TableDemand]| planned(steps).small;
        let most = direct(tuning.small);
        let plan = planned(&[most]);
        assert!(plan.small == one && plan.sort.passes.is_empty());
        assert_eq!(plan.pairs, tuning.small);
        assert_eq!(small(&[most, most]), two);
        assert_eq!(small(&[direct(tuning.small + 1), most]), None);
        assert_eq!(small(&[TableDemand { one_list: None, ..most }]), None);
    }
}

#[test]
fn lists_of_heads_cover_the_sorted_positions_in_blocks() {
    assert_eq!(plan(&[step(10, 1, 99)], DEVICE, &Tuning::GPU).unwrap().heads, None);
    for (nnz, block) in [(1, 16), (600, 64), (5000, 512), (1_000_000, 1024)] {
        let plan = plan(&[step(10, 1, nnz)], DEVICE, &Tuning::CPU).unwrap();
        let heads = plan.heads.unwrap();
        assert_eq!((heads.lists.block, heads.lists.first), (block, 2 * nnz));
        let invocations = heads.launch.grid.x * heads.launch.grid.y * Tuning::CPU.workgroup;
        assert!(u64::from(invocations) * u64::from(block) >= u64::from(nnz));
        assert!(plan.sorted_words >= u64::from(2 * nnz + nnz.div_ceil(block) * list_words(block)));
    }
}

#[test]
fn a_serial_update_visits_every_block_that_a_table_has_part_of() {
    let steps = [step(10, 1, 5000), step(10, 1, 5000), step(10, 1, 37)];
    let plan = plan(&steps, DEVICE, &Tuning::CPU).unwrap();
    let block = plan.heads.unwrap().lists.block;
    for table in &plan.tables {
        let blocks = table.keys.end.div_ceil(block) - table.keys.first / block;
        assert!(table.update.grid.x * table.update.grid.y >= blocks);
    }
}

#[test]
fn an_update_sums_short_tables_itself() {
    for (tuning, most, levels) in
        [(Tuning::CPU, SERIAL_INLINE, 1), (Tuning::GPU, PARALLEL_INLINE, 2)]
    {
        let planned = |nnz, squares| {
            let asked = TableDemand { squares, ..step(10, 2, nnz) };
            plan(&[asked], DEVICE, &tuning).unwrap().tables[0].levels.len()
        };
        assert_eq!([planned(most, false), planned(most + 1, false)], [0, levels]);
    }
    // One group of invocations measures a run by itself.
    let measured = |nnz| {
        let asked = TableDemand { squares: true, ..step(10, 2, nnz) };
        let planned = plan(&[asked], DEVICE, &Tuning::GPU).unwrap();
        planned.tables[0].levels.iter().map(|level| level.stride).collect::<Vec<_>>()
    };
    assert_eq!([measured(64), measured(65)], [vec![], vec![CHUNK]]);
}

#[test]
fn few_tiles_are_sorted_without_a_scan() {
    for (count, tiles, scans) in [(2, 1, 0), (4096, 16, 0), (131_072, 64, 0), (131_073, 65, 3)] {
        let sort = plan(&[step(1_000_000, 4, count)], DEVICE, &Tuning::GPU).unwrap().sort;
        let scanned = sort.passes.iter().filter(|pass| pass.scan.is_some()).count();
        assert_eq!((sort.tiles, scanned), (tiles, scans), "{count}");
    }
}

#[test]
fn a_step_without_entries_needs_nothing() {
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let plan = plan(&[], DEVICE, &tuning).unwrap();
        assert_eq!((plan.pairs, plan.sort.passes.len(), plan.sorted_words), (0, 0, 0));
    }
}

#[test]
fn one_entry_needs_no_sort() {
    let plan = plan(&[step(1000, 4, 1)], DEVICE, &Tuning::GPU).unwrap();
    assert_eq!(plan.sort.passes, []);
}

#[test]
fn levels_follow_the_longest_possible_run() {
    let levels = |nnz| {
        let plan = plan(&[step(10, 2, nnz)], DEVICE, &Tuning::GPU).unwrap();
        let levels = &plan.tables[0].levels;
        levels.iter().map(|l| (l.stride, l.blocks, l.sums)).collect::<Vec<_>>()
    };
    assert_eq!(levels(4096), []);
    assert_eq!(levels(4097), [(64, 65, 8194), (4096, 2, 8324)]);
}

#[test]
fn grids_fold_past_the_axis_limit() {
    let plan = plan(&[step(10, 1, 9_000_000)], DEVICE, &Tuning::CPU).unwrap();
    let grid = plan.tables[0].entries;
    assert!(grid.x <= 65_535 && grid.y > 1);
    assert!(u64::from(grid.x) * u64::from(grid.y) * 8 >= 9_000_000);
}

#[test]
fn update_has_a_workgroup_for_every_tile_of_every_stretch() {
    for tuning in [Tuning::CPU, Tuning::GPU] {
        for nnz in [1, 63, 64, 65, 1025, 99_999] {
            let plan = plan(&[step(10, 1, nnz)], DEVICE, &tuning).unwrap();
            let workgroups = plan.tables[0].update.grid.x * plan.tables[0].update.grid.y;
            let tile = plan.heads.map_or(tuning.update_tile, |heads| heads.lists.block);
            let stretch = nnz.div_ceil(tile).div_ceil(tuning.interleave);
            assert!(workgroups >= stretch * tuning.interleave);
        }
    }
}

/// `tile_of` of `shaders/shared/tiles.wgsl`.
fn tile_of(workgroup: u32, tiles: u32, spread: u32) -> u32 {
    let stretch = tiles.div_ceil(spread);
    if workgroup >= stretch * spread {
        return tiles;
    }
    (workgroup % stretch) * spread + workgroup / stretch
}

#[test]
fn a_folded_grid_takes_every_tile_once() {
    let small = DeviceShape { max_workgroups: 100, ..DEVICE };
    for spread in [1, 4, 7] {
        for tiles in [1u32, 3, 4, 99, 100, 101, 150, 1000] {
            let grid = Grid::over(tiles.next_multiple_of(spread), small);
            let mut taken = vec![0; tiles as usize];
            for workgroup in 0..grid.x * grid.y {
                if let Some(taken) = taken.get_mut(tile_of(workgroup, tiles, spread) as usize) {
                    *taken += 1;
                }
            }
            assert!(taken.iter().all(|&times| times == 1), "{tiles} tiles, spread {spread}");
        }
    }
}

#[test]
fn serial_tiles_cover_the_pairs() {
    let plan = plan(&[step(10, 1, 9_000_000)], DEVICE, &Tuning::CPU).unwrap();
    assert!(u64::from(plan.sort.tiles) * u64::from(plan.sort.tile_size) >= 9_000_000);
}

#[test]
fn four_levels_of_sums_do_for_every_step() {
    let device = DeviceShape { max_binding: u64::MAX, ..DEVICE };
    let plan = |nnz| plan(&[step(10, 1, nnz)], device, &Tuning::GPU);
    assert_eq!(plan(MOST_ENTRIES).unwrap().tables[0].levels.len(), 4);
    assert!(matches!(plan(MOST_ENTRIES + 1), Err(Error::TooLarge { .. })));
}

#[test]
fn a_table_that_fits_is_one_window() {
    let whole = windows(1000, row_bytes(37), DEVICE).unwrap();
    assert_eq!(whole, [Window { first_row: 0, rows: 1000 }]);
}

#[test]
fn windows_cover_every_row_once_at_aligned_offsets_within_the_limit() {
    for (rows, dim) in [(3_000_000, 37), (1_000_000, 64), (20_000_000, 3), (70_000_000, 1)] {
        let bytes = row_bytes(dim);
        let windows = windows(rows, bytes, DEVICE).unwrap();
        assert!(windows.len() > 1);
        let mut next = 0;
        for window in windows {
            assert_eq!(window.first_row, next);
            assert_eq!(u64::from(window.first_row) * bytes.param % DEVICE.alignment, 0);
            assert!(u64::from(window.rows) * bytes.state <= DEVICE.max_binding);
            next += window.rows;
        }
        assert_eq!(next, rows);
    }
}

#[test]
fn what_cannot_be_addressed_is_refused() {
    let small = DeviceShape { max_binding: 1 << 20, ..DEVICE };
    let too_large: [(&[TableDemand], DeviceShape); 3] = [
        (&[step(u32::MAX - 1, 1, 4), step(1, 1, 4)], DEVICE),
        (&[step(10, 1, u32::MAX)], DEVICE),
        (&[step(10, 1, 200_000)], small),
    ];
    for (steps, device) in too_large {
        assert!(matches!(plan(steps, device, &Tuning::GPU), Err(Error::TooLarge { .. })));
    }
    assert!(matches!(windows(10, row_bytes(1 << 20), small), Err(Error::TooLarge { .. })));
}
