//! Which bytes of which buffers are parameters.

use crate::{Error, Region};
use std::collections::HashMap;
use std::ops::Range;
use wgpu::Buffer;

/// The ranges of all parameters, so that what overlaps with one of them is found at once, however
/// many there are.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Of each buffer, disjoint ranges in ascending order, and whose they are.
    taken: HashMap<Buffer, Vec<(Range<u64>, usize)>>,
}

fn range(region: &Region) -> Range<u64> {
    region.offset()..region.offset() + region.size()
}

impl Places {
    /// The parameters that have bytes of a region.
    pub fn owners(&self, region: &Region) -> impl Iterator<Item = usize> {
        let wanted = range(region);
        let taken = self.taken.get(region.buffer()).map_or(&[][..], Vec::as_slice);
        let first = taken.partition_point(|(range, _)| range.end <= wanted.start);
        let reached = taken[first..].iter().take_while(move |(range, _)| range.start < wanted.end);
        reached.map(|&(_, owner)| owner)
    }

    /// Takes a region, none of which is taken.
    pub fn take(&mut self, region: &Region, owner: usize) {
        let taken = self.taken.entry(region.buffer().clone()).or_default();
        let at = taken.partition_point(|(range, _)| range.end <= region.offset());
        taken.insert(at, (range(region), owner));
    }

    /// Gives back all that an owner has, and has those above it move up.
    pub fn remove(&mut self, owner: usize) {
        for taken in self.taken.values_mut() {
            taken.retain(|&(_, other)| other != owner);
            let above = taken.iter_mut().filter(|(_, other)| *other > owner);
            above.for_each(|(_, other)| *other -= 1);
        }
        self.taken.retain(|_, taken| !taken.is_empty());
    }

    /// Gives back all that an owner has of a buffer.
    pub fn give_back(&mut self, buffer: &Buffer, owner: usize) {
        if let Some(taken) = self.taken.get_mut(buffer) {
            taken.retain(|&(_, other)| other != owner);
            if taken.is_empty() {
                self.taken.remove(buffer);
            }
        }
    }
}

/// An error that names two things, each by its role and its parameter's name.
pub(crate) fn overlap(first: (&str, &str), second: (&str, &str)) -> Error {
    let [first, second] = [first, second].map(|(role, name)| format!("{role} of {name:?}"));
    Error::Overlap { first, second }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::{BufferDescriptor, BufferUsages, Device};

    fn owners(places: &Places, region: &Region) -> Vec<usize> {
        places.owners(region).collect()
    }

    #[test]
    fn owners_are_those_who_share_bytes() {
        let (device, _) = Device::noop(&Default::default());
        let [pool, other] = [(); 2].map(|()| {
            device.create_buffer(&BufferDescriptor {
                label: None,
                size: 100,
                usage: BufferUsages::STORAGE,
                mapped_at_creation: false,
            })
        });
        let region = |range: Range<u64>| Region::from(pool.slice(range));
        let mut places = Places::default();
        for (owner, range) in [(2, 50..60), (0, 0..10), (1, 10..30), (2, 30..40)] {
            places.take(&region(range), owner);
        }
        let cases: [(Range<u64>, &[usize]); 8] = [
            (0..100, &[0, 1, 2, 2]),
            (9..10, &[0]),
            (10..11, &[1]),
            (29..31, &[1, 2]),
            (40..50, &[]),
            (40..51, &[2]),
            (59..100, &[2]),
            (60..100, &[]),
        ];
        for (range, expected) in cases {
            assert_eq!(owners(&places, &region(range)), expected);
        }
        assert!(owners(&places, &Region::from(&other)).is_empty());
        places.give_back(&pool, 2);
        assert_eq!(owners(&places, &region(0..100)), [0, 1]);
        places.remove(0);
        assert_eq!(owners(&places, &region(0..100)), [0], "1 has moved up");
        places.give_back(&pool, 0);
        assert!(places.taken.is_empty());
    }
}
