//! Bind groups of binding arrays, each with a buffer per item of a dispatch.

use crate::Region;
use crate::region::Spot;
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindGroupLayout, BindingResource,
    BufferBinding, Device,
};

/// The layout of a group of arrays, and the number that tells it from others.
#[derive(Debug)]
pub struct ArrayLayout {
    pub number: usize,
    pub label: &'static str,
    /// The bindings of the arrays, and how many elements each has.
    pub bindings: Vec<u32>,
    pub elements: usize,
    pub layout: BindGroupLayout,
}

/// Those used lately. A step has few, of many buffers each: they are looked for one after another, as two that differ do so in
/// the first buffers, and a map would have to read all of them.
#[derive(Debug, Default)]
pub(super) struct ArrayGroups(Vec<Kept>);

#[derive(Debug)]
struct Kept {
    layout: usize,
    regions: Vec<Region>,
    group: BindGroup,
    /// The last step that used it.
    used: u64,
}

impl ArrayGroups {
    /// Forgets those last used before a step.
    pub fn forget_before(&mut self, step: u64) {
        self.0.retain(|kept| kept.used >= step);
    }

    /// Forgets all, and with them their buffers.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The bind group of `layout` over `spots`, array by array, for a step; and whether it is new.
    pub fn get<'a>(
        &mut self,
        device: &Device,
        layout: &ArrayLayout,
        spots: impl Iterator<Item = Spot<'a>> + Clone,
        step: u64,
    ) -> (&BindGroup, bool) {
        let is_it = |kept: &Kept| {
            let mut spots = spots.clone();
            let is_next = |held: &Region| spots.next().is_some_and(|spot| held.is_at(spot));
            kept.layout == layout.number && kept.regions.iter().all(is_next)
        };
        let found = self.0.iter().position(is_it);
        let place = found.unwrap_or(self.0.len());
        if found.is_none() {
            let regions: Vec<_> = spots.map(Region::from).collect();
            let group = create(device, layout, &regions);
            self.0.push(Kept { layout: layout.number, regions, group, used: step });
        }
        let kept = &mut self.0[place];
        kept.used = step;
        (&kept.group, found.is_none())
    }
}

fn create(device: &Device, layout: &ArrayLayout, regions: &[Region]) -> BindGroup {
    let bound: Vec<BufferBinding<'_>> = regions.iter().map(Region::binding).collect();
    let arrays = layout.bindings.iter().zip(bound.chunks(layout.elements));
    let entries: Vec<_> = arrays
        .map(|(&binding, elements)| BindGroupEntry {
            binding,
            resource: BindingResource::BufferArray(elements),
        })
        .collect();
    device.create_bind_group(&BindGroupDescriptor {
        label: Some(layout.label),
        layout: &layout.layout,
        entries: &entries,
    })
}
