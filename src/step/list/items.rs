//! Merges neighbouring dispatches of small tables that a kernel can take together. Pure.

use super::{Bind, Dispatch, Second};
use crate::step::layout::Config;
use crate::step::shape::{DeviceShape, Grid, Launch};
use crate::step::stages::MOST_BOUND;

/// Most workgroups of a dispatch that is merged with others: of more, what a dispatch costs is little.
const MOST_WORKGROUPS: u32 = 1024;

/// An item of a dispatch: what would be a dispatch of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub config: Config,
    pub second: Option<Second>,
    /// The dispatch's first workgroup that is its.
    pub first_workgroup: u32,
}

/// Which items of the list a dispatch takes; its kernel may take more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Items {
    pub first: u32,
    pub count: u32,
}

/// Merges what may be merged of `list`, in place, and writes the items to `items`. Dispatches that come one behind the other with
/// one kernel are of different tables, segments or windows, none of which reads what another writes.
pub(crate) fn merge(list: &mut Vec<Dispatch>, items: &mut Vec<Item>, device: DeviceShape) {
    items.clear();
    let (mut from, mut to) = (0, 0);
    while from < list.len() {
        let first = list[from];
        let alike = list[from..].iter().take_while(|next| are_alike(&first, next)).count();
        let most = if alike > 1 { first.kernel.most_items(device) } else { 1 };
        if most == 1 {
            list[to] = first;
            (from, to) = (from + 1, to + 1);
            continue;
        }
        for start in (from..from + alike).step_by(most) {
            let end = (start + most).min(from + alike);
            list[to] = merged(&list[start..end], most, items);
            to += 1;
        }
        from += alike;
    }
    list.truncate(to);
}

/// Whether two dispatches may be one.
fn are_alike(first: &Dispatch, next: &Dispatch) -> bool {
    let small = |of: &Dispatch| of.launch.grid.y == 1 && of.launch.grid.x <= MOST_WORKGROUPS;
    // A count that the GPU knows is in a buffer of its own.
    let known = |of: &Dispatch| !matches!(of.second, Some(Second::Count { .. }));
    // Pairs of tables that are sorted and of those that are not may be written to two buffers.
    let shared = |of: &Dispatch| of.kernel.shared_place().map(|place| of.bound[place]);
    let both = [first, next];
    (first.part, first.kernel, shared(first)) == (next.part, next.kernel, shared(next))
        && both.into_iter().all(|of| small(of) && known(of))
}

/// One dispatch of several, by a kernel that takes `most`.
fn merged(several: &[Dispatch], most: usize, items: &mut Vec<Item>) -> Dispatch {
    let first = several[0];
    let listed = Items { first: items.len() as u32, count: several.len() as u32 };
    let mut workgroups = 0;
    for Dispatch { config, second, launch, .. } in several {
        items.push(Item { config: *config, second: *second, first_workgroup: workgroups });
        workgroups += launch.grid.x;
    }
    let turns = several.iter().map(|of| of.launch.turns).max().unwrap_or_default();
    Dispatch {
        kernel: first.kernel.with_items(most),
        bound: bound(several, most),
        items: Some(listed),
        // Finding its item takes an invocation as many turns as there are others.
        launch: Launch { grid: Grid { x: workgroups, y: 1 }, turns: turns + most as u32 },
        ..first
    }
}

/// What items share, what each has, and scalars.
fn bound(several: &[Dispatch], most: usize) -> [Option<Bind>; MOST_BOUND] {
    let Dispatch { kernel, bound, .. } = several[0];
    let of_item = |item: usize| {
        kernel.own_places().enumerate().map(move |(number, place)| match several.get(item) {
            Some(of) => of.bound[place],
            None => Some(Bind::Placeholder((item * kernel.own_places().count() + number) as u32)),
        })
    };
    let scalars = bound.iter().flatten().last().filter(|_| kernel.reads_scalars());
    let each = (0..most).flat_map(of_item);
    let shared = kernel.shared_place().and_then(|place| bound[place]);
    let mut all = [shared].into_iter().chain(each).chain([scalars.copied()]);
    std::array::from_fn(|_| all.next().flatten())
}

#[cfg(test)]
#[path = "items_tests.rs"]
mod tests;
