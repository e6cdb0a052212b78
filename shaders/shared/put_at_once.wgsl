// Writing a pair where it goes as soon as that is known.
//
// Those of `put_in_order` give the same.

// Given where the tile's first pair of a digit goes.
fn begin_places(place: u32, own: u32, local: u32) {
    places[local] = place;
}

fn put(place: u32, pair: vec2<u32>) {
    write_pair(place, pair);
}

fn put_out(count: u32, local: u32) {}
