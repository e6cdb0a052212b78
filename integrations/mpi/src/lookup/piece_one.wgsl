// A value of 32 bits.

alias Piece = u32;

fn piece_at(at: u32) -> Piece {
    return window[at];
}
