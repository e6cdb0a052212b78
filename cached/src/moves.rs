//! Rows moved between the cache and records on the GPU (`move_rows.wgsl`, `move_halves.wgsl`).

#[cfg(test)]
mod tests;

use crate::Error;
use crate::gpu::{Gpu, LABEL};
use crate::layout::{Layout, Part};
use bytemuck::{Pod, Zeroable};
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding,
    BufferSize, CommandEncoder, ComputePassDescriptor, ComputePipeline, ComputePipelineDescriptor,
    PipelineCompilationOptions, ShaderModuleDescriptor, ShaderSource,
};

const WORKGROUP: u32 = 64;

/// Bytes from one uniform to the next: no device asks for more.
const UNIFORM: u64 = 256;

/// Records of whose multiples a binding may begin: 64 times 4 bytes is what any device asks for.
const ALIGNED: u64 = 64;

/// As `Config` in the WGSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
struct Config {
    first_slot: u32,
    slots: u32,
    units: u32,
    stride: u32,
    at: u32,
    first: u32,
    count: u32,
    width: u32,
    /// Of a part whose rows share words: values of a row.
    values: u32,
    pads: [u32; 3],
}

/// A dispatch: a part, a window of it, and what it is told.
#[derive(Clone, Copy, Debug)]
struct Dispatch {
    part: usize,
    window: usize,
    config: Config,
    groups: [u32; 2],
}

/// Which way rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// Out of the cache.
    Gather,
    /// Into it.
    Scatter,
}

/// Rows to be moved: their slots, u32 `[count]`, and their records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub way: Way,
    pub list: &'a Buffer,
    pub records: &'a Buffer,
    pub count: usize,
}

/// Moves that are ready to be recorded.
pub(crate) struct Ready {
    dispatches: Vec<(Way, ComputePipeline, [u32; 2], BindGroup)>,
}

/// What moves the rows of a table.
#[derive(Debug)]
pub(crate) struct Mover {
    /// Gather and scatter of units; and of parts whose rows share words, where there is one.
    units: [ComputePipeline; 2],
    halves: Option<[ComputePipeline; 2]>,
    parts: Vec<Part>,
    layout: Layout,
    /// Words of a unit.
    unit: u32,
    /// Most records of a binding.
    most: usize,
    /// Most workgroups of an axis.
    widest: u32,
}

impl Mover {
    /// # Errors
    /// [`Error::Unsupported`] for rows of which a binding does not hold 64; those of the device.
    pub fn new(gpu: &Gpu, layout: Layout, parts: Vec<Part>) -> Result<Self, Error> {
        let limits = gpu.device.limits();
        // What is numbered in u32: the units of a binding.
        let binding = limits.max_storage_buffer_binding_size.min(1 << 31);
        let most = binding / layout.bytes() as u64 / ALIGNED * ALIGNED;
        if most == 0 {
            let remedy =
                "the device binds fewer than 64 of its records at once: take another device";
            return Err(Error::Unsupported { what: "a table of so long rows", remedy });
        }
        let fours = parts.iter().all(|part| part.words.is_multiple_of(4) && part.halves.is_none());
        let unit = if fours { 4 } else { 1 };
        let of_units = include_str!("move_rows.wgsl");
        let units = [pipeline(gpu, unit, true, of_units)?, pipeline(gpu, unit, false, of_units)?];
        let of_halves = include_str!("move_halves.wgsl");
        let halves = match parts.iter().any(|part| part.halves.is_some()) {
            true => Some([pipeline(gpu, 1, true, of_halves)?, pipeline(gpu, 1, false, of_halves)?]),
            false => None,
        };
        let widest = limits.max_compute_workgroups_per_dimension;
        Ok(Self { units, halves, parts, layout, unit, most: most as usize, widest })
    }

    /// What a record is.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The parts of rows, as they lay when the table was made.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Makes what moves rows, and writes what their dispatches are told to `uniform`, which is grown.
    pub fn ready(
        &self,
        gpu: &Gpu,
        uniform: &mut Option<Buffer>,
        moved: &[Rows<'_>],
    ) -> Result<Ready, Error> {
        let all = moved.iter().flat_map(|rows| {
            let dispatches = self.dispatches(rows.way, rows.count).into_iter();
            dispatches.map(move |dispatch| (rows, dispatch))
        });
        let all: Vec<_> = all.collect();
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let uniform =
            gpu.grow("what moves are told", uniform, UNIFORM * all.len() as u64, usage)?;
        let mut told = vec![0u8; UNIFORM as usize * all.len()];
        for (slot, (_, dispatch)) in told.chunks_exact_mut(UNIFORM as usize).zip(&all) {
            slot[..size_of::<Config>()].copy_from_slice(bytemuck::bytes_of(&dispatch.config));
        }
        let dispatches = gpu.heard("moves of rows", 0, || {
            if !told.is_empty() {
                gpu.queue.write_buffer(&uniform, 0, &told);
            }
            let ready = |(number, (rows, dispatch)): (u64, &(&Rows<'_>, Dispatch))| {
                let pipeline = self.pipeline(rows.way, dispatch.part);
                let group = self.bind(gpu, &uniform, number, rows, dispatch);
                (rows.way, pipeline.clone(), dispatch.groups, group)
            };
            (0..).zip(&all).map(ready).collect()
        })?;
        Ok(Ready { dispatches })
    }

    /// The dispatches that move `count` rows.
    fn dispatches(&self, way: Way, count: usize) -> Vec<Dispatch> {
        let mut all = Vec::new();
        for (part, held) in self.parts.iter().enumerate() {
            // Of rows that share words, each value is put into its place by itself.
            let units = match (held.halves, way) {
                (Some(values), Way::Scatter) => values,
                _ => held.words / self.unit,
            };
            for (window, rows) in held.windows.iter().enumerate() {
                for first in (0..count).step_by(self.most) {
                    let count = (count - first).min(self.most) as u32;
                    let groups = (count * units).div_ceil(WORKGROUP);
                    let wide = groups.min(self.widest);
                    let config = Config {
                        first_slot: rows.first_row,
                        slots: rows.rows,
                        units,
                        stride: self.layout.bytes() as u32 / 4 / self.unit,
                        at: held.at / self.unit,
                        first: first as u32,
                        count,
                        width: wide * WORKGROUP,
                        values: held.halves.unwrap_or_default(),
                        pads: [0; 3],
                    };
                    let groups = [wide, groups.div_ceil(wide.max(1))];
                    all.push(Dispatch { part, window, config, groups });
                }
            }
        }
        all
    }

    fn bind(
        &self,
        gpu: &Gpu,
        uniform: &Buffer,
        number: u64,
        rows: &Rows<'_>,
        dispatch: &Dispatch,
    ) -> BindGroup {
        let bound = |buffer, offset, size| {
            let size = BufferSize::new(size);
            BindingResource::Buffer(BufferBinding { buffer, offset, size })
        };
        let Config { first, count, .. } = dispatch.config;
        let region = &self.parts[dispatch.part].windows[dispatch.window].region;
        let bytes = self.layout.bytes() as u64;
        let resources = [
            bound(uniform, UNIFORM * number, size_of::<Config>() as u64),
            rows.list.as_entire_binding(),
            bound(region.buffer(), region.offset(), region.size()),
            bound(rows.records, bytes * u64::from(first), bytes * u64::from(count)),
        ];
        let entry = |(binding, resource)| BindGroupEntry { binding, resource };
        let entries: Vec<_> = (0..).zip(resources).map(entry).collect();
        let layout = &self.pipeline(rows.way, dispatch.part).get_bind_group_layout(0);
        let descriptor = BindGroupDescriptor { label: Some(LABEL), layout, entries: &entries };
        gpu.device.create_bind_group(&descriptor)
    }

    fn pipeline(&self, way: Way, part: usize) -> &ComputePipeline {
        let [gather, scatter] = match &self.halves {
            Some(halves) if self.parts[part].halves.is_some() => halves,
            _ => &self.units,
        };
        if way == Way::Gather { gather } else { scatter }
    }
}

impl Ready {
    /// Records the moves of one way.
    pub fn record(&self, encoder: &mut CommandEncoder, way: Way) {
        let mut dispatches = self.dispatches.iter().filter(|(of, ..)| *of == way).peekable();
        if dispatches.peek().is_none() {
            return;
        }
        let descriptor = ComputePassDescriptor { label: Some(LABEL), ..Default::default() };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        for (_, pipeline, [x, y], group) in dispatches {
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(*x, *y, 1);
        }
    }
}

fn pipeline(gpu: &Gpu, unit: u32, gathers: bool, wgsl: &str) -> Result<ComputePipeline, Error> {
    let unit = if unit == 4 { "vec4<u32>" } else { "u32" };
    let before = format!("alias Unit = {unit};\nconst GATHER = {gathers};\n");
    let source = ShaderSource::Wgsl((before + include_str!("moved.wgsl") + wgsl).into());
    let label = Some(LABEL);
    Ok(gpu.heard("the kernel that moves rows", 0, || {
        let module = gpu.device.create_shader_module(ShaderModuleDescriptor { label, source });
        gpu.device.create_compute_pipeline(&ComputePipelineDescriptor {
            label,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: PipelineCompilationOptions::default(),
            cache: None,
        })
    })?)
}
