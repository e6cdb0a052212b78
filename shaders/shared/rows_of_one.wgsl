// What an update binds of its table. Where a dispatch takes several, `src/step/kernel/items.rs` writes what takes the place of
// this.

@group(0) @binding(0) var<uniform> config: UpdateConfig;
/// `[rows, columns]` of the window; binding 1 has the rule's words.
@group(0) @binding(2) var<storage, read_write> param: array<ParamStored>;
/// The state of the window's rows.
@group(0) @binding(3) var<storage, read_write> state: array<StateStored>;

fn config_of(item: u32) -> UpdateConfig {
    return config;
}

fn state_word(at: u32) -> StateStored {
    return state[at];
}

fn set_state_word(at: u32, word: StateStored) {
    state[at] = word;
}
