// The parameter that is bound, as `param`, where a lane has words of its own.

fn param_word(at: u32) -> ParamStored {
    return param[at];
}

fn set_param_word(at: u32, word: ParamStored) {
    param[at] = word;
}
