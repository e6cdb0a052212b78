//! Everything that torch.optim.SparseAdam lets its user do: groups, schedules, closures, hooks,
//! the state dict, and state that outlives the device.

use sparse_adam::lr_scheduler::{ReduceOnPlateau, Schedule, step};
use sparse_adam::reference::Gradient;
use sparse_adam::{AdamOptions, Error, ParamGroup, ParamState, StateDict};
use sparse_adam_testkit::{Pair, Poisoned, Rng, gpus, variants};
use std::cell::RefCell;
use std::rc::Rc;
use wgpu::Limits;

const DEFAULT: AdamOptions = AdamOptions::new();

/// Gradients for tables of `shapes`.
fn grads(rng: &mut Rng, shapes: &[(usize, usize)]) -> Vec<Option<Gradient<f32>>> {
    shapes.iter().map(|&(rows, dim)| Some(rng.gradient(rows, dim, 200))).collect()
}

fn state_dict(pair: &Pair) -> StateDict {
    pollster::block_on(pair.optimizer.state_dict()).unwrap()
}

/// The squared distance of every value to its target falls, as in torch's
/// `test_sparse_adam` on parameters of (10, 5) and (10).
#[test]
fn steps_go_in_the_right_direction() {
    for on in variants() {
        for scheduled in [false, true] {
            let shapes = [(10, 5), (10, 1)];
            let options = [DEFAULT.lr(0.05); 2];
            let mut pair = Pair::new(on, &shapes, &options, &mut Rng(1));
            let schedule = step(10, 0.9);
            let mut plateau = ReduceOnPlateau::default();
            let loss = |pair: &Pair| -> f64 {
                let values = (0..2).flat_map(|table| pair.table(table).param);
                values.map(|value| f64::from(value - 2.0).powi(2)).sum()
            };
            let first = loss(&pair);
            for t in 0..20 {
                let gradient = |table: usize| {
                    let param = pair.table(table).param;
                    let indices = (0..10).collect();
                    Some(Gradient { indices, values: param.iter().map(|v| v - 2.0).collect() })
                };
                let grads = [gradient(0), gradient(1)];
                if scheduled {
                    let loss = loss(&pair);
                    for table in 0..2 {
                        let group = pair.optimizer.group_of(pair.ids[table]).unwrap();
                        let lr = plateau.lr(schedule.lr(0.05, t), loss);
                        pair.optimizer.set_lr(group, lr).unwrap();
                        pair.options[table].lr = lr;
                    }
                }
                pair.step(&grads);
            }
            pair.assert_equal("twenty steps");
            assert!(loss(&pair) < 0.8 * first);
        }
    }
}

#[test]
fn a_groups_own_lr_wins_over_a_tiny_default() {
    for (gpu, tuning) in variants() {
        // torch: "outer lr 1e-28 with a group's own lr, the unused parameter unchanged".
        let mut rng = Rng(2);
        let options = [DEFAULT.lr(1e-28), DEFAULT.lr(0.05)];
        let shapes = [(8, 4), (8, 4)];
        let mut pair = Pair::new((gpu, tuning), &shapes, &options, &mut rng);
        let before = [pair.table(0).param, pair.table(1).param];
        for _ in 0..3 {
            pair.step(&grads(&mut rng, &shapes));
        }
        assert_eq!(pair.table(0).param, before[0]);
        assert_ne!(pair.table(1).param, before[1]);
    }
}

#[test]
fn groups_may_be_added_between_steps_and_changed() {
    for (gpu, tuning) in variants() {
        let mut rng = Rng(3);
        let mut pair = Pair::single((gpu, tuning), 20, 4, &mut rng);
        pair.step(&[Some(rng.gradient(20, 4, 30))]);
        let added = gpu.upload("late", &rng.floats(40));
        let param = sparse_adam::Param::new("late", &added, [10, 4]);
        let group = pair.optimizer.add_param_group(ParamGroup::new([param]).lr(0.5)).unwrap();
        assert_eq!(pair.optimizer.groups().len(), 2);
        assert_eq!(pair.optimizer.options(group).unwrap(), DEFAULT.lr(0.5));
        let first = pair.optimizer.group_of(pair.ids[0]).unwrap();
        let changed = DEFAULT.lr(0.2).betas((0.5, 0.9)).eps(1e-6).maximize(true);
        pair.optimizer.set_options(first, changed).unwrap();
        pair.options[0] = changed;
        pair.step(&[Some(rng.gradient(20, 4, 30))]);
        pair.assert_equal("changed options");
        let late = pair.optimizer.param("late").unwrap();
        assert_eq!(pair.optimizer.step_count(late), Ok(0));
    }
}

#[test]
fn a_closure_runs_between_the_hooks_and_its_value_comes_back() {
    let gpu = &gpus()[0];
    let mut pair = Pair::single((gpu, sparse_adam::Tuning::CPU), 20, 4, &mut Rng(4));
    let grad = pair.sparse_grad(&Rng(5).gradient(20, 4, 30), Default::default());
    let (id, calls) = (pair.ids[0], Rc::new(RefCell::new(Vec::new())));
    // Hooks must be Send natively, so what they tell goes through a channel.
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut hooks = Vec::new();
    for name in ["first", "second"] {
        let tell = sender.clone();
        hooks.push(pair.optimizer.register_step_pre_hook(move |optimizer, _| {
            tell.send(format!("{name} before {}", optimizer.step_count(id)?)).unwrap();
            Ok(())
        }));
    }
    let tell = sender.clone();
    pair.optimizer.register_step_post_hook(move |optimizer, _| {
        tell.send(format!("after {}", optimizer.step_count(id)?)).unwrap();
        Ok(())
    });
    let optimizer = &mut pair.optimizer;
    let value = gpu
        .submit(|encoder| {
            optimizer.step_with(encoder, |optimizer, _| {
                calls.borrow_mut().push(receiver.try_iter().collect::<Vec<_>>());
                optimizer.set_grad(id, grad)?;
                Ok::<_, Error>(42)
            })
        })
        .unwrap();
    assert_eq!(value, 42);
    assert_eq!(*calls.borrow(), [["first before 0", "second before 0"]]);
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), ["after 1"]);
    assert!(pair.optimizer.remove_hook(hooks[0]));
    assert!(!pair.optimizer.remove_hook(hooks[0]));
    pair.submit_step();
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), ["second before 1", "after 2"]);
}

#[test]
fn a_closure_or_hook_that_fails_counts_nothing() {
    let gpu = &gpus()[0];
    let mut pair = Pair::single((gpu, sparse_adam::Tuning::CPU), 20, 4, &mut Rng(6));
    pair.step(&[Some(Rng(7).gradient(20, 4, 30))]);
    let before = pair.table(0);
    let optimizer = &mut pair.optimizer;
    let failed: Result<(), Error> =
        gpu.submit(|encoder| optimizer.step_with(encoder, |_, _| Err(Error::EmptyGroup)));
    assert_eq!(failed, Err(Error::EmptyGroup));
    let hook = optimizer.register_step_pre_hook(|_, _| Err(Error::EmptyGroup));
    assert_eq!(gpu.submit(|encoder| optimizer.step(encoder)), Err(Error::EmptyGroup));
    assert!(optimizer.remove_hook(hook));
    assert_eq!(pair.table(0), before);
    pair.submit_step();
    assert_eq!(pair.table(0).step, before.step + 1);
}

#[test]
fn a_step_whose_post_hook_fails_is_submitted_all_the_same() {
    for on in variants() {
        let mut rng = Rng(14);
        let mut pair = Pair::single(on, 20, 4, &mut rng);
        pair.optimizer.register_step_post_hook(|_, _| Err(Error::EmptyGroup));
        let grad = rng.gradient(20, 4, 30);
        pair.set_grad(0, &grad);
        let optimizer = &mut pair.optimizer;
        let stepped = pair.gpu.submit(|encoder| optimizer.step(encoder));
        assert_eq!(stepped, Err(Error::AfterStep { source: Box::new(Error::EmptyGroup) }));
        sparse_adam::reference::step(&mut pair.twins[0], &grad, &pair.options[0]);
        pair.assert_equal("a step whose post-hook fails");
    }
}

#[test]
fn a_moved_parameter_keeps_its_state() {
    for on in variants() {
        let mut rng = Rng(8);
        let mut pair = Pair::single(on, 50, 6, &mut rng);
        pair.step(&[Some(rng.gradient(50, 6, 80))]);
        let values = pair.table(0).param;
        let moved = Poisoned::new(pair.gpu, &values);
        pair.optimizer.replace_param(pair.ids[0], moved.region.clone()).unwrap();
        let old = std::mem::replace(&mut pair.params[0], moved);
        pair.step(&[Some(rng.gradient(50, 6, 80))]);
        pair.assert_equal("moved");
        assert_eq!(old.read::<f32>(pair.gpu), values);
        let small = pair.gpu.zeroed("small", 64);
        let refused = pair.optimizer.replace_param(pair.ids[0], &small);
        assert!(matches!(refused, Err(Error::BufferTooSmall { .. })), "{refused:?}");
        pair.step(&[Some(rng.gradient(50, 6, 80))]);
        pair.assert_equal("after a refused move");
    }
}

#[test]
fn load_then_step_equals_never_having_saved() {
    for on in variants() {
        let shapes = [(60, 8), (30, 3), (10, 1)];
        let options = [DEFAULT, DEFAULT.lr(0.1).maximize(true), DEFAULT];
        let mut rng = Rng(9);
        let mut pair = Pair::new(on, &shapes, &options, &mut rng);
        // The last parameter has no gradient yet, so it has no state.
        for _ in 0..3 {
            let mut grads = grads(&mut rng, &shapes);
            grads[2] = None;
            pair.step(&grads);
        }
        let saved = state_dict(&pair);
        assert_eq!(saved, state_dict(&pair), "reading the state changes it");
        assert_eq!(saved.state.keys().copied().collect::<Vec<_>>(), [0, 1]);
        let mut other = Pair::new(on, &shapes, &[DEFAULT; 3], &mut Rng(10));
        // State that the dict does not have is lost, as in torch.
        other.step(&grads(&mut Rng(11), &shapes));
        for table in 0..3 {
            let values = pair.table(table).param;
            other.params[table] = Poisoned::new(other.gpu, &values);
            let region = other.params[table].region.clone();
            other.optimizer.replace_param(other.ids[table], region).unwrap();
        }
        other.optimizer.load_state_dict(&saved).unwrap();
        assert_eq!(state_dict(&other), saved);
        let next = grads(&mut rng, &shapes);
        pair.step(&next);
        for (table, grad) in next.iter().flatten().enumerate() {
            other.set_grad(table, grad);
        }
        other.submit_step();
        for table in 0..3 {
            assert_eq!(pair.table(table), other.table(table));
        }
        pair.assert_equal("and the twin agrees");
    }
}

#[test]
fn a_state_moves_to_a_device_with_other_windows() {
    let mut rng = Rng(12);
    let shape = [(9_000, 37)];
    let on = variants()[0];
    let mut pair = Pair::new(on, &shape, &[DEFAULT], &mut rng);
    pair.step(&grads(&mut rng, &shape));
    let limits = Limits { max_storage_buffer_binding_size: 1 << 20, ..gpus()[0].device.limits() };
    let small =
        pollster::block_on(sparse_adam_testkit::headless::Gpu::open_with_limits(limits)).unwrap();
    let on = (&small, sparse_adam::Tuning::GPU);
    let mut other = Pair::new(on, &shape, &[DEFAULT], &mut Rng(12));
    let values = pair.table(0).param;
    other.params[0] = Poisoned::new(other.gpu, &values);
    let region = other.params[0].region.clone();
    other.optimizer.replace_param(other.ids[0], region).unwrap();
    other.optimizer.load_state_dict(&state_dict(&pair)).unwrap();
    let next = grads(&mut rng, &shape);
    pair.step(&next);
    other.set_grad(0, next[0].as_ref().unwrap());
    other.submit_step();
    let (found, expected) = (other.table(0), pair.table(0));
    assert!(!on.0.has_bits_of_twin(&on.1) || found == expected);
}

/// A change to a state dict that must be refused, and what the error must name.
type Wrong = (&'static str, fn(&mut StateDict));

const WRONG: [Wrong; 14] = [
    ("groups", |dict| drop(dict.param_groups.pop())),
    ("group 0", |dict| dict.param_groups[0].params.push(9)),
    ("distinct", |dict| dict.param_groups[1].params[0] = 0),
    ("names", |dict| {
        dict.param_groups[0].param_names = Some(vec!["other".into()]);
    }),
    ("lr", |dict| dict.param_groups[0].options.lr = f64::NAN),
    ("lr", |dict| dict.param_groups[1].options.lr = -1.0),
    ("eps", |dict| dict.param_groups[1].options.eps = 0.0),
    ("betas.1", |dict| dict.param_groups[1].options.betas.1 = 1.0),
    ("state", |dict| {
        let state = dict.state[&0].clone();
        dict.state.insert(7, state);
    }),
    ("shape", |dict| dict.state.get_mut(&0).unwrap().shape = vec![8, 60]),
    ("shape", |dict| dict.state.get_mut(&1).unwrap().shape = vec![90]),
    ("exp_avg of", |dict| dict.state.get_mut(&1).unwrap().exp_avg.truncate(1)),
    ("exp_avg_sq", |dict| dict.state.get_mut(&1).unwrap().exp_avg_sq.push(0.0)),
    ("step", |dict| dict.state.get_mut(&1).unwrap().step = u64::MAX),
];

#[test]
fn a_state_that_does_not_fit_is_refused_whole() {
    let on = (&gpus()[0], sparse_adam::Tuning::CPU);
    let shapes = [(60, 8), (30, 3)];
    let mut rng = Rng(13);
    let mut pair = Pair::new(on, &shapes, &[DEFAULT; 2], &mut rng);
    pair.step(&grads(&mut rng, &shapes));
    let saved = state_dict(&pair);
    for (named, change) in WRONG {
        let mut dict = saved.clone();
        for state in dict.state.values_mut() {
            state.exp_avg.fill(7.0);
        }
        change(&mut dict);
        let error = pair.optimizer.load_state_dict(&dict).unwrap_err();
        assert!(error.to_string().contains(named), "{named}: {error}");
        assert_eq!(state_dict(&pair), saved, "{named}: something was loaded");
    }
    pair.step(&grads(&mut rng, &shapes));
    pair.assert_equal("after refused states");
    pair.optimizer.load_state_dict(&saved).unwrap();
}

#[test]
fn rosenbrock_with_torchs_values() {
    // torch's test: duplicates given as x/4 and x - x/4, coordinates in turn, lr 0.04.
    for on in variants() {
        let mut pair = Pair::new(on, &[(2, 1)], &[DEFAULT.lr(0.04)], &mut Rng(1));
        pair.params[0] = Poisoned::new(pair.gpu, &[1.5f32, 1.5]);
        let region = pair.params[0].region.clone();
        pair.optimizer.replace_param(pair.ids[0], region).unwrap();
        for (axis, expected) in [(1, [1.5, 1.54]), (0, [1.470_234_5, 1.54])] {
            let param = pair.params[0].read::<f32>(pair.gpu);
            let (x, y) = (param[0], param[1]);
            let slope = match axis {
                0 => -400.0 * x * (y - x * x) - 2.0 * (1.0 - x),
                _ => 200.0 * (y - x * x),
            };
            let values = vec![slope / 4.0, slope - slope / 4.0];
            pair.set_grad(0, &Gradient { indices: vec![axis, axis], values });
            pair.submit_step();
            for (found, expected) in pair.params[0].read::<f32>(pair.gpu).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found} {expected}");
            }
        }
    }
}

#[test]
fn state_dicts_are_serde() {
    let state = ParamState::new(3, vec![2], vec![1.0, 2.5], vec![0.5, 0.0]);
    let mut dict = StateDict::default();
    dict.state.insert(0, state);
    dict.param_groups.push(sparse_adam::GroupState::new(DEFAULT, vec![0]));
    let text = serde_json::to_string(&dict).unwrap();
    assert_eq!(serde_json::from_str::<StateDict>(&text).unwrap(), dict);
    let stray = text.replace("\"lr\"", "\"momentum\":0.0,\"lr\"");
    assert!(serde_json::from_str::<StateDict>(&stray).is_err(), "an unknown key of a group");
}
