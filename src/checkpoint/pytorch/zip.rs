//! The container of `torch.save`: a zip file whose records are stored, never compressed
//! (source: APPNOTE.TXT 6.3.10; caffe2/serialize/inline_container.cc).

use crate::tensor_file::{Budget, Fault, invalid};
use std::io::{Read, Seek, SeekFrom};

/// Where a record lies, and its checksum where it has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub start: u64,
    pub length: u64,
    pub crc: Option<u32>,
}

/// What the directory says of a record.
struct Entry {
    /// In the directory's bytes.
    name: (u32, u16),
    method: u16,
    crc: u32,
    length: u64,
    /// Of the record's own header.
    header: u64,
    /// Where the next record's header is, or the directory: no two records share a byte, so
    /// reading each once takes no more than the file's length.
    end: u64,
}

/// All records of a zip file, by name.
pub(super) struct Directory {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

fn broken(reason: &str) -> Fault {
    invalid("zip", reason)
}

/// Bytes of a record of the format, read where they are known to be.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn number(self, at: usize, width: usize) -> Result<u64, Fault> {
        let bytes = self.0.get(at..at + width).ok_or_else(|| broken("it ends in the middle"))?;
        let mut whole = [0; 8];
        whole[..width].copy_from_slice(bytes);
        Ok(u64::from_le_bytes(whole))
    }

    fn begins(self, magic: u64) -> Result<(), Fault> {
        if self.number(0, 4)? == magic { Ok(()) } else { Err(broken("a header is not one")) }
    }
}

fn at<R: Read + Seek>(read: &mut R, start: u64, length: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; length];
    read.seek(SeekFrom::Start(start))?;
    read.read_exact(&mut bytes)?;
    Ok(bytes)
}

impl Directory {
    /// Reads the directory of a file of `size` bytes.
    pub fn read<R: Read + Seek>(
        read: &mut R,
        size: u64,
        budget: &mut Budget,
    ) -> Result<Self, Fault> {
        let (count, length, start) = end(read, size, budget)?;
        if start.checked_add(length).is_none_or(|end| end > size) {
            return Err(broken("its directory is outside the file"));
        }
        let count = count.min(length / 46) as usize;
        budget.take("zip", length + (count * size_of::<Entry>()) as u64)?;
        let bytes = at(read, start, length as usize)?;
        let mut directory = Self { bytes, entries: Vec::with_capacity(count) };
        let mut next = 0;
        for _ in 0..count {
            let (entry, length) = entry(&directory.bytes, next)?;
            directory.entries.push(entry);
            next += length;
        }
        if next != directory.bytes.len() {
            return Err(broken("its directory has another length than it says"));
        }
        let Self { bytes, entries } = &mut directory;
        entries.sort_unstable_by_key(|entry| entry.header);
        let mut end = start;
        for entry in entries.iter_mut().rev() {
            entry.end = end;
            end = entry.header;
        }
        entries.sort_unstable_by(|a, b| name(bytes, a).cmp(name(bytes, b)));
        match entries.windows(2).any(|pair| name(bytes, &pair[0]) == name(bytes, &pair[1])) {
            true => Err(broken("two records of one name")),
            false => Ok(directory),
        }
    }

    /// The folder that holds `data.pkl`, with a slash, and everything beside it.
    pub fn folder(&self) -> Result<&str, Fault> {
        let names = self.entries.iter().map(|entry| name(&self.bytes, entry));
        let mut folders = names.filter_map(|name| {
            let folder = std::str::from_utf8(name).ok()?.strip_suffix("data.pkl")?;
            (folder.is_empty() || folder.find('/') == Some(folder.len() - 1)).then_some(folder)
        });
        match (folders.next(), folders.next()) {
            (Some(folder), None) => Ok(folder),
            (None, _) => Err(broken("no data.pkl: it is not what torch.save writes")),
            _ => Err(broken("data.pkl in two folders")),
        }
    }

    /// Where a record's bytes lie; None where there is no such record.
    pub fn find<R: Read + Seek>(
        &self,
        read: &mut R,
        wanted: &str,
    ) -> Result<Option<Record>, Fault> {
        let compare = |entry: &Entry| name(&self.bytes, entry).cmp(wanted.as_bytes());
        let Ok(found) = self.entries.binary_search_by(compare) else { return Ok(None) };
        let entry = &self.entries[found];
        if entry.method != 0 {
            let remedy = "it is compressed, which torch.save never does; pack it with zip -0";
            return Err(invalid(format_args!("zip: {wanted}"), remedy));
        }
        let inside = |end: u64| {
            let fits = end <= entry.end;
            fits.then_some(()).ok_or_else(|| broken("a record reaches into the next one"))
        };
        inside(entry.header.saturating_add(30))?;
        let header = at(read, entry.header, 30)?;
        let header = Fields(&header);
        header.begins(0x0403_4b50)?;
        let (named, extra) = (header.number(26, 2)?, header.number(28, 2)?);
        let start = entry.header + 30 + named + extra;
        inside(start.saturating_add(entry.length))?;
        if at(read, entry.header + 30, named as usize)? != wanted.as_bytes() {
            return Err(invalid(format_args!("zip: {wanted}"), "its header has another name"));
        }
        // torch.serialization.set_crc32_options(False) leaves all at 0.
        let crc = Some(entry.crc).filter(|&crc| crc != 0);
        Ok(Some(Record { start, length: entry.length, crc }))
    }
}

fn name<'a>(bytes: &'a [u8], entry: &Entry) -> &'a [u8] {
    let (start, length) = entry.name;
    &bytes[start as usize..][..usize::from(length)]
}

/// Records, bytes and place of the directory, from the end of the file.
fn end<R: Read + Seek>(
    read: &mut R,
    size: u64,
    budget: &mut Budget,
) -> Result<(u64, u64, u64), Fault> {
    // 22 bytes, and a comment of up to 65,535.
    let length = size.min(22 + 0xffff);
    budget.take("zip", length)?;
    let tail = at(read, size - length, length as usize)?;
    budget.give_back(length);
    let found = (0..tail.len().saturating_sub(21)).rev().find(|&from| {
        let end = Fields(&tail[from..]);
        let comment = end.number(20, 2).unwrap_or(0) as usize;
        end.begins(0x0605_4b50).is_ok() && from + 22 + comment == tail.len()
    });
    let from = found.ok_or_else(|| broken("it has no directory: the file was cut"))?;
    let end = Fields(&tail[from..]);
    let mut said = (end.number(10, 2)?, end.number(12, 4)?, end.number(16, 4)?);
    let saturated = said.0 == 0xffff || said.1 == 0xffff_ffff || said.2 == 0xffff_ffff;
    let from = size - length + from as u64;
    if saturated && from >= 20 {
        // Of files beyond 4 GiB: a pointer before the end, to a larger end.
        let pointer = at(read, from - 20, 20)?;
        Fields(&pointer).begins(0x0706_4b50)?;
        let place = Fields(&pointer).number(8, 8)?;
        if place > from - 20 {
            return Err(broken("its directory is outside the file"));
        }
        let end = at(read, place.min(size.saturating_sub(56)), 56)?;
        let end = Fields(&end);
        end.begins(0x0606_4b50)?;
        said = (end.number(32, 8)?, end.number(40, 8)?, end.number(48, 8)?);
    }
    Ok(said)
}

/// The entry at `from` in the directory, and its length.
fn entry(bytes: &[u8], from: usize) -> Result<(Entry, usize), Fault> {
    let fields = Fields(bytes.get(from..).unwrap_or(&[]));
    fields.begins(0x0201_4b50)?;
    if fields.number(8, 2)? & 1 != 0 {
        return Err(broken("it is encrypted"));
    }
    let (named, extra) = (fields.number(28, 2)?, fields.number(30, 2)? as usize);
    let length = 46 + named as usize + extra + fields.number(32, 2)? as usize;
    if fields.0.len() < length {
        return Err(broken("its directory ends in the middle"));
    }
    let large = large(Fields(&fields.0[46 + named as usize..][..extra]))?;
    let mut large = Fields(large).0.chunks_exact(8);
    // What does not fit 32 bits is in the extra field, in this order.
    let mut whole = |at| match fields.number(at, 4)? {
        0xffff_ffff => Fields(large.next().unwrap_or(&[])).number(0, 8),
        small => Ok(small),
    };
    let (unpacked, packed, header) = (whole(24)?, whole(20)?, whole(42)?);
    let method = fields.number(10, 2)? as u16;
    if method == 0 && packed != unpacked {
        return Err(broken("a stored record has two lengths"));
    }
    let start = u32::try_from(from + 46).map_err(|_| broken("its directory is too long"))?;
    let crc = fields.number(16, 4)? as u32;
    let name = (start, named as u16);
    Ok((Entry { name, method, crc, length: unpacked, header, end: 0 }, length))
}

/// The part of an extra field that holds 64-bit numbers.
fn large(mut extra: Fields<'_>) -> Result<&[u8], Fault> {
    while extra.0.len() >= 4 {
        let (kind, length) = (extra.number(0, 2)?, extra.number(2, 2)? as usize);
        let Some(part) = extra.0.get(4..4 + length) else { break };
        if kind == 1 {
            return Ok(part);
        }
        extra = Fields(&extra.0[4 + length..]);
    }
    Ok(&[])
}
