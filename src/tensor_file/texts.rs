//! Texts in a header, and what they take before they are read.

use super::Budget;
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// The most tensors that a header can hold. Inside a text, the quotes would have backslashes.
pub(super) fn most_tensors(bytes: &[u8]) -> usize {
    let key = b"\"data_offsets\"";
    bytes.windows(key.len()).filter(|window| window == key).count()
}

/// What texts take while they are read, in bytes: the longest, which is charged once it is there;
/// and, of the longest with an escape, the parser's own copy, three times while that grows.
pub(super) fn copies(bytes: &[u8]) -> u64 {
    let (mut longest, mut longest_escaped) = (0, 0);
    let (mut length, mut inside, mut escaped, mut after) = (0u64, false, false, false);
    for &byte in bytes {
        match byte {
            b'"' if !after => (inside, length, escaped) = (!inside, 0, false),
            b'\\' if inside && !after => (after, escaped) = (true, true),
            _ => after = false,
        }
        length += 1;
        longest = longest.max(if inside { length } else { 0 });
        longest_escaped = longest_escaped.max(if escaped { length } else { 0 });
    }
    longest + 3 * longest_escaped
}

/// Charges a header's part, as an error of its parser.
pub(super) fn charge<E: Error>(budget: &mut Budget, bytes: usize) -> Result<(), E> {
    budget.take("header", bytes as u64).map_err(|_| E::custom("more than its file may hold"))
}

/// Reads the metadata, charging what it keeps: few keys, each once.
pub(super) struct Texts<'a>(pub &'a mut Budget);

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = BTreeMap<String, String>;

    fn deserialize<D: serde::Deserializer<'de>>(self, read: D) -> Result<Self::Value, D::Error> {
        read.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("at most 64 texts under keys of their own")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            charge(self.0, key.len())?;
            let text = map.next_value::<String>()?;
            charge(self.0, text.len())?;
            if texts.len() == 64 || texts.insert(key, text).is_some() {
                return Err(A::Error::custom("more than 64 keys in the metadata, or one twice"));
            }
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_of_the_longest_texts() {
        // With the quote before it.
        assert_eq!(copies(br#"{"a":1,"bcd":2,"ef":333333}"#), 4);
        assert_eq!(copies(br#"{"a\n":"bcdef","\"":1}"#), 6 + 3 * 4);
        assert_eq!(copies(br#""\\",aaaaaaa"#), 3 + 3 * 3);
        assert_eq!(copies(b"\\\\"), 0);
    }

    #[test]
    fn tensors_are_counted_outside_of_texts() {
        let header = br#"{"a":{"data_offsets":[0,0]},"b":{"data_offsets":[0,0]}}"#;
        assert_eq!(most_tensors(header), 2);
        assert_eq!(most_tensors(br#"{"__metadata__":{"a":"\"data_offsets\""}}"#), 0);
    }
}
