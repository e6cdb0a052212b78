//! What a device allows, and what follows from it: how rows are cut into windows, and workgroups
//! folded into grids. Pure.

use super::plan::sort::REORDER_BYTES;
use super::stages::{MOST_UNIFORMS, VALUE_WINDOWS};
use super::width::Width;
use crate::device_limits::BINDING_ARRAYS;
use crate::format::RowBytes;
use crate::{Error, Tuning};

/// What a device allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceShape {
    /// Largest storage binding, in bytes; below 4 GiB.
    pub max_binding: u64,
    /// Multiple that a storage binding's offset must have, in bytes.
    pub alignment: u64,
    /// Most workgroups on one axis of a dispatch.
    pub max_workgroups: u32,
    /// Storage buffers that a dispatch of several items may bind, and whether any of them may overlap.
    pub storage_buffers: usize,
    pub may_overlap: bool,
    /// Binding numbers of a group, and bytes of a uniform.
    pub group_bindings: usize,
    pub uniform_bytes: usize,
    /// Bindings that a gradient's values may span.
    pub value_windows: usize,
    /// Buffers that a dispatch may have in binding arrays: 0 where it may have none.
    pub array_elements: usize,
    /// Whether shaders may use 64-bit integers, and subgroups.
    pub u64_rows: bool,
    pub subgroups: bool,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
}

impl DeviceShape {
    pub fn of(limits: &wgpu::Limits, features: wgpu::Features) -> Self {
        // Backends address storage with 32-bit byte offsets, so 4 GiB is out of reach.
        let max_binding = limits.max_storage_buffer_binding_size.min(u64::from(u32::MAX)) & !3;
        let storage_buffers = storage_buffers(limits);
        Self {
            max_binding: max_binding.min(limits.max_buffer_size),
            alignment: u64::from(limits.min_storage_buffer_offset_alignment),
            storage_buffers,
            // A browser lets no two bindings of a dispatch overlap, as those of tables with one index list might.
            may_overlap: cfg!(not(target_arch = "wasm32")),
            max_workgroups: limits.max_compute_workgroups_per_dimension,
            // Three others are bound beside the values.
            value_windows: match storage_buffers {
                buffers if buffers >= 3 + VALUE_WINDOWS => VALUE_WINDOWS,
                _ => 1,
            },
            group_bindings: limits.max_bindings_per_bind_group as usize,
            uniform_bytes: limits.max_uniform_buffer_binding_size.min(1 << 20) as usize,
            // They have a group of their own.
            array_elements: match features.contains(BINDING_ARRAYS) && limits.max_bind_groups > 1 {
                true => limits.max_binding_array_elements_per_shader_stage as usize,
                false => 0,
            },
            u64_rows: features.contains(wgpu::Features::SHADER_INT64),
            subgroups: features.contains(wgpu::Features::SUBGROUP),
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
        }
    }

    /// Whether workgroups of the parallel sort have room to put their tiles in order.
    pub fn reorders(&self) -> bool {
        self.workgroup_bytes >= REORDER_BYTES
    }

    /// How rows of `dim` f32 are handled.
    pub fn width(&self, dim: u32, tuning: &Tuning) -> Width {
        Width::of(dim, tuning.u64_rows && self.u64_rows)
    }
}

/// Storage buffers of a dispatch, beside its uniforms: wgpu limits both together too, but for instances that keep to WebGPU, which
/// have 0 there.
fn storage_buffers(limits: &wgpu::Limits) -> usize {
    let storage = limits.max_storage_buffers_per_shader_stage as usize;
    match limits.max_buffers_and_acceleration_structures_per_shader_stage as usize {
        0 => storage,
        all => storage.min(all.saturating_sub(MOST_UNIFORMS)),
    }
}

/// A run of rows of one table, small enough that its state fits one storage binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub first_row: u32,
    pub rows: u32,
}

/// Cuts `rows` rows into windows whose parameter bytes start at aligned offsets.
pub(crate) fn windows(
    rows: u32,
    bytes: RowBytes,
    device: DeviceShape,
) -> Result<Vec<Window>, Error> {
    let bound = bytes.param.max(bytes.state).max(bytes.rows);
    let per_window = rows_per_window(rows, bound, bytes.param, device);
    if per_window == 0 {
        return Err(Error::TooLarge {
            what: "bytes of the state of the rows that must share a binding".into(),
            found: bound * aligned_rows(bytes.param, device),
            limit: device.max_binding,
            remedy: "request a larger max_storage_buffer_binding_size",
        });
    }
    let window = |first_row| Window { first_row, rows: per_window.min(rows - first_row) };
    Ok((0..rows).step_by(per_window as usize).map(window).collect())
}

/// Rows of `bound_bytes` that one binding holds, such that every window of rows of `row_bytes`
/// starts at an aligned offset; 0 where there is no such number.
pub(crate) fn rows_per_window(
    rows: u32,
    bound_bytes: u64,
    row_bytes: u64,
    device: DeviceShape,
) -> u32 {
    let fitting = device.max_binding / bound_bytes;
    if fitting >= u64::from(rows) {
        return rows;
    }
    let unit = aligned_rows(row_bytes, device);
    (fitting / unit * unit) as u32
}

/// Rows after which the offset is aligned again.
fn aligned_rows(row_bytes: u64, device: DeviceShape) -> u64 {
    device.alignment / gcd(device.alignment, row_bytes)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A dispatch grid: workgroups on two axes, at least as many as are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub x: u32,
    pub y: u32,
}

impl Grid {
    pub fn over(workgroups: u32, device: DeviceShape) -> Self {
        let x = workgroups.clamp(1, device.max_workgroups);
        Self { x, y: workgroups.div_ceil(x).max(1) }
    }

    /// A grid of `workgroups` for each of `slices`.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where two axes do not hold so many.
    pub fn of_slices(workgroups: u32, slices: u32, device: DeviceShape) -> Result<Self, Error> {
        let found = u64::from(workgroups) * u64::from(slices);
        let limit = u64::from(device.max_workgroups).pow(2).min(u64::from(u32::MAX));
        if found <= limit {
            return Ok(Self::over(found as u32, device));
        }
        let remedy = "spread the entries over several steps, or use larger tiles";
        Err(Error::TooLarge { what: "workgroups of a table's step".into(), found, limit, remedy })
    }
}

/// A grid, and the turns that an invocation's loops take at worst (see [`super::turns`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Launch {
    pub grid: Grid,
    pub turns: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::{Features, Limits};

    #[test]
    fn a_dispatch_binds_what_all_limits_together_allow() {
        let bound = |storage, all, features| {
            let shape = DeviceShape::of(
                &Limits {
                    max_storage_buffers_per_shader_stage: storage,
                    max_buffers_and_acceleration_structures_per_shader_stage: all,
                    max_binding_array_elements_per_shader_stage: 100,
                    ..Limits::default()
                },
                features,
            );
            (shape.storage_buffers, shape.value_windows, shape.array_elements)
        };
        assert_eq!(bound(8, 28, Features::empty()), (8, VALUE_WINDOWS, 0));
        assert_eq!(bound(8, 0, BINDING_ARRAYS), (8, VALUE_WINDOWS, 100));
        assert_eq!(bound(8, 8, BINDING_ARRAYS), (5, 1, 100));
        assert_eq!(bound(8, 2, BINDING_ARRAYS - Features::BUFFER_BINDING_ARRAY), (0, 1, 0));
        let limits = Limits {
            max_bind_groups: 1,
            max_binding_array_elements_per_shader_stage: 100,
            ..Limits::default()
        };
        assert_eq!(DeviceShape::of(&limits, BINDING_ARRAYS).array_elements, 0);
    }
}
