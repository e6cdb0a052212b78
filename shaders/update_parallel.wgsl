// update_parallel: sums the value rows of each run and applies a rule to the row it names, in place.
//
// The form for GPUs. A workgroup owns TILE sorted positions and a slice of their
// columns. It first lists the run heads among them whose row lies in the window, then deals them out
// to groups of LANES invocations. The order of the list does not matter: a row is written by one
// group alone, from its own entries. Runs of CHUNK entries or more whose chunks no stage has summed before are left
// for the end, when all groups sum the chunks of one run.

override WORKGROUP: u32 = 64u;
/// Invocations that share one row; a power of two, at most WORKGROUP.
override LANES: u32 = 1u;
/// Sorted positions per workgroup, at most MAX_TILE.
override TILE: u32 = 64u;

const MAX_TILE: u32 = 256u;
const MAX_WORKGROUP: u32 = 256u;

var<workgroup> heads: array<u32, MAX_TILE>;
var<workgroup> head_count: atomic<u32>;
/// Heads of the runs that are left, no two of which are closer than CHUNK.
var<workgroup> long_heads: array<u32, MAX_TILE / CHUNK>;
var<workgroup> long_count: atomic<u32>;
/// Chunks of one of them.
var<workgroup> chunk_count: atomic<u32>;
/// `[groups, LANES]` sums of chunks.
var<workgroup> chunk_sums: array<Lane, MAX_WORKGROUP>;
/// A number that all invocations are told.
var<workgroup> told: u32;

// Whether the tile at `start` may hold rows of the window: sorted keys tell by its ends.
fn meets_window(start: u32) -> bool {
    if (start >= config.keys.end) {
        return false;
    }
    let lowest = key_at(start);
    let highest = key_at(min(start + TILE, config.keys.end) - 1u);
    let window_end = config.window_key + config.window_rows;
    return config.unique == 1u || (lowest < window_end && highest >= config.window_key);
}

// Updates a slice of the row of the run at `head`, whose first chunk has `entries` entries.
fn update_run(head: u32, entries: u32, slice: Slice, lane: u32) {
    begin_row();
    let key = key_at(head);
    let first = term_at(head, config.values);
    var counted = entries;
    if (MEAN && entries == CHUNK) {
        counted = run_length(head, key);
    }
    let of_row = shared_of(head, counted);
    for (var column = slice.first + lane; column < slice.end; column += LANES) {
        var sum = sum_terms(first, head, entries, column, config.values);
        if (entries == CHUNK) {
            sum = add_partials(sum, head, key, column);
        }
        update_lane(key - config.window_key, column, sum, of_row);
    }
}

// What the first invocation says, to all of them.
fn tell(local: u32, number: u32) -> u32 {
    if (local == 0u) {
        told = number;
    }
    return workgroupUniformLoad(&told);
}

// Chunks of the run at `head`, at most CHUNK.
fn count_chunks(head: u32, key: u32, local: u32) -> u32 {
    if (local == 0u) {
        atomicStore(&chunk_count, 1u);
    }
    workgroupBarrier();
    for (var chunk = 1u + local; chunk < CHUNK; chunk += WORKGROUP) {
        if (is_in_run(head + chunk * CHUNK, config.keys.end, key)) {
            atomicAdd(&chunk_count, 1u);
        }
    }
    workgroupBarrier();
    return tell(local, atomicLoad(&chunk_count));
}

// The sum of a chunk in a column.
fn chunk_sum(start: u32, key: u32, column: u32) -> Lane {
    let entries = items_in_run(start, 1u, config.keys.end, key);
    return sum_terms(term_at(start, config.values), start, entries, column, config.values);
}

// Updates a slice of the row of the run at `head`, of CHUNK to CHUNK^2 entries: each group of LANES invocations sums
// a chunk, and the first group adds up the sums in their order.
fn update_together(head: u32, slice: Slice, local: u32) {
    let key = key_at(head);
    let chunks = count_chunks(head, key, local);
    let groups = WORKGROUP / LANES;
    for (var first = slice.first; first < slice.end; first += LANES) {
        let column = first + local % LANES;
        var sum: Lane;
        for (var next = 0u; next < chunks; next += groups) {
            let chunk = next + local / LANES;
            if (chunk < chunks && column < slice.end) {
                chunk_sums[local] = chunk_sum(head + chunk * CHUNK, key, column);
            }
            workgroupBarrier();
            if (local < LANES) {
                for (var i = 0u; i < min(groups, chunks - next); i++) {
                    let held = chunk_sums[i * LANES + local];
                    sum = either(add(sum, held), held, next + i == 0u);
                }
            }
            workgroupBarrier();
        }
        if (local < LANES && column < slice.end) {
            begin_row();
            var entries = CHUNK;
            if (MEAN) {
                entries = run_length(head, key);
            }
            update_lane(key - config.window_key, column, sum, shared_of(head, entries));
        }
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
        atomicStore(&long_count, 0u);
    }
    workgroupBarrier();
    let number = linear_workgroup(workgroup, grid);
    let columns = config.values.columns;
    let slice = slice_of(number, columns, config.values.slice);
    let start = config.keys.first + number / slices_of(columns, config.values.slice) * TILE;
    let positions = select(0u, TILE, meets_window(start));
    for (var i = local; i < positions; i += WORKGROUP) {
        if (is_head(start + i)) {
            heads[atomicAdd(&head_count, 1u)] = start + i;
        }
    }
    workgroupBarrier();
    let count = atomicLoad(&head_count);
    for (var i = local / LANES; i < count; i += WORKGROUP / LANES) {
        let head = heads[i];
        var entries = 1u;
        if (config.first_wins == 0u) {
            entries = items_in_run(head, 1u, config.keys.end, key_at(head));
        }
        if (entries < CHUNK || config.levels > 0u) {
            update_run(head, entries, slice, local % LANES);
        } else if (local % LANES == 0u) {
            long_heads[atomicAdd(&long_count, 1u)] = head;
        }
    }
    workgroupBarrier();
    let left = tell(local, atomicLoad(&long_count));
    for (var i = 0u; i < left; i++) {
        update_together(tell(local, long_heads[i]), slice, local);
    }
}
