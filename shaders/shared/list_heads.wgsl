// Making a list of run heads, as the fragment `heads` describes it.
//
// A stage that uses this declares `scratch: array<u32>`, writable, and has the fragment `runs`.

/// The key of no table.
const NO_KEY: u32 = 0xffffffffu;

/// A list in the making: the block's first position, its list's first word, its positions, and
/// what is listed.
struct List {
    start: u32,
    first: u32,
    block: u32,
    counts: HeadCounts,
}

fn list_head(list: List, head: Head) -> List {
    var longer = list;
    let word = pack_head(list.start, head);
    if (head.entries == 1u) {
        longer.counts.single += 1u;
        scratch[list.first + longer.counts.single] = word;
    } else if (head.entries < CHUNK) {
        scratch[list.first + list.block - list.counts.several] = word;
        longer.counts.several += 1u;
    } else {
        longer.counts.many += 1u;
        scratch[list.first + list.block + longer.counts.many] = word;
    }
    return longer;
}

// Lists the heads of the block at `start`. `count` positions are sorted; the lists start at word
// `lists`.
fn list_heads(start: u32, block: u32, count: u32, lists: u32) {
    let end = min(start + block, count);
    let first = list_at(start, block, lists);
    var list = List(start, first, block, HeadCounts(0u, 0u, 0u));
    // Of a run that started before the block, nothing is listed.
    var key = NO_KEY;
    if (start > 0u && start < end) {
        key = key_at(start - 1u);
    }
    var head = Head(start, 0u);
    for (var position = start; position < end; position++) {
        let next = key_at(position);
        if (next != key) {
            if (head.entries > 0u) {
                list = list_head(list, head);
            }
            head = Head(position, 1u);
            key = next;
        } else if (head.entries > 0u && head.entries < CHUNK) {
            head.entries += 1u;
        }
    }
    if (head.entries > 0u) {
        // Its run may go on behind the block.
        head.entries = items_in_run(head.position, 1u, count, key);
        list = list_head(list, head);
    }
    scratch[first] = pack_counts(list.counts);
}
