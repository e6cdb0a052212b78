// What takes the place of `rows_of_one`, `rule_words` and `item_of_one` where a dispatch updates ITEMS windows.

struct UpdateItem {
    config: UpdateConfig,
    /// The dispatch's first workgroup that is its; 0xffffffff where there is no such item.
    first_workgroup: u32,
    /// Where its own begins in a binding that has that of all items, in words.
    param_first: u32,
    state_first: u32,
    value_first: u32,
}

@group(0) @binding(0) var<uniform> items: array<UpdateItem, ITEMS>;
@group(0) @binding(1) var<uniform> rules: array<Rule, ITEMS>;

var<private> config: UpdateConfig;
var<private> rule: Rule;
var<private> chosen: u32;
var<private> firsts: vec3<u32>;

fn begin_item(item: u32) {
    chosen = item;
    config = items[item].config;
    rule = rules[item];
    firsts = vec3<u32>(items[item].param_first, items[item].state_first, items[item].value_first);
}

fn begin_row() {}

fn config_of(item: u32) -> UpdateConfig {
    return items[item].config;
}
