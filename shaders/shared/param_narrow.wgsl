// Where the parameter is stored: in words of 16 bits each, of which a lane has its own.

alias ParamStored = Halves;

fn load_param(row: u32, column: u32) -> Lane {
    let at = row * config.values.columns + column;
    return param_lane(halves_at(param_word(at), at));
}

fn store_param(row: u32, column: u32, lane: Lane) {
    set_param_word(row * config.values.columns + column, halves_from(param_bits(row, column, lane)));
}
