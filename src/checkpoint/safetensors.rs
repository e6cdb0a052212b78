//! Safetensors: tensors `state.<i>.exp_avg` and `state.<i>.exp_avg_sq`, with amsgrad also
//! `state.<i>.max_exp_avg_sq`, f32, of the parameter's shape, where rows have second moments `[rows]`; where rows count,
//! `state.<i>.row_counter` and `state.<i>.prev_iter`, u32 `[rows]`; metadata `state` `{"<i>": {"step": n}}` and `param_groups`, both JSON as torch
//! nests them; metadata `storage`, of states that are not stored in f32 or are rounded by random bits,
//! `{"<i>": ["bf16", seed or null]}`, the format of the moments first, absent where there are none; metadata
//! `format_version`, absent in the first files; metadata `crc32`, in hexadecimal, over all of it.

use super::{KIND, check, replace};
use crate::state_dict::Numbers;
use crate::tensor_file::{Budget, Dtype, Fault, LONGEST_HEADER, Parsed, TensorFile, invalid};
use crate::{Error, Format, GroupState, ParamState, Rounding, StateDict, StateStorage, serde_with};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// The version that is written. Files without one are read as 0: they lack it in the checksum.
const VERSION: u32 = 1;

/// How every header begins; the checksum's eight digits follow, written last.
const BEFORE_CRC: &str = r#"{"__metadata__":{"crc32":""#;

/// What is said of a parameter beside its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    step: u64,
}

/// What is said of each.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Counts(#[serde(deserialize_with = "serde_with::unique")] BTreeMap<usize, Counted>);

/// How each is stored: the format of its moments, and the seed where there is one.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Storages(
    #[serde(deserialize_with = "serde_with::unique")] BTreeMap<usize, (Format, Option<u32>)>,
);

/// The JSON of `state`, `param_groups` and `storage`; empty where there is none of the last.
struct Texts {
    state: String,
    groups: String,
    storage: String,
}

impl StateDict {
    /// The state as the bytes of a safetensors file.
    ///
    /// # Errors
    /// As [`StateDict::save`], but for [`Error::Io`].
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        let mut file = Cursor::new(Vec::new());
        let written = self.header().and_then(|header| {
            file.get_mut().reserve_exact(header.len() + self.bytes() as usize + 8);
            self.write(&header, &mut file)
        });
        written.map_err(|fault| fault.writing(KIND, None))?;
        Ok(file.into_inner())
    }

    /// Saves the state as a safetensors file, as a careful editor does: the new file is written
    /// beside the old one, brought to the disk and renamed, so that a crash at any time leaves
    /// one of the two whole. It takes over an old file's mode and, where that is allowed, its
    /// owner; a symbolic link stays, what it points to is replaced. Files that a save of this
    /// library left in the folder when it was killed are removed.
    ///
    /// Beside the state itself, this takes 1 MiB.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidFile`] where an optimizer could not load the file: a shape
    /// that does not fit its values, more than 2^53 steps, a hyperparameter out of range. The old
    /// file stays then.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let header = self.header().map_err(|fault| fault.writing(KIND, Some(path)))?;
        replace::replace(path, |file| self.write(&header, file))
            .map_err(|fault| fault.writing(KIND, Some(path)))
    }

    /// Reads the state from the bytes of a safetensors file. Every length is checked against
    /// what is there before memory is taken, and every byte against the checksum.
    ///
    /// # Errors
    /// [`Error::InvalidFile`] naming what is wrong.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, Error> {
        read(Cursor::new(bytes)).map_err(|fault| fault.reading(KIND, None))
    }

    /// Loads the state from a safetensors file. It is read piece by piece into place: this
    /// takes the state once, and some hundred bytes for each parameter's names and numbers;
    /// never more than three times the file's size, or 3 MiB.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::InvalidFile`] naming what is wrong.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let loaded = File::open(path).map_err(Fault::from).and_then(read);
        loaded.map_err(|fault| fault.reading(KIND, Some(path)))
    }

    /// Bytes of all moments.
    fn bytes(&self) -> u64 {
        self.tensors().map(|(_, _, numbers)| numbers.bytes().len() as u64).sum()
    }

    /// Name, shape and numbers of every tensor, in the order of the file.
    fn tensors(&self) -> impl Iterator<Item = (String, Vec<u32>, Numbers<'_>)> {
        self.state.iter().flat_map(|(number, state)| {
            let fills = |numbers: Numbers<'_>| numbers.len() == state.exp_avg.len();
            let shape = move |numbers: Numbers<'_>| match numbers {
                Numbers::F32(_) if fills(numbers) => state.shape.clone(),
                of_rows => vec![of_rows.len() as u32],
            };
            let named = move |(field, numbers)| (name(*number, field), shape(numbers), numbers);
            state.tensors().map(named)
        })
    }

    /// The header, without its length, with a checksum of zeros. It is read again here: what
    /// cannot be read is not written.
    fn header(&self) -> Result<String, Fault> {
        check(self)?;
        let Texts { state, groups, storage } = self.texts()?;
        let mut header = format!(
            r#"{BEFORE_CRC}00000000","format_version":"{VERSION}","state":{},"param_groups":{}"#,
            json("state", &state)?,
            json("param_groups", &groups)?
        );
        if !storage.is_empty() {
            header += &format!(r#","storage":{}"#, json("storage", &storage)?);
        }
        header.push('}');
        let mut end = 0;
        for (name, shape, numbers) in self.tensors() {
            let begin = end;
            end += numbers.bytes().len();
            let (dtype, shape) = (dtype(numbers), json(&name, &shape)?);
            header += &format!(
                r#","{name}":{{"dtype":"{dtype:?}","shape":{shape},"data_offsets":[{begin},{end}]}}"#
            );
        }
        header.push('}');
        // Tensors begin at a multiple of 8.
        header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
        let length = header.len() as u64;
        if length > LONGEST_HEADER {
            return Err(invalid(
                "header",
                format_args!("{length} bytes, at most {LONGEST_HEADER}"),
            ));
        }
        let mut budget = Budget::of_file(8 + length + self.bytes());
        budget.take("header", length)?;
        let parsed = Parsed::new(header.as_bytes(), self.bytes(), &mut budget)?;
        budget.give_back(length);
        stated(&parsed, &mut budget)?;
        stored(&parsed, &mut budget)?;
        let axes: usize = self.tensors().map(|(_, shape, _)| shape.len()).sum();
        budget.take("tensors", self.bytes() + 4 * axes as u64)?;
        Ok(header)
    }

    fn texts(&self) -> Result<Texts, Fault> {
        let counted =
            |(&number, state): (&usize, &ParamState)| (number, Counted { step: state.step });
        let counts = Counts(self.state.iter().map(counted).collect());
        let stored = |(&number, storage): (&usize, &StateStorage)| {
            (number, (storage.moments, storage.rounding.drawn_from()))
        };
        let storages = Storages(self.storage.iter().map(stored).collect());
        let storage = match self.storage.is_empty() {
            true => String::new(),
            false => json("storage", &storages)?,
        };
        let (state, groups) = (json("state", &counts)?, json("param_groups", &self.param_groups)?);
        Ok(Texts { state, groups, storage })
    }

    /// Writes the file, then its checksum into the header.
    fn write(&self, header: &str, file: &mut (impl Write + Seek)) -> Result<(), Fault> {
        let texts = self.texts()?;
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        let mut crc = Crc::new(VERSION, [&texts.state, &texts.groups, &texts.storage]);
        for (name, shape, numbers) in self.tensors() {
            crc.update(&name, &shape, numbers.bytes());
            file.write_all(numbers.bytes())?;
        }
        file.seek(SeekFrom::Start(8 + BEFORE_CRC.len() as u64))?;
        file.write_all(crc.text().as_bytes())?;
        Ok(())
    }
}

/// The tensors that not every state has.
const LARGEST: &str = "max_exp_avg_sq";
const COUNTS: [&str; 2] = ["row_counter", "prev_iter"];

fn dtype(numbers: Numbers<'_>) -> Dtype {
    match numbers {
        Numbers::F32(_) => Dtype::F32,
        Numbers::U32(_) => Dtype::U32,
    }
}

fn name(number: usize, moment: &str) -> String {
    format!("state.{number}.{moment}")
}

fn json(what: &str, value: &(impl Serialize + ?Sized)) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| invalid(what, error))
}

fn read(file: impl Read + Seek) -> Result<StateDict, Fault> {
    let mut file = TensorFile::open(file)?;
    let (version, counts, param_groups) = stated(&file.header, &mut file.budget)?;
    let storage = stored(&file.header, &mut file.budget)?;
    let others = [LARGEST].into_iter().chain(COUNTS);
    let has = |&number: &usize| {
        others.clone().filter(|other| file.header.has(&name(number, other))).count()
    };
    let expected: usize = counts.0.keys().map(|number| 2 + has(number)).sum();
    let found = file.header.len();
    if found != expected {
        return Err(invalid("tensors", format_args!("{found}, expected {expected}")));
    }
    let of = |key| file.header.metadata.get(key).map_or("", String::as_str);
    let mut crc = Crc::new(version, ["state", "param_groups", "storage"].map(of));
    let mut dict = StateDict { state: BTreeMap::new(), param_groups, storage };
    for (number, Counted { step }) in counts.0 {
        dict.state.insert(number, read_state(&mut file, &mut crc, number, step)?);
    }
    let (found, expected) = (text(&file.header, "crc32")?, crc.text());
    if found == expected {
        return Ok(dict);
    }
    Err(invalid("crc32", format_args!("{found}, but the contents have {expected}")))
}

fn read_state<R: Read + Seek>(
    file: &mut TensorFile<R>,
    crc: &mut Crc,
    number: usize,
    step: u64,
) -> Result<ParamState, Fault> {
    let differ = || invalid(format_args!("state.{number}"), "its moments differ in shape");
    let (shape, exp_avg) = read_tensor(file, crc, &name(number, "exp_avg"), Dtype::F32)?;
    let (seconds, exp_avg_sq) = read_tensor(file, crc, &name(number, "exp_avg_sq"), Dtype::F32)?;
    // Those of rows have one axis.
    if seconds != shape && seconds.len() != 1 {
        return Err(differ());
    }
    let mut state = ParamState::new(step, shape, exp_avg, exp_avg_sq);
    let largest = name(number, LARGEST);
    if file.header.has(&largest) {
        let (shape, values) = read_tensor(file, crc, &largest, Dtype::F32)?;
        if shape != seconds {
            return Err(differ());
        }
        state = state.max_exp_avg_sq(values);
    }
    for (count, set) in COUNTS.into_iter().zip([ParamState::row_counter, ParamState::prev_iter]) {
        let count = name(number, count);
        if file.header.has(&count) {
            state = set(state, read_tensor(file, crc, &count, Dtype::U32)?.1);
        }
    }
    Ok(state)
}

/// Shape and numbers of a tensor, which the checksum takes in.
fn read_tensor<R: Read + Seek, T: bytemuck::Pod>(
    file: &mut TensorFile<R>,
    crc: &mut Crc,
    name: &str,
    dtype: Dtype,
) -> Result<(Vec<u32>, Vec<T>), Fault> {
    let (shape, numbers) = file.values(name, dtype)?;
    crc.update(name, &shape, bytemuck::cast_slice(&numbers));
    Ok((shape, numbers))
}

/// What the metadata says: version, step counts, groups.
fn stated(header: &Parsed, budget: &mut Budget) -> Result<(u32, Counts, Vec<GroupState>), Fault> {
    let version = match header.metadata.get("format_version").map(|text| text.parse()) {
        None => 0,
        Some(Ok(version)) if version <= VERSION => version,
        Some(found) => {
            let found = found.map_or("not a number".into(), |version| version.to_string());
            let reason = format!("{found}; this version of sparse-adam reads up to {VERSION}");
            return Err(invalid("format_version", reason));
        }
    };
    // First, because reading them may take more for a while than they keep.
    let groups = text(header, "param_groups")?;
    budget.take_json("param_groups", groups)?;
    let groups = parse(groups, "param_groups")?;
    // No lists are in it: what it becomes is its B-tree, whose nodes may be half empty, and then that of the
    // state, into which it goes entry by entry: the larger of the two.
    let counts = text(header, "state")?;
    let most = counts.bytes().filter(|&byte| byte == b'{').count().saturating_sub(1);
    let entry = size_of::<(usize, ParamState)>().max(size_of::<(usize, Counted)>());
    let each = 2 * entry + 32;
    budget.take("state", (most * each) as u64)?;
    Ok((version, parse(counts, "state")?, groups))
}

/// What the metadata says of states that are stored otherwise than in f32.
fn stored(header: &Parsed, budget: &mut Budget) -> Result<BTreeMap<usize, StateStorage>, Fault> {
    let Some(text) = header.metadata.get("storage") else { return Ok(BTreeMap::new()) };
    // Of each entry, which is a list, two places in B-trees whose nodes may be half empty.
    let most = text.bytes().filter(|&byte| byte == b'[').count();
    let each = size_of::<(usize, (Format, Option<u32>))>() + size_of::<(usize, StateStorage)>();
    budget.take("storage", (most * 2 * each) as u64)?;
    let Storages(storages) = parse(text, "storage")?;
    let storage = |(number, (moments, seed)): (usize, (Format, Option<u32>))| {
        let rounding = seed.map_or(Rounding::Nearest, |seed| Rounding::Stochastic { seed });
        (number, StateStorage::new(moments, rounding))
    };
    Ok(storages.into_iter().map(storage).collect())
}

fn text<'a>(header: &'a Parsed, key: &str) -> Result<&'a str, Fault> {
    let text = header.metadata.get(key).map(String::as_str);
    text.ok_or_else(|| invalid(key, "missing from the metadata"))
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, key: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| invalid(key, error))
}

/// The checksum over version, the texts of the metadata (`storage` where there is one), and every tensor's name, shape and bytes.
struct Crc(crc32fast::Hasher);

impl Crc {
    fn new(version: u32, texts: [&str; 3]) -> Self {
        let mut crc = crc32fast::Hasher::new();
        if version > 0 {
            crc.update(version.to_string().as_bytes());
        }
        texts.iter().for_each(|text| crc.update(text.as_bytes()));
        Self(crc)
    }

    fn update(&mut self, name: &str, shape: &[u32], bytes: &[u8]) {
        self.0.update(format!("{name}{shape:?}").as_bytes());
        self.0.update(bytes);
    }

    fn text(self) -> String {
        format!("{:08x}", self.0.finalize())
    }
}
