// Making a list of run heads, as the fragment `heads` describes it.
//
// A stage that uses this declares `scratch: array<u32>`, writable, and has the fragment `runs`.

/// The key of no table.
const NO_KEY: u32 = 0xffffffffu;

/// A list in the making: the block's first position, and the words that come next from the front
/// and from the back.
struct List {
    start: u32,
    front: u32,
    back: u32,
}

fn list_head(list: List, head: Head) -> List {
    var longer = list;
    let word = pack_head(list.start, head);
    if (head.entries == CHUNK) {
        scratch[list.back] = word;
        longer.back -= 1u;
    } else {
        scratch[list.front] = word;
        longer.front += 1u;
    }
    return longer;
}

// Lists the heads of the block at `start`. `count` positions are sorted; the lists start at word
// `lists`.
fn list_heads(start: u32, block: u32, count: u32, lists: u32) {
    let end = min(start + block, count);
    let first = list_at(start, block, lists);
    var list = List(start, first + 1u, first + block);
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
    scratch[first] = (list.front - first - 1u) | ((first + block - list.back) << 16u);
}
