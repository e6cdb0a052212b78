//! Texts of errors that may repeat what is in a file, however long that is.

use std::fmt::{Display, Write};

/// A text of some hundred bytes at most, cut while it is written: a hostile one may be huge.
pub(crate) fn cut(text: impl Display) -> String {
    let mut cut = Cut(String::new());
    if write!(cut, "{text}").is_err() {
        cut.0.push_str("...");
    }
    cut.0
}

struct Cut(String);

impl Write for Cut {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        const MOST: usize = 400;
        let room = MOST - self.0.len();
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let end = (0..=room).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        self.0.push_str(&text[..end]);
        Err(std::fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = cut("é".repeat(1 << 20));
        assert_eq!(long.len(), 403);
        assert!(long.ends_with("é..."));
        let debug = cut(format_args!("{:?}", "\u{1}".repeat(1 << 20)));
        assert!(debug.len() <= 403, "{}", debug.len());
    }
}
