//! The kernel that copies rows which are asked for, and what it is bound to.

use crate::device::Gpu;
use sparse_adam::{Error, Format, Region, RowWindow};
use std::ops::Range;
use wgpu::{
    BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding, BufferSize,
    BufferUsages, ComputePassDescriptor, ComputePipeline, ComputePipelineDescriptor,
    ShaderModuleDescriptor, ShaderSource,
};

/// Bytes of values that are copied at once, unless a row has more; less where a binding of the device holds less.
const PART_BYTES: u64 = 8 << 20;
/// Invocations of a workgroup, as in the shader.
const WORKGROUP: u32 = 64;
/// Most workgroups on one axis, of any device.
const AXIS: u32 = 65_535;

/// What the shader is told; `Fetch` there.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Told {
    first_row: u32,
    pieces: u32,
    first: u32,
    count: u32,
}

/// Rows of `dim` values that are copied at once: bound are their values, a word each, and two words that ask for each.
fn rows_at_once(dim: usize, largest_binding: u64) -> usize {
    let bytes = PART_BYTES.min(largest_binding);
    (bytes / 4 / (dim as u64).max(2)).max(1) as usize
}

/// What an invocation copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// Four values of 32 bits.
    Four,
    One,
    /// A value of 16 bits, which becomes a word.
    Half,
}

impl Piece {
    fn of(format: Format, dim: usize) -> Self {
        match format {
            Format::F32 if dim.is_multiple_of(4) => Self::Four,
            Format::F32 => Self::One,
            _ => Self::Half,
        }
    }

    fn values(self) -> usize {
        if self == Self::Four { 4 } else { 1 }
    }

    /// What the shader has of it.
    fn wgsl(self) -> &'static str {
        match self {
            Self::Four => include_str!("piece_four.wgsl"),
            Self::One => include_str!("piece_one.wgsl"),
            Self::Half => include_str!("piece_half.wgsl"),
        }
    }
}

/// The kernels, each from its first use on, and buffers that are kept.
#[derive(Debug)]
pub(crate) struct Fetch {
    pipelines: Vec<(Piece, ComputePipeline)>,
    told: Buffer,
    asked: Option<Buffer>,
    found: Option<Buffer>,
}

/// Values that were fetched, a word for each: the bits of an f32, or of a number of 16 bits.
#[derive(Debug, PartialEq)]
pub(crate) struct Gathered {
    pub words: Vec<u32>,
    format: Format,
}

impl Gathered {
    /// The words that `values` of them travel as.
    pub fn packed(&self, values: std::ops::Range<usize>) -> Vec<u32> {
        let words = &self.words[values];
        match self.format {
            Format::F32 => words.to_vec(),
            _ => words.chunks(2).map(|pair| pair[0] | pair.get(1).unwrap_or(&0) << 16).collect(),
        }
    }
}

/// How many words `values` of a format take.
pub(crate) fn words_of(format: Format, values: u64) -> u64 {
    match format {
        Format::F32 => values,
        _ => values.div_ceil(2),
    }
}

/// The rows of each window in turn, each with its place in `rows`; and which of these are each window's.
fn by_window(rows: &[u32], windows: &[Range<u32>]) -> (Vec<[u32; 2]>, Vec<Range<usize>>) {
    let mut asked = Vec::with_capacity(rows.len());
    let of_window = |window: &Range<u32>| {
        let first = asked.len();
        let own = (0..).zip(rows).filter(|(_, row)| window.contains(row));
        asked.extend(own.map(|(place, &row)| [row, place]));
        first..asked.len()
    };
    let stretches = windows.iter().map(of_window).collect();
    (asked, stretches)
}

impl Fetch {
    /// # Errors
    /// As [`Gpu::buffer`]; so of all that follows.
    pub fn new(gpu: &Gpu) -> Result<Self, Error> {
        let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let told = gpu.buffer("what is looked up", size_of::<Told>() as u64, usage)?;
        Ok(Self { pipelines: Vec::new(), told, asked: None, found: None })
    }

    /// The kernel that copies such pieces.
    fn pipeline(&mut self, gpu: &Gpu, piece: Piece) -> Result<ComputePipeline, Error> {
        if let Some((_, made)) = self.pipelines.iter().find(|(of, _)| *of == piece) {
            return Ok(made.clone());
        }
        let label = Some("sparse_adam_mpi fetch");
        let source = piece.wgsl().to_string() + include_str!("fetch.wgsl");
        let module = ShaderModuleDescriptor { label, source: ShaderSource::Wgsl(source.into()) };
        let made = gpu.heard("the kernel that looks rows up", 0, || {
            let module = gpu.device.create_shader_module(module);
            gpu.device.create_compute_pipeline(&ComputePipelineDescriptor {
                label,
                layout: None,
                module: &module,
                entry_point: None,
                compilation_options: Default::default(),
                cache: None,
            })
        })?;
        self.pipelines.push((piece, made.clone()));
        Ok(made)
    }

    /// The values of `rows` of a table that lies in `windows`, after everything submitted so far.
    pub fn rows(
        &mut self,
        gpu: &Gpu,
        (windows, format, dim): (&[RowWindow], Format, usize),
        rows: &[u32],
    ) -> Result<Gathered, Error> {
        let piece = Piece::of(format, dim);
        let pipeline = self.pipeline(gpu, piece)?;
        let pieces = dim / piece.values();
        let ranges = windows.iter().map(|at| at.first_row..at.first_row + at.rows);
        let ranges: Vec<_> = ranges.collect();
        let mut words = Vec::with_capacity(rows.len() * dim);
        let most = rows_at_once(dim, gpu.device.limits().max_storage_buffer_binding_size);
        for part in rows.chunks(most) {
            let what = "rows that are looked up";
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
            let (pairs, stretches) = by_window(part, &ranges);
            let asked = gpu.at_least(what, &mut self.asked, 8 * part.len() as u64, usage)?;
            gpu.write(what, asked.buffer(), bytemuck::cast_slice(&pairs))?;
            let bytes = 4 * (part.len() * dim) as u64;
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
            let found = gpu.at_least(what, &mut self.found, bytes, usage)?;
            for (window, stretch) in windows.iter().zip(stretches) {
                let told = Told {
                    first_row: window.first_row,
                    pieces: pieces as u32,
                    first: stretch.start as u32,
                    count: (stretch.len() * pieces) as u32,
                };
                if told.count > 0 {
                    gpu.write(what, &self.told, bytemuck::cast_slice(&[told]))?;
                    let bound = [&asked, &window.region, &found];
                    self.dispatch(gpu, &pipeline, bound, told.count)?;
                }
            }
            words.extend(gpu.read(what, &[found])?.remove(0));
        }
        Ok(Gathered { words, format })
    }

    fn dispatch(
        &self,
        gpu: &Gpu,
        pipeline: &ComputePipeline,
        bound: [&Region; 3],
        pieces: u32,
    ) -> Result<(), Error> {
        let groups = pieces.div_ceil(WORKGROUP);
        let grid = (groups.min(AXIS), groups.div_ceil(AXIS));
        gpu.submit(|encoder| {
            let told = self.told.as_entire_binding();
            let buffers = bound.map(|region| {
                let (offset, size) = (region.offset(), BufferSize::new(region.size()));
                BindingResource::Buffer(BufferBinding { buffer: region.buffer(), offset, size })
            });
            let resources = std::iter::once(told).chain(buffers);
            let entry = |(binding, resource)| BindGroupEntry { binding, resource };
            let entries: Vec<_> = (0..).zip(resources).map(entry).collect();
            gpu.heard("rows that are looked up", 0, || {
                let layout = &pipeline.get_bind_group_layout(0);
                let descriptor = BindGroupDescriptor { label: None, layout, entries: &entries };
                let bindings = gpu.device.create_bind_group(&descriptor);
                let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, &bindings, &[]);
                pass.dispatch_workgroups(grid.0, grid.1, 1);
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bound_at_once_fits_a_binding() {
        assert_eq!(rows_at_once(64, 1 << 30), (8 << 20) / 256);
        assert_eq!(rows_at_once(20, 1 << 16), (1 << 16) / 80);
        assert_eq!(rows_at_once(1, 1 << 16), (1 << 16) / 8);
        // Then its binding is refused.
        assert_eq!(rows_at_once(1 << 20, 1 << 16), 1);
    }

    #[test]
    fn rows_go_to_their_windows_with_their_places() {
        let (asked, stretches) = by_window(&[9, 0, 4, 3, 9, 5], &[0..4, 4..4, 4..9, 9..12]);
        assert_eq!(asked, [[0, 1], [3, 3], [4, 2], [5, 5], [9, 0], [9, 4]]);
        assert_eq!(stretches, [0..2, 2..2, 2..4, 4..6]);
        assert_eq!(by_window(&[], &[0..4, 4..6]), (vec![], vec![0..0, 0..0]));
    }
}
