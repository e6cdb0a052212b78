// What rows are moved by: four words at a time.
alias Piece = vec4<u32>;
