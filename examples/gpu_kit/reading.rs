//! What the numbers say about what to change next.

use crate::finding::Findings;
use crate::steps::Step;
use serde::Serialize;

/// One conclusion.
#[derive(Debug, PartialEq, Serialize)]
pub struct Reading {
    pub probe: &'static str,
    pub found: String,
    pub then: &'static str,
}

/// Every conclusion that the numbers allow; a probe without its numbers allows none.
pub fn read(findings: &Findings<'_>, exact: Option<bool>, steps: &[Step]) -> Vec<Reading> {
    let probes = [
        barriers(findings),
        in_flight(findings),
        side_by_side(findings),
        strides(findings),
        residency(findings),
        ratio(findings, "P11", "a loop over what is written out"),
        ratio(findings, "P12", "a private array over variables"),
        arithmetic(exact),
        handover(findings),
        clocks(findings),
    ];
    probes.into_iter().flatten().chain(off_the_model(steps)).collect()
}

fn barriers(findings: &Findings<'_>) -> Option<Reading> {
    let us = findings.get("P2", "barrier")?;
    let then = match us < 1.5 {
        true => {
            "fewer dispatches of the sort (D: scan in scatter, H: next histogram on the way) lose rank"
        }
        false => "fewer dispatches of the sort (D, H) keep their rank",
    };
    Some(Reading { probe: "P2", found: format!("a barrier is {us:.2} us"), then })
}

fn in_flight(findings: &Findings<'_>) -> Option<Reading> {
    let times = findings.get("P5", "flight_4")? / findings.get("P5", "flight_1")?;
    let then = match times < 1.2 {
        true => {
            "at full occupancy rows in flight give little: where update of zipf is over twice the model, \
             hot rows are to be shared out (F) before rows are asked for earlier (A)"
        }
        false => "asking for four rows before the first is used (A) pays",
    };
    let alone = findings.get("P5", "alone_flight_4")? / findings.get("P5", "alone_flight_1")?;
    let found = format!("4 rows in flight are {times:.2} x of 1, {alone:.2} x in one group alone");
    Some(Reading { probe: "P5", found, then })
}

fn side_by_side(findings: &Findings<'_>) -> Option<Reading> {
    let share = findings.get("P6", "large_runs_2")? / findings.get("P6", "large_runs_16")?;
    let then = match share < 0.5 {
        true => "reorder in workgroup memory before the write (I) comes before H",
        false => "scattered pairs are no reason for a reorder before the write (I)",
    };
    let found = format!("stores in runs of 2 reach {share:.2} of runs of 16");
    Some(Reading { probe: "P6", found, then })
}

fn strides(findings: &Findings<'_>) -> Option<Reading> {
    let times = findings.get("P8", "loads_stride_8")? / findings.get("P8", "loads_stride_1")?;
    let then = match times > 3.0 {
        true => "bank conflicts bound the scatter's masks: transpose them (C)",
        false => "masks are not bound by bank conflicts: if by atomics, rank4",
    };
    Some(Reading { probe: "P8", found: format!("stride 8 takes {times:.2} x of stride 1"), then })
}

fn residency(findings: &Findings<'_>) -> Option<Reading> {
    let cores = findings.get("P10", "cores")?;
    let each = findings.get("P10", "resident_256_lanes_10_kib")? / cores;
    let then = match each < 3.0 {
        true => "halve the sort's workgroup memory before larger tiles",
        false => "the sort's workgroup memory leaves enough groups a core",
    };
    let found = format!("{cores:.0} cores hold {each:.1} groups of 256 with 10 KiB each");
    Some(Reading { probe: "P10", found, then })
}

fn ratio(findings: &Findings<'_>, probe: &'static str, what: &str) -> Option<Reading> {
    let [full, one] = ["full_ratio", "one_group_ratio"].map(|name| findings.get(probe, name));
    let (full, one) = (full?, one?);
    let then = match full.max(one) > 1.3 {
        true => "spell out the remaining loops",
        false => "nothing to gain by spelling loops out",
    };
    let found = format!("{what}: {full:.2} x on a full device, {one:.2} x of one group");
    Some(Reading { probe, found, then })
}

fn arithmetic(exact: Option<bool>) -> Option<Reading> {
    let (found, then) = match exact? {
        true => ("exact behind fences", "results have the bits of the CPU twin"),
        false => (
            "not exact behind fences",
            "say so in the table of adapters; a tuner may only choose run-time parameters",
        ),
    };
    Some(Reading { probe: "P13", found: found.into(), then })
}

fn handover(findings: &Findings<'_>) -> Option<Reading> {
    let wrong = findings.get("P14", "plain_wrong")?;
    let of = findings.get("P14", "plain_looked_at")?;
    let then = match wrong > 0.0 {
        true => "stores to storage are not seen by other lanes: ban that hand-over by a test",
        false => "no hand-over through storage went wrong here, which proves nothing elsewhere",
    };
    Some(Reading { probe: "P14", found: format!("{wrong:.0} of {of:.0} words were wrong"), then })
}

fn clocks(findings: &Findings<'_>) -> Option<Reading> {
    let (found, then) = match findings.get("P15", "believed")? > 0.0 {
        true => ("timestamps agree with the host", "times are the GPU's"),
        false => {
            ("timestamps are missing or wrong", "times are the host's: of stages there are none")
        }
    };
    Some(Reading { probe: "P15", found: found.into(), then })
}

/// Stages that took more than twice what the model said, or less than half, where that is more than some
/// microseconds.
fn off_the_model(steps: &[Step]) -> Vec<Reading> {
    let mut off = Vec::new();
    for step in steps {
        for stage in &step.stages {
            let (Some(us), Some(predicted)) = (stage.measured_us, stage.predicted) else {
                continue;
            };
            let times = us / predicted.us;
            if (us - predicted.us).abs() < 5.0 || (0.5..=2.0).contains(&times) {
                continue;
            }
            let found = format!(
                "{}, {}: {us:.0} us, the model said {:.0}, by {}",
                step.case,
                stage.stage,
                predicted.us,
                stage.bound.unwrap_or("nothing"),
            );
            let then = match times > 2.0 {
                true => "look here first: something that the model does not know takes the time",
                false => "the model is too dark here: what it recommends for this stage loses rank",
            };
            off.push(Reading { probe: "S", found, then });
        }
    }
    off
}

#[cfg(test)]
mod tests;
