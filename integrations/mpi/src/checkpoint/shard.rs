//! The file of one rank: safetensors whose header follows from the index.

use super::index::{Index, TableEntry};
use super::{invalid, io};
use crate::Ranks;
use crate::assign::Deal;
use sparse_adam::Error;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes that are read at once.
const PART_BYTES: usize = 1 << 20;

/// Where everything of a file lies.
#[derive(Debug, PartialEq)]
pub(crate) struct Layout {
    /// Eight bytes of length, the header, blanks up to a multiple of 8.
    head: Vec<u8>,
    /// By table, each its tensors: the values, then those of its state.
    pub tensors: Vec<Vec<Placed>>,
    /// Bytes of the file.
    size: u64,
}

/// A tensor of words in a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placed {
    /// Bytes from the start of the file.
    at: u64,
    pub rows: u64,
    /// Words of a row.
    pub width: u64,
}

/// Bytes of a header with blanks up to a multiple of 8, behind its length.
pub(crate) fn head(mut header: String) -> Vec<u8> {
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    let mut head = (header.len() as u64).to_le_bytes().to_vec();
    head.extend(header.into_bytes());
    head
}

/// A tensor as a header tells it, of words from byte `begin` of the data on.
pub(crate) fn told(name: &str, is_float: bool, shape: &[u64], begin: u64) -> Result<String, Error> {
    let name = serde_json::to_string(name).map_err(|error| {
        invalid(Path::new(name), format!("a name that cannot be written: {error}"))
    })?;
    let dtype = if is_float { "F32" } else { "U32" };
    let end = begin + 4 * shape.iter().product::<u64>();
    let shape: Vec<_> = shape.iter().map(u64::to_string).collect();
    let shape = shape.join(",");
    Ok(format!(r#"{name}:{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[{begin},{end}]}}"#))
}

/// The tensors of a table of `rows` rows, each with its name, shape, and width: those of a file's, or of the whole.
pub(crate) fn tensors_of(table: &TableEntry, rows: u64) -> Vec<(&str, Vec<u64>, u64)> {
    let dim = table.dim();
    let shape = |width: u64| match width == dim {
        true => [rows].into_iter().chain(table.row_shape.iter().map(|&axis| axis.into())).collect(),
        false => vec![rows],
    };
    let values = ("weight", shape(dim), dim);
    let state = table.state.iter().flat_map(|state| &state.tensors);
    let state = state.map(|tensor| {
        // A count of each row has one axis, also where a row has one value.
        let shape = if is_float(&tensor.name) { shape(tensor.width) } else { vec![rows] };
        (tensor.name.as_str(), shape, tensor.width)
    });
    std::iter::once(values).chain(state).collect()
}

pub(crate) fn is_float(tensor: &str) -> bool {
    !["row_counter", "prev_iter"].contains(&tensor)
}

impl Layout {
    /// That of the file of `rank`.
    ///
    /// # Errors
    /// [`Error::InvalidFile`] for a name that is no JSON.
    pub fn new(index: &Index, rank: u32, ranks: Ranks) -> Result<Self, Error> {
        let mut header = format!(
            r#"{{"__metadata__":{{"sparse_adam_mpi":"rank {rank} of {} at step {}"}}"#,
            index.ranks, index.steps
        );
        let (mut end, mut tensors) = (0, Vec::new());
        for table in &index.tables {
            let rows = table.deal(ranks).rows_of(rank);
            let mut placed = Vec::new();
            for (name, shape, width) in tensors_of(table, rows) {
                let full = format!("{}.{name}", table.name);
                header += &format!(",{}", told(&full, is_float(name), &shape, end)?);
                placed.push(Placed { at: end, rows, width });
                end += 4 * rows * width;
            }
            tensors.push(placed);
        }
        header.push('}');
        let head = head(header);
        let start = head.len() as u64;
        tensors.iter_mut().flatten().for_each(|tensor| tensor.at += start);
        Ok(Self { head, tensors, size: start + end })
    }
}

/// Writes a file: `table` is asked for the words of each table's tensors in turn. Returns the checksum, once all is on the
/// disk.
///
/// # Errors
/// [`Error::Io`], those of `table`.
pub(crate) fn write_shard<E: From<Error>>(
    path: &Path,
    layout: &Layout,
    mut table: impl FnMut(usize) -> Result<Vec<Vec<u32>>, E>,
) -> Result<u32, E> {
    let told = |error| io(path, error);
    let file = File::create(path).map_err(told)?;
    let mut out = BufWriter::with_capacity(PART_BYTES, &file);
    let mut crc = crc32fast::Hasher::new();
    let mut write = |bytes: &[u8]| {
        crc.update(bytes);
        out.write_all(bytes).map_err(told)
    };
    write(&layout.head)?;
    for (number, placed) in layout.tensors.iter().enumerate() {
        for (tensor, words) in placed.iter().zip(table(number)?) {
            // A rank without rows holds one that is nobody's.
            let words = &words[..(tensor.rows * tensor.width) as usize];
            write(bytemuck::cast_slice(words))?;
        }
    }
    out.flush().map_err(told)?;
    drop(out);
    file.sync_all().map_err(told)?;
    Ok(crc.finalize())
}

/// The file of a rank, to be read.
#[derive(Debug)]
pub(crate) struct Opened {
    path: PathBuf,
    file: File,
    layout: Layout,
    pub rank: u32,
}

impl Opened {
    /// The file of `rank` of the checkpoint in `folder`: of the length and with the header that the index tells.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::InvalidFile`].
    pub fn open(folder: &Path, index: &Index, rank: u32, ranks: Ranks) -> Result<Self, Error> {
        let layout = Layout::new(index, rank, ranks)?;
        let path = folder.join(&index.shards[rank as usize].file);
        let mut file = File::open(&path).map_err(|error| io(&path, error))?;
        let size = file.metadata().map_err(|error| io(&path, error))?.len();
        if size != layout.size {
            return Err(invalid(&path, format!("{size} bytes, expected {}", layout.size)));
        }
        let mut head = vec![0; layout.head.len()];
        file.read_exact(&mut head).map_err(|error| io(&path, error))?;
        if head != layout.head {
            return Err(invalid(&path, "its header is another than the index tells"));
        }
        Ok(Self { path, file, layout, rank })
    }

    /// Reads all of it, and checks that it is what was written.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::InvalidFile`].
    pub fn verify(&mut self, index: &Index) -> Result<(), Error> {
        self.seek(0)?;
        let (mut crc, mut part) = (crc32fast::Hasher::new(), vec![0; PART_BYTES]);
        loop {
            let read = self.file.read(&mut part).map_err(|error| io(&self.path, error))?;
            if read == 0 {
                break;
            }
            crc.update(&part[..read]);
        }
        let (found, expected) = (text(crc.finalize()), &index.shards[self.rank as usize].crc32);
        if found == *expected {
            return Ok(());
        }
        Err(invalid(&self.path, format!("checksum {found}, the index tells {expected}")))
    }

    /// The words of some rows of a tensor.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn rows(
        &mut self,
        (table, tensor): (usize, usize),
        rows: Range<u64>,
    ) -> Result<Vec<u32>, Error> {
        let Placed { at, width, .. } = self.layout.tensors[table][tensor];
        let mut words = vec![0u32; ((rows.end - rows.start) * width) as usize];
        self.seek(at + 4 * width * rows.start)?;
        let bytes = bytemuck::cast_slice_mut(&mut words);
        self.file.read_exact(bytes).map_err(|error| io(&self.path, error))?;
        Ok(words)
    }

    fn seek(&mut self, at: u64) -> Result<(), Error> {
        self.file.seek(SeekFrom::Start(at)).map_err(|error| io(&self.path, error))?;
        Ok(())
    }
}

/// How many rows of a width are read at once: at least one.
pub(crate) fn part_rows(width: u64) -> u64 {
    (PART_BYTES as u64 / (4 * width)).max(1)
}

/// The rows of a deal in stretches that are read at once.
pub(crate) fn parts(rows: u64, width: u64) -> impl Iterator<Item = Range<u64>> {
    let step = part_rows(width);
    (0..rows.div_ceil(step)).map(move |part| part * step..rows.min((part + 1) * step))
}

/// A checksum as it is written.
pub(crate) fn text(crc: u32) -> String {
    format!("{crc:08x}")
}

/// The rows of `rank` among rows `rows` of the table.
pub(crate) fn of_rank(deal: Deal, rank: u32, rows: &Range<u64>) -> Range<u64> {
    deal.before(rank, rows.start)..deal.before(rank, rows.end)
}
