//! Messages as words: lists with their lengths, and how they are read back without trust.

use crate::Error;

/// Adds a list: its length in two words, and its words.
pub(crate) fn push_list(words: &mut Vec<u32>, list: &[u32]) {
    push_wide(words, list.len() as u64);
    words.extend_from_slice(list);
}

/// Adds a number of 64 bits, the low word first.
pub(crate) fn push_wide(words: &mut Vec<u32>, number: u64) {
    words.extend([number as u32, (number >> 32) as u32]);
}

/// Adds a text: its length in bytes, and its bytes in whole words.
pub(crate) fn push_text(words: &mut Vec<u32>, text: &str) {
    push_wide(words, text.len() as u64);
    let word = |bytes: &[u8]| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        u32::from_le_bytes(word)
    };
    words.extend(text.as_bytes().chunks(4).map(word));
}

/// What is left of a rank's message.
pub(crate) struct Reader<'a> {
    rank: u32,
    words: &'a [u32],
}

impl<'a> Reader<'a> {
    pub fn new(rank: u32, words: &'a [u32]) -> Self {
        Self { rank, words }
    }

    /// Its next `count` words.
    ///
    /// # Errors
    /// [`Error::Garbled`] where it has fewer; so of all that follows.
    pub fn take(&mut self, count: u64) -> Result<&'a [u32], Error> {
        let garbled = Error::Garbled { rank: self.rank };
        let Ok(count) = usize::try_from(count) else { return Err(garbled) };
        let (taken, rest) = self.words.split_at_checked(count).ok_or(garbled)?;
        self.words = rest;
        Ok(taken)
    }

    pub fn wide(&mut self) -> Result<u64, Error> {
        let words = self.take(2)?;
        Ok(u64::from(words[0]) | u64::from(words[1]) << 32)
    }

    pub fn list(&mut self) -> Result<&'a [u32], Error> {
        let count = self.wide()?;
        self.take(count)
    }

    pub fn text(&mut self) -> Result<String, Error> {
        let bytes = self.wide()?;
        let words = self.take(bytes.div_ceil(4))?;
        let text = words.iter().flat_map(|word| word.to_le_bytes()).take(bytes as usize).collect();
        String::from_utf8(text).map_err(|_| Error::Garbled { rank: self.rank })
    }

    /// That nothing is left.
    pub fn end(self) -> Result<(), Error> {
        match self.words {
            [] => Ok(()),
            _ => Err(Error::Garbled { rank: self.rank }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_read() {
        let mut words = Vec::new();
        push_text(&mut words, "rank 3: über");
        push_list(&mut words, &[7, 8, 9]);
        push_wide(&mut words, 1 << 40);
        push_text(&mut words, "");
        let mut reader = Reader::new(0, &words);
        assert_eq!(reader.text().unwrap(), "rank 3: über");
        assert_eq!(reader.list(), Ok(&[7, 8, 9][..]));
        assert_eq!(reader.wide(), Ok(1 << 40));
        assert_eq!(reader.text().unwrap(), "");
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn a_message_that_is_too_short_or_too_long_is_refused_by_name() {
        let garbled = Err(Error::Garbled { rank: 5 });
        let reader = |words| Reader::new(5, words);
        assert_eq!(reader(&[1]).wide().map(drop), garbled);
        assert_eq!(reader(&[3, 0, 1, 1]).list().map(drop), garbled);
        assert_eq!(reader(&[u32::MAX, u32::MAX]).text().map(drop), garbled);
        assert_eq!(reader(&[1, 0, 0xff]).text().map(drop), garbled);
        assert_eq!(reader(&[0]).end(), garbled);
    }
}
