// What a stage that takes entries binds of its table. Where a dispatch takes several tables, `src/step/kernel/items.rs` writes what
// takes the place of this.

@group(0) @binding(0) var<uniform> config: EntriesConfig;
@group(0) @binding(1) var<uniform> count: EntryCount;
@group(0) @binding(2) var<storage, read_write> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> value_map: array<u32>;
@group(0) @binding(5) var<storage, read_write> status: Status;

fn config_of(item: u32) -> EntriesConfig {
    return config;
}

fn index_word(at: u32) -> u32 {
    return indices[at];
}

fn map_word(entry: u32) -> u32 {
    return value_map[entry];
}
