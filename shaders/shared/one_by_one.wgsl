// Counting the items of a run one by one: for CPU adapters, whose memory answers soon and whose loops take as
// many turns as the slowest lane needs.
//
// Those of `in_flight` give the same.

// How many of the CHUNK items at `start`, `start + stride`, ... lie in the run of `key`.
fn items_in_run(start: u32, stride: u32, end: u32, key: u32) -> u32 {
    var items = 1u;
    for (; items < CHUNK; items++) {
        let position = start + items * stride;
        if (position >= end || key_at(position) != key) {
            break;
        }
    }
    return items;
}
