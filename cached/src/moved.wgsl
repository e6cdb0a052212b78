// What a kernel that moves rows is told, and which piece an invocation moves. `Unit` stands before this text: a u32, or four
// where rows allow it; and `GATHER`, the direction.

struct Config {
    // Slots of the window: [first_slot, first_slot + slots).
    first_slot: u32,
    slots: u32,
    // Pieces of the part in a row, one for each invocation; units of a record; where the part begins in a record.
    units: u32,
    stride: u32,
    at: u32,
    // Entries [first, first + count) of the list; its records begin at 0.
    first: u32,
    count: u32,
    // Invocations of a row of the grid.
    width: u32,
    // Of a part whose rows share words: values of a row.
    values: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<uniform> config: Config;
@group(0) @binding(1) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read_write> records: array<Unit>;

struct Piece {
    is_there: bool,
    // Of the part.
    unit: u32,
    // In the window.
    row: u32,
    // Where the part begins in the row's record.
    record: u32,
}

fn piece_of(id: vec3<u32>) -> Piece {
    let number = id.y * config.width + id.x;
    let entry = number / config.units;
    if entry >= config.count {
        return Piece();
    }
    let slot = list[config.first + entry];
    let is_there = slot >= config.first_slot && slot - config.first_slot < config.slots;
    let unit = number - entry * config.units;
    return Piece(is_there, unit, slot - config.first_slot, entry * config.stride + config.at);
}
