//! What serde's derive leaves out: keys that must differ, and numbers that JSON does not have.

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// A map whose keys differ; serde's own keeps the last of two.
pub(crate) fn unique<'de, D, K, V>(read: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    read.deserialize_map(Unique(PhantomData))
}

struct Unique<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for Unique<K, V>
where
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    type Value = BTreeMap<K, V>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map whose keys differ")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut unique = BTreeMap::new();
        while let Some((key, value)) = map.next_entry()? {
            if unique.insert(key, value).is_some() {
                return Err(A::Error::custom("a key twice"));
            }
        }
        Ok(unique)
    }
}

/// Numbers, of which each must be finite to be written as text.
pub(crate) trait Numbers {
    /// The first that is not finite.
    fn not_finite(&self) -> Option<f64>;
}

impl Numbers for f64 {
    fn not_finite(&self) -> Option<f64> {
        (!self.is_finite()).then_some(*self)
    }
}

impl Numbers for (f64, f64) {
    fn not_finite(&self) -> Option<f64> {
        self.0.not_finite().or(self.1.not_finite())
    }
}

impl<T: Numbers> Numbers for Option<T> {
    fn not_finite(&self) -> Option<f64> {
        self.as_ref().and_then(Numbers::not_finite)
    }
}

impl Numbers for [f32] {
    fn not_finite(&self) -> Option<f64> {
        self.iter().find(|number| !number.is_finite()).map(|&number| number.into())
    }
}

impl Numbers for Vec<f32> {
    fn not_finite(&self) -> Option<f64> {
        self[..].not_finite()
    }
}

impl Numbers for Box<[f32]> {
    fn not_finite(&self) -> Option<f64> {
        self[..].not_finite()
    }
}

/// Fails where a format for people, such as JSON, would write `null` in place of a number.
pub(crate) fn finite<T, S>(numbers: &T, write: S) -> Result<S::Ok, S::Error>
where
    T: Numbers + Serialize,
    S: Serializer,
{
    match numbers.not_finite() {
        Some(number) if write.is_human_readable() => Err(S::Error::custom(format_args!(
            "{number} has no place in a text format such as JSON; StateDict::save has one for moments"
        ))),
        _ => numbers.serialize(write),
    }
}

/// A number that starts as infinity, which is written as nothing.
pub(crate) mod from_infinity {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(number: &f64, write: S) -> Result<S::Ok, S::Error> {
        finite(&Some(*number).filter(|&number| number != f64::INFINITY), write)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(read: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(read)?.unwrap_or(f64::INFINITY))
    }
}
