// How a rule's state is stored: `[rows, FIELDS, columns]` of the window, in f32. The first two fields are the moments,
// where a rule has them.

alias StateStored = Stored;

struct Moments {
    exp_avg: Lane,
    exp_avg_sq: Lane,
}

fn state_at(row: u32, field: u32, column: u32) -> u32 {
    return (row * FIELDS + field) * config.values.columns + column;
}

fn load_state(row: u32, field: u32, column: u32) -> Lane {
    return unpack(state_word(state_at(row, field, column)));
}

fn store_state(row: u32, field: u32, column: u32, lane: Lane) {
    set_state_word(state_at(row, field, column), pack(lane));
}

fn load_moments(row: u32, column: u32) -> Moments {
    return Moments(load_state(row, 0u, column), load_state(row, 1u, column));
}

fn store_moments(row: u32, column: u32, moments: Moments) {
    store_state(row, 0u, column, moments.exp_avg);
    store_state(row, 1u, column, moments.exp_avg_sq);
}
