// A value of 32 bits.

alias Piece = u32;

/// `[rows, pieces]`: the window.
@group(0) @binding(2) var<storage, read> window: array<u32>;

fn piece_at(at: u32) -> Piece {
    return window[at];
}
