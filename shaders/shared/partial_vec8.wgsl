// Reading a partial sum: eight words of `scratch`, from `at` on. Written out, because a loop's turns count
// (`src/step/turns.rs`).

fn load_partial(at: u32) -> Lane {
    let low = vec4<u32>(
        scratch[at],
        scratch[at + 1u],
        scratch[at + 2u],
        scratch[at + 3u],
    );
    let high = vec4<u32>(
        scratch[at + 4u],
        scratch[at + 5u],
        scratch[at + 6u],
        scratch[at + 7u],
    );
    return Lane(bitcast<vec4<f32>>(low), bitcast<vec4<f32>>(high));
}
