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
use crate::state_dict::MOST_STEPS;
use std::hash::{Hash, Hasher};

/// Most words of a rule: its uniform has so many.
pub(crate) const WORDS: usize = 8;

/// A rule's numbers for one step of one parameter, as its WGSL struct `Rule` has them.
pub(crate) type Words = [u32; WORDS];

/// Words of a rule's rows: their uniform has so many.
pub(crate) const ROW_WORDS: usize = 56;

/// The numbers of a rule's rows for one step of one parameter, as its WGSL struct `RowRule` has them.
pub(crate) type RowWords = [u32; ROW_WORDS];

/// Which of them is left to be the seed of a table that draws random bits.
pub(crate) const ROW_SEED: usize = 53;

/// Most numbers that the columns of a row share.
pub(crate) const ROW_NUMBERS: usize = 4;

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
    /// Declares `struct Rule`, `FIELDS`, `MEAN`, `ROW_NUMBERS`, `struct Shared` with `fn shared_of(head: u32, entries:
    /// u32) -> Shared`, `struct Held` with `fn load_held(row: u32, column: u32) -> Held`, and `fn update_lane(row: u32,
    /// column: u32, held: Held, sum: Lane, of_row: Shared)`; see `shaders/shared/update_row.wgsl`, and `momentum.wgsl` for
    /// the least of it.
    pub wgsl: fn(Variant) -> String,
    /// The words of step `step` (from 1), computed in f64 and each rounded once.
    pub words: fn(Variant, &AdamOptions, u64) -> Words,
    /// What the WGSL does, on one value.
    pub twin: fn(Variant, &Words, Value<'_>),
    /// Whether the WGSL asks how many entries a sum is of.
    pub counts_entries: fn(Variant) -> bool,
    /// What rows have beside their values; None where no member's rows have anything.
    pub rows: Option<&'static Rows>,
}

/// What a family's rows have of their own: a state, and numbers that follow from it and that their columns
/// share.
#[derive(Debug)]
pub(crate) struct Rows {
    /// Names of the fields of a row's state, each a u32 or the bits of a f32, zero at first.
    pub state: fn(Variant) -> Vec<&'static str>,
    /// How many numbers the columns of a row share, at most [`ROW_NUMBERS`]; 0 where rows have nothing.
    pub numbers: fn(Variant) -> u32,
    /// Declares `struct RowRule`, with `step` and `seed` ([`ROW_SEED`]), and `fn update_row_state(row: u32, mean_square: f32) -> Numbers`; see
    /// `shaders/rows.wgsl`.
    pub wgsl: fn(Variant) -> String,
    /// Declares `struct Behind`, `fn behind_since(last: u32) -> Behind`, and `fn catch_up_value(row: u32, column: u32,
    /// behind: Behind)`, for rows that are behind; see `shaders/flush.wgsl`.
    pub catch_up_wgsl: &'static str,
    /// The words of step `step` (from 1), but for the seed.
    pub words: fn(Variant, &AdamOptions, u64) -> RowWords,
    /// What the WGSL does, on one row.
    pub twin: fn(Variant, &RowWords, RowValue<'_>) -> [f32; ROW_NUMBERS],
    /// Whether it asks for the mean of a row's squared gradients, and the gradient of a value.
    pub needs_squares: fn(Variant) -> bool,
    /// Declares `struct Rule` and `fn gradient_of(sum: Lane, p: Lane, entries: u32) -> Lane`, which squares are of.
    pub gradient_wgsl: fn(Variant) -> String,
    pub gradient: fn(Variant, &Words, &Value<'_>) -> f32,
    /// Whether rows may be behind, and [`Rows::words`] of which step bring them up to that many counted ones.
    pub behind: fn(Variant, u64) -> Option<u64>,
    /// Brings the last step that named a row up to that of the words, and tells what its columns share in that.
    pub behind_twin: fn(Variant, &RowWords, &mut u32, Scalars) -> [f32; ROW_NUMBERS],
    /// Brings a value up to date by it.
    pub catch_up_twin: fn(Variant, Value<'_>),
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

    /// Whether it asks how many entries a sum is of.
    pub fn counts_entries(self) -> bool {
        (self.family.counts_entries)(self.variant)
    }

    /// Names of the fields of a row's state.
    pub fn row_state(self) -> Vec<&'static str> {
        self.family.rows.map_or_else(Vec::new, |rows| (rows.state)(self.variant))
    }

    /// How many numbers the columns of a row share.
    pub fn row_numbers(self) -> u32 {
        self.family.rows.map_or(0, |rows| (rows.numbers)(self.variant))
    }

    pub fn row_wgsl(self) -> String {
        self.family.rows.map_or_else(String::new, |rows| (rows.wgsl)(self.variant))
    }

    pub fn catch_up_wgsl(self) -> String {
        self.family.rows.map_or("", |rows| rows.catch_up_wgsl).into()
    }

    pub fn row_words(self, options: &AdamOptions, step: u64) -> RowWords {
        self.family.rows.map_or([0; ROW_WORDS], |rows| (rows.words)(self.variant, options, step))
    }

    pub fn row_twin(self, words: &RowWords, row: RowValue<'_>) -> [f32; ROW_NUMBERS] {
        let none = [0.0; ROW_NUMBERS];
        self.family.rows.map_or(none, |rows| (rows.twin)(self.variant, words, row))
    }

    /// Whether it asks for the mean of a row's squared gradients.
    pub fn needs_squares(self) -> bool {
        self.family.rows.is_some_and(|rows| (rows.needs_squares)(self.variant))
    }

    pub fn gradient_wgsl(self) -> String {
        self.family.rows.map_or_else(String::new, |rows| (rows.gradient_wgsl)(self.variant))
    }

    /// The gradient of a value, as the rule takes it.
    pub fn gradient(self, words: &Words, value: &Value<'_>) -> f32 {
        let sum = value.sum;
        self.family.rows.map_or(sum, |rows| (rows.gradient)(self.variant, words, value))
    }

    /// What the columns of a row that is behind share, and the last step that named it brought up to that of the
    /// words.
    pub fn behind_twin(
        self,
        words: &RowWords,
        last: &mut u32,
        scalars: Scalars,
    ) -> [f32; ROW_NUMBERS] {
        let none = [0.0; ROW_NUMBERS];
        self.family.rows.map_or(none, |rows| (rows.behind_twin)(self.variant, words, last, scalars))
    }

    /// Brings a value up to date.
    pub fn catch_up_twin(self, value: Value<'_>) {
        if let Some(rows) = self.family.rows {
            (rows.catch_up_twin)(self.variant, value);
        }
    }

    /// Most steps that a parameter may have counted: where rows remember when they were named, in 32 bits.
    pub fn most_steps(self) -> u64 {
        if self.behind(0).is_some() { u64::from(u32::MAX) - 2 } else { MOST_STEPS }
    }

    /// The step whose row words bring rows up to `step` counted ones; None where no row is ever behind.
    pub fn behind(self, step: u64) -> Option<u64> {
        (self.family.rows?.behind)(self.variant, step)
    }
}

/// One value of a row, its state field by field, and the sum of its gradient; and what the GPU knows of
/// the step.
pub(crate) struct Value<'a> {
    pub param: &'a mut f32,
    pub state: &'a mut [f32],
    pub sum: f32,
    pub scalars: Scalars,
    /// How many entries the sum is of.
    pub entries: u32,
    /// What the columns of its row share.
    pub shared: [f32; ROW_NUMBERS],
}

/// A row's own state, field by field.
pub(crate) struct RowValue<'a> {
    pub state: &'a mut [u32],
    /// The mean of its gradient's squares, where the rule asks for it.
    pub mean_square: f32,
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
