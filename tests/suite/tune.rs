//! Tuning on every adapter: whatever is chosen has the bits of the default, and of the twin.

use pollster::block_on;
use sparse_adam::tune::{Bits, Clock, Tuned, Tuner};
use sparse_adam::{AdamOptions, Error, SparseAdam, Tuning};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Rng, gpus};
use std::time::Duration;
use wgpu::{AdapterInfo, DeviceType};

/// What takes a software adapter a few milliseconds, on both sides of what is sorted at once.
const SHAPES: [[u32; 3]; 2] = [[300, 8, 200], [2000, 5, 3000]];

/// Tunes with a small budget, or with as much as it takes to compare something: compiling is slow on some.
fn tuned(gpu: &Gpu, info: &AdapterInfo) -> Tuned {
    let tune = |seconds| {
        let tuner = Tuner::new(&gpu.device, &gpu.queue, info).shapes(&SHAPES);
        block_on(tuner.budget(Duration::from_secs(seconds)).run()).unwrap()
    };
    let found = [2, 8, 32, 128].into_iter().map(tune).find(|tuned| !tuned.evidence.is_empty());
    found.unwrap_or_else(|| panic!("{}: nothing was compared", gpu.describe()))
}

/// As it is, and as if it were a GPU, which has another form of the stages.
fn infos(gpu: &Gpu) -> [AdapterInfo; 2] {
    let mut other = gpu.info.clone();
    (other.device_type, other.name) = (DeviceType::DiscreteGpu, "as if it were a GPU".into());
    [gpu.info.clone(), other]
}

#[test]
fn what_is_chosen_steps_as_the_twin_does() {
    for (gpu, info) in gpus().iter().flat_map(|gpu| infos(gpu).map(|info| (gpu, info))) {
        let tuned = tuned(gpu, &info);
        let default = Tuning::for_adapter(&info);
        let (chosen, who) = (tuned.tuning(), gpu.describe());
        assert_eq!((chosen.form, chosen.arithmetic), (default.form, default.arithmetic), "{who}");
        assert!(tuned.fits(&info), "{who}");
        if gpu.has_bits_of_twin(&default) {
            let other = tuned.evidence.iter().find(|held| held.bits != Bits::Same);
            assert_eq!(other, None, "{who}: no candidate may have other bits");
        }
        let known = gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        assert!(known || tuned.timing == Clock::Wall, "{who}");
        let again = Tuned::from_json(&tuned.to_json().unwrap()).unwrap();
        assert_eq!(again, tuned, "{who}");

        let optimizer = SparseAdam::with_tuning(
            &gpu.device,
            &gpu.queue,
            AdamOptions::default(),
            again.tuning(),
        );
        assert_eq!(*optimizer.unwrap().tuning(), chosen, "{who}");
        let seed = fresh_seed();
        let mut rng = Rng(seed);
        let mut pair = Pair::single((gpu, chosen), 2000, 5, &mut rng);
        for nnz in [100, 3000, 1500] {
            pair.step(&[Some(rng.gradient(2000, 5, nnz))]);
            pair.assert_equal(&format!("{who}, seed {seed}, {chosen:?}"));
        }
    }
}

#[test]
fn no_time_leaves_the_default() {
    for gpu in gpus() {
        let tuner = Tuner::new(&gpu.device, &gpu.queue, &gpu.info).shapes(&SHAPES);
        let tuned = block_on(tuner.budget(Duration::ZERO).run()).unwrap();
        assert_eq!(tuned.tuning(), Tuning::for_adapter(&gpu.info));
        assert!(tuned.evidence.is_empty());
    }
}

#[test]
fn a_shape_of_nothing_is_refused() {
    let gpu = &gpus()[0];
    let tuner = Tuner::new(&gpu.device, &gpu.queue, &gpu.info).shapes(&[[10, 0, 3]]);
    let refused = block_on(tuner.run());
    assert!(matches!(refused, Err(Error::InvalidShape { .. })), "{refused:?}");
}
