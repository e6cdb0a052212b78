//! The safetensors container: eight bytes of length, a JSON header, tensors end to end.

use super::texts::{self, Texts, charge};
use super::{Budget, Fault, invalid};
use bytemuck::Pod;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Seek, SeekFrom};

/// The longest header that safetensors' own reader takes, in bytes.
pub(crate) const LONGEST_HEADER: u64 = 100_000_000;

/// A type of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(field_identifier)]
pub(crate) enum Dtype {
    F32,
    U32,
    I64,
    #[serde(other)]
    Other,
}

/// What the header tells of a tensor.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    dtype: Dtype,
    shape: Box<[u32]>,
    /// Bytes from the end of the header.
    begin: u64,
    end: u64,
}

/// A header, checked against the length of the data behind it.
#[derive(Default)]
pub(crate) struct Parsed {
    pub metadata: BTreeMap<String, String>,
    tensors: Vec<(Box<str>, Entry)>,
}

impl Parsed {
    /// How many tensors there are.
    #[cfg(feature = "checkpoint")]
    pub(crate) fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there is a tensor of a name.
    #[cfg(feature = "checkpoint")]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensor(name).is_some()
    }

    /// The tensor of a name.
    fn tensor(&self, name: &str) -> Option<&Entry> {
        let found = self.tensors.binary_search_by(|(other, _)| (**other).cmp(name));
        found.ok().map(|found| &self.tensors[found].1)
    }
}

/// A safetensors file whose tensors are read when asked for.
pub(crate) struct TensorFile<R> {
    read: R,
    /// Where the data begins.
    start: u64,
    pub header: Parsed,
    pub budget: Budget,
}

impl<R: Read + Seek> TensorFile<R> {
    /// Reads the header.
    pub(crate) fn open(mut read: R) -> Result<Self, Fault> {
        let size = read.seek(SeekFrom::End(0))?;
        read.seek(SeekFrom::Start(0))?;
        let mut budget = Budget::of_file(size);
        if size < 8 {
            return Err(invalid("header", "the file is shorter than 8 bytes"));
        }
        let mut length = [0; 8];
        read.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER.min(size - 8) {
            return Err(invalid("header", format_args!("{length} bytes, in a file of {size}")));
        }
        budget.take("header", length)?;
        let mut bytes = vec![0; length as usize];
        read.read_exact(&mut bytes)?;
        let header = Parsed::new(&bytes, size - 8 - length, &mut budget)?;
        budget.give_back(length);
        Ok(Self { read, start: 8 + length, header, budget })
    }

    /// Shape and values of a tensor.
    pub(crate) fn values<T: Pod>(
        &mut self,
        name: &str,
        dtype: Dtype,
    ) -> Result<(Vec<u32>, Vec<T>), Fault> {
        let entry = self.header.tensor(name).ok_or_else(|| invalid(name, "missing"))?;
        if entry.dtype != dtype {
            return Err(invalid(name, format_args!("not of type {dtype:?}")));
        }
        let bytes = entry.end - entry.begin;
        self.budget.take(name, bytes + 4 * entry.shape.len() as u64)?;
        let mut values = vec![T::zeroed(); bytes as usize / size_of::<T>()];
        self.read.seek(SeekFrom::Start(self.start + entry.begin))?;
        self.read.read_exact(bytemuck::cast_slice_mut(&mut values))?;
        Ok((entry.shape.to_vec(), values))
    }
}

impl Parsed {
    /// Parses a header with `data` bytes of tensors behind it.
    pub(crate) fn new(bytes: &[u8], data: u64, budget: &mut Budget) -> Result<Self, Fault> {
        let copies = texts::copies(bytes);
        budget.take("header", copies)?;
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let parsed = Header { budget, most: texts::most_tensors(bytes) }.deserialize(&mut json);
        let mut parsed = parsed.map_err(|error| invalid("header", error))?;
        json.end().map_err(|error| invalid("header", error))?;
        drop(json);
        budget.give_back(copies);
        parsed.tensors.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        if parsed.tensors.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(invalid("header", "a tensor's name twice"));
        }
        let places_bytes = 16 * parsed.tensors.len() as u64;
        budget.take("header", places_bytes)?;
        let mut places: Vec<_> =
            parsed.tensors.iter().map(|(_, tensor)| (tensor.begin, tensor.end)).collect();
        places.sort_unstable();
        let mut end = 0;
        for place in places {
            if place.0 != end {
                return Err(invalid("header", "gaps between tensors, or tensors that overlap"));
            }
            end = place.1;
        }
        if end != data {
            return Err(invalid("header", format_args!("{end} bytes of tensors, {data} there")));
        }
        budget.give_back(places_bytes);
        Ok(parsed)
    }
}

/// What is said of a tensor, as it stands in the file. No error repeats a text of the file.
struct Info {
    dtype: Dtype,
    shape: Axes,
    data_offsets: (u64, u64),
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Dtype,
    Shape,
    DataOffsets,
    #[serde(other)]
    Other,
}

impl Info {
    /// The entry, if its shape fits its bytes.
    fn entry(self) -> Option<Entry> {
        let (begin, end) = self.data_offsets;
        let bytes = end.checked_sub(begin)?;
        let mut axes = self.shape.0.iter();
        let values = axes.try_fold(1u64, |values, &axis| values.checked_mul(axis.into()));
        let size = match self.dtype {
            Dtype::F32 | Dtype::U32 => 4,
            Dtype::I64 => 8,
            Dtype::Other => return Some(self.kept()),
        };
        (values?.checked_mul(size)? == bytes).then(|| self.kept())
    }

    fn kept(self) -> Entry {
        let (begin, end) = self.data_offsets;
        Entry { dtype: self.dtype, shape: self.shape.0.into(), begin, end }
    }
}

struct InfoVisitor;

impl<'de> Visitor<'de> for InfoVisitor {
    type Value = Info;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("dtype, shape and data_offsets, each once")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Info, A::Error> {
        let (mut dtype, mut shape, mut data_offsets) = (None, None, None);
        while let Some(key) = map.next_key()? {
            let again = match key {
                Key::Dtype => dtype.replace(map.next_value()?).is_some(),
                Key::Shape => shape.replace(map.next_value()?).is_some(),
                Key::DataOffsets => data_offsets.replace(map.next_value()?).is_some(),
                Key::Other => true,
            };
            if again {
                return Err(A::Error::custom("of a tensor: a key twice, or an unknown one"));
            }
        }
        match (dtype, shape, data_offsets) {
            (Some(dtype), Some(shape), Some(data_offsets)) => {
                Ok(Info { dtype, shape, data_offsets })
            }
            _ => Err(A::Error::custom("a tensor without dtype, shape or data_offsets")),
        }
    }
}

impl<'de> Deserialize<'de> for Info {
    fn deserialize<D: serde::Deserializer<'de>>(read: D) -> Result<Self, D::Error> {
        read.deserialize_map(InfoVisitor)
    }
}

/// At most 64 axes, as many as torch has.
struct Axes(Vec<u32>);

impl<'de> Deserialize<'de> for Axes {
    fn deserialize<D: serde::Deserializer<'de>>(read: D) -> Result<Self, D::Error> {
        read.deserialize_seq(AxesVisitor)
    }
}

struct AxesVisitor;

impl<'de> Visitor<'de> for AxesVisitor {
    type Value = Axes;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a shape of at most 64 axes, each below 2^32")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Axes, A::Error> {
        let mut axes = Vec::new();
        while let Some(axis) = sequence.next_element()? {
            if axes.len() == 64 {
                return Err(A::Error::invalid_length(65, &self));
            }
            axes.push(axis);
        }
        Ok(Axes(axes))
    }
}

/// Reads a header, charging what it keeps.
struct Header<'a> {
    budget: &'a mut Budget,
    /// The most tensors in it.
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Header<'_> {
    type Value = Parsed;

    fn deserialize<D: serde::Deserializer<'de>>(self, read: D) -> Result<Parsed, D::Error> {
        read.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Header<'_> {
    type Value = Parsed;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed, A::Error> {
        let mut parsed = Parsed::default();
        let Self { budget, most } = self;
        charge(budget, most * size_of::<(Box<str>, Entry)>())?;
        parsed.tensors.reserve_exact(most);
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                if !parsed.metadata.is_empty() {
                    return Err(A::Error::custom("metadata twice"));
                }
                parsed.metadata = map.next_value_seed(Texts(&mut *budget))?;
                continue;
            }
            let entry = map.next_value::<Info>()?.entry();
            let entry = entry.ok_or_else(|| A::Error::custom("a shape does not fit its bytes"))?;
            charge(budget, name.len() + 4 * entry.shape.len())?;
            if parsed.tensors.len() == most {
                return Err(A::Error::custom("a tensor whose data_offsets are named with escapes"));
            }
            parsed.tensors.push((name.into(), entry));
        }
        Ok(parsed)
    }
}
