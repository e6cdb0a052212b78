// Rows between a window of the cache and records, as integers: no float is touched, so that no driver flushes a
// subnormal number or quiets a NaN. An invocation moves one unit: a u32, or four where rows allow it (`Unit` stands
// before this text, and `GATHER`, the direction).

struct Config {
    // Slots of the window: [first_slot, first_slot + slots).
    first_slot: u32,
    slots: u32,
    // Units of the part in a row, and of a record; where the part begins in a record.
    units: u32,
    stride: u32,
    at: u32,
    // Entries [first, first + count) of the list; its records begin at 0.
    first: u32,
    count: u32,
    // Invocations of a row of the grid.
    width: u32,
}

@group(0) @binding(0) var<uniform> config: Config;
@group(0) @binding(1) var<storage, read> list: array<u32>;
@group(0) @binding(2) var<storage, read_write> part: array<Unit>;
@group(0) @binding(3) var<storage, read_write> records: array<Unit>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let number = id.y * config.width + id.x;
    let entry = number / config.units;
    if entry >= config.count {
        return;
    }
    let unit = number - entry * config.units;
    let slot = list[config.first + entry];
    if slot < config.first_slot || slot - config.first_slot >= config.slots {
        return;
    }
    let in_part = (slot - config.first_slot) * config.units + unit;
    let in_record = entry * config.stride + config.at + unit;
    if GATHER {
        records[in_record] = part[in_part];
    } else {
        part[in_part] = records[in_record];
    }
}
