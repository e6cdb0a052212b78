//! Merges neighbouring dispatches of small tables that a kernel can take together. Pure.

mod ways;

use self::ways::way;
use super::{Bind, Dispatch, Second};
use crate::step::kernel::items::Together;
use crate::step::layout::Config;
use crate::step::shape::{DeviceShape, Grid, Launch};
use crate::step::stages::MOST_BOUND;

pub(crate) use ways::MOST_OWN;

/// Most workgroups of a dispatch that is merged with others: of more, what a dispatch costs is little.
const MOST_WORKGROUPS: u32 = 1024;

/// An item of a dispatch: what would be a dispatch of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub config: Config,
    pub second: Option<Second>,
    /// The dispatch's first workgroup that is its.
    pub first_workgroup: u32,
    /// What it has of its own, in the order of its bindings.
    pub own: [Option<Bind>; MOST_OWN],
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
        let alike = list[from..].iter().take_while(|next| are_alike(&first, next)).count().max(1);
        let end = from + alike;
        let mut last: Option<Together> = None;
        while from < end {
            let way = way(&list[from..end], last, device).filter(|_| alike > 1);
            // One by itself stays so, unless the kernel for several is there anyway.
            match way.filter(|&(way, count)| count > 1 || last == Some(way)) {
                Some((way, count)) => {
                    list[to] = merged(&list[from..from + count], way, items);
                    last = Some(way);
                    from += count;
                }
                None => {
                    list[to] = list[from];
                    from += 1;
                }
            }
            to += 1;
        }
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

/// One dispatch of several.
fn merged(several: &[Dispatch], way: Together, items: &mut Vec<Item>) -> Dispatch {
    let first = several[0];
    let listed = Items { first: items.len() as u32, count: several.len() as u32 };
    let mut workgroups = 0;
    for Dispatch { kernel, config, second, launch, bound, .. } in several {
        let mut own = kernel.own_places().map(|place| bound[place]);
        let own = std::array::from_fn(|_| own.next().flatten());
        items.push(Item { config: *config, second: *second, first_workgroup: workgroups, own });
        workgroups += launch.grid.x;
    }
    let turns = several.iter().map(|of| of.launch.turns).max().unwrap_or_default();
    Dispatch {
        kernel: first.kernel.with_items(way),
        bound: bound(several, way),
        items: Some(listed),
        // To find its item takes an invocation no more turns than there are items.
        launch: Launch { grid: Grid { x: workgroups, y: 1 }, turns: turns + way.most as u32 },
        ..first
    }
}

/// What items share; what of each lies in one binding; what else each has, if it is in no array; and scalars.
fn bound(
    several: &[Dispatch],
    Together { pooled, most, in_arrays }: Together,
) -> [Option<Bind>; MOST_BOUND] {
    let Dispatch { kernel, bound, .. } = several[0];
    let own = || (0..).zip(kernel.own_places());
    let stretches = own().filter(|&(number, _)| pooled.has(number));
    let stretches = stretches.map(|(number, _)| Some(Bind::Stretch(number)));
    let is_apart = |number| !in_arrays && !pooled.has(number);
    let apart = || own().filter(|&(number, _)| is_apart(number)).map(|(_, place)| place);
    let each = apart().count();
    let of_item = |item: usize| {
        apart().enumerate().map(move |(number, place)| match several.get(item) {
            Some(of) => of.bound[place],
            None => Some(Bind::Placeholder((item * each + number) as u32)),
        })
    };
    let scalars = bound.iter().flatten().last().filter(|_| kernel.reads_scalars());
    let shared = kernel.shared_place().and_then(|place| bound[place]);
    let all = [shared].into_iter().chain(stretches).chain((0..most).flat_map(of_item));
    let mut all = all.chain([scalars.copied()]);
    std::array::from_fn(|_| all.next().flatten())
}

#[cfg(test)]
#[path = "items_tests.rs"]
mod tests;
