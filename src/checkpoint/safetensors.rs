//! Safetensors: tensors `state.<i>.exp_avg` and `state.<i>.exp_avg_sq`, with amsgrad also
//! `state.<i>.max_exp_avg_sq`, f32, of the parameter's shape, where rows have second moments `[rows]`; where rows count,
//! `state.<i>.row_counter` and `state.<i>.prev_iter`, u32 `[rows]`; metadata `state` `{"<i>": {"step": n}}` and `param_groups`, both JSON as torch
//! nests them; metadata `storage`, of states that are not stored in f32 or are rounded by random bits,
//! `{"<i>": ["bf16", seed or null]}`, the format of the moments first, absent where there are none; metadata
//! `format_version`, absent in the first files; metadata `crc32`, in hexadecimal, over all of it.

use super::metadata::{Counted, Texts, VERSION, json, stated, stored, text};
use super::{KIND, check, replace};
use crate::state_dict::Numbers;
use crate::tensor_file::{Budget, Dtype, Fault, LONGEST_HEADER, Parsed, TensorFile, invalid};
use crate::{Error, ParamState, StateDict};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// How every header begins; the checksum's eight digits follow, written last.
const BEFORE_CRC: &str = r#"{"__metadata__":{"crc32":""#;

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
        let Texts { state, groups, storage } = Texts::of(self)?;
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

    /// Writes the file, then its checksum into the header.
    fn write(&self, header: &str, file: &mut (impl Write + Seek)) -> Result<(), Fault> {
        let texts = Texts::of(self)?;
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
