//! How floats are computed with.

/// How a step computes with floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "tune", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "tune", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Arithmetic {
    /// With the bits of IEEE 754, which are those of the [CPU twin](crate::reference), on every device
    /// that rounds `+ - *` to nearest, as the GPUs in use do: no compiler can fuse or reorder an
    /// operation, and quotients and roots are rounded correctly. [`Probe`](crate::Probe) tells whether a
    /// device does.
    Exact,
    /// With the device's own operations. A CPU adapter on Vulkan (llvmpipe, SwiftShader) gives the same
    /// bits so. A GPU's results are near them: products may be fused into sums, sums reordered, a
    /// quotient may be off by 2.5 units in the last place, a root by more.
    Fast,
}

#[cfg(test)]
mod tests;
