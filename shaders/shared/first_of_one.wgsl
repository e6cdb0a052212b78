// The number that lies at a place of a binding of rows: of what holds one, itself.

fn first_of_value(at: u32) -> Number {
    return value_word(at);
}

fn first_of_param(at: u32) -> Number {
    return param_word(at);
}

fn set_first_of_param(at: u32, number: Number) {
    set_param_word(at, number);
}

fn first_of_state(at: u32) -> Number {
    return state_word(at);
}
