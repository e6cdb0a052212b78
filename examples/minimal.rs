//! One page: a device, a table, a gradient, a step, and the table read back.
//!
//! `cargo run --example minimal`

use pollster::block_on;
use sparse_adam::{AdamOptions, Param, SparseAdam, SparseGrad};
use wgpu::util::{BufferInitDescriptor, DeviceExt, DownloadBuffer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Yours: a device, and buffers. (COPY_SRC is only for reading the table back.)
    let instance = wgpu::Instance::default();
    let adapter = block_on(instance.request_adapter(&Default::default()))?;
    let (device, queue) = block_on(adapter.request_device(&Default::default()))?;
    let buffer = |contents: &[u8]| {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        device.create_buffer_init(&BufferInitDescriptor { label: None, contents, usage })
    };
    let (rows, dim) = (6, 4);
    let table = buffer(&[0; 4 * 6 * 4]);
    let ids = buffer([4u32, 1, 4].map(u32::to_le_bytes).as_flattened());
    let value_rows = [[1.0f32; 4], [-2.0; 4], [0.5; 4]];
    let value_rows =
        buffer(value_rows.map(|row| row.map(f32::to_le_bytes)).as_flattened().as_flattened());

    // The optimizer: it records a step of the rows that the gradient names into your encoder.
    let mut optimizer = SparseAdam::new(&device, &queue, AdamOptions::default().lr(0.1))?;
    let id = optimizer.add_param(Param::new("table", &table, [rows, dim]))?;
    optimizer.set_grad(id, SparseGrad::new(&ids, &value_rows, 3))?;
    let mut encoder = device.create_command_encoder(&Default::default());
    optimizer.step(&mut encoder)?;
    queue.submit([encoder.finish()]);

    // Rows 1 and 4 have moved by 0.1 against their gradient; the others are as they were.
    DownloadBuffer::read_buffer(&device, &queue, &table.slice(..), move |read| {
        let read = read.expect("the table can be read back");
        for (number, row) in read.chunks_exact(4 * dim as usize).enumerate() {
            let row = row
                .chunks_exact(4)
                .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
            println!("row {number}: {:.3?}", row.collect::<Vec<_>>());
        }
    });
    device.poll(wgpu::PollType::wait_indefinitely())?;
    println!("{:?}", block_on(optimizer.status(id))?);
    Ok(())
}
