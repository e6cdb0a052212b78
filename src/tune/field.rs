//! The fields of a tuning that are searched, and the values that are tried.

use super::workload::Workload;
use crate::{Form, Tuning};

/// A field of [`Tuning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Small,
    Bitonic,
    UpdateTile,
    MaxLanes,
    Workgroup,
    DigitBits,
    IngestStrip,
    Interleave,
    SumsAtOnce,
    Ballots,
    ReorderFrom,
    CountAhead,
}

/// Entries from which on partial sums are made on CPU adapters.
const SUMMED_FROM: u32 = 1024;

impl Field {
    /// Those that a form has, in the order in which they are searched: those that change the most first, as the
    /// time may end.
    pub fn of(form: Form) -> &'static [Self] {
        use Field::{
            Ballots, Bitonic, CountAhead, DigitBits, IngestStrip, Interleave, MaxLanes,
            ReorderFrom, Small, SumsAtOnce, UpdateTile, Workgroup,
        };
        match form {
            Form::Serial => {
                &[UpdateTile, Interleave, Small, DigitBits, Workgroup, IngestStrip, SumsAtOnce]
            }
            Form::Parallel => &[
                UpdateTile,
                MaxLanes,
                Ballots,
                DigitBits,
                CountAhead,
                ReorderFrom,
                Workgroup,
                Bitonic,
                Small,
            ],
        }
    }

    /// Its name in [`Tuning`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Bitonic => "bitonic",
            Self::UpdateTile => "update_tile",
            Self::MaxLanes => "max_lanes",
            Self::Workgroup => "workgroup",
            Self::DigitBits => "digit_bits",
            Self::IngestStrip => "ingest_strip",
            Self::Interleave => "interleave",
            Self::SumsAtOnce => "sums_at_once",
            Self::Ballots => "ballots",
            Self::ReorderFrom => "reorder_from",
            Self::CountAhead => "count_ahead",
        }
    }

    /// Its value; of what is done or not, 1 or 0.
    #[cfg(test)]
    pub fn get(self, tuning: &Tuning) -> u32 {
        match self {
            Self::Small => tuning.small,
            Self::Bitonic => tuning.bitonic,
            Self::UpdateTile => tuning.update_tile,
            Self::MaxLanes => tuning.max_lanes,
            Self::Workgroup => tuning.workgroup,
            Self::DigitBits => tuning.digit_bits,
            Self::IngestStrip => tuning.ingest_strip,
            Self::Interleave => tuning.interleave,
            Self::SumsAtOnce => tuning.sums_at_once,
            Self::Ballots => tuning.ballots.into(),
            Self::ReorderFrom => tuning.reorder_from,
            Self::CountAhead => tuning.count_ahead.into(),
        }
    }

    /// A tuning with another value of it.
    pub fn with(self, mut tuning: Tuning, value: u32) -> Tuning {
        match self {
            Self::Small => tuning.small = value,
            Self::Bitonic => tuning.bitonic = value,
            Self::UpdateTile => tuning.update_tile = value,
            Self::MaxLanes => tuning.max_lanes = value,
            Self::Workgroup => tuning.workgroup = value,
            Self::DigitBits => tuning.digit_bits = value,
            Self::IngestStrip => tuning.ingest_strip = value,
            Self::Interleave => tuning.interleave = value,
            Self::SumsAtOnce => tuning.sums_at_once = value,
            Self::Ballots => tuning.ballots = value == 1,
            Self::ReorderFrom => tuning.reorder_from = value,
            Self::CountAhead => tuning.count_ahead = value == 1,
        }
        tuning
    }

    /// What is tried.
    pub fn values(self, form: Form) -> &'static [u32] {
        match (self, form) {
            (Self::Small, _) => &[512, 1024, 2048, 4096],
            (Self::Bitonic, _) => &[1, 256, 512, 1024],
            (Self::UpdateTile, Form::Parallel) => &[16, 32, 64, 128, 256],
            (Self::UpdateTile, Form::Serial) => &[256, 512, 1024, 2048, 4096],
            (Self::MaxLanes, _) => &[4, 8, 16, 32, 64],
            (Self::Workgroup, Form::Parallel) => &[64, 128, 256],
            (Self::Workgroup, Form::Serial) => &[8, 16, 32],
            (Self::DigitBits, Form::Parallel) => &[4, 5, 6, 7, 8],
            (Self::DigitBits, Form::Serial) => &[8, 9, 10, 11, 12],
            (Self::IngestStrip, _) => &[8, 16, 32, 64, 128],
            (Self::Interleave, _) => &[1, 2, 4, 8, 16],
            (Self::SumsAtOnce, _) => &[1, 2, 4, 8],
            (Self::Ballots | Self::CountAhead, _) => &[0, 1],
            (Self::ReorderFrom, _) => &[65_536, u32::MAX],
        }
    }

    /// What is tried beside `chosen`: each with its value, all valid.
    pub fn candidates(self, chosen: Tuning) -> Vec<(u32, Tuning)> {
        let tried = self.values(chosen.form).iter().map(|&value| (value, self.with(chosen, value)));
        tried.filter(|(_, tuning)| *tuning != chosen && tuning.validate().is_ok()).collect()
    }

    /// Whether it can change how long a workload takes.
    pub fn concerns(self, workload: &Workload, chosen: &Tuning) -> bool {
        match self {
            // Of more than all values, entries are not sorted so anyhow.
            Self::Small | Self::Bitonic => {
                self.values(chosen.form).last().is_some_and(|most| workload.nnz <= *most)
            }
            Self::DigitBits | Self::IngestStrip | Self::Ballots | Self::CountAhead => {
                workload.nnz > chosen.small
            }
            Self::ReorderFrom => {
                workload.nnz > chosen.small && workload.nnz >= self.values(chosen.form)[0]
            }
            // A row of one lane has one column.
            Self::SumsAtOnce => workload.nnz > SUMMED_FROM && workload.dim > 8,
            Self::UpdateTile | Self::MaxLanes | Self::Workgroup | Self::Interleave => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_valid_and_differ_in_their_field_alone() {
        for default in [Tuning::CPU, Tuning::GPU] {
            for &field in Field::of(default.form) {
                let candidates = field.candidates(default);
                assert!(!candidates.is_empty(), "{field:?}");
                for (value, tuning) in candidates {
                    assert_eq!(tuning.validate(), Ok(()));
                    assert_eq!(field.get(&tuning), value);
                    assert_ne!(tuning, default);
                    assert_eq!(field.with(tuning, field.get(&default)), default);
                }
            }
        }
    }

    #[test]
    fn a_workgroup_holds_the_lanes_of_a_row() {
        let narrow = Tuning { workgroup: 16, max_lanes: 16, ..Tuning::GPU };
        let lanes: Vec<_> = Field::MaxLanes.candidates(narrow).into_iter().map(|at| at.0).collect();
        assert_eq!(lanes, [4, 8]);
    }
}
