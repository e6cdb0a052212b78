// What takes the place of `rows_of_one`, `rule_words` and `item_of_one` where a dispatch updates ITEMS windows.

struct UpdateItem {
    config: UpdateConfig,
    /// The dispatch's first workgroup that is its; 0xffffffff where there is no such item.
    first_workgroup: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> items: array<UpdateItem, ITEMS>;
@group(0) @binding(1) var<uniform> rules: array<Rule, ITEMS>;

var<private> config: UpdateConfig;
var<private> rule: Rule;
var<private> chosen: u32;

fn begin_item(item: u32) {
    chosen = item;
    config = items[item].config;
    rule = rules[item];
}

fn begin_row() {}

fn config_of(item: u32) -> UpdateConfig {
    return items[item].config;
}
