// update_parallel: sums the value rows of each run and applies a rule to the row it names, in place.
//
// The form for GPUs. A workgroup owns TILE sorted positions and a slice of their
// columns. It first lists the run heads among them whose row lies in the window, then deals them out
// to groups of invocations, a column for each of a group at a time. The order of the lists does not matter: a row is written by
// one group alone, from its own entries. Of a long run, of CHUNK entries or more whose chunks no stage has summed before,
// all groups sum a chunk each; a tile has no more of these than there are groups. Runs of one entry, which have no
// loop to wait for, are dealt out column by column over all invocations, so that rows of any width leave none of them idle.
// What a row has is loaded before its sum, so that both are on their way at once.

override WORKGROUP: u32 = 64u;
/// Sorted positions per workgroup, at most MAX_TILE.
override TILE: u32 = 64u;

const MAX_TILE: u32 = 256u;
const MAX_WORKGROUP: u32 = 256u;

/// What a tile's lists hold: heads of runs of one entry, of those that a group sums by itself, and the turns that the others take.
struct Listed {
    singles: u32,
    heads: u32,
    long_turns: u32,
}

/// Of runs that a group sums by itself from the front on, of those of one entry from the back.
var<workgroup> heads: array<u32, MAX_TILE>;
var<workgroup> head_count: atomic<u32>;
var<workgroup> single_count: atomic<u32>;
/// Heads of long runs, no two of which are closer than CHUNK, and how many chunks each has.
var<workgroup> long_heads: array<u32, MAX_TILE / CHUNK>;
var<workgroup> long_chunks: array<u32, MAX_TILE / CHUNK>;
var<workgroup> long_count: atomic<u32>;
var<workgroup> long_turns: atomic<u32>;
/// `[groups, lanes]` sums of chunks.
var<workgroup> chunk_sums: array<Lane, MAX_WORKGROUP>;
/// What the first invocation tells all of them.
var<workgroup> listed: Listed;

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

// Lists the heads of a tile, for `groups` groups.
fn list_heads(start: u32, groups: u32, local: u32) {
    let positions = select(0u, TILE, meets_window(start));
    for (var i = local; i < positions; i += WORKGROUP) {
        let head = start + i;
        if (is_head(head)) {
            let may_be_long = config.levels == 0u && config.first_wins == 0u;
            let key = key_at(head);
            let goes_on = config.first_wins == 0u && is_in_run(head + 1u, config.keys.end, key);
            if (!goes_on) {
                heads[MAX_TILE - 1u - atomicAdd(&single_count, 1u)] = head;
            } else if (may_be_long && is_in_run(head + CHUNK - 1u, config.keys.end, key)) {
                let chunks = items_in_run(head, CHUNK, config.keys.end, key);
                let place = atomicAdd(&long_count, 1u);
                long_heads[place] = head;
                long_chunks[place] = chunks;
                atomicAdd(&long_turns, (chunks + groups - 1u) / groups);
            } else {
                heads[atomicAdd(&head_count, 1u)] = head;
            }
        }
    }
}

/// A chunk that a group sums in a turn, of the run at `head`; none where it `is_none`.
struct Taken {
    head: u32,
    start: u32,
    is_none: bool,
}

// The chunk of a long run that a group takes, where the groups have come to its chunk `next`.
fn long_chunk(run: u32, next: u32, group: u32) -> Taken {
    let head = long_heads[run];
    return Taken(head, head + (next + group) * CHUNK, next + group >= long_chunks[run]);
}

// The first chunk of any other run, of those listed the one with a number.
fn first_chunk(number: u32, count: u32) -> Taken {
    let head = heads[min(number, MAX_TILE - 1u)];
    return Taken(head, head, number >= count);
}

// The run of one entry of which an invocation takes a column.
fn single(number: u32, count: u32) -> Taken {
    let head = heads[MAX_TILE - 1u - min(number, MAX_TILE - 1u)];
    return Taken(head, head, number >= count);
}

// A run's sum before its chunk `next`, and `count` chunks more, the sum of each from the invocation of its group that has the
// same column as this one, the first of them `lane`.
fn add_chunks(before: Lane, next: u32, count: u32, lane: u32, lanes: u32) -> Lane {
    var sum = before;
    for (var i = 0u; i < count; i++) {
        let held = chunk_sums[i * lanes + lane];
        sum = either(add(sum, held), held, next + i == 0u);
    }
    return sum;
}

// Updates a row in a column, given what it has there and the sum of its run's first `entries` entries.
fn update_row(head: u32, key: u32, of_first: u32, first: Lane, held: Held, column: u32) {
    var sum = first;
    var entries = of_first;
    if (entries == CHUNK) {
        sum = add_partials(sum, head, key, column);
        if (MEAN) {
            entries = run_length(head, key);
        }
    }
    begin_row();
    update_lane(key - config.window_key, column, held, sum, shared_of(head, entries));
}

/// Where the walk over a block is: the long run that the groups have come to, and its next chunk; the run of one entry, and the
/// column of it, that this invocation has come to.
struct Walk {
    run: u32,
    next: u32,
    row: u32,
    of_row: u32,
}

/// What an invocation does in a turn: it sums a chunk in a column, and updates its row there, or leaves that to another.
struct Turn {
    chunk: Taken,
    column: u32,
    updates: bool,
}

// A turn of the last block, whose slice begins at column `first`.
fn turn_of_single(walk: Walk, singles: u32, first: u32) -> Turn {
    let chunk = single(walk.row, singles);
    return Turn(chunk, first + walk.of_row, !chunk.is_none);
}

// The walk after it, so many rows and columns on.
fn next_single(walk: Walk, rows_on: u32, columns_on: u32, columns: u32) -> Walk {
    let of_row = walk.of_row + columns_on;
    let is_over = of_row >= columns;
    var next = walk;
    next.row += rows_on + select(0u, 1u, is_over);
    next.of_row = of_row - select(0u, columns, is_over);
    return next;
}

// A turn of the long runs in another block: only the group that has a run's number updates its row, when all chunks are summed.
fn turn_of_long(walk: Walk, group: u32, groups: u32, column: u32) -> Turn {
    let updates = group == walk.run && walk.next + groups >= long_chunks[walk.run];
    return Turn(long_chunk(walk.run, walk.next, group), column, updates);
}

// A turn of the others there, of the one with a number among those listed.
fn turn_of_group(number: u32, heads_in_all: u32, column: u32) -> Turn {
    let chunk = first_chunk(number, heads_in_all);
    return Turn(chunk, column, !chunk.is_none);
}

/// The sum of a chunk, and of how many entries.
struct Summed {
    entries: u32,
    sum: Lane,
}

fn summed(chunk: Taken, key: u32, is_single: bool, column: u32) -> Summed {
    var entries = 1u;
    if (!is_single) {
        entries = items_in_run(chunk.start, 1u, config.keys.end, key);
    }
    let first = term_at(chunk.start, config.values);
    return Summed(entries, sum_terms(first, chunk.start, entries, column, config.values));
}

// What the group with a long run's number keeps of its sum, given what that was and the sum of this group's chunk.
fn kept_sum(of_run: Lane, sum: Lane, walk: Walk, lanes: u32, local: u32) -> Lane {
    let groups = WORKGROUP / lanes;
    var kept = of_run;
    chunk_sums[local] = sum;
    workgroupBarrier();
    if (local / lanes == walk.run) {
        let count = min(groups, long_chunks[walk.run] - walk.next);
        kept = add_chunks(of_run, walk.next, count, local % lanes, lanes);
    }
    workgroupBarrier();
    return kept;
}

// Updates rows of a tile. In the first blocks of columns, those of which an invocation has the same column of each row: first rows of
// long runs, each by the group with its number, then the others. In the last, those whose runs have one entry.
fn update_block(of_tile: Listed, lanes: u32, slice: Slice, first: u32, local: u32) {
    let groups = WORKGROUP / lanes;
    let group = local / lanes;
    let column = first + local % lanes;
    let columns = slice.end - slice.first;
    let is_last = first >= slice.end;
    let long_turns = select(of_tile.long_turns, 0u, is_last);
    let of_singles = (of_tile.singles * columns + WORKGROUP - 1u) / WORKGROUP;
    let turns = select(long_turns + (of_tile.heads + groups - 1u) / groups, of_singles, is_last);
    // Divisions for the block, so that there is none a turn.
    let rows_on = WORKGROUP / columns;
    let columns_on = WORKGROUP % columns;
    var walk = Walk(0u, 0u, local / columns, local % columns);
    var of_run: Lane;
    for (var turn = 0u; turn < turns; turn++) {
        let is_long = turn < long_turns;
        var now: Turn;
        if (is_last) {
            now = turn_of_single(walk, of_tile.singles, slice.first);
            walk = next_single(walk, rows_on, columns_on, columns);
        } else if (is_long) {
            now = turn_of_long(walk, group, groups, column);
        } else {
            now = turn_of_group(group + (turn - long_turns) * groups, of_tile.heads, column);
        }
        let is_taken = !now.chunk.is_none && now.column < slice.end;
        let updates = now.updates && now.column < slice.end;
        var key = 0u;
        if (is_taken || updates) {
            key = key_at(now.chunk.head);
        }
        var held: Held;
        if (updates) {
            held = load_held(key - config.window_key, now.column);
        }
        var of_chunk: Summed;
        if (is_taken) {
            of_chunk = summed(now.chunk, key, is_last, now.column);
        }
        if (is_long) {
            of_run = kept_sum(of_run, of_chunk.sum, walk, lanes, local);
            of_chunk = Summed(CHUNK, of_run);
            walk.next += groups;
            if (walk.next >= long_chunks[walk.run]) {
                walk.run++;
                walk.next = 0u;
            }
        }
        if (updates) {
            update_row(now.chunk.head, key, of_chunk.entries, of_chunk.sum, held, now.column);
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
        atomicStore(&single_count, 0u);
        atomicStore(&long_count, 0u);
        atomicStore(&long_turns, 0u);
    }
    workgroupBarrier();
    let in_all = linear_workgroup(workgroup, grid);
    let item = item_of(in_all);
    begin_item(item);
    // Of the item, and not from `config`: what a loop around a barrier depends on must be seen to be the workgroup's.
    let number = in_all - first_workgroup(item);
    let of_item = config_of(item);
    let columns = of_item.values.columns;
    let lanes = lanes_of(columns);
    let slice = slice_of(number, columns, of_item.values.slice);
    let start = of_item.keys.first + number / slices_of(columns, of_item.values.slice) * TILE;
    list_heads(start, WORKGROUP / lanes, local);
    workgroupBarrier();
    if (local == 0u) {
        listed = Listed(atomicLoad(&single_count), atomicLoad(&head_count), atomicLoad(&long_turns));
    }
    let of_tile = workgroupUniformLoad(&listed);
    // Runs of one entry come behind the last block; what a tile has not is passed over.
    let in_blocks = of_tile.heads + of_tile.long_turns > 0u;
    let end = slice.end + select(0u, lanes, of_tile.singles > 0u);
    for (var first = select(slice.end, slice.first, in_blocks); first < end; first += lanes) {
        update_block(of_tile, lanes, slice, first, local);
    }
}
