//! What a dispatch has at uniform binding 0: one of the structs.

use super::{
    CheckConfig, Drawn, EntriesConfig, EntryCount, FlushConfig, HeadLists, InspectConfig, Keys,
    NormFactorConfig, NormSumConfig, PartialConfig, RemapConfig, ResetConfig, RowsConfig,
    SortConfig, SquaresConfig, TallyConfig, UpdateConfig,
};
use crate::rule::Words;

/// It, by its stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Config {
    Entries(EntriesConfig),
    Inspect(InspectConfig),
    Sort(SortConfig),
    Heads(HeadLists),
    Keys(Keys),
    Partial(PartialConfig),
    Update(UpdateConfig),
    Rows(RowsConfig),
    Flush(FlushConfig),
    Squares(SquaresConfig),
    NormSum(NormSumConfig),
    NormFactor(NormFactorConfig),
    Tally(TallyConfig),
    Remap(RemapConfig),
    Check(CheckConfig),
    Reset(ResetConfig),
}

/// The largest of them.
pub const LARGEST: usize = {
    let sizes = [
        size_of::<EntriesConfig>(),
        size_of::<EntryCount>(),
        size_of::<InspectConfig>(),
        size_of::<SortConfig>(),
        size_of::<HeadLists>(),
        size_of::<Keys>(),
        size_of::<PartialConfig>(),
        size_of::<UpdateConfig>(),
        size_of::<SquaresConfig>(),
        size_of::<NormSumConfig>(),
        size_of::<NormFactorConfig>(),
        size_of::<TallyConfig>(),
        size_of::<RemapConfig>(),
        size_of::<CheckConfig>(),
        size_of::<ResetConfig>(),
        size_of::<Words>(),
        size_of::<Drawn>(),
        size_of::<RowsConfig>(),
        size_of::<FlushConfig>(),
        size_of::<crate::rule::RowWords>(),
    ];
    let (mut most, mut at) = (0, 0);
    while at < sizes.len() {
        if sizes[at] > most {
            most = sizes[at];
        }
        at += 1;
    }
    most
};
