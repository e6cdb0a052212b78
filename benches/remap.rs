//! What it costs to move the rows of a table: remaps in turns with plain copies of as many bytes, in one run.
//!
//!     cargo bench --bench remap
//!
//! Medians, from recording to the GPU's completion. The floor is a row of the parameter and of both moments read and written,
//! 24 bytes per value; the copy moves as many by `copy_buffer_to_buffer`.

use sparse_adam::{AdamOptions, Error, Param, ParamId, RowMap, SparseAdam};
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::headless::Gpu;
use std::time::{Duration, Instant};
use wgpu::{Buffer, CommandEncoder, CommandEncoderDescriptor};

/// Timed remaps of each kind, after two that build kernels and touch memory.
const TIMES: usize = 15;

/// A table that moves to and fro between two places, and buffers of as many bytes as it and its state have.
struct Moved<'a> {
    gpu: &'a Gpu,
    optimizer: SparseAdam,
    param: ParamId,
    places: [Buffer; 2],
    copied: [Buffer; 2],
    rows: u32,
    bytes: u64,
}

impl<'a> Moved<'a> {
    fn new(gpu: &'a Gpu, rows: u32, dim: u32) -> Result<Self, Error> {
        let mut optimizer = SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::new())?;
        let bytes = 4 * u64::from(rows) * u64::from(dim);
        let places = ["one", "other"].map(|name| gpu.zeroed(name, bytes));
        let copied = ["from", "to"].map(|name| gpu.zeroed(name, 3 * bytes));
        let param = optimizer.add_param(Param::new("table", &places[0], [rows, dim]))?;
        optimizer.set_step_count(param, 1)?;
        Ok(Self { gpu, optimizer, param, places, copied, rows, bytes: 3 * bytes })
    }

    fn time(
        &mut self,
        record: impl FnOnce(&mut Self, &mut CommandEncoder) -> Result<(), Error>,
    ) -> Result<Duration, Error> {
        let start = Instant::now();
        let descriptor = CommandEncoderDescriptor { label: None };
        let mut encoder = self.gpu.device.create_command_encoder(&descriptor);
        record(self, &mut encoder)?;
        self.gpu.queue.submit([encoder.finish()]);
        self.gpu.wait()?;
        Ok(start.elapsed())
    }

    fn remap(&mut self, map: &Buffer, turn: usize) -> Result<Duration, Error> {
        self.time(|moved, encoder| {
            let place = &moved.places[(turn + 1) % 2];
            let map = RowMap::new(map, moved.rows);
            moved.optimizer.remap_rows(encoder, map, [(moved.param, place)])
        })
    }

    fn copy(&mut self) -> Result<Duration, Error> {
        self.time(|moved, encoder| {
            let [from, to] = &moved.copied;
            encoder.copy_buffer_to_buffer(from, 0, to, 0, moved.bytes);
            Ok(())
        })
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    1e3 * times[times.len() / 2].as_secs_f64()
}

fn main() -> Result<(), Error> {
    let gpu = pollster::block_on(Gpu::open())?;
    eprintln!("adapter: {}", gpu.describe());
    println!(
        "{:>20} {:10} {:>8} {:>9} {:>7} {:>6}",
        "rows x dim", "map", "ms", "copy, ms", "GB/s", "ratio"
    );
    for (rows, dim) in [(10_000, 64), (100_000, 64), (400_000, 16), (100_000, 59), (2_000_000, 3)] {
        let mut rng = Rng(u64::from(rows));
        let identity: Vec<u32> = (0..rows).collect();
        let shuffled: Vec<u32> =
            rng.permutation(rows as usize).iter().map(|&row| row as u32).collect();
        let half: Vec<u32> =
            (0..rows).map(|row| if row % 2 == 0 { row } else { RowMap::NONE }).collect();
        let mut moved = Moved::new(&gpu, rows, dim)?;
        let mut turns = 0;
        for (name, map) in [("identity", identity), ("shuffled", shuffled), ("half", half)] {
            let map = gpu.upload("map", &map);
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for time in 0..TIMES + 2 {
                let times = (moved.remap(&map, turns)?, moved.copy()?);
                turns += 1;
                if time >= 2 {
                    ours.push(times.0);
                    theirs.push(times.1);
                }
            }
            let (ours, theirs) = (median(ours), median(theirs));
            let gigabytes = 2.0 * moved.bytes as f64 / 1e6 / ours;
            let shape = format!("{rows} x {dim}");
            println!(
                "{shape:>20} {name:10} {ours:>8.2} {theirs:>9.2} {gigabytes:>7.2} {:>6.2}",
                ours / theirs
            );
        }
    }
    Ok(())
}
