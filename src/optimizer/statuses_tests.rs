//! Counters near their ends, on every adapter: only here can they be written.

use super::*;
use crate::{AdamOptions, Param, SparseGrad, Tuning};
use sparse_adam_testkit::headless::Gpu;

const ENTRIES: u32 = 3000;

/// The counters of a table after a step of nothing but entries out of range, counted from `before`:
/// as the GPU has them, and as they are shown.
fn counted(gpu: &Gpu, tuning: Tuning, before: u32) -> (Status, Status) {
    let (device, queue) = (&gpu.device, &gpu.queue);
    let defaults = AdamOptions::default();
    let mut optimizer = SparseAdam::with_tuning(device, queue, defaults, tuning).unwrap();
    let table = gpu.upload("table", &[1.0f32; 40]);
    let id = optimizer.add_param(Param::new("p", &table, [10, 4])).unwrap();
    let indices = gpu.upload("indices", &[10u32; ENTRIES as usize]);
    let values = gpu.zeroed("values", 16 * u64::from(ENTRIES));
    optimizer.set_grad(id, SparseGrad::new(&indices, &values, ENTRIES)).unwrap();
    let status = optimizer.tables[0].status.clone();
    queue.write_buffer(status.buffer(), status.offset(), bytemuck::bytes_of(&before));
    let mut encoder = device.create_command_encoder(&Default::default());
    optimizer.step(&mut encoder).unwrap();
    queue.submit([encoder.finish()]);
    let slice = status.buffer().slice(status.offset()..status.offset() + status.size());
    let raw = pollster::block_on(gpu.read::<Status>(slice)).unwrap();
    (raw[0], pollster::block_on(optimizer.status(id)).unwrap())
}

#[test]
fn counters_stop_before_they_wrap() {
    for gpu in &pollster::block_on(Gpu::open_all()).expect("this test needs an adapter") {
        for tuning in [Tuning::CPU, Tuning::GPU] {
            let (raw, shown) = counted(gpu, tuning, 7);
            assert_eq!((raw.out_of_range, shown.out_of_range), (7 + ENTRIES, 7 + ENTRIES));
            // Either would be 2^32 and read as clean, if it went on.
            for before in [Status::FULL - 1, u32::MAX - ENTRIES + 1] {
                let (raw, shown) = counted(gpu, tuning, before);
                assert!(raw.out_of_range >= before, "{}: {raw:?}", gpu.describe());
                assert!(raw.out_of_range < Status::FULL + ENTRIES || raw.out_of_range == before);
                assert_eq!(shown, Status { out_of_range: u32::MAX, ..Status::default() });
                assert!(!shown.is_clean());
            }
        }
    }
}
