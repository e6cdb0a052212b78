//! The search against a bench whose clock is made up.

use super::*;
use crate::tune::workload::standard;
use crate::{Form, Tuning};
use pollster::block_on;
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::campaign::fresh_seed;

/// A bench on which a tuning takes what `cost` says.
struct Fake<C> {
    cost: C,
    /// How it answers for the bits of a tuning.
    bits: fn(&Tuning) -> Result<u64, Error>,
    now: Duration,
    making: Duration,
    timing: Duration,
    /// All that was timed, in its order.
    timed: Vec<(Tuning, usize)>,
    cannot: Vec<Field>,
}

impl<C: FnMut(&Tuning, usize) -> f64> Fake<C> {
    fn new(cost: C) -> Self {
        let (making, timing) = (Duration::from_millis(50), Duration::from_millis(9));
        let bits = |_: &Tuning| Ok(7);
        Self {
            cost,
            bits,
            now: Duration::ZERO,
            making,
            timing,
            timed: Vec::new(),
            cannot: Vec::new(),
        }
    }

    fn search(&mut self, default: Tuning, budget: Duration) -> Result<Found, Error> {
        let workloads = standard(default.form, u64::MAX);
        block_on(Search::new(self, default, &workloads, budget).run())
    }
}

impl<C: FnMut(&Tuning, usize) -> f64> Bench for Fake<C> {
    fn can(&self, field: Field) -> bool {
        !self.cannot.contains(&field)
    }

    fn spent(&self) -> Duration {
        self.now
    }

    async fn bits(&mut self, tuning: &Tuning, _: usize) -> Result<u64, Error> {
        self.now += self.making;
        (self.bits)(tuning)
    }

    async fn seconds(&mut self, tuning: &Tuning, workload: usize) -> Result<f64, Error> {
        self.now += self.timing;
        self.timed.push((*tuning, workload));
        Ok((self.cost)(tuning, workload))
    }

    fn keep(&mut self, _: &Tuning) {}
}

const LONG: Duration = Duration::from_secs(10_000);
const DEFAULTS: [Tuning; 2] = [Tuning::CPU, Tuning::GPU];

/// A valid tuning of values that are tried.
fn draw(default: Tuning, rng: &mut Rng) -> Tuning {
    let mut drawn = default;
    for &field in Field::of(default.form) {
        let mut values = field.candidates(drawn);
        values.push((0, drawn));
        drawn = values[rng.below(values.len())].1;
    }
    drawn
}

/// Costs that grow with each field's distance from that of `best`.
fn around(best: Tuning) -> impl Fn(&Tuning) -> f64 {
    move |tuning| {
        let factor = |&field: &Field| {
            let place = |of: &Tuning| {
                let value = |&tried: &u32| tried == field.get(of);
                field.values(best.form).iter().position(value).unwrap() as f64
            };
            1.0 + 0.6 * (place(tuning) - place(&best)).abs()
        };
        Field::of(best.form).iter().map(factor).product()
    }
}

/// Any number in `[0, 1)`, the same for the same tuning and workload.
fn of_tuning(seed: u64, tuning: &Tuning, workload: usize) -> f64 {
    let text = format!("{tuning:?} {workload}");
    text.bytes().fold(Rng(seed), |mut rng, byte| Rng(rng.next() ^ u64::from(byte))).fraction()
}

#[test]
fn a_planted_optimum_is_found_in_spite_of_noise() {
    let seed = fresh_seed();
    let mut rng = Rng(seed);
    for round in 0..40 {
        for default in DEFAULTS {
            let best = draw(default, &mut rng);
            let cost = around(best);
            let mut noise = Rng(rng.next());
            let mut fake = Fake::new(|tuning, workload| {
                (1.0 + workload as f64) * cost(tuning) * (1.0 + 0.005 * noise.fraction())
            });
            let found = fake.search(default, LONG).unwrap();
            assert_eq!(found.tuning, best, "seed {seed}, round {round}");
        }
    }
}

#[test]
fn what_the_device_cannot_do_is_not_tried() {
    let mut fake = Fake::new(|tuning: &Tuning, _| if tuning.ballots { 0.5 } else { 1.0 });
    assert!(fake.search(Tuning::GPU, LONG).unwrap().tuning.ballots);
    fake.cannot = vec![Field::Ballots];
    fake.timed.clear();
    assert_eq!(fake.search(Tuning::GPU, LONG).unwrap().tuning, Tuning::GPU);
    assert!(fake.timed.iter().all(|(tuning, _)| !tuning.ballots));
}

#[test]
fn nothing_worse_than_the_default_is_ever_taken() {
    let seed = fresh_seed();
    for round in 0..40 {
        for default in DEFAULTS {
            let cost = |tuning: &Tuning, workload: usize| {
                0.8 + 0.5 * of_tuning(seed + round, tuning, workload)
            };
            let tuning = Fake::new(cost).search(default, LONG).unwrap().tuning;
            let workloads = standard(default.form, u64::MAX).len();
            let ratios = (0..workloads).map(|at| cost(&tuning, at) / cost(&default, at));
            let mean = ratios.clone().map(f64::ln).sum::<f64>() / workloads as f64;
            let fine = mean.exp() <= 0.9701 && ratios.clone().all(|ratio| ratio <= 1.0301);
            let told = ratios.collect::<Vec<_>>();
            assert!(tuning == default || fine, "seed {seed}, round {round}: {told:?}");
            assert_eq!(tuning.form, default.form);
            assert_eq!(tuning.arithmetic, default.arithmetic);
        }
    }
}

#[test]
fn what_is_two_percent_faster_is_not_taken_and_what_is_four_is() {
    for default in DEFAULTS {
        for (gain, taken) in [(0.98, false), (0.96, true)] {
            let better = Field::UpdateTile.candidates(default)[0].1;
            let cost = |tuning: &Tuning, _| if *tuning == better { gain } else { 1.0 };
            let found = Fake::new(cost).search(default, LONG).unwrap();
            assert_eq!(found.tuning, if taken { better } else { default });
        }
    }
}

#[test]
fn what_is_slower_on_one_workload_is_not_taken() {
    let better = Field::UpdateTile.candidates(Tuning::GPU)[0].1;
    let cost = |tuning: &Tuning, workload| match (*tuning == better, workload) {
        (true, 0) => 1.1,
        (true, _) => 0.5,
        (false, _) => 1.0,
    };
    assert_eq!(Fake::new(cost).search(Tuning::GPU, LONG).unwrap().tuning, Tuning::GPU);
}

/// A win that does not come again when it counts, as where the machine was busy with something else.
#[test]
fn a_win_that_is_not_confirmed_is_none() {
    let better = Field::UpdateTile.candidates(Tuning::GPU)[0].1;
    let mut asked = 0;
    let cost = |tuning: &Tuning, _| {
        asked += usize::from(*tuning == better);
        if *tuning == better && asked <= 4 * ROUNDS { 0.9 } else { 1.0 }
    };
    let found = Fake::new(cost).search(Tuning::GPU, LONG).unwrap();
    assert_eq!(found.tuning, Tuning::GPU);
    assert!(found.evidence.iter().any(|held| held.field == "all"), "it was tried");
}

#[test]
fn it_stops_within_the_budget() {
    let seed = fresh_seed();
    let mut rng = Rng(seed);
    let mut unfinished = 0;
    for default in DEFAULTS {
        let best = draw(default, &mut rng);
        for milliseconds in (0..20_000).step_by(170) {
            let budget = Duration::from_millis(milliseconds);
            let cost = around(best);
            let mut fake = Fake::new(|tuning, _| cost(tuning));
            let found = fake.search(default, budget).unwrap();
            let once = fake.making + 2 * fake.timing;
            assert!(fake.now <= budget + once, "seed {seed}: {:?} of {budget:?}", fake.now);
            assert!(fake.now <= budget || budget < 4 * once, "seed {seed}: {budget:?}");
            assert!(cost(&found.tuning) <= cost(&default), "seed {seed}");
            unfinished += usize::from(found.tuning != best);
            if milliseconds == 0 {
                assert_eq!((fake.now, found.evidence), (Duration::ZERO, Vec::new()));
            }
        }
    }
    assert!(unfinished > 10, "{unfinished}");
}

#[test]
fn what_has_other_bits_is_dropped_untimed_and_told() {
    for default in DEFAULTS {
        let worse = |tuning: &Tuning| tuning.update_tile == 256;
        let mut fake = Fake::new(|tuning, _| if worse(tuning) { 0.1 } else { 1.0 });
        fake.bits = |tuning| Ok(if tuning.update_tile == 256 { 8 } else { 7 });
        let found = fake.search(default, LONG).unwrap();
        assert_eq!(found.tuning, default);
        assert!(!fake.timed.iter().any(|(tuning, _)| worse(tuning)));
        let told = found.evidence.iter().filter(|held| held.bits == Bits::Different);
        let told: Vec<_> = told.collect();
        assert!(!told.is_empty());
        for held in told {
            assert_eq!((&*held.field, &*held.candidate, held.us), ("update_tile", "256", None));
        }
    }
}

#[test]
fn what_the_device_refuses_is_dropped_but_a_lost_device_is_an_error() {
    let mut fake: Fake<fn(&Tuning, usize) -> f64> = Fake::new(|_, _| 1.0);
    fake.bits = |tuning| match tuning.digit_bits {
        8 => Ok(7),
        _ => Err(Error::Unsupported { what: "this", remedy: "that" }),
    };
    let found = fake.search(Tuning::GPU, LONG).unwrap();
    assert_eq!(found.tuning, Tuning::GPU);
    assert!(found.evidence.iter().any(|held| held.bits == Bits::Refused));
    fake.bits = |tuning| match tuning.digit_bits {
        8 => Ok(7),
        _ => Err(Error::DeviceLost { reason: "gone".into() }),
    };
    let found = fake.search(Tuning::GPU, LONG);
    assert!(matches!(found, Err(Error::DeviceLost { .. })), "{found:?}");
}

#[test]
fn who_is_far_behind_after_a_round_is_timed_no_more() {
    let behind = |tuning: &Tuning| tuning.update_tile != Tuning::GPU.update_tile;
    let mut fake = Fake::new(|tuning, _| if behind(tuning) { 1.4 } else { 1.0 });
    let found = fake.search(Tuning::GPU, LONG).unwrap();
    assert_eq!(found.tuning, Tuning::GPU);
    let workloads = standard(Form::Parallel, u64::MAX).len();
    let slow = fake.timed.iter().filter(|(tuning, _)| behind(tuning)).count();
    assert_eq!(slow, workloads * Field::UpdateTile.candidates(Tuning::GPU).len());
    let default = fake.timed.iter().filter(|(tuning, _)| *tuning == Tuning::GPU).count();
    assert!(default > 5 * workloads);
}

#[test]
fn the_same_times_give_the_same_answer() {
    let seed = fresh_seed();
    for default in DEFAULTS {
        let found = [(); 2].map(|()| {
            let cost = |tuning: &Tuning, at: usize| 0.8 + 0.5 * of_tuning(seed, tuning, at);
            Fake::new(cost).search(default, Duration::from_secs(30)).unwrap()
        });
        assert_eq!(found[0].tuning, found[1].tuning, "seed {seed}");
        assert_eq!(found[0].evidence, found[1].evidence, "seed {seed}");
    }
}
