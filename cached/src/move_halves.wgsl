// Rows of an odd number of values of 16 bits between a window of the cache, where two rows may share a word, and records,
// where each begins a word and has a half of zeros behind it. An invocation that gathers makes a word of a record; one that
// scatters puts one value into its half and leaves the other to whoever has it. `Unit`, u32, and `GATHER` stand before this text.

struct Config {
    // Slots of the window: [first_slot, first_slot + slots).
    first_slot: u32,
    slots: u32,
    // Words of the part in a record, or values where it scatters; words of a record; where the part begins in a record.
    units: u32,
    stride: u32,
    at: u32,
    // Entries [first, first + count) of the list; its records begin at 0.
    first: u32,
    count: u32,
    // Invocations of a row of the grid.
    width: u32,
    // Values of a row.
    values: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> config: Config;
@group(0) @binding(1) var<storage, read> list: array<u32>;
@group(0) @binding(2) var<storage, read_write> part: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> records: array<Unit>;

fn half_at(at: u32) -> u32 {
    return (atomicLoad(&part[at / 2u]) >> (16u * (at % 2u))) & 0xffffu;
}

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
    let row = (slot - config.first_slot) * config.values;
    let record = entry * config.stride + config.at;
    if GATHER {
        let low = half_at(row + 2u * unit);
        var high = 0u;
        if 2u * unit + 1u < config.values {
            high = half_at(row + 2u * unit + 1u);
        }
        records[record + unit] = low | (high << 16u);
    } else {
        let value = (records[record + unit / 2u] >> (16u * (unit % 2u))) & 0xffffu;
        let changed = half_at(row + unit) ^ value;
        atomicXor(&part[(row + unit) / 2u], changed << (16u * ((row + unit) % 2u)));
    }
}
