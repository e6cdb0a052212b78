//! Files that hold tensors, read without trust: what is wrong with one, how much memory reading
//! it may take, and the header of a safetensors file.

mod header;
mod texts;

pub(crate) use header::{Dtype, LONGEST_HEADER, Parsed, TensorFile};

use crate::Error;
use crate::cut::cut;
use std::fmt::Display;
use std::path::Path;

/// Why a file was not read or written.
#[derive(Debug)]
pub(crate) enum Fault {
    Io(std::io::Error),
    /// Which part, and what is wrong with it.
    Invalid(String, String),
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl Fault {
    /// The error to tell of a file of kind `kind`, such as a checkpoint, that was not read.
    pub(crate) fn reading(self, kind: &str, path: Option<&Path>) -> Error {
        self.tell(kind, path, "nothing was loaded")
    }

    /// The error to tell of a file that was not written.
    pub(crate) fn writing(self, kind: &str, path: Option<&Path>) -> Error {
        self.tell(kind, path, "nothing was written")
    }

    fn tell(self, kind: &str, path: Option<&Path>, outcome: &str) -> Error {
        let (what, reason) = match (self, path) {
            (Self::Io(error), Some(path)) => {
                return Error::Io { path: path.display().to_string(), reason: error.to_string() };
            }
            (Self::Io(error), None) => (kind.to_string(), error.to_string()),
            (Self::Invalid(what, reason), _) => (format!("{kind}: {what}"), reason),
        };
        Error::InvalidFile { what, reason: format!("{reason}; {outcome}") }
    }
}

/// A fault of the part `what`. Both texts may come from the file: long ones are cut.
pub(crate) fn invalid(what: impl Display, reason: impl Display) -> Fault {
    Fault::Invalid(cut(what), cut(reason))
}

/// The memory that reading a file may take: three times its size, or 3 MiB where that is more.
/// Everything whose size a file decides is charged before it is allocated.
#[derive(Clone)]
pub(crate) struct Budget {
    left: u64,
}

impl Budget {
    pub(crate) fn of_file(bytes: u64) -> Self {
        Self { left: bytes.max(1 << 20).saturating_mul(3) }
    }

    pub(crate) fn take(&mut self, what: impl Display, bytes: u64) -> Result<(), Fault> {
        // Where addresses have 32 bits, a larger file may still hold more than can be addressed.
        match self.left.checked_sub(bytes).filter(|_| usize::try_from(bytes).is_ok()) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(invalid(
                what,
                format_args!("it would take {bytes} bytes, more than a file of this size may hold"),
            )),
        }
    }

    /// What was charged and is free again.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        self.left += bytes;
    }

    /// Charges what the lists and objects of a JSON text become: an element of a list that grows
    /// is held three times for a moment; where it is a text, of 24 bytes beside its letters, it
    /// has two quotes. An error may repeat all of the text.
    pub(crate) fn take_json(&mut self, what: &str, text: &str) -> Result<(), Fault> {
        self.take(what, 5 * text.len() as u64)?;
        self.give_back(5 * text.len() as u64);
        let cost = |byte: u8| match byte {
            b',' | b'"' => 24,
            b'[' => 72,
            b'{' => 128,
            _ => 0,
        };
        self.take(what, text.bytes().map(cost).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_three_times_the_file() {
        let mut budget = Budget::of_file(2 << 20);
        assert!(budget.take("a", 6 << 20).is_ok());
        assert!(budget.take("b", 1).is_err());
        budget.give_back(1);
        assert!(budget.take("b", 1).is_ok());
    }
}
