//! Random calls of the whole interface on a device without a GPU, against a model of the host state.
//!
//! Good and bad arguments, two optimizers that are handed each other's ids, hooks that fail and
//! panic. After every call the optimizer is what the model says; where it returned an error, that is
//! what it was before. Other seeds each run; `SPARSE_ADAM_SEED` repeats one,
//! `SPARSE_ADAM_CAMPAIGN_SECONDS` or `SPARSE_ADAM_CAMPAIGN_TURNS` make it a long one.

mod draw;
mod hooked;
mod lists;
mod model;
mod side;
mod steps;

use draw::{Pools, pick};
use side::Side;
use sparse_adam::{Error, SparseAdam};
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::campaign::{Budget, random_tuning};
use std::collections::BTreeMap;
use wgpu::{Device, DeviceDescriptor, Limits, Queue};

/// Turns after which everything is made anew.
const WORLD: u64 = 600;

/// How often each call was good, and each error.
#[derive(Default)]
struct Figures {
    good: BTreeMap<&'static str, u64>,
    errors: BTreeMap<String, u64>,
    /// Good calls and errors that the model had no verdict on.
    open: u64,
}

impl Figures {
    /// Counts a result, and compares it with the model's verdict.
    fn count(&mut self, call: &'static str, verdict: Option<bool>, result: &Result<(), Error>) {
        assert!(verdict.is_none_or(|good| good == result.is_ok()), "{verdict:?}, but {result:?}");
        self.open += u64::from(verdict.is_none());
        match result {
            Ok(()) => *self.good.entry(call).or_default() += 1,
            Err(error) => {
                let text = format!("{error:?}");
                let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
                *self.errors.entry(text[..end].to_string()).or_default() += 1;
            }
        }
    }

    fn report(&self, turns: u64) {
        let good: u64 = self.good.values().sum();
        let errors: u64 = self.errors.values().sum();
        let (kinds, open) = (self.errors.len(), self.open);
        println!(
            "campaign: calls on noop: turns {turns}, good {good}, errors {errors}, kinds of errors {kinds}, not judged by the model {open}, panics 0"
        );
        println!("  good: {:?}\n  errors: {:?}", self.good, self.errors);
    }
}

/// Tells where a world was when it panics.
struct Place {
    seed: u64,
    turn: u64,
    doing: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { seed, turn, doing } = self;
            eprintln!("SPARSE_ADAM_SEED={seed}, turn {turn}: {doing}");
        }
    }
}

/// Where a call is made, beside the optimizer itself.
struct Scene<'a> {
    rng: &'a mut Rng,
    figures: &'a mut Figures,
    doing: &'a mut String,
    device: &'a Device,
    queue: &'a Queue,
    pools: &'a Pools,
    other: &'a Side,
}

impl Scene<'_> {
    fn doing(&mut self, doing: String) {
        *self.doing = doing;
    }

    fn count(&mut self, call: &'static str, verdict: Option<bool>, result: &Result<(), Error>) {
        self.figures.count(call, verdict, result);
    }
}

struct World {
    device: Device,
    queue: Queue,
    pools: Pools,
    sides: [Side; 2],
}

impl World {
    fn new(rng: &mut Rng) -> Self {
        let limits = Limits {
            max_storage_buffer_binding_size: pick(rng, &[1 << 16, 1 << 20, 128 << 20]),
            max_storage_buffers_per_shader_stage: pick(rng, &[4, 8]),
            ..Limits::downlevel_defaults()
        };
        let descriptor = DeviceDescriptor { required_limits: limits, ..Default::default() };
        let (device, queue) = Device::noop(&descriptor);
        let pools = Pools::new(&device);
        let sides = [(); 2].map(|()| {
            let defaults = loop {
                let options = draw::options(rng);
                if model::are_valid(&options) {
                    break options;
                }
            };
            let tuning = random_tuning(rng);
            let optimizer = SparseAdam::with_tuning(&device, &queue, defaults, tuning).unwrap();
            Side::new(optimizer, defaults)
        });
        Self { device, queue, pools, sides }
    }

    fn turn(&mut self, rng: &mut Rng, figures: &mut Figures, doing: &mut String) {
        let first = rng.below(2) == 0;
        let [a, b] = &mut self.sides;
        let (side, other) = if first { (a, &*b) } else { (b, &*a) };
        let Self { device, queue, pools, .. } = self;
        let mut scene = Scene { rng, figures, doing, device, queue, pools, other };
        match scene.rng.below(64) {
            0..3 => side.add_param(&mut scene),
            3..5 => side.add_group(&mut scene),
            5..10 => side.replace_param(&mut scene),
            10..23 => side.set_grad(&mut scene),
            23..28 => side.set_grads(&mut scene),
            28..32 => side.zero_grad(&mut scene),
            32..48 => side.step(&mut scene),
            48..53 => side.set_options(&mut scene),
            53..57 => side.set_step_count(&mut scene),
            57..61 => side.hook(&mut scene),
            61 => side.construct(&mut scene),
            62 => side.status(&mut scene),
            _ => side.state(&mut scene),
        }
        self.sides.iter().for_each(Side::assert_agrees);
    }
}

#[test]
fn campaign_calls() {
    let (budget, mut figures) = (Budget::new(), Figures::default());
    let wanted = std::env::var("SPARSE_ADAM_CAMPAIGN_TURNS").ok();
    let wanted: Option<u64> = wanted.map(|turns| turns.parse().expect("turns"));
    let (mut worlds, mut turns) = (0, 0);
    while wanted.map_or_else(|| budget.is_left(), |wanted| turns < wanted) {
        let seed = budget.seed.wrapping_add(worlds);
        let mut place = Place { seed, turn: 0, doing: String::new() };
        let mut rng = Rng(seed);
        let mut world = World::new(&mut rng);
        for turn in 0..WORLD {
            place.turn = turn;
            world.turn(&mut rng, &mut figures, &mut place.doing);
        }
        worlds += 1;
        turns += WORLD;
    }
    figures.report(turns);
    for call in ["add_param", "set_grad", "set_grads", "step", "load_state_dict", "replace_param"] {
        assert!(figures.good.get(call).is_some_and(|&count| count > 0), "no {call} was good");
    }
    assert!(figures.errors.len() >= 8, "few kinds of errors: {:?}", figures.errors);
}
