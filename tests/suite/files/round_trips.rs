//! What can be written can be read, and is equal; or it is not written.

use super::{dict, folder};
use sparse_adam::lr_scheduler::ReduceOnPlateau;
use sparse_adam::{AdamOptions, Error, GroupState, Param, ParamState, SparseAdam, StateDict};
use sparse_adam_testkit::campaign::Budget;
use sparse_adam_testkit::{Rng, gpus};

/// Equal to the last bit: a NaN is not equal to itself otherwise.
fn same(a: &StateDict, b: &StateDict) -> bool {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let state = |dict: &StateDict| {
        let all = dict.state.iter().map(|(&number, state)| {
            let moments = (bits(&state.exp_avg), bits(&state.exp_avg_sq));
            (number, state.step, state.shape.clone(), moments)
        });
        all.collect::<Vec<_>>()
    };
    let options = |group: &GroupState| {
        let AdamOptions { lr, betas, eps, maximize, .. } = group.options;
        let numbers = [lr, betas.0, betas.1, eps, group.initial_lr.unwrap_or(-0.0)];
        let bits = numbers.map(f64::to_bits);
        (
            bits,
            maximize,
            group.initial_lr.is_some(),
            group.params.clone(),
            group.param_names.clone(),
        )
    };
    let groups = |dict: &StateDict| dict.param_groups.iter().map(options).collect::<Vec<_>>();
    state(a) == state(b) && groups(a) == groups(b)
}

/// A number that a careless format loses; mostly a good learning rate.
fn number(rng: &mut Rng) -> f64 {
    let odd = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.0, -0.0, -1.0, 1e-310, 1e300];
    match rng.below(40) {
        0 => odd[rng.below(odd.len())],
        1 => f64::from_bits(rng.next()),
        _ => (1.0 + (rng.next() >> 12) as f64 / (1u64 << 52) as f64) / 4.0,
    }
}

fn step(rng: &mut Rng) -> u64 {
    let odd = [0, 1 << 53, (1 << 53) - 1, (1 << 53) + 1, u64::MAX];
    match rng.below(20) {
        0 => odd[rng.below(odd.len())],
        _ => rng.next() >> 11 >> rng.below(50),
    }
}

fn value(rng: &mut Rng, wild: bool) -> f32 {
    match rng.below(8) {
        0 if wild => f32::from_bits(rng.next() as u32),
        1 => f32::from_bits(rng.next() as u32 & 0x007f_ffff),
        // Of which JSON readers that go through f64 make another.
        2 => 7.038_531e-26,
        _ => rng.signed(),
    }
}

fn random(rng: &mut Rng) -> StateDict {
    let mut dict = StateDict::default();
    let wild = rng.below(2) == 0;
    let mut next = rng.below(3);
    for _ in 0..rng.below(4) {
        let params: Vec<_> = (0..1 + rng.below(3))
            .map(|_| {
                next += 1 + rng.below(9);
                next
            })
            .collect();
        let options = AdamOptions::default()
            .lr(number(rng))
            .betas((number(rng), number(rng)))
            .eps(number(rng))
            .maximize(rng.below(2) == 0);
        for &number in &params {
            if rng.below(4) == 0 {
                continue;
            }
            let shape: Vec<u32> = (0..rng.below(4)).map(|_| rng.below(5) as u32).collect();
            let values = shape.iter().product::<u32>() as usize + usize::from(rng.below(50) == 0);
            let mut moment = || (0..values).map(|_| value(rng, wild)).collect::<Vec<_>>();
            let (exp_avg, exp_avg_sq) = (moment(), moment());
            dict.state.insert(number, ParamState::new(step(rng), shape, exp_avg, exp_avg_sq));
        }
        let names = ["", "a\"b\\c", "ünïcode", "\u{0}\n", "module.weight"];
        let mut group = GroupState::new(options, params);
        group.initial_lr = (rng.below(2) == 0).then(|| number(rng));
        group.param_names = (rng.below(2) == 0)
            .then(|| group.params.iter().map(|_| names[rng.below(names.len())].into()).collect());
        dict.param_groups.push(group);
    }
    dict
}

#[test]
fn campaign_round_trips_of_states() {
    let path = folder("random").join("state.safetensors");
    let old = dict();
    let (mut written, mut as_json, mut refused) = (0, 0, 0);
    let budget = Budget::new();
    let mut rng = Rng(budget.seed);
    while budget.is_left() || written < 20 || as_json < 20 || refused < 20 {
        let dict = random(&mut rng);
        match dict.to_safetensors() {
            Ok(bytes) => {
                written += 1;
                assert!(same(&StateDict::from_safetensors(&bytes).unwrap(), &dict), "{dict:?}");
            }
            Err(Error::InvalidFile { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
        if let Ok(text) = serde_json::to_string(&dict) {
            as_json += 1;
            let read = serde_json::from_str(&text);
            assert!(read.is_ok_and(|read| same(&read, &dict)), "{text}");
        }
        // Files: not as often, as each goes to the disk.
        if (written + refused) % 64 == 1 {
            old.save(&path).unwrap();
            let saved = dict.save(&path).is_ok();
            assert_eq!(saved, dict.to_safetensors().is_ok());
            assert!(same(&StateDict::load(&path).unwrap(), if saved { &dict } else { &old }));
        }
    }
    println!(
        "campaign: round trips: states {}, files {written}, JSON texts {as_json}, refused {refused}, unequal 0",
        written + refused
    );
}

/// A state that a file must not hold, as no optimizer takes it, and what the error must name.
type Wrong = (&'static str, fn(&mut StateDict));

const WRONG: [Wrong; 12] = [
    ("lr is inf", |dict| dict.param_groups[0].options.lr = f64::INFINITY),
    ("lr is NaN", |dict| dict.param_groups[1].options.lr = f64::NAN),
    ("eps is -1", |dict| dict.param_groups[0].options.eps = -1.0),
    ("betas.1 is 1", |dict| dict.param_groups[0].options.betas.1 = 1.0),
    ("initial_lr is inf", |dict| dict.param_groups[0].initial_lr = Some(f64::INFINITY)),
    ("initial_lr is NaN", |dict| dict.param_groups[1].initial_lr = Some(f64::NAN)),
    ("step 9007199254740993, at most 2^53", |dict| state(dict).step = (1 << 53) + 1),
    ("step 18446744073709551615", |dict| state(dict).step = u64::MAX),
    ("24 values of exp_avg do not fill [6, 5]", |dict| state(dict).shape = vec![6, 5]),
    ("exp_avg_sq", |dict| state(dict).exp_avg_sq.push(0.0)),
    ("in the groups twice", |dict| dict.param_groups[1].params[0] = 0),
    ("no group has a parameter", |dict| drop(dict.param_groups.pop())),
];

fn state(dict: &mut StateDict) -> &mut ParamState {
    dict.state.get_mut(&0).unwrap()
}

#[test]
fn what_no_optimizer_takes_is_not_written_over_a_good_file() {
    let path = folder("wrong").join("state.safetensors");
    dict().save(&path).unwrap();
    for (named, change) in WRONG {
        let mut wrong = dict();
        change(&mut wrong);
        let error = wrong.save(&path).unwrap_err();
        assert!(error.to_string().contains(named), "{named}: {error}");
        assert!(error.to_string().ends_with("nothing was written"), "{error}");
        assert_eq!(wrong.to_safetensors(), Err(error));
        assert_eq!(StateDict::load(&path).unwrap(), dict(), "{named}");
    }
}

#[test]
fn an_optimizer_does_not_take_over_an_infinite_initial_lr() {
    let gpu = &gpus()[0];
    let param = gpu.zeroed("p", 96);
    let mut optimizer = SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::default()).unwrap();
    optimizer.add_param(Param::new("p", &param, [6, 4])).unwrap();
    let mut saved = pollster::block_on(optimizer.state_dict()).unwrap();
    saved.param_groups[0].initial_lr = Some(f64::INFINITY);
    let error = optimizer.load_state_dict(&saved).unwrap_err();
    assert!(matches!(error, Error::InvalidOption { field: "initial_lr", .. }), "{error}");
    saved.param_groups[0].initial_lr = Some(0.5);
    optimizer.load_state_dict(&saved).unwrap();
    assert_eq!(pollster::block_on(optimizer.state_dict()).unwrap(), saved);
}

#[test]
fn a_plateau_and_options_come_back_from_json_or_are_not_written() {
    let mut plateau = ReduceOnPlateau::default();
    for loss in [f64::INFINITY, 3.0, 3.0, 1e-300, -5.0] {
        let text = serde_json::to_string(&plateau).unwrap();
        let read: ReduceOnPlateau = serde_json::from_str(&text).unwrap();
        assert_eq!(read, plateau, "{text}");
        plateau.lr(0.5, loss);
    }
    // What JSON has no number for is not written.
    plateau.lr(0.5, f64::NEG_INFINITY);
    assert!(serde_json::to_string(&plateau).is_err());
    let wrong = ReduceOnPlateau::default().factor(f64::NAN);
    assert!(serde_json::to_string(&wrong).is_err());
    let wrong = AdamOptions::default().eps(f64::INFINITY);
    assert!(serde_json::to_string(&wrong).is_err());
    let wrong = AdamOptions::default().betas((0.5, f64::NAN));
    assert!(serde_json::to_string(&wrong).is_err());
}

#[test]
fn json_keeps_no_second_of_two_states() {
    let text = serde_json::to_string(&dict()).unwrap();
    let twice = text.replacen("\"1\":{\"step\"", "\"0\":{\"step\"", 1);
    assert_ne!(twice, text);
    assert!(serde_json::from_str::<StateDict>(&twice).is_err());
    for key in ["\"00\":", "\"+1\":", "\"01\":", "\" 1\":", "\"1.0\":", "\"1e0\":"] {
        let other = text.replacen("\"1\":", key, 1);
        assert!(serde_json::from_str::<StateDict>(&other).is_err(), "{key}");
    }
}
