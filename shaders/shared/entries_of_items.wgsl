// What takes the place of `entries_of_one` and `item_of_one` where a dispatch takes the entries of ITEMS tables.

struct EntriesItem {
    config: EntriesConfig,
    /// The dispatch's first workgroup that is its; 0xffffffff where there is no such item.
    first_workgroup: u32,
    /// Entries of the gradient.
    entries: u32,
    /// Where its own begins in a binding that has that of all items, in words.
    index_first: u32,
    status_first: u32,
}

@group(0) @binding(0) var<uniform> items: array<EntriesItem, ITEMS>;

var<private> config: EntriesConfig;
var<private> count: EntryCount;
var<private> chosen: u32;
var<private> firsts: vec3<u32>;

fn begin_item(item: u32) {
    chosen = item;
    config = items[item].config;
    count.entries = items[item].entries;
    firsts = vec3<u32>(items[item].index_first, items[item].status_first, 0u);
}

fn config_of(item: u32) -> EntriesConfig {
    return items[item].config;
}

// Only plain lists are taken so, which have no map.
fn map_word(entry: u32) -> u32 {
    return entry;
}
