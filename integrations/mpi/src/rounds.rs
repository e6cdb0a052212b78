//! Blocks in rounds, for a transport that moves no more than so many words at once.

use std::ops::Range;

/// How many rounds the largest block takes, of at most `part` words of a block each.
pub(crate) fn rounds(largest: u64, part: u64) -> u64 {
    largest.div_ceil(part)
}

/// The words of a block of `length` that travel in round `round`.
pub(crate) fn of_round(length: u64, round: u64, part: u64) -> Range<u64> {
    let at = |round: u64| length.min(round.saturating_mul(part));
    at(round)..at(round + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_have_every_word_once_and_no_more_than_a_part() {
        for part in 1..6 {
            for length in 0..20 {
                for largest in length..20 {
                    let mut next = 0;
                    for round in 0..rounds(largest, part) {
                        let words = of_round(length, round, part);
                        assert!(words.start == next && words.end - words.start <= part);
                        next = words.end;
                    }
                    assert_eq!(next, length);
                }
            }
        }
    }
}
