//! Steps with their hooks and closures, and the calls that change what a step does.

use super::Scene;
use super::draw::{self, one_in, pick};
use super::hooked::{DEEDS, Deed, End, FAILED, MOST_HOOKS};
use super::model::{MOST_STEPS, are_valid};
use super::side::Side;
use sparse_adam::{AdamOptions, Error, SparseAdam, StateDict, Tuning};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the closure of a step does.
#[derive(Clone, Copy, Debug)]
enum Closure {
    Nothing,
    ZeroGrad,
    ZeroGradAndFail,
}

/// How a step goes.
enum Went {
    Returned(Result<(), Error>),
    Panicked,
}

impl Side {
    pub fn step(&mut self, scene: &mut Scene<'_>) {
        let closure = match scene.rng.below(12) {
            0 => Closure::ZeroGrad,
            1 => Closure::ZeroGradAndFail,
            _ => Closure::Nothing,
        };
        let submitted = !one_in(scene.rng, 6);
        scene.doing(format!("step {closure:?}, hooks {:?}", self.hooks));
        let failed = Error::DuplicateName { name: "closure".into() };
        let mut encoder = scene.device.create_command_encoder(&Default::default());
        let optimizer = &mut self.optimizer;
        let run = || {
            optimizer.step_with(&mut encoder, |optimizer: &mut SparseAdam, _| match closure {
                Closure::Nothing => Ok(()),
                Closure::ZeroGrad => {
                    optimizer.zero_grad(true);
                    Ok(())
                }
                Closure::ZeroGradAndFail => {
                    optimizer.zero_grad(true);
                    Err(failed.clone())
                }
            })
        };
        let went = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(result) => Went::Returned(result),
            Err(payload) => match payload.downcast_ref::<&str>() {
                Some(&"a hook's") => Went::Panicked,
                _ => std::panic::resume_unwind(payload),
            },
        };
        if submitted {
            scene.queue.submit([encoder.finish()]);
        }
        self.expect_step(scene, closure, went, &failed);
    }

    /// Takes the model through the step, and compares what was called and what came of it.
    fn expect_step(&mut self, scene: &mut Scene<'_>, closure: Closure, went: Went, failed: &Error) {
        let mut calls = Vec::new();
        let (zeroed, mut end) = self.hooks.call(false, &mut calls);
        if zeroed {
            self.model.zero_grad(true);
        }
        let mut expected = Ok(());
        match (end, closure) {
            (End::Failed, _) => expected = Err(FAILED),
            (End::Panicked, _) | (End::Good, Closure::Nothing) => {}
            (End::Good, _) => self.model.zero_grad(true),
        }
        let fails = matches!(closure, Closure::ZeroGradAndFail);
        let too_large = matches!(&went, Went::Returned(Err(Error::TooLarge { .. })));
        if end == End::Good && fails {
            expected = Err(failed.clone());
        } else if end == End::Good && too_large {
            // The model does not know what a device can hold; nothing is counted then.
            assert!(self.model.params.iter().any(|param| !param.grads.is_empty()));
        } else if end == End::Good {
            self.model.step();
            let (zeroed, after) = self.hooks.call(true, &mut calls);
            if zeroed {
                self.model.zero_grad(true);
            }
            if after == End::Failed {
                expected = Err(Error::AfterStep { source: Box::new(FAILED) });
            }
            end = after;
        }
        assert_eq!(self.book.take_calls(), calls);
        match went {
            Went::Panicked => assert_eq!(end, End::Panicked),
            Went::Returned(result) => {
                assert_ne!(end, End::Panicked);
                assert!(too_large || result == expected, "{result:?}, expected {expected:?}");
                let verdict = (!too_large).then_some(expected.is_ok());
                scene.count("step", verdict, &result);
            }
        }
    }

    pub fn hook(&mut self, scene: &mut Scene<'_>) {
        let (after, made) = (one_in(scene.rng, 2), self.book.len());
        if one_in(scene.rng, 8) && scene.other.book.len() > 0 {
            let number = scene.rng.below(scene.other.book.len());
            scene.doing(format!("remove_hook of another {number}"));
            let foreign = scene.other.book.id(number).unwrap();
            assert!(!self.optimizer.remove_hook(foreign));
            scene.count("remove_hook of another", Some(true), &Ok(()));
        } else if made == MOST_HOOKS || (made > 0 && one_in(scene.rng, 2)) {
            let number = scene.rng.below(made);
            scene.doing(format!("remove_hook {number}"));
            let removed = self.optimizer.remove_hook(self.book.id(number).unwrap());
            assert_eq!(removed, self.hooks.remove(number));
            scene.count("remove_hook", Some(true), &Ok(()));
        } else {
            // Most do nothing, so that most steps are taken.
            let deed = if one_in(scene.rng, 2) { Deed::Nothing } else { pick(scene.rng, &DEEDS) };
            scene.doing(format!("register_hook {deed:?}"));
            self.book.register(&mut self.optimizer, after, deed);
            self.hooks.register(after, deed);
            scene.count("register_hook", Some(true), &Ok(()));
        }
    }

    pub fn set_options(&mut self, scene: &mut Scene<'_>) {
        let Some((id, index)) = self.group(scene) else { return };
        let mut options = draw::options(scene.rng);
        let only_lr = one_in(scene.rng, 2);
        if let (true, Some(index)) = (only_lr, index) {
            options = self.model.groups[index].lr(options.lr);
        }
        scene.doing(format!("set_options {index:?} {options:?}, lr alone: {only_lr}"));
        let set = match only_lr {
            true => self.optimizer.set_lr(id, options.lr),
            false => self.optimizer.set_options(id, options),
        };
        let verdict = Some(index.is_some() && are_valid(&options));
        scene.count(if only_lr { "set_lr" } else { "set_options" }, verdict, &set);
        if let (Ok(()), Some(index)) = (set, index) {
            self.model.groups[index] = options;
        }
    }

    pub fn set_step_count(&mut self, scene: &mut Scene<'_>) {
        let Some((id, index)) = self.param(scene) else { return };
        let now = index.and_then(|index| self.model.params[index].state).unwrap_or(0);
        let counts = [0, 1, 1000, now.saturating_sub(1), MOST_STEPS, MOST_STEPS + 1, u64::MAX];
        let steps = pick(scene.rng, &counts);
        scene.doing(format!("set_step_count {index:?} {steps}"));
        let set = self.optimizer.set_step_count(id, steps);
        scene.count("set_step_count", Some(index.is_some() && steps <= MOST_STEPS), &set);
        if let (Ok(()), Some(index)) = (set, index) {
            self.model.set_step_count(index, steps);
        }
    }

    /// A new optimizer, good or not, which is dropped again.
    pub fn construct(&mut self, scene: &mut Scene<'_>) {
        let options = draw::options(scene.rng);
        let mut tuning = pick(scene.rng, &[Tuning::CPU, Tuning::GPU]);
        let wrong = one_in(scene.rng, 2);
        match scene.rng.below(5) {
            _ if !wrong => {}
            0 => tuning.digit_bits = pick(scene.rng, &[0, 13, u32::MAX]),
            1 => tuning.workgroup = pick(scene.rng, &[0, 4, 12, 512, u32::MAX]),
            2 => tuning.ingest_strip = pick(scene.rng, &[0, u32::MAX]),
            3 => tuning.update_tile = pick(scene.rng, &[0, 4097]),
            _ => tuning.max_lanes = pick(scene.rng, &[0, 5, 512]),
        }
        scene.doing(format!("with_tuning {options:?} {tuning:?}"));
        let made = SparseAdam::with_tuning(scene.device, scene.queue, options, tuning).map(drop);
        scene.count("with_tuning", Some(are_valid(&options) && !wrong), &made);
    }

    pub fn status(&mut self, scene: &mut Scene<'_>) {
        let Some((id, index)) = self.param(scene) else { return };
        let verdict = Some(index.is_some());
        scene.doing(format!("status and reset_status {index:?}"));
        // The device computes nothing, so nothing is ever counted.
        let status = pollster::block_on(self.optimizer.status(id));
        assert!(status.as_ref().is_ok_and(|status| status.is_clean()) || index.is_none());
        scene.count("status", verdict, &status.map(drop));
        let mut encoder = scene.device.create_command_encoder(&Default::default());
        let reset = self.optimizer.reset_status(id, &mut encoder);
        scene.count("reset_status", verdict, &reset);
        scene.queue.submit([encoder.finish()]);
    }

    /// Saves the state; loads it, one that was saved before, or one of the other optimizer's, each
    /// perhaps altered.
    pub fn state(&mut self, scene: &mut Scene<'_>) {
        scene.doing("state_dict".into());
        let now = pollster::block_on(self.optimizer.state_dict()).unwrap();
        assert!(self.model.is_saved_as(&now));
        scene.count("state_dict", Some(true), &Ok(()));
        let (mut dict, own) = match (scene.rng.below(4), &self.saved, &scene.other.saved) {
            (0, Some(earlier), _) => (earlier.clone(), false),
            (1, _, Some(other)) => (other.clone(), false),
            _ => (now.clone(), true),
        };
        let change = pick(scene.rng, &CHANGES);
        scene.doing(format!("load_state_dict, own: {own}, {}", change.0));
        let verdict = match change.1(&mut dict) {
            Some(false) => Some(false),
            _ if !own || now.state.values().any(|state| state.step > MOST_STEPS) => None,
            good => good,
        };
        let loaded = self.optimizer.load_state_dict(&dict);
        scene.count("load_state_dict", verdict, &loaded);
        if loaded.is_ok() {
            self.model.load(&dict);
        }
        self.saved = Some(now);
    }
}

/// A change to a dict, and whether it is still one that its optimizer may load.
type Change = (&'static str, fn(&mut StateDict) -> Option<bool>);

const CHANGES: [Change; 7] = [
    ("as it is", |_| Some(true)),
    ("without its first state", |dict| {
        dict.state.pop_first();
        Some(true)
    }),
    ("another rate", |dict| {
        dict.param_groups.iter_mut().for_each(|group| group.options.lr = 0.0);
        Some(true)
    }),
    ("a rate that is none", |dict| {
        dict.param_groups.iter_mut().for_each(|group| group.options.lr = f64::NAN);
        Some(dict.param_groups.is_empty())
    }),
    ("a group more", |dict| {
        let options = AdamOptions::default();
        dict.param_groups.push(sparse_adam::GroupState::new(options, Vec::new()));
        None
    }),
    ("a value less", |dict| {
        let cut = dict.state.values_mut().map(|state| state.exp_avg_sq.pop()).count();
        Some(cut == 0)
    }),
    ("another shape", |dict| {
        let changed = dict.state.values_mut().map(|state| state.shape.push(1)).count();
        Some(changed == 0)
    }),
];
