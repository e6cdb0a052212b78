// Rows of an odd number of values of 16 bits between a window of the cache, where two rows may share a word, and records,
// where each begins a word and has a half of zeros behind it. An invocation that gathers makes a word of a record; one that
// scatters puts one value into its half and leaves the other to whoever has it. Behind `moved.wgsl`; `Unit` is u32.

@group(0) @binding(2) var<storage, read_write> part: array<atomic<u32>>;

fn half_at(at: u32) -> u32 {
    return (atomicLoad(&part[at / 2u]) >> (16u * (at % 2u))) & 0xffffu;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let piece = piece_of(id);
    if !piece.is_there {
        return;
    }
    let unit = piece.unit;
    let row = piece.row * config.values;
    if GATHER {
        let low = half_at(row + 2u * unit);
        var high = 0u;
        if 2u * unit + 1u < config.values {
            high = half_at(row + 2u * unit + 1u);
        }
        records[piece.record + unit] = low | (high << 16u);
    } else {
        let value = (records[piece.record + unit / 2u] >> (16u * (unit % 2u))) & 0xffffu;
        let changed = half_at(row + unit) ^ value;
        atomicXor(&part[(row + unit) / 2u], changed << (16u * ((row + unit) % 2u)));
    }
}
