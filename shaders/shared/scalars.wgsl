// What the GPU knows of a step when it runs.

struct Scalars {
    grad_scale: f32,
    lr_factor: f32,
    /// Not 0: nothing is written.
    skip: u32,
    pad0: u32,
}

@group(0) @binding(10) var<uniform> scalars: Scalars;

fn is_skipped() -> bool {
    return scalars.skip != 0u;
}

fn device_grad_scale() -> f32 {
    return scalars.grad_scale;
}

fn device_lr_factor() -> f32 {
    return scalars.lr_factor;
}
