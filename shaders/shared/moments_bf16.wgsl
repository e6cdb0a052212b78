// How a rule's state is stored: `[rows, FIELDS - 1, columns]` words of the window. Both moments of a value share
// its first word, the first moment in the low half, in bf16; the other fields are f32.

alias StateStored = Words;

struct Moments {
    exp_avg: Lane,
    exp_avg_sq: Lane,
}

// Both moments, the first two fields, are at one place.
fn state_at(row: u32, field: u32, column: u32) -> u32 {
    return (row * (FIELDS - 1u) + max(field, 1u) - 1u) * config.values.columns + column;
}

fn load_state(row: u32, field: u32, column: u32) -> Lane {
    let words = lane_words(state_word(state_at(row, field, column)));
    return joined(bitcast<Part>(words.low), bitcast<Part>(words.high));
}

fn store_state(row: u32, field: u32, column: u32, lane: Lane) {
    let words = LaneBits(bitcast<Bits>(low_of(lane)), bitcast<Bits>(high_of(lane)));
    set_state_word(state_at(row, field, column), words_from(words));
}

fn load_moments(row: u32, column: u32) -> Moments {
    let words = lane_words(state_word(state_at(row, 1u, column)));
    let half = Bits(0xffffu);
    let first = joined(bf16_value(words.low & half), bf16_value(words.high & half));
    let second = joined(bf16_value(words.low >> Bits(16u)), bf16_value(words.high >> Bits(16u)));
    return Moments(first, second);
}

fn moments_word(first: Part, second: Part, random: Random) -> Bits {
    let low = bf16_stochastic(first, random.first);
    return low | (bf16_stochastic(second, random.second) << Bits(16u));
}

fn store_moments(row: u32, column: u32, moments: Moments) {
    let columns = Bits(column * LANE_WIDTH) + COLUMNS;
    let low = moments_word(low_of(moments.exp_avg), low_of(moments.exp_avg_sq), random_at(row, columns));
    let others = random_at(row, columns + Bits(4u));
    let high = moments_word(high_of(moments.exp_avg), high_of(moments.exp_avg_sq), others);
    set_state_word(state_at(row, 1u, column), words_from(LaneBits(low, high)));
}
