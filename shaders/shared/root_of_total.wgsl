fn norm_of(total: f32) -> f32 {
    return root(total);
}
