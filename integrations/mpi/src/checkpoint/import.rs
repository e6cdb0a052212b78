//! A checkpoint made of a state dict and values: from torch, or from one device.

use super::files::{generation, remove_others, shard_name, write_index};
use super::index::{Index, ShardFile, StateEntry, TableEntry, words};
use super::invalid;
use super::shard::{Layout, text, write_shard};
use crate::{Assign, Error, Ranks};
use sparse_adam::{Format, StateDict};
use std::path::Path;

/// A whole table for [`import`].
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedTable<'a> {
    name: String,
    shape: Vec<u32>,
    values: &'a [f32],
    format: Format,
}

impl<'a> ImportedTable<'a> {
    /// A table of `shape` (`[rows, row shape]`) with `values`, row-major.
    #[must_use]
    pub fn new(name: impl Into<String>, shape: &[u32], values: &'a [f32]) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), values, format: Format::F32 }
    }

    /// How devices store it (default [`Format::F32`]); `values` are numbers of that format.
    #[must_use]
    pub fn format(self, format: Format) -> Self {
        Self { format, ..self }
    }
}

/// Makes a checkpoint in `folder` of a state (`StateDict::load` reads torch's files too) and of all tables' values, in the
/// order in which torch numbers them: through the groups. Any number of ranks loads it
/// ([`ShardedOptimizer::load`](crate::ShardedOptimizer::load)). Needs neither MPI nor a device.
///
/// # Errors
/// [`sparse_adam::Error::InvalidFile`] for tables that do not fit the state, and for one whose moments are not f32 or that is
/// rounded by random bits; [`sparse_adam::Error::Io`].
pub fn import(
    folder: impl AsRef<Path>,
    dict: &StateDict,
    tables: &[ImportedTable<'_>],
) -> Result<(), Error> {
    let folder = folder.as_ref();
    let one = Ranks::new(1)?;
    let entries: Result<Vec<_>, String> =
        tables.iter().enumerate().map(|(number, table)| entry(dict, number, table)).collect();
    let entries = entries.map_err(|reason| invalid(folder, reason))?;
    if !dict.storage.is_empty() {
        let reason =
            "moments that are not f32, or rounding by random bits, which ranks do not have";
        return Err(invalid(folder, reason).into());
    }
    let steps = dict.state.values().map(|state| state.step).max().unwrap_or(0);
    let mut groups = dict.param_groups.clone();
    for group in &mut groups {
        let name = |&number: &usize| tables.get(number).map(|table| table.name.clone());
        let names: Option<Vec<_>> = group.params.iter().map(name).collect();
        let names = names.ok_or_else(|| invalid(folder, "the state has more tables"))?;
        if group.param_names.as_ref().is_some_and(|held| *held != names) {
            let reason = format!("tables {names:?}, in the state {:?}", group.param_names);
            return Err(invalid(folder, reason).into());
        }
        group.param_names = Some(names);
    }
    let mut index = Index::new(one, steps, groups, entries);
    let file = shard_name(generation(folder)?, 0, 1);
    index.shards.push(ShardFile { file: file.clone(), crc32: String::new() });
    index.check().map_err(|reason| invalid(folder, reason))?;
    let layout = Layout::new(&index, 0, one)?;
    let crc = write_shard::<Error>(&folder.join(&file), &layout, |number| {
        let values = bytemuck::cast_slice(tables[number].values).to_vec();
        let state = dict.state.get(&number).map(words).into_iter().flatten().flatten();
        Ok(std::iter::once(values).chain(state.map(<[u32]>::to_vec)).collect())
    })?;
    index.shards[0].crc32 = text(crc);
    write_index(folder, &index)?;
    Ok(remove_others(folder, &index)?)
}

/// What the index says of a table, if it fits its state.
fn entry(dict: &StateDict, number: usize, table: &ImportedTable<'_>) -> Result<TableEntry, String> {
    let ImportedTable { name, shape, values, format } = table;
    let Some((&rows, row_shape)) = shape.split_first() else {
        return Err(format!("table {name:?} has no axis"));
    };
    let expected = shape.iter().map(|&axis| axis as usize).product::<usize>();
    if values.len() != expected || expected == 0 {
        return Err(format!("table {name:?} has {} values, its shape {expected}", values.len()));
    }
    let state = dict.state.get(&number);
    if let Some(state) = state {
        let of_rows = |words: &[u32]| [expected, rows as usize].contains(&words.len());
        if state.shape != *shape || !words(state).into_iter().flatten().all(of_rows) {
            return Err(format!("table {name:?} has shape {shape:?}, its state {:?}", state.shape));
        }
    }
    Ok(TableEntry {
        name: name.clone(),
        rows: rows.into(),
        row_shape: row_shape.to_vec(),
        assign: Assign::Block,
        format: *format,
        state: state.map(|state| StateEntry::of(state, rows.into())),
    })
}
