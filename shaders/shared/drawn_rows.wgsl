// The random bits that rows which are brought up to date are rounded with.

// Of columns of a row of the window: those of the step that the row is brought up to, and of no column that a table has, because
// that step may have rounded the row too, or may be about to.
fn random_at(row: u32, columns: Bits) -> Random {
    return random_of(row + config.first_row, ~columns, row_rule.step, row_rule.seed);
}
