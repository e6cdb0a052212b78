//! Bind groups, kept by the buffers they bind.

pub mod arrays;

use self::arrays::{ArrayGroups, ArrayLayout};
use crate::Region;
use crate::region::Spot;
use foldhash::HashMap;
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindGroupLayout, BindingResource, Device,
};

/// Most bindings of a dispatch.
const MOST: usize = super::stages::MOST_BOUND;
/// Steps for which a bind group is kept after its last use, and with it its buffers: an engine that
/// takes turns among so many buffers makes no bind groups.
const KEPT_STEPS: u64 = 4;

/// What fills a bind group: the layout's number, and its regions in binding order.
type Key = (usize, Bindings);

/// Regions in the order of a layout's bindings, padded.
pub type Bindings = [Option<Region>; MOST];

/// Bind groups used lately.
#[derive(Debug, Default)]
pub struct BindGroups {
    kept: HashMap<Key, (BindGroup, u64)>,
    of_arrays: ArrayGroups,
    step: u64,
    created: u64,
    /// Those that had been created when the step began.
    created_before: u64,
}

impl BindGroups {
    /// Starts a step: forgets what the last ones did not use.
    pub fn begin_step(&mut self) {
        self.step += 1;
        self.created_before = self.created;
        let oldest = self.step.saturating_sub(KEPT_STEPS);
        self.kept.retain(|_, (_, used)| *used >= oldest);
        self.of_arrays.forget_before(oldest);
    }

    /// Forgets all, because some of this step's may have been refused.
    pub fn undo_step(&mut self) {
        self.clear();
        self.created = self.created_before;
    }

    /// Forgets all, and with them their buffers.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.of_arrays.clear();
    }

    /// Bind groups created so far.
    pub fn created(&self) -> u64 {
        self.created
    }

    /// The bind group of `layout` over `regions`, which fill bindings 0, 1, ...
    pub fn get(&mut self, device: &Device, layout: &Layout, regions: Bindings) -> &BindGroup {
        let step = self.step;
        let created = &mut self.created;
        let kept = self.kept.entry((layout.number, regions)).or_insert_with_key(|key| {
            *created += 1;
            (create(device, layout, &key.1), step)
        });
        kept.1 = step;
        &kept.0
    }

    /// The bind group of arrays over `spots`, array by array.
    pub fn of_arrays<'a>(
        &mut self,
        device: &Device,
        layout: &ArrayLayout,
        spots: impl Iterator<Item = Spot<'a>> + Clone,
    ) -> &BindGroup {
        let (group, is_new) = self.of_arrays.get(device, layout, spots, self.step);
        self.created += u64::from(is_new);
        group
    }
}

/// A bind group layout and the number that tells it from others.
#[derive(Debug)]
pub struct Layout {
    pub number: usize,
    pub label: &'static str,
    /// The numbers of its bindings, in order.
    pub bindings: Vec<u32>,
    pub layout: BindGroupLayout,
    /// Of a second group, of binding arrays, where there are such.
    pub arrays: Option<ArrayLayout>,
}

fn create(device: &Device, layout: &Layout, regions: &[Option<Region>]) -> BindGroup {
    let bound = regions.iter().flatten().zip(&layout.bindings);
    let entries: Vec<_> = bound
        .map(|(region, &binding)| BindGroupEntry {
            binding,
            resource: BindingResource::Buffer(region.binding()),
        })
        .collect();
    device.create_bind_group(&BindGroupDescriptor {
        label: Some(layout.label),
        layout: &layout.layout,
        entries: &entries,
    })
}

#[cfg(test)]
#[path = "bind_tests.rs"]
mod tests;
