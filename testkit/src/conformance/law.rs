//! The laws by name.

use super::finding::{Check, Finding, Kind};
use super::setting::Setting;
use super::{growing, kernels, laws, lists, numbered, turns, values};
use crate::headless::Gpu;
use sparse_adam::{Error, Tuning};

/// Something that holds for every input, checked on a few seeded ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// `ingest` and `sort`: every entry reaches the row that it names, as it is.
    Order,
    /// `update`: the sums of rows with few entries.
    ShortSums,
    /// `partial`: the sums of rows with many entries, over several levels.
    LongSums,
    /// `update`: Adam's arithmetic on rows named once, over several steps.
    Update,
    /// `inspect`: values that are not finite are found, counted and left out.
    Inspect,
    /// `repeats`: rows named again against a promise are counted.
    Repeats,
    /// An invocation takes as many loop turns as the planner ever asks of one.
    Turns,
    /// A step equals the twin's: any row length, any number of entries, repeated rows, all
    /// index formats.
    Twin,
    /// A step of rows of hundreds to tens of thousands of values equals the twin's.
    WideRows,
    /// As many tables in one step as there are, each with its own options.
    ManyTables,
    /// Entries outside the table write nothing and are counted.
    OutOfRange,
    /// Rows not named keep their bits.
    Untouched,
    /// The same step from the same state gives the same bits.
    Repeatable,
    /// Other rows and other tables change no bit of a row.
    Invariant,
    /// Two steps in one encoder, with different learning rates, equal two submits.
    OneEncoder,
    /// An empty gradient only counts, none does not even count.
    Empty,
    /// Entries that share value rows, with weights and without.
    SharedRows,
    /// Rows of a dense gradient, each once.
    DenseRows,
    /// The number of entries is on the GPU.
    GpuCount,
    /// Several gradients before one step are one gradient.
    Accumulated,
    /// A promise of uniqueness, beside a sorted table and alone.
    Promise,
    /// Tables that have one index list equal their twins, and count the same, with rows that move in between.
    SharedList,
    /// Tables whose rows move between steps, and begin anew, equal their twins.
    Remapped,
    /// Rows round by numbers of the caller's as the rows of these numbers do in a table that has them all.
    Numbered,
    /// The state dict, saved and loaded into a new optimizer, goes on as if nothing had happened.
    StateDict,
}

impl Law {
    /// All of them, kernels first.
    pub const ALL: [Self; 25] = [
        Self::Order,
        Self::ShortSums,
        Self::LongSums,
        Self::Update,
        Self::Inspect,
        Self::Repeats,
        Self::Turns,
        Self::Twin,
        Self::WideRows,
        Self::ManyTables,
        Self::OutOfRange,
        Self::Untouched,
        Self::Repeatable,
        Self::Invariant,
        Self::OneEncoder,
        Self::Empty,
        Self::SharedRows,
        Self::DenseRows,
        Self::GpuCount,
        Self::Accumulated,
        Self::Promise,
        Self::SharedList,
        Self::Remapped,
        Self::Numbered,
        Self::StateDict,
    ];

    /// What it says, in a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Order => "ingest, sort: entries reach their rows",
            Self::ShortSums => "update: sums of few entries",
            Self::LongSums => "partial: sums of many entries",
            Self::Update => "update: Adam",
            Self::Inspect => "inspect: values that are not finite",
            Self::Repeats => "repeats: a broken promise is counted",
            Self::Turns => "loops are not cut short",
            Self::Twin => "a step equals the twin's",
            Self::WideRows => "wide rows",
            Self::ManyTables => "many tables in one step",
            Self::OutOfRange => "entries out of range are counted",
            Self::Untouched => "rows not named keep their bits",
            Self::Repeatable => "the same step gives the same bits",
            Self::Invariant => "other rows change no bit of a row",
            Self::OneEncoder => "two steps in one encoder",
            Self::Empty => "an empty gradient only counts",
            Self::SharedRows => "shared value rows and weights",
            Self::DenseRows => "rows of a dense gradient",
            Self::GpuCount => "the entry count is on the GPU",
            Self::Accumulated => "accumulated gradients",
            Self::Promise => "a promise of uniqueness",
            Self::SharedList => "one index list of several tables",
            Self::Remapped => "rows move and begin anew",
            Self::Numbered => "rows round by numbers of the caller's",
            Self::StateDict => "the state dict, saved and loaded",
        }
    }

    /// A stage by itself, or the whole step.
    pub fn kind(self) -> Kind {
        match self {
            Self::Order
            | Self::ShortSums
            | Self::LongSums
            | Self::Update
            | Self::Inspect
            | Self::Repeats => Kind::Kernel,
            _ => Kind::Law,
        }
    }

    /// Checks it on inputs that `seed` decides. What the adapter refuses is in the check too.
    pub async fn check(self, gpu: &Gpu, tuning: Tuning, seed: u64) -> Check {
        let on = Setting { gpu, tuning, seed };
        let mut finding = Finding::default();
        if let Err(error) = self.find(on, &mut finding).await {
            finding.fail(error.to_string());
        }
        finding.check(self.kind(), self.name(), &tuning)
    }

    async fn find(self, on: Setting<'_>, finding: &mut Finding) -> Result<(), Error> {
        match self {
            Self::Order => kernels::order(on, finding).await,
            Self::ShortSums => kernels::short_sums(on, finding).await,
            Self::LongSums => kernels::long_sums(on, finding).await,
            Self::Update => kernels::update(on, finding).await,
            Self::Inspect => kernels::inspect(on, finding).await,
            Self::Repeats => kernels::repeats(on, finding).await,
            Self::Turns => turns::turns(on, finding).await,
            Self::Twin => laws::twin(on, finding).await,
            Self::WideRows => laws::wide_rows(on, finding).await,
            Self::ManyTables => laws::many_tables(on, finding).await,
            Self::OutOfRange => laws::out_of_range(on, finding).await,
            Self::Untouched => laws::untouched(on, finding).await,
            Self::Repeatable => laws::repeatable(on, finding).await,
            Self::Invariant => laws::invariant(on, finding).await,
            Self::OneEncoder => laws::one_encoder(on, finding).await,
            Self::Empty => laws::empty(on, finding).await,
            Self::SharedRows => values::shared_rows(on, finding).await,
            Self::DenseRows => values::dense_rows(on, finding).await,
            Self::GpuCount => values::gpu_count(on, finding).await,
            Self::Accumulated => values::accumulated(on, finding).await,
            Self::Promise => values::promise(on, finding).await,
            Self::SharedList => lists::shared_list(on, finding).await,
            Self::Remapped => growing::remapped(on, finding).await,
            Self::Numbered => numbered::numbered(on, finding).await,
            Self::StateDict => laws::state_dict(on, finding).await,
        }
    }
}
