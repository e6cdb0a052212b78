//! A cost model of the parallel form, stage by stage, fed with what the probes measured. Pure. Times are in
//! microseconds; a factor of two either way is expected of it. What it does not know: the time that arithmetic takes, and
//! rows and columns of values that repeat (bags).

use crate::constants::Constants;
use sparse_adam::Tuning;

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

/// Entries of a chunk of a run's sum, invocations of a workgroup, and sorted positions of one of `update`.
const CHUNK: f64 = 64.0;
const GROUP: f64 = 256.0;
const POSITIONS: f64 = 64.0;
/// Pairs of a round of the sort, and rounds of a tile; most tiles whose counts `scatter` adds up itself.
const ROUND: f64 = 256.0;
const MOST_ROUNDS: f64 = 8.0;
const FUSED_TILES: f64 = 64.0;
/// Value rows, or sums, that an invocation has on their way; loads that find the end of a run of many entries.
const IN_FLIGHT: f64 = 4.0;
const LOOKS: f64 = 7.0;
/// Most entries of a table whose chunks `update` sums itself.
const INLINE: f64 = 4096.0;
/// Pairs of so many bytes stay in the second cache.
const CACHED: f64 = 24e6;

/// The default tuning's: entries that a workgroup sorts, by the network or by digits.
#[derive(Clone, Copy, Debug)]
pub struct Sorted {
    pub network: f64,
    pub small: f64,
}

impl Default for Sorted {
    fn default() -> Self {
        Self { network: Tuning::GPU.bitonic.into(), small: Tuning::GPU.small.into() }
    }
}

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
pub fn predict(sizes: &Sizes, sorted: Sorted, device: &Constants) -> [Stage; 4] {
    let small = sizes.nnz <= sorted.small && sizes.fits_word(sorted.network);
    [
        match sizes.promised {
            false if small => ingest_sorted(sizes, sorted, device),
            _ => ingest(sizes, device),
        },
        if small || sizes.promised { Stage::default() } else { sort(sizes, device) },
        if sizes.promised { Stage::default() } else { partial(sizes, device) },
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

    /// Passes of `digit` bits over the keys of so many tables.
    fn passes(&self, tables: u32, digit: u32) -> f64 {
        f64::from(self.key_bits(tables).div_ceil(digit))
    }

    fn key_bits(&self, tables: u32) -> u32 {
        let keys = (u64::from(self.rows) + 1) * u64::from(tables);
        (u64::BITS - (keys - 1).leading_zeros()).max(1)
    }

    /// Whether a workgroup can sort a table's entries, if they are few enough.
    fn fits_word(&self, network: f64) -> bool {
        let entry_bits = (self.nnz as u32).next_power_of_two().ilog2().max(10);
        self.nnz <= network || self.key_bits(1) + entry_bits <= u32::BITS + 4
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

/// A workgroup per table. The network's rounds, each behind a barrier, load two keys and two entries and exchange them. A digit of
/// four bits has 14 barriers to find places, and two for each 2,048 pairs that are handed on; counts and their sums are written
/// and read in eight words each, a pair in one.
fn ingest_sorted(sizes: &Sizes, sorted: Sorted, device: &Constants) -> Stage {
    let dispatches = f64::from(sizes.tables.div_ceil(sizes.at_once[0]));
    let waited = device.l1 * 0.7;
    let (rounds, barriers, loads, wavefronts) = if sizes.nnz <= sorted.network {
        let log = f64::from((sizes.nnz as u32).next_power_of_two().ilog2());
        (log * (log + 1.0) / 2.0, 1.0, 5.0, 0.0)
    } else {
        let each = (sizes.nnz / GROUP).ceil().max(4.0);
        let rounds = (each / 8.0).ceil();
        (sizes.passes(1, 4), 14.0 + 2.0 * rounds, 10.0, 8.0 * (32.0 + each * (3.0 * rounds + 1.0)))
    };
    let latency = rounds * (barriers * device.barrier + loads * waited);
    Stage::of(Parts {
        dispatch: dispatches * device.dispatch,
        latency: dispatches * (latency + 4.0 * device.l2 + device.dram),
        workgroup_memory: dispatches * rounds * wavefronts * device.wavefront,
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

/// Histogram and scatter of each pass, and a scan where tiles are many.
fn sort(sizes: &Sizes, device: &Constants) -> Stage {
    let total = sizes.total();
    let rounds = (total / FUSED_TILES / ROUND).ceil().clamp(1.0, MOST_ROUNDS);
    let tiles = (total / (rounds * ROUND)).ceil();
    let fused = tiles <= FUSED_TILES;
    let each = (tiles / device.cores).ceil();
    let source = if total * 8.0 < CACHED { device.l2 } else { device.dram };
    let same = sizes.hottest > total / 2.0;

    let dispatches = if fused { 2.0 } else { 3.0 };
    let mut parts = Parts { dispatch: dispatches * device.dispatch, ..Parts::default() };
    // Histogram: a load, and an atomic operation, a round.
    let banks = if same { 32.0 } else { 6.0 };
    parts.latency += rounds * (source + 0.02) + 3.0 * device.barrier + device.dram;
    parts.workgroup_memory += each * rounds * 8.0 * banks * device.wavefront;
    parts.bandwidth += device.streamed(8.0 * total);
    if !fused {
        parts.latency += (tiles / 256.0).ceil() * (17.0 * device.barrier + device.l2) + device.l2;
    }
    // Scatter: a bit is set, eight words of masks are read, of one lane per digit cleared; three barriers a round.
    let wavefronts = match same {
        true => 8.0 * (2.0 * 32.0 + 8.0 + 4.0 + 8.0),
        false => 8.0 * (2.0 * 4.0 + 8.0 * 3.5 + 4.0 + 4.0),
    };
    let added_up = if fused { (tiles / 8.0).ceil() * device.l2 } else { 2.0 * device.l2 };
    let places = added_up + 17.0 * device.barrier + source;
    parts.latency += places + rounds * (3.0 * device.barrier + 4.0 * device.l1);
    parts.workgroup_memory += each * rounds * wavefronts * device.wavefront;
    parts.bandwidth += 1.5 * device.streamed(16.0 * total);
    Stage::of(parts.times(sizes.passes(sizes.tables, 8)))
}

/// Time of loads in a row, some of them on their way at once.
fn loads(count: f64, each: f64) -> f64 {
    (count / IN_FLIGHT).ceil() * each + 0.004 * count
}

/// Chunk sums, a dispatch a level and table.
fn partial(sizes: &Sizes, device: &Constants) -> Stage {
    let (levels, log) = (sizes.levels(), sizes.nnz.max(2.0).log2());
    let mut parts = Parts::default();
    if sizes.nnz <= INLINE {
        return Stage::default();
    }
    let (_, lanes) = sizes.lanes();
    let chunk = log * device.l2 + LOOKS * device.l1 + loads(CHUNK, device.l1 + device.dram);
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
            true => log * device.l2 + LOOKS * device.l2 + loads(CHUNK, device.l2),
            false => 2.0 * device.l2,
        };
    }
    Stage::of(parts).times(f64::from(sizes.tables))
}

/// Sums of runs, and the rule. Of a run of one entry, each invocation has a column; of others, a group has a row at a time.
fn update(sizes: &Sizes, device: &Constants) -> Stage {
    let levels = sizes.levels();
    let (dispatches, sizes) = &sizes.together(sizes.at_once[1]);
    let (columns, lanes) = sizes.lanes();
    let row_bytes = sizes.row_bytes();
    let others = (sizes.nnz - sizes.in_long_runs - sizes.unique).max(0.0);
    let moved = device.gathered((7.0 * sizes.unique + others) * row_bytes, row_bytes);
    let teams = GROUP / lanes;
    // Of the rows that a workgroup has, those of several entries: at most as many as there are such entries.
    let heads = POSITIONS * (sizes.unique / sizes.nnz);
    let several = heads.min(POSITIONS * others / sizes.nnz);
    let turns = ((heads - several) * columns / GROUP).ceil()
        + (several / teams).ceil() * (columns / lanes).ceil();
    // A row's state is on its way together with its values.
    let row = 3.0 * device.l1 + device.dram;
    let chain = 2.0 * device.l2 + 3.0 * device.barrier + 0.05 + turns.max(1.0) * row;
    let waves = ((sizes.nnz / POSITIONS).ceil() / (device.cores * device.resident)).ceil();
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
    let found = |entries: f64| if entries > 4.0 { LOOKS } else { 1.0 };
    let columns = {
        let (columns, lanes) = sizes.lanes();
        (columns / lanes).ceil()
    };
    let chunk = |entries: f64| found(entries) * device.l1 + loads(entries, device.l1 + device.dram);
    let mut tail = chunk(hot.min(CHUNK));
    if sizes.nnz <= INLINE {
        // The groups of a workgroup have a chunk each.
        let (_, lanes) = sizes.lanes();
        tail *= (hot / CHUNK / (GROUP / lanes)).ceil();
    } else {
        for level in 1..=levels {
            let stride = CHUNK.powi(level);
            if hot > stride {
                let sums = (hot / stride).ceil().min(CHUNK);
                tail += found(sums) * device.l2 + loads(sums, device.l2);
            }
        }
    }
    tail *= columns;
    if sizes.in_long_runs == 0.0 { tail / 2.0 } else { tail }
}

#[cfg(test)]
mod tests;
