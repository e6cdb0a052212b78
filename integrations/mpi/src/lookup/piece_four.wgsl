// Four values of 32 bits.

alias Piece = vec4<u32>;

fn piece_at(at: u32) -> Piece {
    return window[at];
}
