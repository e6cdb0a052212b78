// What rows are moved by: eight words at a time, by twos.
alias Piece = vec4<u64>;
