// Counting the items of a run with several loads on their way at once: for GPUs, whose memory answers late.
//
// Those of `one_by_one` give the same.

// Whether `position` is in the run of `key`, which begins before it. The load does not wait for the comparison.
fn is_in_run(position: u32, end: u32, key: u32) -> bool {
    let found = key_at(min(position, end - 1u));
    return position < end && found == key;
}

// How many of the CHUNK items at `start`, `start + stride`, ... lie in the run of `key`. Most runs are short: three
// looks at once tell; of the others, the end is found by halves.
fn items_in_run(start: u32, stride: u32, end: u32, key: u32) -> u32 {
    let second = is_in_run(start + stride, end, key);
    let third = is_in_run(start + 2u * stride, end, key);
    let fourth = is_in_run(start + 3u * stride, end, key);
    var items = 1u + u32(second) + u32(third) + u32(fourth);
    if (!fourth) {
        return items;
    }
    for (var step = CHUNK / 2u; step > 0u; step /= 2u) {
        let more = items + step;
        if (more <= CHUNK && is_in_run(start + (more - 1u) * stride, end, key)) {
            items = more;
        }
    }
    return items;
}
