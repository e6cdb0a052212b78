//! Loop turns of every dispatch, and the slices that keep them few.

use super::*;

/// Every dispatch of a plan, by stage.
fn launches(plan: &Plan) -> Vec<(&'static str, Launch)> {
    let mut launches: Vec<_> = plan.heads.iter().map(|heads| ("heads", heads.launch)).collect();
    for pass in &plan.sort.passes {
        launches.push(("sort", pass.tiles));
        launches.extend(pass.scan.map(|launch| ("scan", launch)));
    }
    for table in &plan.tables {
        launches.push(("update", table.update));
        launches.extend(table.levels.iter().map(|level| ("partial", level.launch)));
        let squares = table.squares.iter();
        launches.extend(squares.flat_map(|at| [("squares", at.launch), ("norm_sum", at.sum)]));
    }
    launches
}

#[test]
fn no_dispatch_takes_more_turns_than_every_driver_lets_it() {
    let largest = Tuning { update_tile: Tuning::MOST_TILE, digit_bits: 12, ..Tuning::CPU };
    let narrow = Tuning { workgroup: 8, max_lanes: 1, update_tile: 256, ..Tuning::GPU };
    let device = DeviceShape { max_binding: u64::from(u32::MAX) & !3, ..DEVICE };
    for tuning in [Tuning::CPU, Tuning::GPU, largest, narrow] {
        for dim in [1, 33, 64, 300, 301, 768, 1024, 4096, 65_535, 65_536, 212_983] {
            for nnz in [1, 127, 1024, 1025, 16_384, 300_000] {
                // Of very many wide rows, what is measured takes more than any device binds.
                let measures = u64::from(nnz) * u64::from(dim) <= 1 << 33;
                for squares in [false, measures] {
                    let step = TableDemand { squares, normed: squares, ..step(4000, dim, nnz) };
                    let plan = plan(&[step], device, &tuning).unwrap();
                    for (stage, launch) in launches(&plan) {
                        let turns = launch.turns;
                        assert!(turns <= TURNS, "{stage}, dim {dim}, {nnz} entries: {turns}");
                    }
                }
            }
        }
    }
}

#[test]
fn rows_of_common_width_are_not_sliced() {
    for (dim, nnz) in
        [(37, 80_000), (16, 65_536), (64, 65_536), (64, 1_048_576), (128, 4096), (128, 200_000)]
    {
        for tuning in [Tuning::CPU, Tuning::GPU] {
            let plan = plan(&[step(1_000_000, dim, nnz)], DEVICE, &tuning).unwrap();
            let columns = DEVICE.width(dim, &tuning).columns(dim);
            assert_eq!(plan.tables[0].slice, columns, "{dim}, {nnz}");
            // Upper levels have few blocks, and may be sliced.
            assert!(plan.tables[0].levels.iter().take(1).all(|level| level.slice == columns));
        }
    }
}

#[test]
fn slices_of_wide_rows_have_workgroups_of_their_own() {
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let narrow = plan(&[step(4000, 8, 16_384)], DEVICE, &tuning).unwrap();
        let wide = plan(&[step(4000, 65_536, 16_384)], DEVICE, &tuning).unwrap();
        let (narrow, wide) = (&narrow.tables[0], &wide.tables[0]);
        let slices = DEVICE.width(65_536, &tuning).columns(65_536).div_ceil(wide.slice);
        assert!(slices > 1);
        assert_eq!(wide.update.grid.x, narrow.update.grid.x * slices);
    }
}
