// What takes the place of `sums_of_one` and `item_of_one` where a dispatch sums the chunks of ITEMS tables.

struct PartialItem {
    config: PartialConfig,
    /// The dispatch's first workgroup that is its; 0xffffffff where there is no such item.
    first_workgroup: u32,
    /// Where its values begin in a binding that has those of all items, in words.
    value_first: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> items: array<PartialItem, ITEMS>;

var<private> config: PartialConfig;
var<private> chosen: u32;
var<private> firsts: vec3<u32>;

fn begin_item(item: u32) {
    chosen = item;
    config = items[item].config;
    firsts = vec3<u32>(items[item].value_first, 0u, 0u);
}
