// What rows are moved by: two words at a time.
alias Piece = vec2<u32>;
