//! Which tables lie side by side, such that one binding holds all of them.

use super::Table;
use super::arena::{self, UNIT};
use crate::region::Spot;
use crate::step::demand::{Pool, Pools};
use crate::step::shape::DeviceShape;
use wgpu::Buffer;

/// Buffers that are remembered to have been met: engines keep tables in few, or in one each.
const REMEMBERED: usize = 6;

/// What tables may lie in side by side.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place<'a> {
    /// A buffer, or a stretch of one: what begins in it and is no longer than it fits one binding together.
    Buffer(&'a Buffer, u64),
    /// One that is about to be made.
    New(usize),
}

/// Numbers the places that the tables of a step lie in.
#[derive(Debug)]
pub(super) struct Numbers<'a> {
    device: DeviceShape,
    /// Those that were met last, the last of them first.
    met: [Option<(Place<'a>, u32)>; REMEMBERED],
    next: u32,
}

impl<'a> Numbers<'a> {
    pub fn new(device: DeviceShape) -> Self {
        Self { device, met: [None; REMEMBERED], next: 0 }
    }

    /// The number of the place of some bytes: that which others have if they are side by side.
    pub fn of(&mut self, Spot { buffer, offset, size }: Spot<'a>) -> Pool {
        let DeviceShape { max_binding, may_overlap, .. } = self.device;
        let (is_long, half) = (buffer.size() > max_binding, max_binding / 2);
        // Where bindings may not overlap, stretches must not.
        if !offset.is_multiple_of(UNIT) || (is_long && (size > half || !may_overlap)) {
            return None;
        }
        let stretch = if is_long { offset / half } else { 0 };
        Some(self.number(Place::Buffer(buffer, stretch)))
    }

    fn number(&mut self, place: Place<'a>) -> u32 {
        let is_it = |met: &Option<(Place<'a>, u32)>| met.is_some_and(|(other, _)| other == place);
        let at = self.met.iter().position(is_it);
        let number = at.and_then(|at| self.met[at]).map_or(self.next, |(_, number)| number);
        self.next += u32::from(at.is_none());
        self.met[..=at.unwrap_or(REMEMBERED - 1)].rotate_right(1);
        self.met[0] = Some((place, number));
        number
    }
}

/// Of each table that has no state, which of the buffers that a step makes it will have a part of.
pub(super) fn new_states(tables: &[Table], device: DeviceShape) -> Vec<Option<usize>> {
    let needs = |table: &Table| table.has_grad && table.state.is_none();
    if !tables.iter().any(needs) {
        return Vec::new();
    }
    let asked = || tables.iter().filter(|table| needs(table));
    let dealt = arena::deal(asked().map(|table| (&*table.windows, table.row_bytes.state)), device);
    let mut parts = dealt.1.into_iter();
    let block =
        |table| needs(table).then(|| parts.next().flatten()).flatten().map(|part| part.block);
    tables.iter().map(block).collect()
}

impl Table {
    /// Where it lies, if it has one window, and its indices and values, if it has one gradient; `new` is the buffer that its state is
    /// about to have a part of, where it has none yet.
    pub(super) fn pools<'a>(
        &'a self,
        new: Option<usize>,
        numbers: &mut Numbers<'a>,
    ) -> (Pools, Pool) {
        let mut pools = Pools { status: numbers.of(self.status.spot()), ..Default::default() };
        if let [window] = &*self.windows {
            pools.param = numbers.of(window.region.spot());
            pools.state = match (&self.state, new) {
                (Some(state), _) => state.windows.first().and_then(|held| numbers.of(held.spot())),
                (None, Some(block)) => Some(numbers.number(Place::New(block))),
                (None, None) => None,
            };
        }
        let [grad] = &*self.grads else { return (pools, None) };
        pools.values = numbers.of(grad.values.spot());
        (pools, numbers.of(grad.indices.spot()))
    }
}
