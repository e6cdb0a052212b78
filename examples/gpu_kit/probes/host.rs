//! P1 and P3: what the host's side of a submission takes.

use super::dispatches::counting;
use crate::finding::{Failure, Finding};
use crate::lab::{Lab, median};
use std::collections::VecDeque;
use std::time::Instant;
use wgpu::{CommandEncoder, CommandEncoderDescriptor, PollType};

const ROUNDS: u32 = 64;

fn encoder(lab: &Lab) -> CommandEncoder {
    lab.gpu.device.create_command_encoder(&CommandEncoderDescriptor { label: None })
}

/// P1: an empty submission and wait; one of many, of which some are in flight.
pub fn submissions(lab: &Lab) -> Result<Finding, Failure> {
    let mut found = Finding::new("P1", "a submission of one empty dispatch, and a wait", "us");
    let (work, counter) = counting(lab);
    let mut submitted = 0;
    for in_flight in [0, 1, 2, 4] {
        let mut rounds = Vec::new();
        let mut pending = VecDeque::new();
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let mut encoder = encoder(lab);
            if in_flight > 0 {
                work.record(&mut encoder.begin_compute_pass(&Default::default()));
                submitted += 1;
            }
            pending.push_back(lab.gpu.queue.submit([encoder.finish()]));
            while pending.len() > in_flight.max(1) - 1 {
                let submission_index = pending.pop_front();
                lab.gpu.device.poll(PollType::Wait { submission_index, timeout: None })?;
            }
            rounds.push(1e6 * start.elapsed().as_secs_f64());
        }
        lab.gpu.wait()?;
        let name = if in_flight == 0 { "nothing".into() } else { format!("in_flight_{in_flight}") };
        found.add(name, median(rounds));
    }
    found.check("dispatches counted", lab.read(&counter)?[0], submitted);
    Ok(found)
}

/// P3: recording and finishing, per dispatch.
pub fn recording(lab: &Lab) -> Result<Finding, Failure> {
    let mut found = Finding::new("P3", "host time of a dispatch, of 256 in a pass", "us");
    let (work, counter) = counting(lab);
    let dispatches = 256u32;
    let [mut recorded, mut finished, mut submitted] = [const { Vec::new() }; 3];
    let rounds = 9;
    for _ in 0..rounds {
        let mut encoder = encoder(lab);
        let start = Instant::now();
        let mut pass = encoder.begin_compute_pass(&Default::default());
        (0..dispatches).for_each(|_| work.record(&mut pass));
        drop(pass);
        let at_record = start.elapsed();
        let commands = encoder.finish();
        let at_finish = start.elapsed();
        lab.gpu.queue.submit([commands]);
        let at_submit = start.elapsed();
        lab.gpu.wait()?;
        recorded.push(at_record.as_secs_f64());
        finished.push((at_finish - at_record).as_secs_f64());
        submitted.push((at_submit - at_finish).as_secs_f64());
    }
    let each = |seconds| 1e6 * median(seconds) / f64::from(dispatches);
    found.add("record", each(recorded));
    found.add("finish", each(finished));
    found.add("submit", each(submitted));
    found.check("dispatches counted", lab.read(&counter)?[0], rounds * dispatches);
    Ok(found)
}
