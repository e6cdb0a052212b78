use super::*;
use crate::format::Storage;
use crate::step::plan::tests::{ADAM_RULE, DEVICE};
use crate::{Format, Rounding};

fn bytes(dim: u32, param: Format) -> RowBytes {
    let storage = Storage { param, moments: Format::F32, rounding: Rounding::Nearest };
    RowBytes::of(dim, storage, ADAM_RULE)
}

/// Windows of so many rows each, one behind the other.
fn windows(rows: &[u32]) -> Vec<Window> {
    let mut first_row = 0;
    let window = |&rows: &u32| {
        let window = Window { first_row, rows };
        first_row += rows;
        window
    };
    rows.iter().map(window).collect()
}

fn listed(moving: Moving<'_>, tuning: &Tuning) -> Vec<Dispatch> {
    let mut out = Vec::new();
    remap([moving].into_iter(), (DEVICE, tuning), &mut out).unwrap();
    out
}

#[test]
fn every_new_window_takes_rows_of_every_old_one() {
    let (old, new) = (windows(&[100, 60]), windows(&[64, 64, 10]));
    let bytes = bytes(8, Format::F32);
    let moving =
        Moving { table: 3, bytes, takes_param: true, has_state: true, old: &old, new: &new };
    for tuning in [Tuning::CPU, Tuning::GPU] {
        let list = listed(moving, &tuning);
        // Per new window a check, and per old one the parameter and its state.
        assert_eq!(list.len(), 3 * (1 + 2 * 2));
        let mut pairs = Vec::new();
        for dispatch in &list {
            match dispatch.config {
                Config::Remap(config) => {
                    let [Some(Bind::Rows { first, entries }), Some(from), Some(to), ..] =
                        dispatch.bound
                    else {
                        panic!("{dispatch:?}");
                    };
                    let (old, new) = match (from, to) {
                        (Bind::Param { window: old, .. }, Bind::NewParam { window: new, .. }) => {
                            (old, new)
                        }
                        (Bind::State { window: old, .. }, Bind::NewState { window: new, .. }) => {
                            (old, new)
                        }
                        other => panic!("{other:?}"),
                    };
                    pairs.push((new, old));
                    let (from, to) = ([0, 100][old as usize], [64, 64, 10][new as usize]);
                    assert_eq!((config.old_first, config.rows), (from, to));
                    assert_eq!(first + config.map_first, 64 * new);
                    assert_eq!(entries - config.map_first, config.rows);
                    assert!((4 * u64::from(first)).is_multiple_of(DEVICE.alignment));
                    let strips = config.columns.div_ceil(config.strip);
                    let invocations = dispatch.launch.grid.x * dispatch.launch.grid.y;
                    assert!(invocations * tuning.workgroup >= config.rows * strips);
                    assert!(dispatch.launch.turns > config.strip);
                }
                Config::Check(config) => {
                    assert_eq!((config.rows, config.none), (160, RowMap::NONE));
                    assert_eq!(dispatch.second, Some(Second::Entries(config.capacity)));
                    assert_eq!(dispatch.bound[1], Some(Bind::Status { table: 3 }));
                }
                other => panic!("{other:?}"),
            }
        }
        pairs.sort_unstable();
        let all = (0..3).flat_map(|new| (0..2).flat_map(move |old| [(new, old); 2]));
        assert_eq!(pairs, all.collect::<Vec<_>>());
    }
}

#[test]
fn what_rows_have_decides_what_is_moved() {
    let windows = windows(&[10]);
    let stages = |dim, param, takes_param, has_state| {
        let bytes = bytes(dim, param);
        let (old, new) = (&*windows, &*windows);
        let moving = Moving { table: 0, bytes, takes_param, has_state, old, new };
        let list = listed(moving, &Tuning::GPU);
        list.iter().map(|of| of.kernel.stage).collect::<Vec<_>>()
    };
    use Stage::{CheckRows, Remap, RemapHalves};
    assert_eq!(stages(4, Format::F32, true, true), [CheckRows, Remap, Remap]);
    assert_eq!(stages(4, Format::F32, true, false), [CheckRows, Remap]);
    assert_eq!(stages(4, Format::F32, false, false), [CheckRows]);
    assert_eq!(stages(4, Format::F16, true, false), [CheckRows, Remap]);
    assert_eq!(stages(5, Format::Bf16, true, true), [CheckRows, RemapHalves, Remap]);
}

#[test]
fn every_dispatch_binds_what_its_stage_does() {
    let windows = windows(&[100, 60]);
    for dim in [1, 5, 8] {
        let bytes = bytes(dim, Format::Bf16);
        let (old, new) = (&*windows, &*windows);
        let moving = Moving { table: 0, bytes, takes_param: true, has_state: true, old, new };
        let mut list = listed(moving, &Tuning::CPU);
        let resetting = Resetting { table: 0, bytes, has_state: true, windows: &windows };
        let mut out = Vec::new();
        let count = (30, Second::Count { table: 0, segment: 0 });
        reset([resetting].into_iter(), count, (DEVICE, &Tuning::CPU), &mut out).unwrap();
        assert_eq!(out.len(), 3, "a check, and the state of each window");
        list.append(&mut out);
        for dispatch in &list {
            let uniforms = 1 + usize::from(dispatch.second.is_some());
            let storage = dispatch.bound.iter().flatten().count();
            assert_eq!(uniforms + storage, dispatch.kernel.stage.spec().bound.len());
        }
    }
}

#[test]
fn more_than_a_binding_or_a_dispatch_holds_is_refused() {
    let device = DeviceShape { max_binding: 4096, ..DEVICE };
    let mut out = Vec::new();
    let (old, new) = (windows(&[100]), windows(&[3, 1024]));
    let bytes = bytes(1, Format::F16);
    let moving =
        Moving { table: 0, bytes, takes_param: true, has_state: false, old: &old, new: &new };
    let refused = remap([moving].into_iter(), (device, &Tuning::GPU), &mut out);
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    let bytes = RowBytes { param: 4, state: 1 << 20, rows: 0 };
    let resetting = Resetting { table: 0, bytes, has_state: true, windows: &old };
    let many = (1 << 20, Second::Entries(1 << 20));
    let refused = reset([resetting].into_iter(), many, (DEVICE, &Tuning::GPU), &mut out);
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
}

#[test]
fn counters_are_those_of_the_status() {
    use crate::Status;
    use std::mem::offset_of;
    assert_eq!(4 * OUT_OF_RANGE as usize, offset_of!(Status, out_of_range));
    assert_eq!(4 * BAD_MAP_ROW as usize, offset_of!(Status, bad_map_row));
}
