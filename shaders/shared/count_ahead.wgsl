// A sort of which each pass counts the digits of the next, as it knows where pairs go: a dispatch less for each but the first,
// and an atomic operation more for each pair.
//
// Those of `count_later` give the same. This fragment owns a binding.

@group(0) @binding(3) var<storage, read_write> histogram: array<atomic<u32>>;

fn count_at(word: u32) -> u32 {
    return atomicLoad(&histogram[word]);
}

fn write_pair(place: u32, pair: vec2<u32>) {
    target_pairs[place] = pair;
    // The last pass has none behind it.
    if (config.next_radix > 0u) {
        var next = config;
        next.shift = config.next_shift;
        next.radix = config.next_radix;
        next.first = config.next_first;
        let counted = histogram_at(digit_of(pair.x, next), place / config.tile_size, next);
        atomicAdd(&histogram[counted], 1u);
    }
}
