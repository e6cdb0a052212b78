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
//! ```
//!
//! In a loop: `optimizer.set_lr(group, schedule.lr(initial, t))?` before each step or epoch.

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
pub struct Times<A, B> {
    first: A,
    other: B,
}

impl<A: Schedule, B: Schedule> Schedule for Times<A, B> {
    fn lr(&self, initial: f64, t: u64) -> f64 {
        self.other.lr(self.first.lr(initial, t), t)
    }
}

/// Times `gamma` every `step_size` steps (torch: `StepLR`).
pub fn step(step_size: u64, gamma: f64) -> impl Schedule + Clone {
    move |initial: f64, t: u64| initial * gamma.powf((t / step_size.max(1)) as f64)
}

/// Times `gamma` every step (torch: `ExponentialLR`).
pub fn exponential(gamma: f64) -> impl Schedule + Clone {
    move |initial: f64, t: u64| initial * gamma.powf(t as f64)
}

/// From the initial rate to `eta_min` in `t_max` steps along half a cosine (torch:
/// `CosineAnnealingLR`), and there to stay.
pub fn cosine(t_max: u64, eta_min: f64) -> impl Schedule + Clone {
    move |initial: f64, t: u64| {
        let done = t.min(t_max) as f64 / t_max.max(1) as f64;
        eta_min + (initial - eta_min) * (1.0 + (PI * done).cos()) / 2.0
    }
}

/// A factor that goes linearly from `start` to `end` in `steps` steps (torch: `LinearLR`), as
/// for a warm-up.
pub fn linear(start: f64, end: f64, steps: u64) -> impl Schedule + Clone {
    move |initial: f64, t: u64| {
        let done = t.min(steps) as f64 / steps.max(1) as f64;
        initial * (start + (end - start) * done)
    }
}

/// Times `factor` when a loss has not fallen for long (torch: `ReduceLROnPlateau` in mode
/// `min` with a relative threshold).
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ReduceOnPlateau {
    /// What the rate is multiplied by; below 1. Default 0.1.
    pub factor: f64,
    /// Bad losses in a row that are borne. Default 10.
    pub patience: u64,
    /// A loss is better if below the best times `1 - threshold`. Default 1e-4.
    pub threshold: f64,
    /// Losses after a reduction that are not counted as bad. Default 0.
    pub cooldown: u64,
    /// Lower bound of the rate. Default 0.
    pub min_lr: f64,
    best: f64,
    bad: u64,
    cooling: u64,
}

impl Default for ReduceOnPlateau {
    fn default() -> Self {
        Self {
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            cooldown: 0,
            min_lr: 0.0,
            best: f64::INFINITY,
            bad: 0,
            cooling: 0,
        }
    }
}

impl ReduceOnPlateau {
    /// The learning rate after a loss, from the present rate `lr`.
    pub fn lr(&mut self, lr: f64, loss: f64) -> f64 {
        if loss < self.best * (1.0 - self.threshold) {
            self.best = loss;
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.cooling > 0 {
            self.cooling -= 1;
            self.bad = 0;
        }
        if self.bad <= self.patience {
            return lr;
        }
        self.cooling = self.cooldown;
        self.bad = 0;
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
    fn schedules_compose() {
        let both = linear(0.5, 1.0, 2).then(2, exponential(0.5));
        let lrs: Vec<_> = (0..5).map(|t| both.lr(1.0, t)).collect();
        assert_eq!(lrs, [0.5, 0.75, 1.0, 0.5, 0.25]);
        assert_near(step(1, 0.5).times(exponential(0.5)).lr(1.0, 2), 0.0625);
    }

    #[test]
    fn a_plateau_reduces_after_patience_and_cools_down() {
        let mut plateau =
            ReduceOnPlateau { patience: 2, cooldown: 1, ..ReduceOnPlateau::default() };
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
}
