//! A stage with all that it is specialised for, its WGSL, and the numbers in it.

pub(crate) mod items;
mod norm;

use self::items::Pooled;
use super::access::{RowAccess, Values};
use super::plan::SortWay;
use super::stages::{Fragment, Override, Stage};
use super::stored;
use super::width::Width;
use crate::format::Formats;
use crate::rule::Rule;
use crate::{Arithmetic, Form, Format, NormType, Tuning};
use std::borrow::Cow;

/// A stage with what it is specialised for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    pub stage: Stage,
    /// For the stages that read rows: how.
    pub access: RowAccess,
    /// For the stages that take entries: whether the index list is the common one.
    pub plain: bool,
    /// For `partial`: whether it sums entries, or the sums of the level below; and columns that an invocation sums at once.
    pub of_entries: bool,
    pub at_once: u32,
    /// For the stages that update rows.
    pub rule: Option<Rule>,
    /// For the stages that find a norm: of which type.
    pub norm: Option<NormType>,
    /// For the parallel sort's scatter: how it works.
    pub sort: SortWay,
    /// Tables, or segments or windows of them, that a dispatch takes, and what of each lies in one binding.
    pub items: u32,
    pub pooled: Pooled,
    /// Whether the rest of it is in binding arrays.
    pub in_arrays: bool,
}

/// Of a kernel that reads no rows.
const NO_ROWS: RowAccess = RowAccess {
    width: Width::Scalar,
    values: Values::One,
    weighted: false,
    limited: false,
    formats: F32,
};

const F32: Formats = Formats {
    param: Format::F32,
    moments: Format::F32,
    values: Format::F32,
    is_stochastic: false,
    is_numbered: false,
};

impl Kernel {
    /// Of a stage that reads no rows.
    pub fn of(stage: Stage) -> Self {
        let access = NO_ROWS;
        Self {
            stage,
            access,
            plain: false,
            of_entries: true,
            at_once: 1,
            rule: None,
            norm: None,
            sort: SortWay::default(),
            items: 1,
            pooled: Pooled::default(),
            in_arrays: false,
        }
    }

    pub fn ingest(stage: Stage, plain: bool) -> Self {
        Self { plain, ..Self::of(stage) }
    }

    /// Of a stage of the sort; only scatter depends on the way.
    pub fn sorting(stage: Stage, way: SortWay) -> Self {
        let sort = if stage == Stage::SortParallelScatter { way } else { SortWay::default() };
        Self { sort, ..Self::of(stage) }
    }

    pub fn inspect(RowAccess { width, values, formats, .. }: RowAccess) -> Self {
        let access = RowAccess { width, values, formats: formats.of_values(), ..NO_ROWS };
        Self { access, ..Self::of(Stage::Inspect) }
    }

    /// Sums of sums have nothing to look up that columns could share: those are taken one by one.
    pub fn partial(stage: Stage, access: RowAccess, of_entries: bool, at_once: u32) -> Self {
        let access = RowAccess { formats: access.formats.of_values(), ..access };
        let at_once = if of_entries { at_once } else { 1 };
        Self { access, of_entries, at_once, ..Self::of(stage) }
    }

    pub fn update(stage: Stage, access: RowAccess, rule: Rule) -> Self {
        Self { access, rule: Some(rule), ..Self::of(stage) }
    }

    /// Of a stage that reads what rows have of their own.
    pub fn rows(stage: Stage, rule: Rule) -> Self {
        Self { rule: Some(rule), ..Self::of(stage) }
    }

    /// Of the stage that brings rows up to date, value by value.
    pub fn flush(rule: Rule, formats: Formats) -> Self {
        let access = RowAccess { formats: Formats { values: Format::F32, ..formats }, ..NO_ROWS };
        Self { access, ..Self::rows(Stage::Flush, rule) }
    }

    /// Of a stage that moves rows, or clears them, a piece of so many words at a time.
    pub fn moving(stage: Stage, width: Width) -> Self {
        Self { access: RowAccess { width, ..NO_ROWS }, ..Self::of(stage) }
    }

    pub fn squares(stage: Stage, access: RowAccess, norm: NormType) -> Self {
        let access = RowAccess { formats: access.formats.of_values(), ..access };
        Self { access, norm: Some(norm), ..Self::of(stage) }
    }

    /// As [`Kernel::squares`], of the gradient as a rule takes it.
    pub fn row_squares(stage: Stage, access: RowAccess, rule: Rule) -> Self {
        let Formats { param, values, .. } = access.formats;
        let formats = Formats { param, values, ..Formats::default() };
        let access = RowAccess { formats, ..access };
        Self { access, rule: Some(rule), ..Self::of(stage) }
    }

    pub fn norm_sum(norm: NormType) -> Self {
        Self::squares(Stage::NormSum, NO_ROWS, norm)
    }

    pub fn norm_factor(norm: NormType) -> Self {
        Self::squares(Stage::NormFactor, NO_ROWS, norm)
    }

    /// The bindings of values.
    pub fn value_bindings(self) -> usize {
        if self.stage.spec().reads_values { self.access.values.bindings() } else { 0 }
    }

    /// Whether it binds scalars that the GPU knows.
    pub fn reads_scalars(self) -> bool {
        let mut fragments = self.stage.spec().all_fragments();
        let has = || fragments.any(|held| matches!(held, Fragment::Scalars));
        self.rule.map_or_else(has, Rule::reads_scalars)
    }

    /// Whether a row is touched before it is worked on.
    fn reads_ahead(self) -> bool {
        let RowAccess { width, values, formats, .. } = self.access;
        // Of eight values, all that is bound is u64; of fewer, what is stored in 16 bits is of another type.
        let adds_up = width == Width::Vec8 || formats == F32;
        adds_up && values == Values::One
    }

    /// What it has to do with numbers that are stored.
    fn uses(self) -> stored::Uses {
        match self.stage {
            Stage::UpdateSerial | Stage::UpdateParallel => stored::Uses::All,
            Stage::RowSquaresSerial | Stage::RowSquaresParallel => stored::Uses::Param,
            Stage::Flush => stored::Uses::Rows,
            _ => stored::Uses::Values,
        }
    }

    /// Whether it rounds by random bits.
    pub fn draws(self) -> bool {
        self.rule.is_some() && self.access.formats.is_stochastic
    }

    /// The stage's overrides. The parallel sorts' sizes are fixed in their files.
    pub fn constants(self, tuning: &Tuning) -> Vec<(&'static str, f64)> {
        let number = |flag: bool| f64::from(u8::from(flag));
        let constant = |held: &Override| match held {
            Override::Workgroup => ("WORKGROUP", f64::from(tuning.workgroup)),
            Override::MaxLanes => ("MAX_LANES", f64::from(tuning.max_lanes)),
            Override::Limited => ("LIMITED", number(self.access.limited)),
            Override::Weighted => ("WEIGHTED", number(self.access.weighted)),
            Override::Plain => ("PLAIN", number(self.plain)),
            Override::Interleave => ("INTERLEAVE", f64::from(tuning.interleave)),
            Override::OfEntries => ("OF_ENTRIES", number(self.of_entries)),
            Override::AtOnce => ("AT_ONCE", f64::from(self.at_once)),
            Override::Tile => ("TILE", f64::from(tuning.update_tile)),
            Override::Strip => ("STRIP", f64::from(tuning.ingest_strip)),
        };
        self.stage.spec().overrides.iter().map(constant).collect()
    }

    /// The complete WGSL.
    pub fn wgsl(self, tuning: &Tuning) -> String {
        let spec = self.stage.spec();
        let of_rule = |wgsl: fn(Rule) -> String| self.rule.map(wgsl).unwrap_or_default();
        let texts = spec.all_fragments().map(|fragment| match fragment {
            Fragment::Rule => of_rule(Rule::wgsl).into(),
            Fragment::Measured => self.measured().into(),
            Fragment::RowRule => of_rule(Rule::row_wgsl).into(),
            Fragment::CatchUp => of_rule(Rule::catch_up_wgsl).into(),
            Fragment::Stored => stored::wgsl(self.access, self.uses(), self.items).into(),
            Fragment::Item if self.items > 1 => self.items_wgsl().into(),
            fragment => Cow::from(self.text(fragment, tuning)),
        });
        let enabled = if self.in_arrays { items::ENABLE_ARRAYS } else { "" };
        [enabled.into()].into_iter().chain(texts).chain([spec.wgsl.into()]).collect()
    }

    /// What is added up of a row's sum: for a norm, or for a row's second moment.
    fn measured(self) -> String {
        match (self.norm, self.rule) {
            (Some(norm), _) => norm::measured(norm).to_string() + shared!("norm_gradient"),
            (None, Some(rule)) => rule.gradient_wgsl() + shared!("row_gradient"),
            (None, None) => String::new(),
        }
    }

    fn text(self, fragment: Fragment, tuning: &Tuning) -> &'static str {
        match fragment {
            Fragment::Text(text) => text,
            Fragment::Lane => lane(self.access.width),
            Fragment::Piece => piece(self.access.width),
            Fragment::Operations => operations(self.access.width),
            Fragment::Arithmetic => arithmetic(tuning.arithmetic),
            Fragment::PartialSum => partial_sum(self.access.width),
            Fragment::Values => match self.access.values {
                Values::One if self.items > 1 => shared!("load_value"),
                Values::One => shared!("values", "load_value"),
                Values::Windows => shared!("value_windows"),
            },
            Fragment::Touch => match (self.reads_ahead(), self.access.width) {
                (false, _) => shared!("no_touch"),
                (true, Width::Scalar | Width::Vec2U64) => shared!("first_of_one", "touch"),
                (true, _) => shared!("first_of_several", "touch"),
            },
            Fragment::Counts => match tuning.form {
                Form::Serial => shared!("counts_serial"),
                Form::Parallel => shared!("counts_parallel"),
            },
            Fragment::Scalars => match self.reads_scalars() {
                true => shared!("scalars"),
                false => shared!("no_scalars"),
            },
            Fragment::Blocks => blocks(self.access.width),
            Fragment::Ranking if self.sort.ballots => shared!("rank_by_ballots"),
            Fragment::Ranking => shared!("rank_by_masks"),
            Fragment::Putting if self.sort.reorder => shared!("put_in_order"),
            Fragment::Putting => shared!("put_at_once"),
            Fragment::Counting if self.sort.ahead => shared!("count_ahead"),
            Fragment::Counting => shared!("count_later"),
            // Written for them.
            Fragment::OfOne(_) if self.items > 1 => "",
            Fragment::OfOne(text) => text,
            Fragment::DealtOut if self.items == 1 => "",
            Fragment::DealtOut => shared!("dealt_out"),
            Fragment::Item => shared!("item_of_one"),
            Fragment::AddTotal => self.norm.map_or("", |norm| norm::added(norm, tuning.form)),
            Fragment::TakeTotal => self.norm.map_or("", norm::taken),
            // Theirs depend on more than that.
            Fragment::Rule
            | Fragment::Measured
            | Fragment::RowRule
            | Fragment::CatchUp
            | Fragment::Stored => "",
        }
    }
}

fn lane(width: Width) -> &'static str {
    match width {
        Width::Scalar => shared!("scalar", "flat"),
        Width::Vec2 => shared!("vec2", "flat"),
        Width::Vec2U64 => shared!("vec2", "u64_vec2"),
        Width::Vec4 => shared!("vec4", "flat"),
        Width::Vec4U64 => shared!("vec4", "u64_vec4", "u64_fours"),
        Width::Vec8 => shared!("vec8", "u64_fours"),
    }
}

fn piece(width: Width) -> &'static str {
    match width {
        Width::Scalar => shared!("piece_scalar"),
        Width::Vec2 => shared!("piece_vec2"),
        Width::Vec2U64 => shared!("piece_u64_vec2"),
        Width::Vec4 => shared!("piece_vec4"),
        Width::Vec4U64 => shared!("piece_u64_vec4"),
        Width::Vec8 => shared!("piece_vec8"),
    }
}

pub(crate) fn operations(width: Width) -> &'static str {
    match width {
        Width::Vec8 => shared!("compare", "two_parts"),
        _ => shared!("compare", "one_part"),
    }
}

/// What [`operations`] are made of.
pub(crate) fn arithmetic(arithmetic: Arithmetic) -> &'static str {
    match arithmetic {
        Arithmetic::Exact => shared!("exact"),
        Arithmetic::Fast => shared!("fast"),
    }
}

fn partial_sum(width: Width) -> &'static str {
    match width {
        Width::Scalar => shared!("partial_scalar"),
        Width::Vec2 | Width::Vec2U64 => shared!("partial_vec2"),
        Width::Vec4 | Width::Vec4U64 => shared!("partial_vec4"),
        Width::Vec8 => shared!("partial_vec8"),
    }
}

fn blocks(width: Width) -> &'static str {
    match width {
        Width::Scalar => shared!("blocks_scalar"),
        Width::Vec2 | Width::Vec2U64 => shared!("blocks_vec2"),
        Width::Vec4 | Width::Vec4U64 => shared!("blocks_vec4"),
        Width::Vec8 => shared!("blocks_vec8"),
    }
}

#[cfg(test)]
#[path = "kernel_tests.rs"]
pub(crate) mod tests;
