//! Made-up numbers on both sides of each border.

use super::*;
use crate::finding::Finding;
use crate::model::{Parts, Sizes, Stage};
use crate::steps::StageTime;

fn finding(probe: &'static str, numbers: &[(&str, f64)]) -> Finding {
    let mut finding = Finding::new(probe, "", "");
    numbers.iter().for_each(|(name, number)| finding.add(*name, *number));
    finding
}

type Numbers = &'static [(&'static str, f64)];

/// The one conclusion of a probe with these numbers.
fn then(probe: &'static str, numbers: &[(&str, f64)]) -> &'static str {
    let findings = [finding(probe, numbers)];
    let mut all = read(&Findings(&findings), None, &[]);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).then
}

#[test]
fn every_border_has_two_sides() {
    let pairs: [(_, Numbers, Numbers); 8] = [
        ("P2", &[("barrier", 1.1)], &[("barrier", 3.0)]),
        (
            "P5",
            &[
                ("flight_1", 1.0),
                ("flight_4", 1.1),
                ("alone_flight_1", 1.0),
                ("alone_flight_4", 3.0),
            ],
            &[
                ("flight_1", 1.0),
                ("flight_4", 1.5),
                ("alone_flight_1", 1.0),
                ("alone_flight_4", 3.0),
            ],
        ),
        (
            "P6",
            &[("large_runs_2", 1.0), ("large_runs_16", 3.0)],
            &[("large_runs_2", 2.0), ("large_runs_16", 3.0)],
        ),
        (
            "P8",
            &[("loads_stride_1", 1.0), ("loads_stride_8", 4.0)],
            &[("loads_stride_1", 1.0), ("loads_stride_8", 2.0)],
        ),
        (
            "P10",
            &[("cores", 100.0), ("resident_256_lanes_10_kib", 200.0)],
            &[("cores", 100.0), ("resident_256_lanes_10_kib", 500.0)],
        ),
        (
            "P11",
            &[("full_ratio", 1.0), ("one_group_ratio", 1.4)],
            &[("full_ratio", 1.0), ("one_group_ratio", 1.1)],
        ),
        (
            "P14",
            &[("plain_wrong", 1.0), ("plain_looked_at", 9.0)],
            &[("plain_wrong", 0.0), ("plain_looked_at", 9.0)],
        ),
        ("P15", &[("believed", 0.0)], &[("believed", 1.0)]),
    ];
    for (probe, low, high) in pairs {
        assert_ne!(then(probe, low), then(probe, high), "{probe}");
    }
    assert!(then("P2", &[("barrier", 1.1)]).contains("lose rank"));
    let arithmetic = |exact| read(&Findings(&[]), Some(exact), &[]).remove(0).then;
    assert_ne!(arithmetic(true), arithmetic(false));
}

#[test]
fn what_is_missing_or_wrong_is_not_read() {
    assert_eq!(read(&Findings(&[]), None, &[]), []);
    let mut wrong = finding("P2", &[("barrier", 1.0)]);
    wrong.check("sum", 1, 2);
    assert_eq!(read(&Findings(&[wrong]), None, &[]), []);
    let endless = finding("P2", &[("barrier", f64::NAN)]);
    assert_eq!(read(&Findings(&[endless]), None, &[]), []);
}

#[test]
fn only_stages_far_off_the_model_are_told() {
    let sizes = Sizes {
        rows: 1,
        dim: 1,
        nnz: 1.0,
        unique: 1.0,
        in_long_runs: 0.0,
        hottest: 1.0,
        tables: 1,
        at_once: [1; 2],
        promised: false,
    };
    let stage = |measured: f64, us: f64| StageTime {
        stage: "sort",
        measured_us: Some(measured),
        predicted: Some(Stage { us, parts: Parts::default() }),
        bound: Some("latency"),
    };
    let stages = vec![stage(30.0, 10.0), stage(15.0, 10.0), stage(4.0, 1.0), stage(10.0, 30.0)];
    let step = Step {
        case: "medium".into(),
        sizes,
        dispatches: 1,
        prepare_ms: 0.0,
        step_us: 0.0,
        record_us: 0.0,
        queued_us: 0.0,
        batched_us: 0.0,
        floor_us: None,
        dispatches_us: None,
        stages,
        checked: None,
    };
    let told = read(&Findings(&[]), None, &[step]);
    let found: Vec<_> = told.iter().map(|reading| reading.found.as_str()).collect();
    assert_eq!(
        found,
        [
            "medium, sort: 30 us, the model said 10, by latency",
            "medium, sort: 10 us, the model said 30, by latency",
        ]
    );
    assert_ne!(told[0].then, told[1].then);
}
