// ingest_small_parallel: ingest and sort in one, of gradients of at most SMALL entries each; a workgroup takes one of them.
//
// The form for GPUs. A bitonic sort (Batcher 1968) of the keys with the entry as the lower half of
// the order, so equal keys keep the order of their entries as in a stable sort.

override WORKGROUP: u32 = 256u;

const SMALL: u32 = 1024u;

@group(0) @binding(4) var<storage, read_write> pairs: array<vec2<u32>>;

/// Key and entry of each place. What else a pair holds is found once more when the order is known: what
/// one invocation writes to storage, another of its dispatch need not see.
var<workgroup> keys: array<u32, SMALL>;
var<workgroup> entries: array<u32, SMALL>;

// Whether the pair at `a` belongs behind the one at `b`.
fn is_behind(a: u32, b: u32) -> bool {
    return keys[a] > keys[b] || (keys[a] == keys[b] && entries[a] > entries[b]);
}

fn exchange(a: u32, b: u32) {
    let key = keys[a];
    let entry = entries[a];
    keys[a] = keys[b];
    entries[a] = entries[b];
    keys[b] = key;
    entries[b] = entry;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let item = item_of(workgroup.x);
    begin_item(item);
    begin_counting(local);
    // Of the item, and not from `config`: what a loop around a barrier depends on must be seen to be the workgroup's.
    let capacity = config_of(item).capacity;
    var size = 1u;
    while (size < capacity) {
        size *= 2u;
    }
    for (var place = local; place < size; place += WORKGROUP) {
        // Places past the last entry go behind everything, the sentinel too.
        var key = 0xffffffffu;
        if (place < capacity) {
            key = take_entry(place).x;
        }
        keys[place] = key;
        entries[place] = place;
    }
    for (var run = 2u; run <= size; run *= 2u) {
        for (var reach = run / 2u; reach > 0u; reach /= 2u) {
            workgroupBarrier();
            for (var i = local; i < size / 2u; i += WORKGROUP) {
                let low = 2u * i - (i & (reach - 1u));
                let ascending = (low & run) == 0u;
                if (is_behind(low, low + reach) == ascending) {
                    exchange(low, low + reach);
                }
            }
        }
    }
    workgroupBarrier();
    for (var place = local; place < capacity; place += WORKGROUP) {
        let key = keys[place];
        let entry = entries[place];
        var payload = 0u;
        if (key != config.sentinel) {
            payload = payload_of(entry, value_row_of(entry, key - config.key_base));
        }
        pairs[config.first + place] = vec2<u32>(key, payload);
    }
    end_counting(local);
}
