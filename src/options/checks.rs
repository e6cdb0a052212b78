//! Ranges of hyperparameters.

use super::{AdamOptions, BiasCorrection, CatchUp, SecondMoment, WeightDecay};
use crate::Error;

impl AdamOptions {
    /// Checks every field against its range, and against each other.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] naming the first field out of range; [`Error::Conflict`] naming two that contradict
    /// one another.
    pub fn validate(&self) -> Result<(), Error> {
        rate("lr", self.lr)?;
        divisor("eps", self.eps)?;
        decay("betas.0", self.betas.0)?;
        decay("betas.1", self.betas.1)?;
        amount("grad_scale", self.grad_scale)?;
        self.check_decay()?;
        let found = self.clip.limit().unwrap_or(1.0);
        if !(found > 0.0 && (found as f32).is_finite()) {
            let expected = "a finite number (as f32) above 0";
            return Err(Error::InvalidOption { field: "clip", expected, found });
        }
        self.check_catch_up()
    }

    /// What is made up for must be defined by somebody.
    fn check_catch_up(&self) -> Result<(), Error> {
        let decay = self.weight_decay != WeightDecay::None;
        let kept = matches!(self.weight_decay, WeightDecay::Decoupled(_) | WeightDecay::Plain(_));
        let conflicts: &[(bool, &'static str)] = match self.catch_up {
            CatchUp::Never => &[],
            CatchUp::Decay => &[(!kept, "a weight_decay that is neither decoupled nor plain")],
            CatchUp::Momentum => &[
                (self.amsgrad, "amsgrad"),
                (self.bias_correction != BiasCorrection::Step, "a bias_correction other than step"),
                (decay, "weight_decay"),
                (self.second_moment == SecondMoment::Row, "second_moment row"),
            ],
        };
        let option = match self.catch_up {
            CatchUp::Momentum => "catch_up momentum",
            CatchUp::Never | CatchUp::Decay => "catch_up decay",
        };
        match conflicts.iter().find(|(holds, _)| *holds) {
            None => Ok(()),
            Some(&(_, with)) => Err(Error::Conflict { option, with }),
        }
    }

    /// What is left of a row must be some of it.
    fn check_decay(&self) -> Result<(), Error> {
        let found = self.weight_decay.amount();
        amount("weight_decay", found)?;
        let kept = match self.weight_decay {
            WeightDecay::None | WeightDecay::L2(_) => 1.0,
            WeightDecay::Decoupled(amount) => 1.0 - self.lr * amount,
            WeightDecay::Plain(amount) => 1.0 - amount,
        };
        if kept > 0.0 {
            return Ok(());
        }
        let expected = "less than 1, times lr where it is decoupled";
        Err(Error::InvalidOption { field: "weight_decay", expected, found })
    }
}

/// The lowest learning rate: what rounding may leave of one that ends at 0.
const ROUNDED_ZERO: f64 = -1e-12;

fn rate(field: &'static str, found: f64) -> Result<(), Error> {
    let expected = "a finite number (as f32) of at least 0";
    if found >= ROUNDED_ZERO && (found as f32).is_finite() {
        return Ok(());
    }
    Err(Error::InvalidOption { field, expected, found })
}

fn amount(field: &'static str, found: f64) -> Result<(), Error> {
    let expected = "a finite number (as f32) of at least 0";
    if found >= 0.0 && (found as f32).is_finite() {
        return Ok(());
    }
    Err(Error::InvalidOption { field, expected, found })
}

/// What is divided by must not vanish in f32, nor on devices that flush subnormal numbers.
fn divisor(field: &'static str, found: f64) -> Result<(), Error> {
    let expected = "a finite number (as f32) of at least 1.2e-38";
    let narrow = found as f32;
    if narrow >= f32::MIN_POSITIVE && narrow.is_finite() {
        return Ok(());
    }
    Err(Error::InvalidOption { field, expected, found })
}

fn decay(field: &'static str, found: f64) -> Result<(), Error> {
    if (0.0..1.0).contains(&found) {
        return Ok(());
    }
    Err(Error::InvalidOption { field, expected: "a number in [0, 1)", found })
}
