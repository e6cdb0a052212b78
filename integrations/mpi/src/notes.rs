//! What one rank tells another of a block before it: how long it is, and the block itself where it is short, so that ranks which have
//! little to say send one message each.

use crate::Blocks;

/// Words of a block that travel with its note: few enough that MPI sends them at once.
const AT_ONCE: usize = 256;

/// A block of an exchange.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Note {
    /// Words that come behind the note's.
    pub left: u64,
    /// The most words that the rank sends anyone behind notes: all ranks have the largest of all by that.
    pub largest: u64,
    /// The block's first words.
    pub words: Vec<u32>,
}

/// Cuts blocks into what their notes say and what is left.
pub(crate) fn noted(blocks: Blocks) -> (Vec<Option<Note>>, Blocks) {
    let cut = |mut block: Vec<u32>| {
        let rest = if block.len() > AT_ONCE { std::mem::take(&mut block) } else { Vec::new() };
        (block, rest)
    };
    let (first, rest): (Blocks, Blocks) = blocks.into_iter().map(cut).unzip();
    let left = |block: &Vec<u32>| block.len() as u64;
    let largest = rest.iter().map(left).max().unwrap_or(0);
    let note = |(words, rest)| Some(Note { left: left(rest), largest, words });
    (first.into_iter().zip(&rest).map(note).collect(), rest)
}

/// A note as words; none for a rank that ends.
pub(crate) fn words_of(note: Option<Note>) -> Vec<u32> {
    let Some(Note { left, largest, words }) = note else { return Vec::new() };
    let halves = |wide: u64| [wide as u32, (wide >> 32) as u32];
    [&halves(left)[..], &halves(largest), &words].concat()
}

/// What [`words_of`] is of.
pub(crate) fn of_words(mut words: Vec<u32>) -> Option<Note> {
    let wide = |halves: &[u32]| u64::from(halves[0]) | u64::from(halves[1]) << 32;
    let (left, largest) = (wide(words.get(..2)?), wide(words.get(2..4)?));
    words.drain(..4);
    Some(Note { left, largest, words })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_blocks_travel_with_their_notes_and_long_ones_behind() {
        let long = AT_ONCE as u32 + 1;
        let blocks: Blocks =
            [0, 3, long, AT_ONCE as u32, 2 * long].map(|length| (0..length).collect()).into();
        let (notes, rest) = noted(blocks.clone());
        for ((note, rest), block) in notes.iter().zip(&rest).zip(&blocks) {
            let arrived = of_words(words_of(note.clone()));
            assert_eq!(&arrived, note);
            let Some(Note { left, largest, mut words }) = arrived else { panic!("no note") };
            assert_eq!((left, largest), (rest.len() as u64, 2 * u64::from(long)));
            assert!(words.len() <= AT_ONCE && (rest.is_empty() || words.is_empty()));
            words.extend(rest);
            assert_eq!(&words, block);
        }
        let (notes, _) = noted(vec![vec![7; 9]; 2]);
        assert!(notes.into_iter().flatten().all(|note| note.largest == 0), "nothing comes behind");
    }

    #[test]
    fn a_rank_that_ends_tells_nothing_else() {
        assert_eq!(of_words(words_of(None)), None);
        let wide = Note { left: 1 << 40, largest: 1 << 41, words: vec![5] };
        assert_eq!(of_words(words_of(Some(wide.clone()))), Some(wide));
    }
}
