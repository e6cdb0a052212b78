// How the parameter is stored: in f32.

alias ParamStored = Stored;

fn load_param(row: u32, column: u32) -> Lane {
    return unpack(param_word(row * config.values.columns + column));
}

fn store_param(row: u32, column: u32, lane: Lane) {
    set_param_word(row * config.values.columns + column, pack(lane));
}
