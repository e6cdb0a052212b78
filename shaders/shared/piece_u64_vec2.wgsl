// What rows are moved by: two words at a time, as one.
alias Piece = u64;
