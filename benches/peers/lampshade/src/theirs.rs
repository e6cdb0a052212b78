//! Lampshade's stable sort of pairs.

use crate::pairs::KEY_BITS;
use crate::sort::{About, Sort};
use lampshade::{KeyValue, KeyValueSorter};
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use wgpu::{
    Buffer, CommandEncoder, ComputePassDescriptor, ComputePassTimestampWrites, ErrorFilter,
    QuerySet,
};

/// The version is the one that Cargo.toml pins.
pub const ABOUT: About = About { peer: "lampshade", version: Some("0.13.0"), wall_of: "sort" };

pub struct Theirs<'a> {
    gpu: &'a Gpu,
    sorter: KeyValueSorter,
    n: u32,
    input: Buffer,
    output: Buffer,
}

impl<'a> Theirs<'a> {
    /// Ready to sort, and seen to sort. What it does wrongly on this adapter is an error.
    pub fn checked(gpu: &'a Gpu, ids: &[u32]) -> Result<Self, Box<dyn Error>> {
        let internal = gpu.device.push_error_scope(ErrorFilter::Internal);
        let invalid = gpu.device.push_error_scope(ErrorFilter::Validation);
        let theirs = Self::check(gpu, ids);
        for refused in [pollster::block_on(invalid.pop()), pollster::block_on(internal.pop())] {
            refused.map_or(Ok(()), Err)?;
        }
        theirs
    }

    fn check(gpu: &'a Gpu, ids: &[u32]) -> Result<Self, Box<dyn Error>> {
        let pairs: Vec<_> = (0..).zip(ids).map(|(at, &id)| KeyValue::new(id, at)).collect();
        let mut theirs = Self {
            gpu,
            sorter: KeyValueSorter::new_for_adapter(&gpu.device, &gpu.queue, &gpu.info),
            n: ids.len() as u32,
            input: gpu.upload("pairs", &pairs),
            output: gpu.zeroed("sorted pairs", 8 * ids.len() as u64),
        };
        theirs.sort_once()?;
        theirs.compare(pairs)?;
        Ok(theirs)
    }

    fn sort_once(&mut self) -> Result<(), Box<dyn Error>> {
        let mut encoder = crate::sort::encoder(self.gpu);
        self.record(&mut encoder)?;
        self.gpu.queue.submit([encoder.finish()]);
        Ok(())
    }

    fn compare(&self, mut pairs: Vec<KeyValue>) -> Result<(), Box<dyn Error>> {
        let sorted = pollster::block_on(self.gpu.read::<KeyValue>(&self.output))?;
        pairs.sort_by_key(|pair| pair.key);
        match (0..).zip(sorted.iter().zip(&pairs)).find(|(_, (found, wanted))| found != wanted) {
            None => Ok(()),
            Some((at, (found, wanted))) => {
                Err(format!("sorted pair {at} is {found:?}, the stable sort has {wanted:?}").into())
            }
        }
    }

    /// A pass that does nothing, between timestamps: lampshade opens its own passes.
    fn mark(encoder: &mut CommandEncoder, query_set: &QuerySet, first: u32) {
        encoder.begin_compute_pass(&ComputePassDescriptor {
            label: Some("mark"),
            timestamp_writes: Some(ComputePassTimestampWrites {
                query_set,
                beginning_of_pass_write_index: Some(first),
                end_of_pass_write_index: Some(first + 1),
            }),
        });
    }
}

impl Sort for Theirs<'_> {
    fn about(&self) -> About {
        ABOUT
    }

    fn checked(&self) -> &'static str {
        "sorted and stable"
    }

    fn gpu(&self) -> &Gpu {
        self.gpu
    }

    fn record(&mut self, encoder: &mut CommandEncoder) -> Result<(), Box<dyn Error>> {
        let Self { sorter, input, output, n, .. } = self;
        Ok(sorter.record_sort_with_key_bits(encoder, input, output, *n, KEY_BITS)?)
    }

    fn record_clocked(
        &mut self,
        encoder: &mut CommandEncoder,
        queries: &QuerySet,
    ) -> Result<[u32; 2], Box<dyn Error>> {
        Self::mark(encoder, queries, 0);
        self.record(encoder)?;
        Self::mark(encoder, queries, 2);
        Ok([1, 2])
    }
}
