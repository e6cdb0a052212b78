//! What optimizers of one device share.

use sparse_adam::{AdamOptions, Kit, Param, SparseAdam, SparseGrad};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Rng, variants};

/// Steps a table of its own; the parameter after that, and the pipelines that there are.
fn stepped(gpu: &Gpu, kit: &Kit) -> (Vec<f32>, usize) {
    let mut rng = Rng(77);
    let mut optimizer = SparseAdam::with_kit(kit, AdamOptions::default()).unwrap();
    let param = gpu.upload("p", &rng.floats(400 * 12));
    let id = optimizer.add_param(Param::new("p", &param, [400, 12])).unwrap();
    for nnz in [5, 5000] {
        let grad = rng.gradient(400, 12, nnz);
        let rows: Vec<u32> = grad.indices.iter().map(|&row| row as u32).collect();
        let (indices, values) = (gpu.upload("indices", &rows), gpu.upload("values", &grad.values));
        optimizer.set_grad(id, SparseGrad::new(&indices, &values, nnz as u32)).unwrap();
        gpu.submit(|encoder| optimizer.step(encoder)).unwrap();
    }
    let param = pollster::block_on(gpu.read(&param)).unwrap();
    (param, optimizer.resources().pipelines)
}

#[test]
fn a_second_optimizer_builds_no_pipelines() {
    for (gpu, tuning) in variants() {
        let kit = Kit::with_tuning(&gpu.device, &gpu.queue, tuning).unwrap();
        let first = stepped(gpu, &kit);
        assert!(first.1 > 0);
        assert_eq!(stepped(gpu, &kit), first);
    }
}

#[test]
fn optimizers_of_one_kit_step_in_threads_of_their_own() {
    for (gpu, tuning) in variants() {
        let alone = stepped(gpu, &Kit::with_tuning(&gpu.device, &gpu.queue, tuning).unwrap());
        let kit = Kit::with_tuning(&gpu.device, &gpu.queue, tuning).unwrap();
        std::thread::scope(|scope| {
            let threads = [(); 3].map(|()| scope.spawn(|| stepped(gpu, &kit).0));
            for thread in threads {
                assert_eq!(thread.join().unwrap(), alone.0);
            }
        });
    }
}

#[test]
fn what_is_prepared_is_not_built_by_the_step() {
    for (gpu, tuning) in variants() {
        let kit = Kit::with_tuning(&gpu.device, &gpu.queue, tuning).unwrap();
        let mut optimizer = SparseAdam::with_kit(&kit, AdamOptions::default()).unwrap();
        let param = gpu.upload("p", &[0.5f32; 400]);
        let id = optimizer.add_param(Param::new("p", &param, [100, 4])).unwrap();
        let (indices, values) =
            (gpu.upload("indices", &[7u32; 90]), gpu.upload("values", &[1f32; 360]));
        optimizer.set_grad(id, SparseGrad::new(&indices, &values, 90)).unwrap();
        optimizer.prepare().unwrap();
        let prepared = optimizer.resources();
        assert_eq!(optimizer.step_count(id), Ok(0));
        gpu.submit(|encoder| optimizer.step(encoder)).unwrap();
        let stepped = optimizer.resources();
        assert_eq!(
            (stepped.pipelines, stepped.scratch_bytes),
            (prepared.pipelines, prepared.scratch_bytes)
        );
        assert_eq!(optimizer.step_count(id), Ok(1));
    }
}
