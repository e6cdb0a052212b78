//! Dispatches with all that they bind.

use crate::step::kernel::items::ARRAYS;
use crate::step::shape::Grid;
use crate::timestamps::Timed;
use wgpu::{BindGroup, ComputePass, ComputePipeline};

/// A dispatch that has only to be written down.
#[derive(Debug)]
pub struct Ready {
    pub part: Timed,
    pub pipeline: ComputePipeline,
    pub group: BindGroup,
    /// What several items have in binding arrays.
    pub arrays: Option<BindGroup>,
    pub offsets: [u32; 2],
    /// How many of the offsets there are.
    pub uniforms: usize,
    pub grid: Grid,
}

impl Ready {
    pub fn write(&self, pass: &mut ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &self.offsets[..self.uniforms]);
        if let Some(arrays) = &self.arrays {
            pass.set_bind_group(ARRAYS, arrays, &[]);
        }
        pass.dispatch_workgroups(self.grid.x, self.grid.y, 1);
    }
}
