// Which sorted positions stand for a row of the window.
//
// A stage that uses this has the fragment `runs`, and a `config` with `keys`, `window_key`, `window_rows` and `unique`,
// which is 1 where no row is named twice and the positions are not sorted.

fn is_head(position: u32) -> bool {
    if (position >= config.keys.end) {
        return false;
    }
    let key = key_at(position);
    if (key - config.window_key >= config.window_rows) {
        return false;
    }
    return config.unique == 1u || position == config.keys.first || key_at(position - 1u) != key;
}
