//! Safetensors: tensors `state.<i>.exp_avg` and `state.<i>.exp_avg_sq`, f32, of the parameter's
//! shape; metadata `state` `{"<i>": {"step": n}}` and `param_groups`, both JSON as torch
//! nests them; metadata `crc32`, in hexadecimal, over all of it.

use super::{invalid, io, shape};
use crate::{Error, GroupState, ParamState, StateDict};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// What is said of a parameter beside its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    step: u64,
}

impl StateDict {
    /// The state as the bytes of a safetensors file.
    ///
    /// # Errors
    /// [`Error::InvalidFile`] where a shape does not fit its values.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        let tensors = self.tensors()?;
        let metadata = Some(self.metadata()?);
        safetensors::serialize(tensors, metadata).map_err(|error| invalid("writing", error))
    }

    /// Saves the state as a safetensors file. A crash in the middle leaves an old file whole:
    /// the new one is written beside it and renamed.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidFile`] where a shape does not fit its values.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let (tensors, metadata) = (self.tensors()?, Some(self.metadata()?));
        safetensors::serialize_to_file(tensors, metadata, path).map_err(|error| io(path, error))
    }

    /// Reads the state from the bytes of a safetensors file. Every length is checked against
    /// what is there before memory is taken, and every byte against the checksum.
    ///
    /// # Errors
    /// [`Error::InvalidFile`] naming what is wrong.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, Error> {
        check_keys(bytes)?;
        let file = SafeTensors::deserialize(bytes).map_err(|error| invalid("file", error))?;
        let (_, header) =
            SafeTensors::read_metadata(bytes).map_err(|error| invalid("header", error))?;
        let none = HashMap::new();
        let metadata = header.metadata().as_ref().unwrap_or(&none);
        let counted: BTreeMap<usize, Counted> = json(metadata, "state")?;
        let param_groups: Vec<GroupState> = json(metadata, "param_groups")?;
        if file.len() != 2 * counted.len() {
            return Err(invalid("tensors", format!("{} of {}", file.len(), 2 * counted.len())));
        }
        let mut dict = Self { state: BTreeMap::new(), param_groups };
        for (number, Counted { step }) in counted {
            let (shape, exp_avg) = tensor(&file, number, "exp_avg")?;
            let (other, exp_avg_sq) = tensor(&file, number, "exp_avg_sq")?;
            if shape != other {
                return Err(invalid(&format!("state.{number}"), "its moments differ in shape"));
            }
            dict.state.insert(number, ParamState { step, shape, exp_avg, exp_avg_sq });
        }
        dict.check_crc(metadata)?;
        Ok(dict)
    }

    /// Loads the state from a safetensors file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidFile`] naming what is wrong.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::from_safetensors(&std::fs::read(path).map_err(|error| io(path, error))?)
    }

    /// Name and contents of every tensor, in order.
    fn tensors(&self) -> Result<Vec<(String, TensorView<'_>)>, Error> {
        let mut tensors = Vec::with_capacity(2 * self.state.len());
        for (number, state) in &self.state {
            let shape: Vec<usize> = state.shape.iter().map(|&axis| axis as usize).collect();
            for (moment, values) in [("exp_avg", &state.exp_avg), ("exp_avg_sq", &state.exp_avg_sq)]
            {
                let name = format!("state.{number}.{moment}");
                let bytes = bytemuck::cast_slice(values);
                let view = TensorView::new(Dtype::F32, shape.clone(), bytes)
                    .map_err(|error| invalid(&name, error))?;
                tensors.push((name, view));
            }
        }
        Ok(tensors)
    }

    fn metadata(&self) -> Result<HashMap<String, String>, Error> {
        let (state, groups) = self.texts()?;
        let crc = ("crc32".to_string(), self.crc(&state, &groups)?);
        Ok([("state".into(), state), ("param_groups".into(), groups), crc].into())
    }

    /// The JSON of `state` and `param_groups`.
    fn texts(&self) -> Result<(String, String), Error> {
        let counted: BTreeMap<_, _> = self
            .state
            .iter()
            .map(|(number, state)| (number, Counted { step: state.step }))
            .collect();
        let text =
            |what, text: serde_json::Result<String>| text.map_err(|error| invalid(what, error));
        Ok((
            text("state", serde_json::to_string(&counted))?,
            text("param_groups", serde_json::to_string(&self.param_groups))?,
        ))
    }

    fn check_crc(&self, metadata: &HashMap<String, String>) -> Result<(), Error> {
        let found = metadata.get("crc32").ok_or_else(|| invalid("crc32", "missing"))?;
        let text = |key| metadata.get(key).map_or("", String::as_str);
        let expected = self.crc(text("state"), text("param_groups"))?;
        if *found == expected {
            return Ok(());
        }
        Err(invalid("crc32", format!("{found}, but the contents have {expected}")))
    }

    /// The checksum over the texts of the metadata and every tensor's name, shape and bytes.
    fn crc(&self, state: &str, groups: &str) -> Result<String, Error> {
        let mut crc = crc32fast::Hasher::new();
        crc.update(state.as_bytes());
        crc.update(groups.as_bytes());
        for (name, view) in self.tensors()? {
            crc.update(format!("{name}{:?}", view.shape()).as_bytes());
            crc.update(view.data());
        }
        Ok(format!("{:08x}", crc.finalize()))
    }
}

fn json<T: serde::de::DeserializeOwned>(
    metadata: &HashMap<String, String>,
    key: &str,
) -> Result<T, Error> {
    let text = metadata.get(key).ok_or_else(|| invalid(key, "missing from the metadata"))?;
    unique_keys(text).map_err(|error| invalid(key, error))?;
    serde_json::from_str(text).map_err(|error| invalid(key, error))
}

fn tensor(
    file: &SafeTensors<'_>,
    number: usize,
    moment: &str,
) -> Result<(Vec<u32>, Vec<f32>), Error> {
    let name = format!("state.{number}.{moment}");
    let view = file.tensor(&name).map_err(|error| invalid(&name, error))?;
    if view.dtype() != Dtype::F32 {
        return Err(invalid(&name, format!("{:?}, expected F32", view.dtype())));
    }
    Ok((shape(&name, view.shape())?, bytemuck::pod_collect_to_vec(view.data())))
}

/// The header names no tensor twice; the reader would keep the last in silence.
fn check_keys(bytes: &[u8]) -> Result<(), Error> {
    let length = bytes.first_chunk().map(|&length| u64::from_le_bytes(length));
    let length = length.and_then(|length| usize::try_from(length).ok());
    let header = length.and_then(|length| bytes.get(8..)?.get(..length));
    let header = header.ok_or_else(|| invalid("header", "longer than the file"))?;
    let text = std::str::from_utf8(header).map_err(|error| invalid("header", error))?;
    unique_keys(text).map_err(|error| invalid("header", error))
}

/// Fails on JSON with a key twice in one object.
fn unique_keys(text: &str) -> serde_json::Result<()> {
    let mut read = serde_json::Deserializer::from_str(text);
    UniqueKeys.deserialize(&mut read)?;
    read.end()
}

/// Reads any JSON and keeps nothing of it.
#[derive(Clone, Copy)]
struct UniqueKeys;

impl<'de> DeserializeSeed<'de> for UniqueKeys {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, read: D) -> Result<(), D::Error> {
        read.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JSON without repeated keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value_seed(self)?;
            if let Some(again) = seen.replace(key) {
                return Err(A::Error::custom(format!("{again:?} twice")));
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
