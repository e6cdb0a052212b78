// update: sums the value rows of each run and applies Adam to the row it names, in place.
//
// A workgroup owns TILE sorted positions. It first lists the run heads among them whose row
// lies in the window, then deals them out to groups of LANES invocations. The order of the
// list does not matter: a row is written by one group alone, from its own entries.

override WORKGROUP: u32 = 64u;
/// Invocations that share one row; a power of two, at most WORKGROUP.
override LANES: u32 = 1u;
/// Sorted positions a workgroup, at most MAX_TILE.
override TILE: u32 = 64u;

/// Stretches that tiles are dealt out to in turn; 1 for neighbouring workgroups side by side.
override SPREAD: u32 = 1u;

const MAX_TILE: u32 = 256u;

struct UpdateConfig {
    hyper: AdamHyper,
    /// Where the sums of each level of partial lie, in words.
    sums: vec4<u32>,
    /// The table's sorted positions are [first, end).
    first: u32,
    end: u32,
    /// The key of the window's first row, and its rows.
    window_key: u32,
    window_rows: u32,
    /// Levels of partial that were run.
    levels: u32,
    /// 1: the gradient is negated.
    maximize: u32,
    /// 1: the caller promised that no row is named twice, and the positions are not sorted.
    unique: u32,
    /// 1: only the first entry of a run counts.
    once: u32,
    source: Source,
}

@group(0) @binding(0) var<uniform> config: UpdateConfig;
/// `[rows, columns]` of the window.
@group(0) @binding(1) var<storage, read_write> param: array<Lane>;
/// `[rows, 2, columns]`: exp_avg, then exp_avg_sq, of each row of the window.
@group(0) @binding(2) var<storage, read_write> moments: array<Lane>;
@group(0) @binding(3) var<storage, read> scratch: array<u32>;

var<workgroup> heads: array<u32, MAX_TILE>;
var<workgroup> head_count: atomic<u32>;

fn is_head(position: u32) -> bool {
    if (position >= config.end) {
        return false;
    }
    let key = key_at(position);
    if (key - config.window_key >= config.window_rows) {
        return false;
    }
    return config.unique == 1u || position == config.first || key_at(position - 1u) != key;
}

// The tile of a workgroup. A CPU adapter gives each of its threads a stretch of neighbouring
// workgroups; sorted rows of one window are neighbours too, and must not all go to one thread.
fn tile_of(workgroup: u32) -> u32 {
    let tiles = (config.end - config.first + TILE - 1u) / TILE;
    let stretch = (tiles + SPREAD - 1u) / SPREAD;
    return (workgroup % stretch) * SPREAD + workgroup / stretch;
}

// Whether the tile at `start` may hold rows of the window: sorted keys tell by its ends.
fn meets_window(start: u32) -> bool {
    if (start >= config.end) {
        return false;
    }
    let lowest = key_at(start);
    let highest = key_at(min(start + TILE, config.end) - 1u);
    let window_end = config.window_key + config.window_rows;
    return config.unique == 1u || (lowest < window_end && highest >= config.window_key);
}

// Adds the chunks of a run after its first: of each level, those of the level's first group.
fn add_partials(first_chunk: Lane, head: u32, key: u32, column: u32) -> Lane {
    var sum = first_chunk;
    var stride = CHUNK;
    let width = config.source.columns * LANE_WIDTH;
    for (var level = 0u; level < config.levels; level++) {
        let items = items_in_run(head, stride, config.end, key);
        let slot = (head - config.first) / stride;
        let at = config.sums[level] + slot * width + column * LANE_WIDTH;
        for (var i = 1u; i < items; i++) {
            sum += load_partial(at + i * width);
        }
        if (items < CHUNK) {
            break;
        }
        stride *= CHUNK;
    }
    return sum;
}

fn update_row(head: u32, lane: u32) {
    let key = key_at(head);
    var entries = 1u;
    if (config.once == 0u) {
        entries = items_in_run(head, 1u, config.end, key);
    }
    let row = key - config.window_key;
    let source = config.source;
    let columns = source.columns;
    for (var column = lane; column < columns; column += LANES) {
        var grad = sum_entries(head, entries, column, source);
        if (entries == CHUNK) {
            grad = add_partials(grad, head, key, column);
        }
        if (config.maximize == 1u) {
            grad = -grad;
        }
        let at = row * columns + column;
        let m_at = 2u * row * columns + column;
        let v_at = m_at + columns;
        let updated = adam(config.hyper, param[at], moments[m_at], moments[v_at], grad);
        param[at] = updated.param;
        moments[m_at] = updated.exp_avg;
        moments[v_at] = updated.exp_avg_sq;
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    if (local == 0u) {
        atomicStore(&head_count, 0u);
    }
    workgroupBarrier();
    let start = config.first + tile_of(linear_workgroup(workgroup, grid)) * TILE;
    let positions = select(0u, TILE, meets_window(start));
    for (var i = local; i < positions; i += WORKGROUP) {
        if (is_head(start + i)) {
            heads[atomicAdd(&head_count, 1u)] = start + i;
        }
    }
    workgroupBarrier();
    let count = atomicLoad(&head_count);
    for (var i = local / LANES; i < count; i += WORKGROUP / LANES) {
        update_row(heads[i], local % LANES);
    }
}
