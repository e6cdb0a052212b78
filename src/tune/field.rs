//! The fields of a tuning that are searched, and the values that are tried.

use super::workload::Workload;
use crate::{Form, Tuning};

/// A field of [`Tuning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Small,
    UpdateTile,
    MaxLanes,
    Workgroup,
    DigitBits,
    IngestStrip,
    Interleave,
    SumsAtOnce,
}

/// Entries from which on partial sums are made on CPU adapters.
const SUMMED_FROM: u32 = 1024;

impl Field {
    /// Those that a form has, in the order in which they are searched: those that change the most first, as the
    /// time may end.
    pub fn of(form: Form) -> &'static [Self] {
        use Field::{
            DigitBits, IngestStrip, Interleave, MaxLanes, Small, SumsAtOnce, UpdateTile, Workgroup,
        };
        match form {
            Form::Serial => {
                &[UpdateTile, Interleave, Small, DigitBits, Workgroup, IngestStrip, SumsAtOnce]
            }
            Form::Parallel => &[UpdateTile, MaxLanes, Workgroup, DigitBits, Small],
        }
    }

    /// Its name in [`Tuning`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::UpdateTile => "update_tile",
            Self::MaxLanes => "max_lanes",
            Self::Workgroup => "workgroup",
            Self::DigitBits => "digit_bits",
            Self::IngestStrip => "ingest_strip",
            Self::Interleave => "interleave",
            Self::SumsAtOnce => "sums_at_once",
        }
    }

    /// Its value.
    pub fn get(self, tuning: &mut Tuning) -> &mut u32 {
        match self {
            Self::Small => &mut tuning.small,
            Self::UpdateTile => &mut tuning.update_tile,
            Self::MaxLanes => &mut tuning.max_lanes,
            Self::Workgroup => &mut tuning.workgroup,
            Self::DigitBits => &mut tuning.digit_bits,
            Self::IngestStrip => &mut tuning.ingest_strip,
            Self::Interleave => &mut tuning.interleave,
            Self::SumsAtOnce => &mut tuning.sums_at_once,
        }
    }

    fn values(self, form: Form) -> &'static [u32] {
        match (self, form) {
            (Self::Small, Form::Parallel) => &[256, 512, 1024],
            (Self::Small, Form::Serial) => &[512, 1024, 2048, 4096],
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
        }
    }

    /// What is tried beside `chosen`: each with its value, all valid.
    pub fn candidates(self, chosen: Tuning) -> Vec<(u32, Tuning)> {
        let with = |&value: &u32| {
            let mut tuning = chosen;
            *self.get(&mut tuning) = value;
            (value, tuning)
        };
        let tried = self.values(chosen.form).iter().map(with);
        tried.filter(|(_, tuning)| *tuning != chosen && tuning.validate().is_ok()).collect()
    }

    /// Whether it can change how long a workload takes.
    pub fn concerns(self, workload: &Workload, chosen: &Tuning) -> bool {
        match self {
            // Fewer than all values are not sorted at once anyhow.
            Self::Small => {
                self.values(chosen.form).last().is_some_and(|most| workload.nnz <= *most)
            }
            Self::DigitBits | Self::IngestStrip => workload.nnz > chosen.small,
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
                assert!(candidates.len() > 1, "{field:?}");
                for (value, mut tuning) in candidates {
                    assert_eq!(tuning.validate(), Ok(()));
                    assert_eq!(*field.get(&mut tuning), value);
                    assert_ne!(tuning, default);
                    let mut same = default;
                    *field.get(&mut tuning) = *field.get(&mut same);
                    assert_eq!(tuning, default);
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
