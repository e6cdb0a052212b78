//! The GPU's part: splats in a pool buffer, the kernels that draw and differentiate them, and their five parameters.

use super::densify::Growth;
use super::kernel::Kernel;
use super::picture::Picture;
use super::scene::{COLOUR, Layout, OPACITY, ROTATION, SCALE, Splats, TENSORS};
use sparse_adam::{
    Duplicates, Error, IndexList, Param, ParamGroup, ParamId, Region, RowMap, SparseAdam,
};
use sparse_adam_testkit::headless::Gpu;
use wgpu::{
    BindGroup, Buffer, BufferDescriptor, BufferUsages, CommandEncoder, ComputePassDescriptor,
    Device,
};

/// Pixels of a tile, across and down; `TILE` in splat.wgsl.
pub const TILE: u32 = 16;
/// Where the visible rows' numbers start, in bytes behind their count.
pub const IDS: u64 = 256;

/// Sizes that do not change.
#[derive(Clone, Copy)]
pub struct Shape {
    pub width: u32,
    pub height: u32,
    /// Most tiles that are drawn at once.
    pub chosen: u32,
    /// Most splats.
    pub most: u32,
    /// Whether a step updates every splat, as a dense Adam does, and not only those that are seen.
    pub dense: bool,
}

impl Shape {
    fn across(&self) -> u32 {
        self.width.div_ceil(TILE)
    }

    /// Tiles of the picture.
    pub fn tiles(&self) -> u32 {
        self.across() * self.height.div_ceil(TILE)
    }

    fn layout(&self) -> Layout {
        Layout { most: self.most }
    }

    /// Bytes of what is largest, per binding.
    pub fn largest_binding(&self) -> u64 {
        let pixels = 32 * u64::from(self.width) * u64::from(self.height);
        let lists = 4 * u64::from(self.chosen) * u64::from(self.most + 1);
        pixels.max(lists)
    }
}

/// What the kernels are told; `Config` in splat.wgsl.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Config {
    width: u32,
    height: u32,
    across: u32,
    tiles: u32,
    chosen: u32,
    rows: u32,
    most: u32,
    dense: u32,
    scales: u32,
    rotations: u32,
    colours: u32,
    opacities: u32,
    statistics: u32,
    shown: u32,
}

/// What drawing is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The backward pass.
    Step,
    /// Colours, to be read.
    Show,
}

/// Splats and what it takes to fit them.
pub struct Model {
    pub shape: Shape,
    /// Splats that there are.
    pub rows: u32,
    /// The tensors, to the optimizer.
    pub params: [ParamId; 5],
    /// Two pools: when rows are remapped, they move from one to the other.
    pools: [Buffer; 2],
    /// Which of them has the tensors.
    current: usize,
    /// The gradients, laid out as a pool, and the statistics.
    grads: Buffer,
    config: Buffer,
    tiles_drawn: Buffer,
    /// The count of rows that are seen, and their numbers.
    pub visible: Buffer,
    /// The target's pixels, and what is drawn.
    pixels: Buffer,
    kernels: Kernels,
}

struct Kernels {
    prepare: (Kernel, [BindGroup; 2]),
    sort_out: (Kernel, BindGroup),
    forward: (Kernel, BindGroup),
    backward: (Kernel, BindGroup),
}

impl Model {
    /// Splats that start as `splats` and are to look like `target`, their tensors added to `optimizer`.
    pub fn new(
        gpu: &Gpu,
        optimizer: &mut SparseAdam,
        shape: Shape,
        target: &Picture,
        splats: &Splats,
    ) -> Result<Self, Error> {
        let (device, layout, rows) = (&gpu.device, shape.layout(), splats.len() as u32);
        let pool = |name| gpu.zeroed(name, 4 * u64::from(layout.size()));
        let pools = [pool("splats"), pool("splats, remapped")];
        let grads = pool("gradients");
        write_rows(gpu, &pools[0], layout, splats, 0);
        let params = add_params(optimizer, &pools[0], layout, rows)?;
        let config = uniform(device, size_of::<Config>() as u64);
        let words = |name, count: u64| gpu.zeroed(name, 4 * count);
        let tiles_drawn = words("tiles drawn", u64::from(shape.tiles() + shape.chosen));
        let visible = words("visible", IDS / 4 + u64::from(shape.most));
        let drawn = words("drawn", 12 * u64::from(shape.most));
        let lists = words("lists", u64::from(shape.chosen) * u64::from(shape.most + 1));
        let pixels = words("pixels", 8 * target.pixels.len() as u64);
        let wide: Vec<[f32; 4]> = target.pixels.iter().map(|&[r, g, b]| [r, g, b, 0.0]).collect();
        gpu.queue.write_buffer(&pixels, 0, bytemuck::cast_slice(&wide));
        let prepare = Kernel::new(device, "prepare", include_str!("prepare.wgsl"));
        let seen = [0, 1].map(|pool| {
            prepare.bind(device, &[&config, &pools[pool], &tiles_drawn, &drawn, &visible])
        });
        let bound = |name, source, bound: &[&Buffer]| {
            let kernel = Kernel::new(device, name, source);
            let bindings = kernel.bind(device, bound);
            (kernel, bindings)
        };
        let with = [&config, &tiles_drawn, &drawn];
        let [a, b, c] = with;
        let kernels = Kernels {
            prepare: (prepare, seen),
            sort_out: bound("sort out", include_str!("sort_out.wgsl"), &[a, b, c, &lists]),
            forward: bound("forward", include_str!("forward.wgsl"), &[a, b, c, &lists, &pixels]),
            backward: bound("backward", include_str!("backward.wgsl"), &[a, b, c, &pixels, &grads]),
        };
        Ok(Self {
            shape,
            rows,
            params,
            pools,
            current: 0,
            grads,
            config,
            tiles_drawn,
            visible,
            pixels,
            kernels,
        })
    }

    /// Records the drawing of the tiles of these numbers, and for [`Purpose::Step`] the backward pass.
    ///
    /// Submit `encoder` before more is recorded: the tiles are on their way as soon as this returns, ahead of
    /// whatever is submitted next.
    pub fn draw(&self, gpu: &Gpu, encoder: &mut CommandEncoder, tiles: &[u32], purpose: Purpose) {
        let layout = self.shape.layout();
        let mut words = vec![0u32; self.shape.tiles() as usize];
        tiles.iter().for_each(|&tile| words[tile as usize] = 1);
        words.extend(tiles);
        gpu.queue.write_buffer(&self.tiles_drawn, 0, bytemuck::cast_slice(&words));
        let config = Config {
            width: self.shape.width,
            height: self.shape.height,
            across: self.shape.across(),
            tiles: self.shape.tiles(),
            chosen: tiles.len() as u32,
            rows: self.rows,
            most: self.shape.most,
            dense: self.shape.dense.into(),
            scales: layout.start(SCALE),
            rotations: layout.start(ROTATION),
            colours: layout.start(COLOUR),
            opacities: layout.start(OPACITY),
            statistics: layout.start(TENSORS.len()),
            shown: (purpose == Purpose::Show).into(),
        };
        gpu.queue.write_buffer(&self.config, 0, bytemuck::bytes_of(&config));
        encoder.clear_buffer(&self.visible, 0, Some(4));
        let label = Some("splats");
        let mut pass =
            encoder.begin_compute_pass(&ComputePassDescriptor { label, ..Default::default() });
        let Kernels { prepare, sort_out, forward, backward } = &self.kernels;
        let chosen = tiles.len() as u32;
        prepare.0.dispatch(&mut pass, &prepare.1[self.current], self.rows.div_ceil(64));
        sort_out.0.dispatch(&mut pass, &sort_out.1, chosen.div_ceil(8));
        forward.0.dispatch(&mut pass, &forward.1, chosen);
        if purpose == Purpose::Step {
            backward.0.dispatch(&mut pass, &backward.1, self.rows.div_ceil(64));
        }
    }

    /// Records a step: drawing, the backward pass, and the optimizer's step of the splats that the tiles see.
    pub fn step(
        &self,
        gpu: &Gpu,
        optimizer: &mut SparseAdam,
        encoder: &mut CommandEncoder,
        tiles: &[u32],
    ) -> Result<(), Error> {
        self.draw(gpu, encoder, tiles, Purpose::Step);
        let ids = Region::new(&self.visible, IDS, 4 * u64::from(self.rows));
        let list = IndexList::of_rows(ids, self.rows).count(Region::new(&self.visible, 0, 4));
        let values = self.regions(&self.grads, self.rows);
        optimizer
            .set_grads(list.duplicates(Duplicates::None), self.params.into_iter().zip(values))?;
        optimizer.step(encoder)
    }

    /// The splats become those of `growth`, from the next step on: rows that live and clones are copied with their
    /// moments on the GPU, from one pool to the other; the values of clones and halves are written behind them.
    pub fn remap(
        &mut self,
        gpu: &Gpu,
        optimizer: &mut SparseAdam,
        growth: &Growth,
    ) -> Result<(), Error> {
        let (rows, next) = (growth.from.len() as u32, 1 - self.current);
        let map = RowMap::new(gpu.upload("from", &growth.from), rows);
        let places = self.params.into_iter().zip(self.regions(&self.pools[next], rows));
        optimizer.clear_grads();
        gpu.submit(|encoder| {
            optimizer.remap_rows(encoder, map, places)?;
            encoder.clear_buffer(&self.grads, 0, None);
            Ok(())
        })?;
        let first = rows - growth.new.len() as u32;
        write_rows(gpu, &self.pools[next], self.shape.layout(), &growth.new, first);
        (self.current, self.rows) = (next, rows);
        Ok(())
    }

    /// The pixels that were drawn to be shown.
    pub async fn read_picture(&self, gpu: &Gpu) -> Result<Picture, Error> {
        let Shape { width, height, .. } = self.shape;
        let bytes = 16 * u64::from(width) * u64::from(height);
        let drawn: Vec<[f32; 4]> = gpu.read(Region::new(&self.pixels, bytes, bytes)).await?;
        let pixels = drawn.into_iter().map(|[r, g, b, _]| [r, g, b]).collect();
        Ok(Picture { width, height, pixels })
    }

    /// The splats as they are.
    pub async fn read_splats(&self, gpu: &Gpu) -> Result<Splats, Error> {
        let pool: Vec<f32> = gpu.read(&self.pools[self.current]).await?;
        Ok(self.shape.layout().splats(&pool, self.rows))
    }

    /// The gradients of the last step, and the statistics of all steps since rows were last remapped.
    pub async fn read_grads(&self, gpu: &Gpu) -> Result<(Splats, Vec<[f32; 2]>), Error> {
        let pool: Vec<f32> = gpu.read(&self.grads).await?;
        let layout = self.shape.layout();
        Ok((layout.splats(&pool, self.rows), layout.statistics(&pool, self.rows).to_vec()))
    }

    /// The tensors' places in a pool of `rows` splats.
    fn regions(&self, pool: &Buffer, rows: u32) -> [Region; 5] {
        let layout = self.shape.layout();
        std::array::from_fn(|tensor| {
            let bytes = layout.bytes(tensor, 0..rows);
            Region::new(pool, bytes.start, bytes.end - bytes.start)
        })
    }
}

/// A group per tensor, each with its learning rate.
fn add_params(
    optimizer: &mut SparseAdam,
    pool: &Buffer,
    layout: Layout,
    rows: u32,
) -> Result<[ParamId; 5], Error> {
    let mut ids = Vec::new();
    for (number, tensor) in TENSORS.iter().enumerate() {
        let bytes = layout.bytes(number, 0..rows);
        let region = Region::new(pool, bytes.start, bytes.end - bytes.start);
        let param = Param::new(tensor.name, region, [rows, tensor.dim]);
        let group = optimizer.add_param_group(ParamGroup::new([param]).lr(tensor.lr))?;
        ids.extend(optimizer.group_params(group)?);
    }
    Ok(std::array::from_fn(|tensor| ids[tensor]))
}

/// Writes splats into a pool, from row `first` on.
fn write_rows(gpu: &Gpu, pool: &Buffer, layout: Layout, splats: &Splats, first: u32) {
    for (tensor, values) in splats.tensors.iter().enumerate() {
        let start = layout.bytes(tensor, first..first).start;
        gpu.queue.write_buffer(pool, start, bytemuck::cast_slice(values));
    }
}

fn uniform(device: &Device, size: u64) -> Buffer {
    let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
    device.create_buffer(&BufferDescriptor {
        label: Some("config"),
        size,
        usage,
        mapped_at_creation: false,
    })
}
