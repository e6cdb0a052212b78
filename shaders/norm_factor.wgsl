// norm_factor: makes of what was added up the norm, and what gradients are multiplied by for it; one invocation.
//
// torch/nn/utils/clip_grad.py: most / (norm + 1e-6), at most 1; a NaN stays one. Infinite norms have the factor 0.

struct NormFactorConfig {
    /// What the norm is brought down to.
    most: f32,
    /// 0, which no compiler knows (fragment `exact`).
    zero: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> config: NormFactorConfig;
@group(0) @binding(1) var<storage, read_write> state: NormState;

@compute @workgroup_size(1)
fn main() {
    let norm = norm_of(take_total());
    // As torch divides a number by a tensor: by the reciprocal.
    let factor = limited(scale(quotient(1f, offset(norm, 1e-6f)), config.most), 1f);
    state.grad_scale = scale(device_grad_scale(), factor);
    state.lr_factor = device_lr_factor();
    state.skip = select(0u, 1u, is_skipped());
    state.norm = norm;
}
