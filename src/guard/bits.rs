//! Steps that were refused leave nothing behind that the next ones compute with.

use super::rig;
use crate::{AdamOptions, Error, NonFinite, Param, SparseAdam, SparseGrad, StateDict};
use pollster::block_on;
use sparse_adam_testkit::headless::Gpu;

const ROWS: u32 = 300;
const DIM: u32 = 8;

/// A few steps; with `refused`, each is tried before with every one of its requests refused.
fn run(gpu: &Gpu, refused: bool) -> (Vec<u32>, StateDict) {
    let mut optimizer = SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::default()).unwrap();
    let table = gpu.upload("table", &vec![0.5f32; (ROWS * DIM) as usize]);
    let id = optimizer.add_param(Param::new("table", &table, [ROWS, DIM])).unwrap();
    for step in 1..6u32 {
        // More entries in each step, so that there is something to be made.
        let nnz = 200 * step * step;
        let indices: Vec<u32> = (0..nnz).map(|entry| entry * 7919 % ROWS / step).collect();
        let values: Vec<f32> = (0..nnz * DIM).map(|at| (at * 31 % 97) as f32 - 48.0).collect();
        let (indices, values) = (gpu.upload("ids", &indices), gpu.upload("values", &values));
        let grad = SparseGrad::new(&indices, &values, nnz).non_finite(NonFinite::Counted);
        optimizer.set_grad(id, grad).unwrap();
        let steps = optimizer.step_count(id).unwrap();
        for request in 0.. {
            if refused {
                rig::refuse_after(request);
            }
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            let stepped = optimizer.step(&mut encoder);
            if rig::spare() || !refused {
                assert_eq!(stepped, Ok(()));
                gpu.queue.submit([encoder.finish()]);
                break;
            }
            // Natively an adapter finds what it is asked for too large before it tries.
            assert!(matches!(stepped, Err(Error::Refused { .. })), "{stepped:?}");
            assert_eq!(optimizer.step_count(id), Ok(steps));
        }
    }
    let dict = block_on(optimizer.state_dict()).unwrap();
    (block_on(gpu.read(&table)).unwrap(), dict)
}

#[test]
fn steps_after_refused_ones_have_the_same_bits() {
    for gpu in block_on(Gpu::open_all()).unwrap() {
        let (undisturbed, refused) = (run(&gpu, false), run(&gpu, true));
        assert!(undisturbed == refused, "{}", gpu.describe());
        assert_ne!(undisturbed.0, vec![0.5f32.to_bits(); (ROWS * DIM) as usize]);
    }
}
