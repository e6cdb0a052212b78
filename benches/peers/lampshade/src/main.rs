//! Times the sort of a step beside the sort of the crate lampshade, on the same pairs and one
//! adapter, and prints one JSON object a sort and size.
//!
//!     cargo run --release
//!
//! Both sort pairs of a 20-bit key and a u32, stably, and are told that there are 20 bits.
//! Lampshade's time begins with the pairs in a buffer and ends with them sorted in another. Ours
//! is that of the stages ingest and sort of a step, which also make the pairs and, on CPU
//! adapters, list the heads of runs: on a small step these are one dispatch.
//!
//! `ms` is the sort by what `timer` names; `wall_ms` runs from submit to completion, of what
//! `wall_of` names. Where there are no timestamps, our sort has no `ms`: a step cannot be taken
//! apart by the wall's clock.
//!
//! `WGPU_BACKEND`, `WGPU_ADAPTER_NAME` and `WGPU_POWER_PREF` choose the adapter.

#![forbid(unsafe_code)]

mod clock;
mod devices;
mod line;
mod ours;
mod pairs;
mod sort;
mod theirs;

use line::Line;
use ours::Ours;
use sort::{Timed, measure};
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use theirs::Theirs;

const SIZES: [u32; 6] = [1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20];

fn main() -> Result<(), Box<dyn Error>> {
    let gpu = pollster::block_on(Gpu::open())?;
    eprintln!("adapter: {}", gpu.describe());
    // One more for the peer: the features it likes could change how our shaders are compiled.
    let peer = devices::with_subgroups(&gpu.info).map_err(|error| error.to_string());
    for n in SIZES {
        for line in size(&gpu, &peer, n)? {
            println!("{}", serde_json::to_string(&line)?);
        }
    }
    Ok(())
}

/// Both sorts of `n` pairs. Where the peer cannot run, its line says why.
fn size(gpu: &Gpu, peer: &Result<Gpu, String>, n: u32) -> Result<Vec<Line>, Box<dyn Error>> {
    let ids = pairs::ids(n);
    let theirs = peer
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|peer| Theirs::checked(peer, &ids).map_err(|error| error.to_string()));
    let mut lines = Vec::new();
    let mut timed = Vec::new();
    match theirs {
        Ok(theirs) => timed.push(Timed::new(Box::new(theirs))),
        Err(error) => lines.push(Line::failed(theirs::ABOUT, &gpu.info, n, error)),
    }
    timed.push(Timed::new(Box::new(Ours::checked(gpu, &ids)?)));
    measure(&mut timed)?;
    lines.extend(timed.iter().map(|timed| Line::measured(timed, n)));
    Ok(lines)
}
