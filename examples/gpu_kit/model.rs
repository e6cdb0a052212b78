//! A cost model of the parallel form, stage by stage, fed with what the probes measured. Pure. Times are in
//! microseconds; a factor of two either way is expected of it. What it does not know: the time that arithmetic takes, and
//! rows and columns of values that repeat (bags).

use crate::constants::Constants;

/// What the model asks of a case.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Sizes {
    pub rows: u32,
    pub dim: u32,
    /// Entries, rows named, entries in runs of 64 or more, and entries of the longest run: of one table,
    /// the mean where there are several.
    pub nnz: f64,
    pub unique: f64,
    pub in_long_runs: f64,
    pub hottest: f64,
    pub tables: u32,
    /// Tables whose entries, and whose updates, a dispatch takes.
    pub at_once: [u32; 2],
    /// Whether no row is named twice, by promise: nothing is sorted then.
    pub promised: bool,
}

/// What a stage waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Parts {
    pub dispatch: f64,
    pub latency: f64,
    pub workgroup_memory: f64,
    pub bandwidth: f64,
}

/// A stage's time, and what it is made of.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Stage {
    pub us: f64,
    pub parts: Parts,
}

/// Entries of a chunk of a run's sum, keys of a sort's tile, and invocations of a workgroup.
const CHUNK: f64 = 64.0;
const TILE: f64 = 2048.0;
const GROUP: f64 = 256.0;
/// Entries of a step that one dispatch sorts.
const SMALL: f64 = 1024.0;
/// Pairs of so many bytes stay in the second cache.
const CACHED: f64 = 24e6;

impl Parts {
    /// The largest part's name.
    pub fn bound(self) -> &'static str {
        let Self { dispatch, latency, workgroup_memory, bandwidth } = self;
        let named = [
            (dispatch, "dispatch"),
            (latency, "latency"),
            (workgroup_memory, "workgroup memory"),
            (bandwidth, "bandwidth"),
        ];
        named.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).map_or("", |(_, name)| name)
    }

    fn times(self, factor: f64) -> Self {
        let Self { dispatch, latency, workgroup_memory, bandwidth } = self;
        Self {
            dispatch: factor * dispatch,
            latency: factor * latency,
            workgroup_memory: factor * workgroup_memory,
            bandwidth: factor * bandwidth,
        }
    }

    fn sum(self) -> f64 {
        self.dispatch + self.latency + self.workgroup_memory + self.bandwidth
    }
}

impl Stage {
    fn of(parts: Parts) -> Self {
        Self { us: parts.sum(), parts }
    }

    fn times(self, factor: f64) -> Self {
        Self { us: factor * self.us, parts: self.parts.times(factor) }
    }
}

/// `ingest`, `sort`, `partial` and `update` of a step.
pub fn predict(sizes: &Sizes, device: &Constants) -> [Stage; 4] {
    let small = sizes.tables == 1 && sizes.nnz <= SMALL;
    let sorted = !sizes.promised;
    [
        if small { ingest_small(sizes, device) } else { ingest(sizes, device) },
        if small || !sorted { Stage::default() } else { sort(sizes, device) },
        if sorted { partial(sizes, device) } else { Stage::default() },
        update(sizes, device),
    ]
}

impl Sizes {
    fn total(&self) -> f64 {
        self.nnz * f64::from(self.tables)
    }

    /// Dispatches that take so many tables each, and what one of them takes, as if it were of one table.
    fn together(&self, at_once: u32) -> (f64, Self) {
        let dispatches = self.tables.div_ceil(at_once);
        let each = f64::from(self.tables) / f64::from(dispatches);
        let all = Self {
            nnz: each * self.nnz,
            unique: each * self.unique,
            in_long_runs: each * self.in_long_runs,
            ..*self
        };
        (f64::from(dispatches), all)
    }

    fn row_bytes(&self) -> f64 {
        4.0 * f64::from(self.dim)
    }

    /// Passes of eight bits over the keys of all tables.
    fn passes(&self) -> f64 {
        let keys = (u64::from(self.rows) + 1) * u64::from(self.tables);
        f64::from((u64::BITS - (keys - 1).leading_zeros()).max(1).div_ceil(8))
    }

    /// Columns that a lane counts, and lanes of a row.
    fn lanes(&self) -> (f64, f64) {
        let columns = match self.dim.trailing_zeros() {
            0 => self.dim,
            1 => self.dim / 2,
            _ => self.dim / 4,
        };
        (f64::from(columns), f64::from(columns.next_power_of_two().min(32)))
    }

    /// Levels of the tree of sums.
    fn levels(&self) -> i32 {
        let reaches = |level: &i32| CHUNK.powi(*level) < self.nnz;
        (1..).take_while(reaches).last().unwrap_or(0)
    }
}

/// One workgroup: a bitonic sort, then pairs out, in and out.
fn ingest_small(sizes: &Sizes, device: &Constants) -> Stage {
    let log = f64::from((sizes.nnz as u32).next_power_of_two().ilog2());
    let rounds = log * (log + 1.0) / 2.0;
    Stage::of(Parts {
        dispatch: device.dispatch,
        latency: rounds * (device.barrier + 5.0 * device.l1 * 0.7) + 4.0 * device.l2 + device.dram,
        ..Parts::default()
    })
}

fn ingest(sizes: &Sizes, device: &Constants) -> Stage {
    let (dispatches, _) = sizes.together(sizes.at_once[0]);
    Stage::of(Parts {
        dispatch: dispatches * device.dispatch,
        latency: dispatches * (device.dram + device.l2),
        bandwidth: device.streamed(12.0 * sizes.total()),
        ..Parts::default()
    })
}

/// Histogram, scan and scatter of each pass.
fn sort(sizes: &Sizes, device: &Constants) -> Stage {
    let total = sizes.total();
    let tiles = (total / TILE).ceil();
    let each = (tiles / device.cores).ceil();
    let source = if total * 8.0 < CACHED { device.l2 } else { device.dram };
    let rounds = TILE / GROUP;
    let same = sizes.hottest > total / 2.0;
    let banks = if same { 32.0 } else { 6.0 };

    let mut parts = Parts { dispatch: 3.0 * device.dispatch, ..Parts::default() };
    // Histogram.
    parts.latency += rounds * (source + 0.02) + 3.0 * device.barrier + device.dram;
    parts.workgroup_memory += each * rounds * 8.0 * banks * device.wavefront;
    parts.bandwidth += device.streamed(8.0 * total);
    // Scan.
    parts.latency += (tiles / 256.0).ceil() * (17.0 * device.barrier + device.l2) + device.l2;
    // Scatter: wavefronts of a round, and what a round waits for.
    let wavefronts = match same {
        true => 8.0 * (8.0 + 2.0 * 32.0 + 8.0 + 4.0),
        false => 8.0 * (8.0 + 2.0 * 12.0 + 8.0 * 11.0 + 4.0 + 4.0),
    };
    let round = 4.0 * device.barrier + 6.0 * device.l1 + source;
    let places = 2.0 * device.l2 + 17.0 * device.barrier;
    parts.latency += places + rounds * round;
    parts.workgroup_memory += each * rounds * wavefronts * device.wavefront;
    parts.bandwidth += 1.5 * device.streamed(16.0 * total);
    Stage::of(parts.times(sizes.passes()))
}

/// Chunk sums, a dispatch a level and table.
fn partial(sizes: &Sizes, device: &Constants) -> Stage {
    let (levels, log) = (sizes.levels(), sizes.nnz.max(2.0).log2());
    let mut parts = Parts::default();
    if levels == 0 {
        return Stage::default();
    }
    let (_, lanes) = sizes.lanes();
    let chunk = log * device.l2 + CHUNK * device.l1 + CHUNK * (device.l1 + device.dram);
    let at_once = (device.cores * device.resident * GROUP / lanes).floor();
    let chunks = (sizes.in_long_runs / CHUNK).floor().max(1.0);
    let busy = match sizes.in_long_runs > 0.0 {
        true => (chunks / at_once).ceil() * chunk,
        false => 2.0 * device.l2,
    };
    let moved = device.gathered(sizes.in_long_runs * sizes.row_bytes(), sizes.row_bytes());
    parts.dispatch = f64::from(levels) * device.dispatch;
    // What waits longer hides the other.
    if busy > moved {
        parts.latency = busy;
    } else {
        parts.bandwidth = moved;
    }
    for level in 1..levels {
        parts.latency += match sizes.hottest > CHUNK.powi(level + 1) {
            true => log * device.l2 + CHUNK * device.l2 + CHUNK * device.l2,
            false => 2.0 * device.l2,
        };
    }
    Stage::of(parts).times(f64::from(sizes.tables))
}

/// Sums of runs, and the rule.
fn update(sizes: &Sizes, device: &Constants) -> Stage {
    let levels = sizes.levels();
    let (dispatches, sizes) = &sizes.together(sizes.at_once[1]);
    let (columns, lanes) = sizes.lanes();
    let row_bytes = sizes.row_bytes();
    let others = (sizes.nnz - sizes.in_long_runs - sizes.unique).max(0.0);
    let moved = device.gathered((7.0 * sizes.unique + others) * row_bytes, row_bytes);
    let teams = GROUP / lanes;
    let heads = (CHUNK * (sizes.unique / sizes.nnz) / teams).max(1.0);
    let row = 3.0 * device.l1 + 2.0 * device.dram * (columns / lanes).ceil();
    let chain = 2.0 * device.l2 + 2.0 * device.barrier + 0.05 + heads * row;
    let waves = ((sizes.nnz / CHUNK).ceil() / (device.cores * device.resident)).ceil();
    let sweep = moved.max(waves * chain);
    let tail = tail(sizes, levels, device);
    // The hottest row starts somewhere in the sweep: half of its chain sticks out.
    let us = sweep.max(tail) + 0.5 * sweep.min(tail);
    let by_bandwidth = moved >= waves * chain && sweep >= tail;
    let mut parts = Parts { dispatch: device.dispatch, ..Parts::default() };
    match by_bandwidth {
        true => (parts.bandwidth, parts.latency) = (sweep, us - sweep),
        false => parts.latency = us,
    }
    Stage::of(parts).times(*dispatches)
}

/// The chain of the longest run, of a table whose sums have so many levels.
fn tail(sizes: &Sizes, levels: i32, device: &Constants) -> f64 {
    let hot = sizes.hottest;
    if hot <= 1.0 {
        return 0.0;
    }
    let mut tail = if hot > 8.0 { CHUNK * device.l1 } else { 3.0 * device.l1 };
    tail += hot.min(CHUNK) * (device.l1 + device.dram);
    for level in 1..=levels {
        let stride = CHUNK.powi(level);
        if hot > stride {
            let sums = (hot / stride).ceil().min(CHUNK);
            let found = if sums > 8.0 { CHUNK * device.l2 } else { sums * device.l2 };
            tail += found + sums * device.l2;
        }
    }
    if sizes.in_long_runs == 0.0 { tail / 2.0 } else { tail }
}

#[cfg(test)]
mod tests;
