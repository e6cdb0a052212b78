// Where the parameter is stored: two numbers of 16 bits per word, which may belong to two invocations. Each
// changes the bits of its own half alone; what is there it has read itself, as nobody else writes them.

alias ParamStored = atomic<u32>;

fn load_param(row: u32, column: u32) -> Lane {
    let at = row * config.values.columns + column;
    return param_lane(halves_at(atomicLoad(&param[place_of(at)]), at));
}

fn store_param(row: u32, column: u32, lane: Lane) {
    let at = row * config.values.columns + column;
    let old = halves_at(atomicLoad(&param[place_of(at)]), at).low;
    let new_bits = param_bits(row, column, lane).low;
    atomicXor(&param[place_of(at)], (old ^ new_bits) << shift_of(at));
}
