// What rows are moved by: a word at a time.
alias Piece = u32;
