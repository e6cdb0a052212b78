//! What a probe found.

use serde::{Serialize, Serializer};
use std::error::Error;

/// Why a probe came to nothing.
pub type Failure = Box<dyn Error>;

/// The numbers of one probe.
#[derive(Serialize)]
pub struct Finding {
    pub probe: &'static str,
    pub what: &'static str,
    pub unit: &'static str,
    /// By name, in the order in which they were measured.
    #[serde(serialize_with = "as_map")]
    pub numbers: Vec<(String, f64)>,
    /// Results that were not those of a kernel that does its work: the numbers tell nothing then.
    pub wrong: Vec<String>,
    /// Results that were compared.
    pub checks: u32,
    /// What the probe itself took.
    pub seconds: f64,
}

fn as_map<S: Serializer>(numbers: &[(String, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(numbers.iter().map(|(name, number)| (name, number)))
}

impl Finding {
    pub fn new(probe: &'static str, what: &'static str, unit: &'static str) -> Self {
        let (numbers, wrong) = (Vec::new(), Vec::new());
        Self { probe, what, unit, numbers, wrong, checks: 0, seconds: 0.0 }
    }

    pub fn add(&mut self, name: impl Into<String>, number: f64) {
        self.numbers.push((name.into(), number));
    }

    /// Compares what a kernel left with what it should have left.
    pub fn check<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: T, expected: T) {
        self.checks += 1;
        if found != expected {
            self.wrong.push(format!("{what} is {found:?}, expected {expected:?}"));
        }
    }

    /// A number by its name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.numbers.iter().find(|(known, _)| known == name).map(|(_, number)| *number)
    }
}

/// Numbers of a list of findings: None where the probe was left out, came to nothing, or was wrong.
pub struct Findings<'a>(pub &'a [Finding]);

impl Findings<'_> {
    pub fn get(&self, probe: &str, name: &str) -> Option<f64> {
        let finding = self.0.iter().find(|finding| finding.probe == probe)?;
        finding.get(name).filter(|number| finding.wrong.is_empty() && number.is_finite())
    }
}
