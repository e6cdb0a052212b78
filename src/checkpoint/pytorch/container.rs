//! Where a `.pt` file has its pickle and its storages: in a zip file; or, as torch wrote before
//! 1.6 and still does on request, one after the other (source: torch/serialization.py).

use super::pickle::{Node, Pickle, Value};
use super::storage;
use super::zip::{Directory, Record};
use crate::tensor_file::{Budget, Fault, invalid};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom};

/// The longest pickle that is read, in bytes: tensors are not in it, and a hundred thousand
/// parameters are less.
const LONGEST_PICKLE: u64 = 16 << 20;

/// The pickle of torch's magic number, at the beginning of old files.
const OLD: [u8; 15] = *b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e";

pub(super) struct Container<R> {
    read: R,
    places: Places,
    /// Where records begin whose checksum was found right.
    checked: BTreeSet<u64>,
}

enum Places {
    /// And the folder in it.
    Zip(Directory, String),
    Old(BTreeMap<String, Record>),
}

impl<R: Read + Seek> Container<R> {
    /// Opens a file. Returns the bytes of its pickle beside it.
    pub fn open(mut read: R, size: u64, budget: &mut Budget) -> Result<(Self, Vec<u8>), Fault> {
        let mut magic = [0; OLD.len()];
        let length = size.min(magic.len() as u64) as usize;
        read.seek(SeekFrom::Start(0))?;
        read.read_exact(&mut magic[..length])?;
        if magic.starts_with(b"PK\x03\x04") {
            return Self::open_zip(read, size, budget);
        }
        if magic == OLD {
            return Self::open_old(read, size, budget);
        }
        Err(invalid(
            "file",
            "not what torch.save writes: neither a zip file nor torch's older format",
        ))
    }

    fn open_zip(mut read: R, size: u64, budget: &mut Budget) -> Result<(Self, Vec<u8>), Fault> {
        let directory = Directory::read(&mut read, size, budget)?;
        let folder = directory.folder()?.to_string();
        let places = Places::Zip(directory, folder);
        let mut container = Self { read, places, checked: BTreeSet::new() };
        if let Some(order) = container.find("byteorder")? {
            let order = container.small("byteorder", order, 16, budget)?;
            if order != b"little" {
                return Err(invalid(
                    "byteorder",
                    "not little: it was written on a machine of another kind",
                ));
            }
        }
        let pickle = container.find("data.pkl")?.ok_or_else(|| invalid("data.pkl", "missing"))?;
        let pickle = container.small("data.pkl", pickle, LONGEST_PICKLE, budget)?;
        Ok((container, pickle))
    }

    /// All of a record of at most `most` bytes.
    fn small(
        &mut self,
        what: &str,
        record: Record,
        most: u64,
        budget: &mut Budget,
    ) -> Result<Vec<u8>, Fault> {
        if record.length > most {
            return Err(invalid(what, format_args!("{} bytes, at most {most}", record.length)));
        }
        budget.take(what, record.length)?;
        let mut bytes = vec![0; record.length as usize];
        self.read(what, record, 0, &mut bytes)?;
        Ok(bytes)
    }

    /// Five pickles: magic number, version, machine, contents, keys of the storages; then each
    /// storage, behind its length.
    fn open_old(mut read: R, size: u64, budget: &mut Budget) -> Result<(Self, Vec<u8>), Fault> {
        let length = size.min(LONGEST_PICKLE);
        budget.take("file", length)?;
        let mut head = vec![0; length as usize];
        read.seek(SeekFrom::Start(0))?;
        read.read_exact(&mut head)?;
        // The pickles are gone afterwards; whoever reads the contents charges them again.
        let scratch = &mut budget.clone();
        let mut from = OLD.len();
        let mut next = |budget: &mut Budget| {
            let pickle = Pickle::parse(head.get(from..).unwrap_or(&[]), budget)?;
            let begin = from;
            from += pickle.length;
            Ok::<_, Fault>((pickle, begin, from))
        };
        let version = next(scratch)?.0.root;
        if version != Value::Int(1001) {
            return Err(invalid("file", format_args!("version {version:?}, expected 1001")));
        }
        machine(&next(scratch)?.0)?;
        let (contents, begin, end) = next(scratch)?;
        let (keys, _, after) = next(scratch)?;
        let places = old_places(&mut read, &contents, &keys, after as u64, size, scratch)?;
        budget.take("storages", places.keys().map(|key| place_bytes(key)).sum())?;
        let places = Places::Old(places);
        head.truncate(end);
        head.drain(..begin);
        Ok((Self { read, places, checked: BTreeSet::new() }, head))
    }

    /// A record by its name beside `data.pkl`.
    fn find(&mut self, name: &str) -> Result<Option<Record>, Fault> {
        match &self.places {
            Places::Zip(directory, folder) => {
                directory.find(&mut self.read, &format!("{folder}{name}"))
            }
            Places::Old(_) => Ok(None),
        }
    }

    /// Where the storage of a key lies.
    pub fn storage(&mut self, key: &str) -> Result<Record, Fault> {
        let found = match &self.places {
            Places::Old(places) => places.get(key).copied(),
            Places::Zip(..) => self.find(&format!("data/{key}"))?,
        };
        found.ok_or_else(|| invalid(format_args!("storage {key}"), "missing"))
    }

    /// Reads from byte `from` of a record on, whose checksum must be right.
    pub fn read(
        &mut self,
        what: &str,
        record: Record,
        from: u64,
        bytes: &mut [u8],
    ) -> Result<(), Fault> {
        if from.checked_add(bytes.len() as u64).is_none_or(|end| end > record.length) {
            return Err(invalid(what, "it reaches beyond its storage"));
        }
        let whole = bytes.len() as u64 == record.length;
        if !whole {
            self.check(what, record)?;
        }
        self.read.seek(SeekFrom::Start(record.start + from))?;
        self.read.read_exact(bytes)?;
        match record.crc {
            Some(crc) if whole => checksum(what, crc, crc32fast::hash(bytes)),
            _ => Ok(()),
        }
    }

    /// Checks a record of which only a part is wanted, once.
    fn check(&mut self, what: &str, record: Record) -> Result<(), Fault> {
        let Some(crc) = record.crc else { return Ok(()) };
        if self.checked.contains(&record.start) {
            return Ok(());
        }
        self.read.seek(SeekFrom::Start(record.start))?;
        let mut window = [0; 1 << 14];
        let mut found = crc32fast::Hasher::new();
        let mut left = record.length;
        while left > 0 {
            let length = left.min(window.len() as u64) as usize;
            self.read.read_exact(&mut window[..length])?;
            found.update(&window[..length]);
            left -= length as u64;
        }
        checksum(what, crc, found.finalize())?;
        self.checked.insert(record.start);
        Ok(())
    }
}

fn checksum(what: &str, said: u32, found: u32) -> Result<(), Fault> {
    if said == found {
        return Ok(());
    }
    Err(invalid(
        what,
        format_args!("its checksum is {found:08x}, but the file says {said:08x}: it was altered"),
    ))
}

/// The machine was little-endian, as this library's are.
fn machine(pickle: &Pickle<'_>) -> Result<(), Fault> {
    let Some(Node::Dict(dict)) = pickle.node(pickle.root) else {
        return Err(invalid("file", "it does not tell of its machine"));
    };
    let little = dict.iter().any(|&(key, value)| {
        matches!(pickle.node(key), Some(Node::Text("little_endian"))) && value == Value::Bool(true)
    });
    let told = "it was not written on a little-endian machine";
    little.then_some(()).ok_or_else(|| invalid("file", told))
}

/// What the place of a storage takes: a B-tree's nodes may be half empty.
fn place_bytes(key: &str) -> u64 {
    (2 * size_of::<(String, Record)>() + 16 + key.len()) as u64
}

/// Where each storage lies whose key is in `keys`, from byte `at` on.
fn old_places<R: Read + Seek>(
    read: &mut R,
    contents: &Pickle<'_>,
    keys: &Pickle<'_>,
    mut at: u64,
    size: u64,
    budget: &mut Budget,
) -> Result<BTreeMap<String, Record>, Fault> {
    let wrong = |reason: &str| invalid("storages", reason);
    let widths = storage::widths(contents, budget)?;
    let Some(Node::List(list)) = keys.node(keys.root) else {
        return Err(wrong("their keys are no list"));
    };
    let mut places = BTreeMap::new();
    for &key in list {
        let Some(&Node::Text(key)) = keys.node(key) else {
            return Err(wrong("a key is no text"));
        };
        let width = widths.get(key).ok_or_else(|| wrong("of a type that torch does not save"))?;
        let mut count = [0; 8];
        read.seek(SeekFrom::Start(at))?;
        if at.checked_add(8).is_none_or(|end| end > size) {
            return Err(wrong("the file was cut"));
        }
        read.read_exact(&mut count)?;
        let length = u64::from_le_bytes(count).checked_mul(*width);
        let end = length.and_then(|length| length.checked_add(at + 8)).filter(|&end| end <= size);
        let (Some(length), Some(end)) = (length, end) else {
            return Err(wrong("the file was cut"));
        };
        budget.take("storages", place_bytes(key))?;
        if places.insert(key.to_string(), Record { start: at + 8, length, crc: None }).is_some() {
            return Err(wrong("a key twice"));
        }
        at = end;
    }
    Ok(places)
}
