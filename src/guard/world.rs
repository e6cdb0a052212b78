//! A world for tests: an optimizer on a device of its own, and what it is given.

use super::rig;
use crate::{
    AdamOptions, Duplicates, Error, IndexDtype, NonFinite, Param, ParamId, SparseAdam, SparseGrad,
    StateDict, Timestamps,
};
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, Device, QuerySet, QuerySetDescriptor, QueryType, Queue,
};

/// An optimizer, what it is given, and what it is given it on.
pub struct World {
    pub device: Device,
    pub queue: Queue,
    pub optimizer: SparseAdam,
    /// A parameter `[40, 4]`.
    pub first: ParamId,
    pub queries: QuerySet,
    /// A state that fits the first parameter.
    pub dict: StateDict,
}

impl World {
    /// With one parameter, on a device that takes it amiss if its errors are not heard.
    pub fn new() -> Self {
        let (device, queue) = rig::open();
        let mut optimizer = SparseAdam::new(&device, &queue, AdamOptions::default()).unwrap();
        let queries = device.create_query_set(&QuerySetDescriptor {
            label: None,
            ty: QueryType::Timestamp,
            count: 8,
        });
        let place = buffer(&device, 640);
        let first = optimizer.add_param(Param::new("first", &place, [40, 4])).unwrap();
        Self { device, queue, optimizer, first, queries, dict: StateDict::default() }
    }

    pub fn buffer(&self, size: u64) -> Buffer {
        buffer(&self.device, size)
    }

    pub fn param(&self, name: &str) -> Param {
        Param::new(name, self.buffer(640), [40, 4])
    }

    pub fn grad(&self, nnz: u32) -> SparseGrad {
        let bytes = u64::from(nnz);
        SparseGrad::new(self.buffer(4 * bytes), self.buffer(16 * bytes), nnz)
    }

    /// A gradient that uses every stage.
    pub fn rich_grad(&self) -> SparseGrad {
        let (map, weights) = (self.buffer(400), self.buffer(400));
        SparseGrad::new(self.buffer(800), self.buffer(160), 100)
            .index_dtype(IndexDtype::I64)
            .value_map(&map, 10)
            .weights(&weights)
            .count(self.buffer(4))
            .duplicates(Duplicates::NoneChecked)
            .non_finite(NonFinite::Counted)
    }

    pub fn step(&mut self) -> Result<(), Error> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        self.optimizer.step(&mut encoder)?;
        self.queue.submit([encoder.finish()]);
        Ok(())
    }

    pub fn timed_step(&mut self) -> Result<(), Error> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let timestamps = Timestamps { query_set: &self.queries, first: 0 };
        self.optimizer.step_with_timestamps(&mut encoder, timestamps)?;
        self.queue.submit([encoder.finish()]);
        Ok(())
    }

    /// All that calls may change, but for what only saves later calls from making it.
    pub fn host(&self) -> String {
        let optimizer = &self.optimizer;
        let tables = optimizer.tables.iter().map(|table| {
            let (windows, state, extras) = (&table.windows, &table.state, &table.extras);
            format!("{} {windows:?} {state:?} {extras:?} {:?}", table.name, table.grads)
        });
        let held = optimizer.resources();
        let held = (held.state_bytes, held.scratch_bytes, held.uniform_bytes);
        let tables: Vec<_> = tables.collect();
        format!("{tables:#?} {:#?} {held:?}", optimizer.groups)
    }
}

pub fn buffer(device: &Device, size: u64) -> Buffer {
    let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
    let descriptor = BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
    device.create_buffer(&descriptor)
}
