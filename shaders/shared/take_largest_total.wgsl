// Taking the largest, which starts anew.

fn take_total() -> f32 {
    return bitcast<f32>(atomicExchange(&state.digits[0], 0u));
}
