// Which sorted positions stand for a row.

// Whether a run of a row of the table starts at `position`. `unique` is 1 where no row is named twice, and the
// positions are not sorted.
fn names_row(position: u32, keys: Keys, unique: u32) -> bool {
    if (position >= keys.end) {
        return false;
    }
    let key = key_at(position);
    if (key >= keys.sentinel) {
        return false;
    }
    return unique == 1u || position == keys.first || key_at(position - 1u) != key;
}
