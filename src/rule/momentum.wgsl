// SGD with momentum: buffer = momentum * buffer + gradient; param -= lr * buffer.

struct Rule {
    lr: f32,
    momentum: f32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
    pad3: u32,
    pad4: u32,
    pad5: u32,
}

/// Fields of the state.
const FIELDS: u32 = 1u;
/// Rows have nothing of their own.
const MEAN = false;
const ROW_NUMBERS = 0u;

struct Shared {
    pad0: u32,
}

fn shared_of(head: u32, entries: u32) -> Shared {
    return Shared(0u);
}

struct Held {
    p: Lane,
    buffer: Lane,
}

fn load_held(row: u32, column: u32) -> Held {
    return Held(load_param(row, column), load_state(row, 0u, column));
}

fn update_lane(row: u32, column: u32, held: Held, sum: Lane, of_row: Shared) {
    let buffer = add(scale(held.buffer, rule.momentum), sum);
    store_param(row, column, subtract(held.p, scale(buffer, rule.lr)));
    store_state(row, 0u, column, buffer);
}
