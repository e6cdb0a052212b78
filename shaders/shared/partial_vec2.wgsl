// Reading a partial sum: two words of `scratch`, from `at` on.

fn load_partial(at: u32) -> Lane {
    return bitcast<vec2<f32>>(vec2<u32>(scratch[at], scratch[at + 1u]));
}
