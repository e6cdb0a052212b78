// The largest of numbers that are not below 0, by their bits: a NaN is larger than all.

var<private> own_largest: u32;

fn begin_total(local: u32) {}

// `word` has the bits of a number.
fn add_to_total(word: u32) {
    own_largest = max(own_largest, word & 0x7fffffffu);
}

fn end_total(local: u32) {
    // Most are not, and the atomics of one address take turns.
    if (own_largest > atomicLoad(&state.digits[0])) {
        atomicMax(&state.digits[0], own_largest);
    }
}
