//! Which bytes of which buffers are parameters.

use crate::entries::Entries;
use crate::{Error, ParamId, Region, SparseAdam};
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

impl SparseAdam {
    /// Exchanges a parameter's buffer for another of the same shape, as engines do that move
    /// their tensors; its state, group and gradients stay. What was recorded before still writes
    /// to the old one.
    ///
    /// # Errors
    /// [`Error::UnknownParam`]; those of [`SparseAdam::add_param`] for a region;
    /// [`Error::Unsupported`] for a parameter of several parts.
    pub fn replace_param(
        &mut self,
        param: ParamId,
        region: impl Into<Region>,
    ) -> Result<(), Error> {
        self.begin()?;
        let shape = self.recorder.shape;
        let table = self.table(param)?;
        let moved = table.moved_to(region.into(), shape)?;
        let regions = moved.iter().map(|window| &window.region);
        if regions.clone().eq(table.regions()) {
            return Ok(());
        }
        self.check_place(regions.clone(), ("new place", &table.name), Some(param.index))?;
        let name = self.tables[param.index].name.as_str();
        let placed = regions.map(|region| (name, "new place", region));
        self.recorder.witness.check(&self.recorder.guard, placed)?;
        let table = &mut self.tables[param.index];
        for window in std::mem::replace(&mut table.windows, moved) {
            self.places.give_back(window.region.buffer(), param.index);
        }
        table.regions().for_each(|region| self.places.take(region, param.index));
        Ok(())
    }

    /// Checks that no parameter but `own`, and no gradient, has bytes of the regions of `what`.
    pub(crate) fn check_place<'a>(
        &self,
        regions: impl Iterator<Item = &'a Region> + Clone,
        what: (&str, &str),
        own: Option<usize>,
    ) -> Result<(), Error> {
        let mut owners = regions.clone().flat_map(|region| self.places.owners(region));
        if let Some(owner) = owners.find(|&owner| Some(owner) != own) {
            return Err(overlap(("parameter", &self.tables[owner].name), what));
        }
        for table in &self.tables {
            let mut read = table.grads.iter().flat_map(Entries::regions);
            if read.any(|read| regions.clone().any(|region| region.overlaps(read))) {
                return Err(overlap(("gradient", &table.name), what));
            }
        }
        Ok(())
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
        places.give_back(&pool, 0);
        places.give_back(&pool, 1);
        assert!(places.taken.is_empty());
    }
}
