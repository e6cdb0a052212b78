// A sort whose passes have a dispatch each that counts their digits.
//
// Those of `count_ahead` give the same. This fragment owns a binding.

@group(0) @binding(3) var<storage, read_write> histogram: array<u32>;

fn count_at(word: u32) -> u32 {
    return histogram[word];
}

fn write_pair(place: u32, pair: vec2<u32>) {
    target_pairs[place] = pair;
}
