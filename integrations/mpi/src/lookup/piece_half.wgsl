// A value of 16 bits, a word for each: the first of two lies in a word's low half.

alias Piece = u32;

fn piece_at(at: u32) -> Piece {
    return (window[at >> 1u] >> (16u * (at & 1u))) & 0xffffu;
}
