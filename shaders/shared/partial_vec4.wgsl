// Reading a partial sum: four words of `scratch`, from `at` on. Written out, because a loop's turns count
// (`src/step/turns.rs`).

fn load_partial(at: u32) -> Lane {
    let words = vec4<u32>(
        scratch[at],
        scratch[at + 1u],
        scratch[at + 2u],
        scratch[at + 3u],
    );
    return bitcast<vec4<f32>>(words);
}
