// Writing a tile's pairs when they are in order, so that neighbouring invocations write pairs of one digit side by side: memory
// takes whole lines faster than what is strewn.
//
// Those of `put_at_once` give the same.

/// The tile's pairs by their digits, and what is added to a pair's place among them for where it goes.
var<workgroup> in_order: array<vec2<u32>, 2048>;
var<workgroup> offsets: array<u32, DIGITS>;

// Given where the tile's first pair of a digit goes, and how many it has of it.
fn begin_places(place: u32, own: u32, local: u32) {
    sums[local] = own;
    scan_sums(local);
    let first = sums[local] - own;
    places[local] = first;
    offsets[local] = place - first;
}

fn put(place: u32, pair: vec2<u32>) {
    in_order[place] = pair;
}

// Writes the `count` pairs of the tile, after a barrier.
fn put_out(count: u32, local: u32) {
    for (var i = local; i < count; i += WORKGROUP) {
        let pair = in_order[i];
        write_pair(offsets[digit_of(pair.x, config)] + i, pair);
    }
}
