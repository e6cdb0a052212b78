//! Learning rates at and about 0, on every way that one takes.

use sparse_adam::lr_scheduler::{ReduceOnPlateau, Schedule, cosine, exponential, linear};
use sparse_adam::{AdamOptions, Param, ParamGroup, SparseAdam, SparseGrad};
use sparse_adam_testkit::{Pair, Poisoned, Rng, variants};
use wgpu::{BufferDescriptor, BufferUsages, Device};

fn with_lr(lr: f64) -> AdamOptions {
    AdamOptions::default().lr(lr)
}

#[test]
fn a_rate_of_zero_moves_the_moments_and_no_parameter() {
    // The others are too small for f32, or for a value to feel.
    for lr in [0.0, -0.0, 1e-60, 1e-43, -1.5e-19] {
        for on in variants() {
            for (rows, dim, nnz) in [(60, 8, 500), (300, 5, 3000)] {
                let mut rng = Rng(900);
                let mut pair = Pair::new(on, &[(rows, dim)], &[with_lr(lr)], &mut rng);
                let before = pair.table(0).param;
                for steps in 1..4 {
                    pair.step(&[Some(rng.gradient(rows, dim, nnz))]);
                    let found = pair.table(0);
                    assert_eq!(found.param, before, "lr {lr:e}");
                    assert_eq!(found.step, steps);
                    assert!(found.exp_avg.iter().any(|&moment| moment != 0.0));
                }
                pair.assert_equal(&format!("lr {lr:e}"));
                let group = pair.optimizer.group_of(pair.ids[0]).unwrap();
                pair.optimizer.set_lr(group, 0.1).unwrap();
                pair.options[0].lr = 0.1;
                pair.step(&[Some(rng.gradient(rows, dim, nnz))]);
                assert_ne!(pair.table(0).param, before);
                pair.assert_equal("and on from there");
            }
        }
    }
}

#[test]
fn zeros_keep_the_sign_that_torch_gives_them() {
    // torch adds -0 * direction: -0 becomes 0 where the direction is negative.
    for on in variants() {
        let mut pair = Pair::new(on, &[(3, 1)], &[with_lr(0.0)], &mut Rng(1));
        pair.params[0] = Poisoned::new(pair.gpu, &[-0.0f32; 3]);
        pair.twins[0].param = vec![-0.0; 3];
        pair.optimizer.replace_param(pair.ids[0], pair.params[0].region.clone()).unwrap();
        let indices = vec![0, 1, 2];
        pair.step(&[Some(sparse_adam::reference::Gradient { indices, values: vec![1., -1., 0.] })]);
        pair.assert_equal("signs of zeros");
        let bits = pair.params[0].read::<u32>(pair.gpu);
        assert_eq!(bits, [0x8000_0000, 0, 0x8000_0000]);
    }
}

#[test]
fn a_rate_of_zero_is_taken_on_every_way() {
    let (device, queue) = Device::noop(&Default::default());
    let buffer = |size| {
        let usage = BufferUsages::STORAGE;
        let label = None;
        device.create_buffer(&BufferDescriptor { label, size, usage, mapped_at_creation: false })
    };
    let mut optimizer = SparseAdam::new(&device, &queue, with_lr(0.0)).unwrap();
    let by_default = optimizer.add_param(Param::new("a", buffer(160), [10, 4])).unwrap();
    let own = ParamGroup::new([Param::new("b", buffer(160), [10, 4])]).lr(0.0);
    let own = optimizer.add_param_group(own).unwrap();
    let groups: Vec<_> = optimizer.groups().collect();
    assert_eq!(groups, [optimizer.group_of(by_default).unwrap(), own]);
    for &group in &groups {
        assert_eq!(optimizer.options(group).unwrap().lr, 0.0);
        optimizer.set_lr(group, 0.5).unwrap();
    }
    let mut saved = pollster::block_on(optimizer.state_dict()).unwrap();
    saved.param_groups.iter_mut().for_each(|group| group.options.lr = 0.0);
    optimizer.load_state_dict(&saved).unwrap();
    assert_eq!(optimizer.options(own).unwrap().lr, 0.0);
    let grad = SparseGrad::new(buffer(12), buffer(48), 3);
    optimizer.set_grad(by_default, grad).unwrap();
    optimizer.step(&mut device.create_command_encoder(&Default::default())).unwrap();
    assert_eq!(optimizer.step_count(by_default), Ok(1));
    // What torch's LinearLR leaves in a checkpoint, and what is no rounding.
    saved.param_groups[0].options.lr = -1.582_067_810_090_839_5e-19;
    optimizer.load_state_dict(&saved).unwrap();
    assert_eq!(pollster::block_on(optimizer.state_dict()).unwrap(), saved_without_state(&saved));
    saved.param_groups[0].options.lr = -1e-9;
    optimizer.load_state_dict(&saved).unwrap_err();
}

/// Loading a dict without state drops what was there.
fn saved_without_state(saved: &sparse_adam::StateDict) -> sparse_adam::StateDict {
    let mut saved = saved.clone();
    saved.state.clear();
    saved
}

#[test]
fn schedules_run_through_their_ends() {
    let (device, queue) = Device::noop(&Default::default());
    let mut optimizer = SparseAdam::new(&device, &queue, with_lr(1e-3)).unwrap();
    let buffer = device.create_buffer(&BufferDescriptor {
        label: None,
        size: 160,
        usage: BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let param = optimizer.add_param(Param::new("p", &buffer, [10, 4])).unwrap();
    let group = optimizer.group_of(param).unwrap();
    let mut run = |name: &str, schedule: &dyn Fn(u64) -> f64| {
        let mut least = f64::INFINITY;
        for t in 0..2500 {
            let lr = schedule(t);
            optimizer.set_lr(group, lr).unwrap_or_else(|error| panic!("{name}, {t}: {error}"));
            least = least.min(lr);
        }
        least
    };
    // The one of the module's documentation.
    let documented = linear(0.1, 1.0, 100).then(100, cosine(900, 0.0));
    assert_eq!(run("documented", &|t| documented.lr(1e-3, t)), 0.0);
    let underflowing = exponential(0.5);
    assert_eq!(run("underflowing", &|t| underflowing.lr(1e-3, t)), 0.0);
    let to_zero = linear(1.0, 0.0, 777);
    assert_eq!(run("to zero", &|t| to_zero.lr(1e-3, t)), 0.0);
    // torch's LinearLR(1/3, 0) as torch computes it, each rate from the last.
    let recursive = |end: u64| {
        let (start, total) = (1.0 / 3.0, 5.0);
        (1..=end.min(5)).fold(1e-3 * start, |lr, t| {
            lr * (1.0 + (0.0 - start) / (total * start + (t - 1) as f64 * (0.0 - start)))
        })
    };
    let least = run("torch's recursion", &recursive);
    assert!(least < 0.0 && least > -1e-18, "{least:e}");
}

#[test]
fn a_plateau_is_made_by_naming_what_differs() {
    let mut plateau = ReduceOnPlateau::default().patience(1).factor(0.5);
    let lrs = [3.0, 3.0, 3.0, f64::NAN, f64::NAN].map(|loss| plateau.lr(1.0, loss));
    assert_eq!(lrs, [1.0, 1.0, 0.5, 1.0, 0.5]);
    // One that starts over keeps its settings.
    let mut again = plateau;
    again.losses = Default::default();
    assert_eq!([3.0, 3.0].map(|loss| again.lr(1.0, loss)), [1.0, 1.0]);
}
