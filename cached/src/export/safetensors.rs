//! A safetensors file whose tensors are filled row by row, together.

use std::fs::{self, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How a record has the numbers of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum As {
    /// As they are.
    Bytes,
    /// As bf16 in the low halves of words, or in the high ones.
    LowBf16,
    HighBf16,
}

impl As {
    /// The bytes of a tensor that words of a record hold.
    fn take(self, held: &[u8]) -> Vec<u8> {
        let word = |word: &[u8]| match self {
            // Of f32 bf16 is the upper half.
            Self::LowBf16 => [0, 0, word[0], word[1]],
            _ => [0, 0, word[2], word[3]],
        };
        match self {
            Self::Bytes => held.to_vec(),
            Self::LowBf16 | Self::HighBf16 => held.chunks_exact(4).flat_map(word).collect(),
        }
    }
}

/// A tensor, and which bytes of each record are a row of it.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub name: String,
    pub dtype: &'static str,
    /// The rows first.
    pub shape: Vec<u64>,
    pub at: usize,
    pub bytes: usize,
    pub held: As,
}

/// A text of the metadata.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub key: &'static str,
    pub value: String,
}

/// How a header with a checksum begins; its eight digits follow, written last.
const BEFORE_CRC: &str = r#"{"__metadata__":{"crc32":""#;

/// A file that is being written, beside the one that it will replace.
#[derive(Debug)]
pub(super) struct File {
    file: fs::File,
    path: PathBuf,
    temporary: PathBuf,
    rows: u64,
    /// Bytes before the first tensor.
    header: u64,
    tensors: Vec<(Tensor, crc32fast::Hasher)>,
    /// Over the texts, where there are some.
    crc: Option<crc32fast::Hasher>,
}

impl File {
    /// Begins a file of tensors of so many rows. Where there are texts, the header has a checksum, as the core's has.
    pub fn new(path: &Path, rows: u64, tensors: Vec<Tensor>, texts: &[Text]) -> io::Result<Self> {
        let header = header(rows, &tensors, texts)?;
        let mut crc = crc32fast::Hasher::new();
        texts.iter().for_each(|text| crc.update(text.value.as_bytes()));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary)?;
        let tensors = tensors.into_iter().map(|tensor| (tensor, crc32fast::Hasher::new()));
        let mut made = Self {
            file,
            path: path.into(),
            temporary,
            rows,
            header: 8 + header.len() as u64,
            tensors: tensors.collect(),
            crc: (!texts.is_empty()).then_some(crc),
        };
        made.file.write_all(&(header.len() as u64).to_le_bytes())?;
        made.file.write_all(header.as_bytes())?;
        Ok(made)
    }

    /// Writes the rows from `first` on, which come in order.
    pub fn write(&mut self, first: u64, records: &[u8], record: usize) -> io::Result<()> {
        let mut begin = self.header;
        for (tensor, crc) in &mut self.tensors {
            let Tensor { at, bytes, held, .. } = *tensor;
            let row = |record: &[u8]| held.take(&record[at..at + bytes]);
            let rows: Vec<u8> = records.chunks_exact(record).flat_map(row).collect();
            crc.update(&rows);
            self.file.seek(SeekFrom::Start(begin + first * bytes as u64))?;
            self.file.write_all(&rows)?;
            begin += self.rows * bytes as u64;
        }
        Ok(())
    }

    /// Writes the checksum, and puts the file in its place.
    pub fn finish(mut self) -> io::Result<()> {
        if let Some(mut whole) = self.crc.take() {
            for (tensor, crc) in &self.tensors {
                whole.update(format!("{}{:?}", tensor.name, tensor.shape).as_bytes());
                whole.combine(crc);
            }
            self.file.seek(SeekFrom::Start(8 + BEFORE_CRC.len() as u64))?;
            self.file.write_all(format!("{:08x}", whole.finalize()).as_bytes())?;
        }
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // After a rename there is none. What cannot be removed is in nobody's way.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn header(rows: u64, tensors: &[Tensor], texts: &[Text]) -> io::Result<String> {
    let mut header = String::from("{");
    if !texts.is_empty() {
        header = format!("{BEFORE_CRC}00000000\"");
        for Text { key, value } in texts {
            header += &format!(r#","{key}":{}"#, serde_json::to_string(value)?);
        }
        header += "},";
    }
    let mut end = 0;
    for (number, tensor) in tensors.iter().enumerate() {
        let begin = end;
        end += rows * tensor.bytes as u64;
        let (name, shape) =
            (serde_json::to_string(&tensor.name)?, serde_json::to_string(&tensor.shape)?);
        let comma = if number > 0 { "," } else { "" };
        header += &format!(
            r#"{comma}{name}:{{"dtype":"{}","shape":{shape},"data_offsets":[{begin},{end}]}}"#,
            tensor.dtype
        );
    }
    header.push('}');
    // Tensors begin at a multiple of 8.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    Ok(header)
}
