//! A checkpoint as one file of the core's own, which torch loads, and one of the values.

use super::files::replace;
use super::index::{Index, TableEntry};
use super::shard::{Opened, head, is_float, of_rank, parts, tensors_of, text, told};
use super::{invalid, io};
use crate::{Error, Ranks};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// How the header of the core's file begins; the checksum's eight digits follow.
const BEFORE_CRC: &str = r#"{"__metadata__":{"crc32":""#;
/// The version of the core's file.
const VERSION: &str = "1";

/// Puts the checkpoint in `folder` together, in folder `out`: the state as the core's own file, `optimizer.safetensors`
/// (`StateDict::load` reads it, the main package's README shows how torch does), and the values as `weights.safetensors`, f32
/// `[rows, row shape]` by the tables' names. Needs neither MPI nor a device, and memory for a few MiB; each file
/// appears once it is whole.
///
/// # Errors
/// [`sparse_adam::Error::Io`]; [`sparse_adam::Error::InvalidFile`] for a file that is not what was written.
pub fn export_torch(folder: impl AsRef<Path>, out: impl AsRef<Path>) -> Result<(), Error> {
    let (folder, out) = (folder.as_ref(), out.as_ref());
    let index = Index::read(folder)?;
    let ranks = index.ranks()?;
    let mut files = Vec::new();
    for rank in 0..index.ranks {
        let mut file = Opened::open(folder, &index, rank, ranks)?;
        file.verify(&index)?;
        files.push(file);
    }
    fs::create_dir_all(out).map_err(|error| io(out, error))?;
    let mut whole = Whole { index: &index, ranks, files };
    whole.weights(&out.join("weights.safetensors"))?;
    whole.state(&out.join("optimizer.safetensors"))
}

struct Whole<'a> {
    index: &'a Index,
    ranks: Ranks,
    files: Vec<Opened>,
}

/// A tensor of the whole: its name, its shape, its table and its place there.
type Named = (String, Vec<u64>, (usize, usize));

impl Whole<'_> {
    fn weights(&mut self, path: &Path) -> Result<(), Error> {
        let tables = self.index.tables.iter().enumerate();
        let named = tables.map(|(number, table)| {
            let (_, shape, _) = tensors_of(table, table.rows).remove(0);
            (table.name.clone(), shape, (number, 0))
        });
        let named: Vec<Named> = named.collect();
        let header = header("{", &named)?;
        self.write(path, &header, &named, None)
    }

    fn state(&mut self, path: &Path) -> Result<(), Error> {
        let json = |text: serde_json::Result<String>| {
            text.map_err(|error| Error::from(invalid(path, error.to_string())))
        };
        let step = |(number, table): (usize, &TableEntry)| {
            Some((number, BTreeMap::from([("step", table.state.as_ref()?.step)])))
        };
        let tables = || self.index.tables.iter().enumerate();
        let counts: BTreeMap<_, _> = tables().filter_map(step).collect();
        let counts = json(serde_json::to_string(&counts))?;
        let groups = json(serde_json::to_string(&self.index.groups))?;
        let begin = format!(
            r#"{BEFORE_CRC}00000000","format_version":"{VERSION}","state":{},"param_groups":{}}}"#,
            json(serde_json::to_string(&counts))?,
            json(serde_json::to_string(&groups))?
        );
        let of_table = |(number, table)| {
            let tensors = tensors_of(table, table.rows).into_iter().enumerate().skip(1);
            tensors.map(move |(place, (name, shape, _))| {
                (format!("state.{number}.{name}"), shape, (number, place))
            })
        };
        let named: Vec<Named> = tables().flat_map(of_table).collect();
        let header = header(&begin, &named)?;
        let mut crc = crc32fast::Hasher::new();
        [VERSION, &counts, &groups].iter().for_each(|text| crc.update(text.as_bytes()));
        self.write(path, &header, &named, Some(crc))
    }

    /// Writes a file: header, tensors, and then, where there is one, the checksum over them into the header.
    fn write(
        &mut self,
        path: &Path,
        header: &[u8],
        named: &[Named],
        mut crc: Option<crc32fast::Hasher>,
    ) -> Result<(), Error> {
        let mut failed = None;
        let written = replace(path, |file| {
            let mut out = BufWriter::with_capacity(1 << 20, &*file);
            out.write_all(header)?;
            for (name, shape, place) in named {
                if let Some(crc) = &mut crc {
                    crc.update(format!("{name}{shape:?}").as_bytes());
                }
                let mut each = |bytes: &[u8]| {
                    crc.iter_mut().for_each(|crc| crc.update(bytes));
                    out.write_all(bytes)
                };
                self.stream(*place, &mut each, &mut failed)?;
            }
            out.flush()?;
            drop(out);
            match crc {
                Some(crc) => write_crc(file, crc),
                None => Ok(()),
            }
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(written?),
        }
    }

    /// Gives `each` the bytes of a tensor, in the order of the whole table's rows. An error of a file that is read
    /// goes to `failed`.
    fn stream(
        &mut self,
        (number, place): (usize, usize),
        each: &mut impl FnMut(&[u8]) -> std::io::Result<()>,
        failed: &mut Option<Error>,
    ) -> std::io::Result<()> {
        let table = &self.index.tables[number];
        let (_, _, width) = tensors_of(table, table.rows)[place];
        let deal = table.deal(self.ranks);
        for rows in parts(table.rows, width) {
            let mut words = vec![0u32; ((rows.end - rows.start) * width) as usize];
            for file in &mut self.files {
                let locals = of_rank(deal, file.rank, &rows);
                if locals.is_empty() {
                    continue;
                }
                let read = file.rows((number, place), locals.clone()).map_err(|error| {
                    *failed = Some(error.into());
                    std::io::Error::other("a file of the checkpoint could not be read")
                })?;
                for (local, row) in locals.zip(read.chunks_exact(width as usize)) {
                    let at = ((deal.row(file.rank, local) - rows.start) * width) as usize;
                    words[at..][..width as usize].copy_from_slice(row);
                }
            }
            each(bytemuck::cast_slice(&words))?;
        }
        Ok(())
    }
}

fn header(begin: &str, named: &[Named]) -> Result<Vec<u8>, Error> {
    let mut header = begin.to_string();
    let mut end = 0;
    for (name, shape, _) in named {
        let tensor = name.rsplit('.').next().unwrap_or_default();
        if header.len() > 1 {
            header.push(',');
        }
        header += &told(name, is_float(tensor), shape, end)?;
        end += 4 * shape.iter().product::<u64>();
    }
    header.push('}');
    Ok(head(header))
}

fn write_crc(file: &mut File, crc: crc32fast::Hasher) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(8 + BEFORE_CRC.len() as u64))?;
    file.write_all(text(crc.finalize()).as_bytes())
}
