// Reading a partial sum: a word of `scratch`, from `at` on. Written out, because a loop's turns count
// (`src/step/turns.rs`).

fn load_partial(at: u32) -> Lane {
    return bitcast<f32>(scratch[at]);
}
