//! Buffers that several tables have parts of.

use super::TableWindow;
use crate::guard::Guard;
use crate::step::shape::DeviceShape;
use crate::{Error, Region, Status};
use wgpu::Buffer;

/// Most bytes of a state that shares a buffer: a larger one is let go of by itself, and a dispatch by itself costs it little.
const LARGEST_STATE: u64 = 64 << 20;
/// Most bytes of a buffer of states.
const LARGEST_BLOCK: u64 = 1 << 30;
/// Statuses per buffer.
const STATUSES: u64 = 64;

/// What an element of any shader is no larger than, in bytes.
pub(super) const UNIT: u64 = 32;

/// Multiple that the parts of a buffer begin at, in bytes.
fn unit(device: DeviceShape) -> u64 {
    device.alignment.max(UNIT)
}

/// Which of the buffers to be made a state has a part of, and where that begins, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub block: usize,
    pub offset: u64,
}

/// Buffers to be made for states: the bytes of each.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub sizes: Vec<u64>,
    /// Of each, the number of the buffer that its tables' parameters lie in.
    of: Vec<usize>,
}

impl Blocks {
    /// A part for a state of so many bytes of a table whose parameter lies in buffer `number` of the caller's; of a buffer of its
    /// own where it is large. Tables whose parameters have a buffer each have states that have one each: wgpu would have dispatches
    /// wait for each other that write to one.
    fn part(&mut self, number: usize, bytes: u64, device: DeviceShape) -> Part {
        let is_small = bytes <= LARGEST_STATE;
        let most = LARGEST_BLOCK.min(device.max_binding);
        // The last one alone has room, as far as states are small.
        let last = self.of.iter().rposition(|&of| of == number).filter(|_| is_small);
        if let Some(block) = last {
            let offset = self.sizes[block].next_multiple_of(unit(device));
            if offset + bytes <= most {
                self.sizes[block] = offset + bytes;
                return Part { block, offset };
            }
        }
        self.sizes.push(bytes);
        // No other parameter is in this one.
        self.of.push(if is_small { number } else { usize::MAX });
        Part { block: self.sizes.len() - 1, offset: 0 }
    }
}

/// Deals the states of tables, each told by its windows and the bytes of a row's, out to buffers: None for those of several
/// windows, each of which has one of its own.
pub(super) fn deal<'a>(
    tables: impl Iterator<Item = (&'a [TableWindow], u64)>,
    device: DeviceShape,
) -> (Blocks, Vec<Option<Part>>) {
    let (mut blocks, mut buffers) = (Blocks::default(), Vec::<&Buffer>::new());
    let parts = tables.map(|(windows, row_bytes)| {
        let [TableWindow { rows, region, .. }] = windows else { return None };
        let known = buffers.iter().rposition(|held| *held == region.buffer());
        let number = known.unwrap_or_else(|| {
            buffers.push(region.buffer());
            buffers.len() - 1
        });
        Some(blocks.part(number, u64::from(*rows) * row_bytes, device))
    });
    let parts = parts.collect();
    (blocks, parts)
}

/// Statuses, dealt out from buffers of several. None is given twice, so each is zero.
#[derive(Debug, Default)]
pub(crate) struct Statuses {
    block: Option<Buffer>,
    given: u64,
}

impl Statuses {
    /// Another one.
    ///
    /// # Errors
    /// As [`Guard::buffer`].
    pub fn take(&mut self, guard: &Guard, device: DeviceShape) -> Result<Region, Error> {
        let stride = Status::BYTES.next_multiple_of(unit(device));
        let block = match self.block.take().filter(|_| self.given < STATUSES) {
            Some(block) => block,
            None => {
                let made = guard.storage("sparse_adam::status", STATUSES * stride)?;
                self.given = 0;
                made
            }
        };
        let status = Region::new(&block, self.given * stride, Status::BYTES);
        self.given += 1;
        self.block = Some(block);
        Ok(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::plan::tests::DEVICE;

    #[test]
    fn small_states_of_one_buffer_s_parameters_lie_side_by_side() {
        let device = DeviceShape { alignment: 256, max_binding: 1 << 20, ..DEVICE };
        let mut blocks = Blocks::default();
        let mut part = |number, bytes| {
            let Part { block, offset } = blocks.part(number, bytes, device);
            (block, offset)
        };
        assert_eq!(part(0, 100), (0, 0));
        assert_eq!(part(1, 10), (1, 0));
        assert_eq!(part(0, 300), (0, 256));
        assert_eq!(part(1, 5), (1, 256));
        // No binding holds more.
        assert_eq!(part(0, (1 << 20) - 700), (2, 0));
        assert_eq!(part(0, 8), (2, (1 << 20) - 512));
        // One that is large has its own, and those after it go on where the others were.
        assert_eq!(part(0, LARGEST_STATE + 4), (3, 0));
        assert_eq!(part(0, 4), (2, (1 << 20) - 256));
        assert_eq!(blocks.sizes, [556, 261, (1 << 20) - 252, LARGEST_STATE + 4]);
    }
}
