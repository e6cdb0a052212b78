//! How many of several dispatches one can take, and how it binds what they have.

use super::Dispatch;
use crate::step::kernel::items::{Pooled, Together};
use crate::step::shape::DeviceShape;

/// Most buffers that an item has of its own.
pub(crate) const MOST_OWN: usize = 3;

/// The way to take most of `several` at once, from the first on, and how many it takes; of two that take as many, the `last` one
/// that was taken, whose kernel is there, or that with fewer bindings. None where a kernel takes one.
pub(super) fn way(
    several: &[Dispatch],
    last: Option<Together>,
    device: DeviceShape,
) -> Option<(Together, usize)> {
    let counted = several[0].kernel.ways(device).map(|way| {
        let count = together(several, way.pooled, device).min(way.most);
        (way, count)
    });
    counted.max_by_key(|&(way, count)| (count, last == Some(way), way.pooled.count()))
}

/// How many of `several` lie, each next to the first, in what one binding holds, and find room in one grid.
fn together(several: &[Dispatch], pooled: Pooled, device: DeviceShape) -> usize {
    let first = several[0].pools;
    let places = || (0..MOST_OWN as u32).filter(|&number| pooled.has(number));
    let pools = || places().map(|number| first[number as usize]);
    let overlap = || {
        let is_of_earlier = |(number, pool)| pools().take(number).any(|earlier| earlier == pool);
        pools().enumerate().any(is_of_earlier)
    };
    if pools().any(|pool| pool.is_none()) || (!device.may_overlap && overlap()) {
        return 1;
    }
    let lies_there =
        |of: &&Dispatch| places().all(|number| of.pools[number as usize] == first[number as usize]);
    let mut workgroups = 0;
    let fits = |of: &&Dispatch| {
        workgroups += of.launch.grid.x;
        workgroups <= device.max_workgroups
    };
    several.iter().take_while(lies_there).take_while(fits).count().max(1)
}
