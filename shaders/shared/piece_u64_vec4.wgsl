// What rows are moved by: four words at a time, by twos.
alias Piece = vec2<u64>;
