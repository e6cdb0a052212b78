//! What is done to a row with its summed gradient.
//!
//! A rule is a value: its state, its WGSL, its words and its twin. Planning, binding, windows, state
//! dicts and the twin's sums know it by nothing else, so another rule is a file here and one in
//! `shaders/rules`.

pub(crate) mod adam;
#[cfg(test)]
mod momentum;

use crate::AdamOptions;
use crate::reference::Scalars;
use std::hash::{Hash, Hasher};

/// Most words of a rule: its uniform has so many.
pub(crate) const WORDS: usize = 8;

/// A rule's numbers for one step of one parameter, as its WGSL struct `Rule` has them.
pub(crate) type Words = [u32; WORDS];

/// A family of update rules: what its members have in common.
#[derive(Debug)]
pub(crate) struct Family {
    /// The name of its WGSL file, and what tells it from others.
    pub name: &'static str,
    /// The member that a group's options ask for.
    pub variant: fn(&AdamOptions) -> Variant,
    /// Names of the state's fields, each a value per value of the parameter, zero at first; where a table may keep
    /// both moments in bf16, these are the first two (`shaders/shared/moments_bf16.wgsl`).
    pub state: fn(Variant) -> &'static [&'static str],
    /// Declares `struct Rule`, `FIELDS`, and `fn update_lane(row: u32, column: u32, sum: Lane)`; see
    /// `shaders/shared/update_row.wgsl`.
    pub wgsl: fn(Variant) -> String,
    /// The words of step `step` (from 1), computed in f64 and each rounded once.
    pub words: fn(Variant, &AdamOptions, u64) -> Words,
    /// What the WGSL does, on one value.
    pub twin: fn(Variant, &Words, Value<'_>),
}

/// What tells a family's members from one another, as bits: kernels and states differ by it.
pub(crate) type Variant = u32;

/// The bit of members that read scalars which the GPU knows (`shaders/shared/scalars.wgsl`).
pub(crate) const SCALARS: Variant = 1 << 31;

/// A family's member: the rule of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub family: &'static Family,
    pub variant: Variant,
}

impl Rule {
    /// The rule that options ask for, of an optimizer that has scalars on the GPU, or none.
    pub fn of(family: &'static Family, options: &AdamOptions, scalars: bool) -> Self {
        let scalars = if scalars { SCALARS } else { 0 };
        Self { family, variant: (family.variant)(options) | scalars }
    }

    pub fn reads_scalars(self) -> bool {
        self.variant & SCALARS != 0
    }

    pub fn words(self, options: &AdamOptions, step: u64) -> Words {
        (self.family.words)(self.variant, options, step)
    }

    /// Names of its state's fields.
    pub fn state(self) -> &'static [&'static str] {
        (self.family.state)(self.variant)
    }

    pub fn wgsl(self) -> String {
        (self.family.wgsl)(self.variant)
    }

    pub fn twin(self, words: &Words, value: Value<'_>) {
        (self.family.twin)(self.variant, words, value);
    }
}

/// One value of a row, its state field by field, and the sum of its gradient; and what the GPU knows of
/// the step.
pub(crate) struct Value<'a> {
    pub param: &'a mut f32,
    pub state: &'a mut [f32],
    pub sum: f32,
    pub scalars: Scalars,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        (self.family.name, self.variant) == (other.family.name, other.variant)
    }
}

impl Eq for Rule {}

impl Hash for Rule {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.family.name, self.variant).hash(hasher);
    }
}
