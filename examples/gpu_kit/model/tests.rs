//! For constants assumed of an H100.

use super::*;

fn h100() -> Constants {
    Constants {
        bandwidth: 2700.0,
        dispatch: 3.0,
        l1: 0.024,
        l2: 0.155,
        dram: 0.42,
        barrier: 0.025,
        wavefront: 0.0006,
        cores: 132.0,
        resident: 5.0,
        gather: vec![(0.0, 0.5), (64.0, 0.62), (128.0, 0.78), (256.0, 0.88), (512.0, 0.95)],
    }
}

fn sizes([rows, dim]: [u32; 2], [nnz, unique, in_long_runs, hottest]: [f64; 4]) -> Sizes {
    Sizes {
        rows,
        dim,
        nnz,
        unique,
        in_long_runs,
        hottest,
        tables: 1,
        at_once: [1; 2],
        promised: false,
    }
}

/// Whole microseconds of each stage.
fn rounded(sizes: &Sizes) -> [f64; 4] {
    predict(sizes, Sorted::default(), &h100()).map(|stage| stage.us.round())
}

fn million(numbers: [f64; 4]) -> Sizes {
    sizes([1_000_000, 64], numbers)
}

/// One of 26.
fn table() -> Sizes {
    sizes([100_000, 32], [4096.0, 1788.0, 1500.0, 420.0])
}

#[test]
fn stages_take_what_the_model_said() {
    let tiny = million([1024.0, 1023.0, 0.0, 1.0]);
    assert_eq!(rounded(&tiny), [8.0, 0.0, 0.0, 6.0]);
    let unique = million([65_536.0, 65_536.0, 0.0, 1.0]);
    assert_eq!(rounded(&unique), [4.0, 34.0, 7.0, 52.0]);
    let zipf = million([65_536.0, 21_653.0, 27_800.0, 6200.0]);
    assert_eq!(rounded(&zipf), [4.0, 34.0, 22.0, 27.0]);
    let large = million([524_288.0, 524_288.0, 0.0, 1.0]);
    assert_eq!(rounded(&large), [6.0, 72.0, 10.0, 398.0]);
    let hot = million([1_048_576.0, 1.0, 1_048_576.0, 1_048_576.0]);
    assert_eq!(rounded(&hot), [8.0, 134.0, 136.0, 34.0]);
    let odd = sizes([200_000, 37], [65_536.0, 17_431.0, 30_500.0, 6700.0]);
    assert_eq!(rounded(&odd), [4.0, 34.0, 22.0, 31.0]);
    assert_eq!(rounded(&Sizes { tables: 26, at_once: [32; 2], ..table() }), [11.0, 0.0, 0.0, 29.0]);
}

#[test]
fn entries_that_a_workgroup_sorts_take_a_dispatch_for_all_tables() {
    let together = Sizes { tables: 26, at_once: [32, 32], ..table() };
    let none = Sorted { network: 1.0, small: 1.0 };
    let stages = |sizes: &Sizes, sorted| predict(sizes, sorted, &h100()).map(|stage| stage.us);
    let [apart, at_once] = [none, Sorted::default()].map(|sorted| stages(&together, sorted));
    assert!(at_once[0] < 0.4 * (apart[0] + apart[1]), "{at_once:?}, {apart:?}");
    assert_eq!((at_once[1], at_once[2..].to_vec()), (0.0, apart[2..].to_vec()));
    // By bindings of their own, as many times as there are dispatches.
    let slots = stages(&Sizes { at_once: [6, 2], ..together }, Sorted::default());
    assert!((slots[0] / at_once[0] - 5.0).abs() < 1e-9 && slots[3] > 5.0 * at_once[3], "{slots:?}");
    // More keys than a word has room for, and more entries than a workgroup takes.
    let wide = Sizes { rows: 1 << 24, ..table() };
    let many = Sizes { nnz: 4097.0, ..table() };
    assert!([wide, many].iter().all(|sizes| stages(sizes, Sorted::default())[1] > 0.0));
}

#[test]
fn parts_make_up_their_stage_and_the_largest_is_the_bound() {
    for numbers in [[1024.0, 1023.0, 0.0, 1.0], [524_288.0, 109_533.0, 298_000.0, 49_600.0]] {
        for stage in predict(&million(numbers), Sorted::default(), &h100()) {
            assert!((stage.parts.sum() - stage.us).abs() < 1e-9, "{stage:?}");
        }
    }
    let bounds = |numbers| {
        let stages = predict(&million(numbers), Sorted::default(), &h100());
        stages.map(|stage| stage.parts.bound())
    };
    let unique = bounds([524_288.0, 524_288.0, 0.0, 1.0]);
    assert_eq!((unique[2], unique[3]), ("dispatch", "bandwidth"));
    let zipf = bounds([65_536.0, 21_653.0, 27_800.0, 6200.0]);
    assert_eq!((zipf[2], zipf[3]), ("latency", "bandwidth"));
}

#[test]
fn nothing_is_sorted_where_uniqueness_is_promised() {
    let sorted = sizes([1_000_000, 64], [524_288.0, 524_288.0, 0.0, 1.0]);
    let promised = Sizes { promised: true, ..sorted };
    let [ingest, sort, partial, update] = rounded(&promised);
    assert_eq!([ingest, sort, partial, update], [6.0, 0.0, 0.0, 398.0]);
}
