//! Learning-rate schedules, in closed form (source: torch/optim/lr_scheduler.py).
//!
//! A [`Schedule`] gives a group's learning rate after `t` scheduler steps from its initial one.
//! It holds no state, so it composes: chain a warm-up with a decay, or scale one by another.
//! [`ReduceOnPlateau`] alone depends on what it is told.
//!
//! ```
//! use sparse_adam::lr_scheduler::{Schedule, cosine, linear};
//! let warm_up = linear(0.1, 1.0, 100);
//! let schedule = warm_up.then(100, cosine(900, 0.0));
//! assert_eq!(schedule.lr(1e-3, 0), 1e-4);
//! assert_eq!(schedule.lr(1e-3, 100), 1e-3);
//! assert_eq!(schedule.lr(1e-3, 1000), 0.0);
//! ```
//!
//! In a loop: `optimizer.set_lr(group, schedule.lr(initial, t))?` before each step or epoch. A rate
//! of 0 is valid: the step counts and moves the moments, and no parameter.
//!
//! Lengths of 0, for which torch raises `ZeroDivisionError`, are defined here, so that no rate is
//! NaN: [`linear`] and [`cosine`] of no steps are over at once, and [`step`] takes 0 for 1.

use crate::serde_with;
use std::f64::consts::PI;

/// A learning rate as a function of scheduler steps.
pub trait Schedule {
    /// The learning rate after `t` scheduler steps, from the initial rate `initial`.
    fn lr(&self, initial: f64, t: u64) -> f64;

    /// This schedule for `t` below `milestone`, then `next`, which starts at its own 0 (torch:
    /// `SequentialLR`).
    fn then<S: Schedule>(self, milestone: u64, next: S) -> Then<Self, S>
    where
        Self: Sized,
    {
        Then { first: self, milestone, next }
    }

    /// The product of this schedule's factor and `other`'s (torch: `ChainedScheduler` of
    /// multiplicative schedules).
    fn times<S: Schedule>(self, other: S) -> Times<Self, S>
    where
        Self: Sized,
    {
        Times { first: self, other }
    }
}

impl<F: Fn(f64, u64) -> f64> Schedule for F {
    fn lr(&self, initial: f64, t: u64) -> f64 {
        self(initial, t)
    }
}

/// See [`Schedule::then`].
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Then<A, B> {
    first: A,
    milestone: u64,
    next: B,
}

impl<A: Schedule, B: Schedule> Schedule for Then<A, B> {
    fn lr(&self, initial: f64, t: u64) -> f64 {
        match t.checked_sub(self.milestone) {
            None => self.first.lr(initial, t),
            Some(t) => self.next.lr(initial, t),
        }
    }
}

/// See [`Schedule::times`].
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Times<A, B> {
    first: A,
    other: B,
}

impl<A: Schedule, B: Schedule> Schedule for Times<A, B> {
    fn lr(&self, initial: f64, t: u64) -> f64 {
        self.other.lr(self.first.lr(initial, t), t)
    }
}

/// Times `gamma` every `step_size` steps (torch: `StepLR`); a `step_size` of 0 counts as 1.
#[must_use]
pub fn step(step_size: u64, gamma: f64) -> impl Schedule + Clone {
    move |initial: f64, t: u64| initial * gamma.powf((t / step_size.max(1)) as f64)
}

/// Times `gamma` every step (torch: `ExponentialLR`).
#[must_use]
pub fn exponential(gamma: f64) -> impl Schedule + Clone {
    move |initial: f64, t: u64| initial * gamma.powf(t as f64)
}

/// From the initial rate to `eta_min` in `t_max` steps along half a cosine, and back up in as many
/// (torch: `CosineAnnealingLR`, whose rate rises again past `T_max`). To stay at the bottom:
/// `cosine(t_max, eta_min).then(t_max, move |_: f64, _: u64| eta_min)`. With a `t_max` of 0 it is
/// over at once: the rate is `eta_min`.
#[must_use]
pub fn cosine(t_max: u64, eta_min: f64) -> impl Schedule + Clone {
    move |initial: f64, t: u64| {
        if t_max == 0 {
            return eta_min;
        }
        // Whole periods are taken off as integers: of a large angle, the cosine knows little.
        let t = t % t_max.saturating_mul(2);
        let angle = PI * t as f64 / t_max as f64;
        eta_min + (initial - eta_min) * (1.0 + angle.cos()) / 2.0
    }
}

/// A factor that goes linearly from `start` to `end` in `steps` steps (torch: `LinearLR`), as
/// for a warm-up. In 0 steps it is over at once: the factor is `end`.
#[must_use]
pub fn linear(start: f64, end: f64, steps: u64) -> impl Schedule + Clone {
    move |initial: f64, t: u64| {
        if t >= steps {
            return initial * end;
        }
        initial * (start + (end - start) * t as f64 / steps as f64)
    }
}

/// Times `factor` when a loss has not fallen for long (torch: `ReduceLROnPlateau` in mode
/// `min` with a relative threshold). A loss that is NaN counts as bad, as in torch.
///
/// ```
/// use sparse_adam::lr_scheduler::ReduceOnPlateau;
/// let mut plateau = ReduceOnPlateau::default().patience(0);
/// let rates = [2.0, 2.0, 1.0].map(|loss| plateau.lr(0.5, loss));
/// assert_eq!(rates, [0.5, 0.05, 0.5]);
/// ```
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct ReduceOnPlateau {
    /// What the rate is multiplied by; below 1. Default 0.1.
    #[serde(serialize_with = "serde_with::finite")]
    pub factor: f64,
    /// Bad losses in a row that are borne. Default 10.
    pub patience: u64,
    /// A loss is better if below the best times `1 - threshold`. Default 1e-4.
    #[serde(serialize_with = "serde_with::finite")]
    pub threshold: f64,
    /// Losses after a reduction that are not counted as bad. Default 0.
    pub cooldown: u64,
    /// Lower bound of the rate. Default 0.
    #[serde(serialize_with = "serde_with::finite")]
    pub min_lr: f64,
    /// What the losses so far came to. Default: there were none.
    pub losses: PlateauLosses,
}

/// What the losses that a [`ReduceOnPlateau`] was told came to; part of what is saved with it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PlateauLosses {
    /// Infinity before the first loss.
    #[serde(with = "serde_with::from_infinity")]
    best: f64,
    bad: u64,
    cooling: u64,
}

impl Default for PlateauLosses {
    fn default() -> Self {
        Self { best: f64::INFINITY, bad: 0, cooling: 0 }
    }
}

impl Default for ReduceOnPlateau {
    fn default() -> Self {
        Self {
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            cooldown: 0,
            min_lr: 0.0,
            losses: PlateauLosses::default(),
        }
    }
}

impl ReduceOnPlateau {
    /// Multiplies the rate by `factor`, below 1.
    #[must_use]
    pub fn factor(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// Bears so many bad losses in a row.
    #[must_use]
    pub fn patience(self, patience: u64) -> Self {
        Self { patience, ..self }
    }

    /// Takes a loss for better if it is below the best times `1 - threshold`.
    #[must_use]
    pub fn threshold(self, threshold: f64) -> Self {
        Self { threshold, ..self }
    }

    /// Counts so many losses after a reduction as not bad.
    #[must_use]
    pub fn cooldown(self, cooldown: u64) -> Self {
        Self { cooldown, ..self }
    }

    /// Lets the rate not fall below `min_lr`.
    #[must_use]
    pub fn min_lr(self, min_lr: f64) -> Self {
        Self { min_lr, ..self }
    }

    /// The learning rate after a loss, from the present rate `lr`.
    pub fn lr(&mut self, lr: f64, loss: f64) -> f64 {
        let PlateauLosses { best, bad, cooling } = &mut self.losses;
        if loss < *best * (1.0 - self.threshold) {
            *best = loss;
            *bad = 0;
        } else {
            *bad += 1;
        }
        if *cooling > 0 {
            *cooling -= 1;
            *bad = 0;
        }
        if *bad <= self.patience {
            return lr;
        }
        *cooling = self.cooldown;
        *bad = 0;
        let reduced = (lr * self.factor).max(self.min_lr);
        // torch's own `eps`: a smaller change is not worth making.
        if lr - reduced > 1e-8 { reduced } else { lr }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }

    #[test]
    fn the_values_of_torch() {
        // torch 2.15: optimizer lr 0.5, scheduler.get_last_lr() after t scheduler.step() calls.
        assert_near(step(10, 0.9).lr(0.5, 9), 0.5);
        assert_near(step(10, 0.9).lr(0.5, 25), 0.405);
        assert_near(exponential(0.9).lr(0.5, 3), 0.3645);
        assert_near(cosine(10, 0.1).lr(0.5, 5), 0.3);
        assert_near(cosine(10, 0.1).lr(0.5, 10), 0.1);
        assert_near(linear(0.25, 1.0, 4).lr(0.5, 2), 0.3125);
        assert_near(linear(0.25, 1.0, 4).lr(0.5, 40), 0.5);
    }

    #[test]
    fn a_cosine_rises_again_as_torchs() {
        // What torch's recursion gives past T_max, from lr 0.5 with T_max 10 and eta_min 0.1.
        let torch = [
            (11, 0.109_788_696_740_969_3),
            (13, 0.182_442_949_541_505_8),
            (15, 0.300_000_000_000_001),
            (19, 0.490_211_303_259_032_84),
            (20, 0.500_000_000_000_002),
            (29, 0.109_788_696_740_969_37),
            (30, 0.1),
            (31, 0.109_788_696_740_969_3),
        ];
        for (t, expected) in torch {
            assert_near(cosine(10, 0.1).lr(0.5, t), expected);
        }
        // Many periods later too.
        let late = 20 * (u64::MAX / 40) + 5;
        assert_near(cosine(10, 0.1).lr(0.5, late), 0.3);
        let held = cosine(10, 0.1).then(10, |_: f64, _: u64| 0.1);
        assert_eq!([10, 15, 1000].map(|t| held.lr(0.5, t)), [0.1; 3]);
    }

    #[test]
    fn a_second_schedule_starts_at_its_milestone() {
        // torch: SequentialLR([LinearLR(0.1, total_iters=3), ExponentialLR(0.5)], milestones=[2]).
        let both = linear(0.1, 1.0, 3).then(2, exponential(0.5));
        for (t, expected) in [0.1, 0.4, 1.0, 0.5, 0.25].into_iter().enumerate() {
            assert_near(both.lr(1.0, t as u64), expected);
        }
    }

    #[test]
    fn lengths_of_zero_give_numbers() {
        for t in [0, 1, 2, u64::MAX] {
            assert_eq!(cosine(0, 0.25).lr(1.0, t), 0.25);
            assert_eq!(linear(0.5, 0.75, 0).lr(1.0, t), 0.75);
            assert_eq!(step(0, 0.5).lr(1.0, t), step(1, 0.5).lr(1.0, t));
            assert_eq!(exponential(1.0).then(0, cosine(0, 0.5)).lr(1.0, t), 0.5);
        }
        assert!(cosine(u64::MAX, 0.0).lr(1.0, u64::MAX).is_finite());
    }

    #[test]
    fn every_rate_of_a_valid_one_is_valid() {
        let valid = |lr| crate::AdamOptions::default().lr(lr).validate().is_ok();
        for length in [1, 3, 7, 10, 999] {
            for (start, end) in [(1.0 / 3.0, 0.0), (1.0, 0.0), (0.1, 1e-20), (0.7, 1.0)] {
                for t in 0..2 * length + 2 {
                    assert!(valid(linear(start, end, length).lr(1e-3, t)));
                    assert!(valid(cosine(length, end * 1e-3).lr(start * 1e-3, t)));
                    assert!(valid(exponential(start).lr(1e-3, 1000 * t)));
                }
            }
        }
    }

    #[test]
    fn schedules_compose() {
        let both = linear(0.5, 1.0, 2).then(2, exponential(0.5));
        let lrs: Vec<_> = (0..5).map(|t| both.lr(1.0, t)).collect();
        assert_eq!(lrs, [0.5, 0.75, 1.0, 0.5, 0.25]);
        assert_near(step(1, 0.5).times(exponential(0.5)).lr(1.0, 2), 0.0625);
    }

    #[test]
    fn a_plateau_reduces_after_patience_and_cools_down() {
        let mut plateau = ReduceOnPlateau::default().patience(2).cooldown(1);
        let losses = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9];
        let mut lr = 1.0;
        let lrs = losses.map(|loss| {
            lr = plateau.lr(lr, loss);
            lr
        });
        assert_near(lrs[3], 1.0);
        assert_near(lrs[4], 0.1);
        assert_near(lrs[7], 0.1);
        assert_near(lrs[8], 0.01);
    }

    #[test]
    fn a_loss_that_is_nan_is_bad() {
        let mut plateau = ReduceOnPlateau::default().patience(1);
        let lrs = [1.0, f64::NAN, f64::NAN, 0.5].map(|loss| plateau.lr(1.0, loss));
        assert_eq!(lrs, [1.0, 1.0, 0.1, 1.0]);
    }
}
