// The number that lies at a place of a binding of rows: of what holds several, the first.

fn first_of_value(at: u32) -> Number {
    return value_word(at).x;
}

fn first_of_param(at: u32) -> Number {
    return param_word(at).x;
}

fn set_first_of_param(at: u32, number: Number) {
    var word = param_word(at);
    word.x = number;
    set_param_word(at, word);
}

fn first_of_state(at: u32) -> Number {
    return state_word(at).x;
}
