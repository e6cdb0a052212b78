// update_parallel: sums the value rows of each run and applies a rule to the row it names, in place.
//
// The form for GPUs. A workgroup owns TILE sorted positions and a slice of their
// columns. It first lists the run heads among them whose row lies in the window, then deals them out
// to groups of LANES invocations, LANES columns at a time. The order of the lists does not matter: a row is written by one
// group alone, from its own entries. Of a long run, of CHUNK entries or more whose chunks no stage has summed before,
// all groups sum a chunk each; a tile has no more of these than there are groups.

override WORKGROUP: u32 = 64u;
/// Invocations that share one row; a power of two, at most WORKGROUP.
override LANES: u32 = 1u;
/// Sorted positions per workgroup, at most MAX_TILE.
override TILE: u32 = 64u;

const MAX_TILE: u32 = 256u;
const MAX_WORKGROUP: u32 = 256u;

var<workgroup> heads: array<u32, MAX_TILE>;
var<workgroup> head_count: atomic<u32>;
/// Heads of long runs, no two of which are closer than CHUNK.
var<workgroup> long_heads: array<u32, MAX_TILE / CHUNK>;
var<workgroup> long_count: atomic<u32>;
/// `[groups, LANES]` sums of chunks.
var<workgroup> chunk_sums: array<Lane, MAX_WORKGROUP>;
/// How many there are, and one of them with its chunks: what the first invocation tells all of them.
var<workgroup> long_total: u32;
var<workgroup> long_run: vec2<u32>;

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

// Lists the heads of a tile.
fn list_heads(start: u32, local: u32) {
    let positions = select(0u, TILE, meets_window(start));
    for (var i = local; i < positions; i += WORKGROUP) {
        let head = start + i;
        if (is_head(head)) {
            let may_be_long = config.levels == 0u && config.first_wins == 0u;
            if (may_be_long && is_in_run(head + CHUNK - 1u, config.keys.end, key_at(head))) {
                long_heads[atomicAdd(&long_count, 1u)] = head;
            } else {
                heads[atomicAdd(&head_count, 1u)] = head;
            }
        }
    }
}

// The sum of a chunk in a column.
fn chunk_sum(start: u32, key: u32, column: u32) -> Lane {
    let entries = items_in_run(start, 1u, config.keys.end, key);
    return sum_terms(term_at(start, config.values), start, entries, column, config.values);
}

// The sum of a long run of `chunks` chunks in an invocation's column, where there is one, for those of group `owner`.
fn long_sum(head: u32, chunks: u32, owner: u32, column: u32, is_column: bool, local: u32) -> Lane {
    let key = key_at(head);
    let groups = WORKGROUP / LANES;
    let group = local / LANES;
    var sum: Lane;
    for (var next = 0u; next < chunks; next += groups) {
        if (is_column && next + group < chunks) {
            chunk_sums[local] = chunk_sum(head + (next + group) * CHUNK, key, column);
        }
        workgroupBarrier();
        if (group == owner) {
            for (var i = 0u; i < min(groups, chunks - next); i++) {
                let held = chunk_sums[i * LANES + local % LANES];
                sum = either(add(sum, held), held, next + i == 0u);
            }
        }
        workgroupBarrier();
    }
    return sum;
}

// The sum of any other run in a column. `entries` are those of its first chunk.
fn short_sum(head: u32, key: u32, entries: u32, column: u32) -> Lane {
    let first = term_at(head, config.values);
    let sum = sum_terms(first, head, entries, column, config.values);
    if (entries == CHUNK) {
        return add_partials(sum, head, key, column);
    }
    return sum;
}

// Updates a group's rows in a column: that of its long run, whose sum is known, if it has one; and of each of its other
// runs.
fn update_column(has_long: bool, of_long: Lane, count: u32, column: u32, group: u32) {
    let groups = WORKGROUP / LANES;
    for (var turn = u32(!has_long); turn == 0u || group + (turn - 1u) * groups < count; turn++) {
        var head: u32;
        var entries = 1u;
        if (turn == 0u) {
            head = long_heads[group];
            entries = CHUNK;
        } else {
            head = heads[group + (turn - 1u) * groups];
            if (config.first_wins == 0u) {
                entries = items_in_run(head, 1u, config.keys.end, key_at(head));
            }
        }
        let key = key_at(head);
        var sum = of_long;
        if (turn > 0u) {
            sum = short_sum(head, key, entries, column);
        }
        if (MEAN && entries == CHUNK) {
            entries = run_length(head, key);
        }
        begin_row();
        update_lane(key - config.window_key, column, sum, shared_of(head, entries));
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
    let in_all = linear_workgroup(workgroup, grid);
    let item = item_of(in_all);
    begin_item(item);
    // Of the item, and not from `config`: what a loop around a barrier depends on must be seen to be the workgroup's.
    let number = in_all - first_workgroup(item);
    let of_item = config_of(item);
    let columns = of_item.values.columns;
    let slice = slice_of(number, columns, of_item.values.slice);
    list_heads(of_item.keys.first + number / slices_of(columns, of_item.values.slice) * TILE, local);
    workgroupBarrier();
    let count = atomicLoad(&head_count);
    if (local == 0u) {
        long_total = atomicLoad(&long_count);
    }
    let long = workgroupUniformLoad(&long_total);
    let group = local / LANES;
    for (var first = slice.first; first < slice.end; first += LANES) {
        let column = first + local % LANES;
        let is_column = column < slice.end;
        var of_long: Lane;
        for (var i = 0u; i < long; i++) {
            if (local == 0u) {
                let head = long_heads[i];
                long_run = vec2<u32>(head, items_in_run(head, CHUNK, config.keys.end, key_at(head)));
            }
            let run = workgroupUniformLoad(&long_run);
            let sum = long_sum(run.x, run.y, i, column, is_column, local);
            of_long = either(of_long, sum, group == i);
        }
        if (is_column) {
            update_column(group < long, of_long, count, column, group);
        }
    }
}
