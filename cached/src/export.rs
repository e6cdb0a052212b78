//! A table as files that torch reads, written in one pass over its store.

mod safetensors;

use crate::layout::values;
use crate::table::CachedTable;
use crate::{Error, RowStore};
use safetensors::{As, File, Tensor, Text};
use sparse_adam::{
    AdamOptions, BiasCorrection, CatchUp, Format, GroupState, Rounding, SecondMoment, SparseAdam,
};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Bytes of records that are read at once.
const PIECE: usize = 16 << 20;

impl<S: RowStore> CachedTable<S> {
    /// Flushes, and calls `each` with the records of all rows, some thousand at once, in the order of the rows: the
    /// number of the first of them, and their [`Layout`](crate::Layout)'s bytes.
    ///
    /// # Errors
    /// As [`CachedTable::flush`]; the store's; those of `each`.
    pub fn for_each(
        &mut self,
        adam: &mut SparseAdam,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.flush(adam)?;
        let (record, rows) = (self.layout().bytes(), self.store().rows());
        let piece = (PIECE / record).max(1) as u64;
        let mut records = Vec::new();
        let mut first = 0;
        while first < rows {
            let numbers: Vec<u64> = (first..rows.min(first + piece)).collect();
            records.resize(numbers.len() * record, 0);
            self.store().read(&numbers, &mut records)?;
            each(first, &records)?;
            first += numbers.len() as u64;
        }
        Ok(())
    }

    /// Flushes, and writes the weights to `path`: a safetensors file with one tensor, `[rows, ...]` of the parameter's format,
    /// under the parameter's name. It holds some 48 MiB of the table at once; a file that was there is replaced by a rename, when
    /// all is written.
    ///
    /// # Errors
    /// As [`CachedTable::for_each`]; [`Error::Io`].
    pub fn export_weights(
        &mut self,
        adam: &mut SparseAdam,
        path: impl AsRef<Path>,
    ) -> Result<(), Error> {
        let dtype = match adam.format(self.param())? {
            Format::F16 => "F16",
            Format::Bf16 => "BF16",
            _ => "F32",
        };
        let values = values(adam, self.param())? as usize;
        let weights = Tensor {
            name: adam.name(self.param())?.into(),
            dtype,
            shape: self.shape(adam)?,
            at: 0,
            bytes: if dtype == "F32" { 4 * values } else { 2 * values },
            held: As::Bytes,
        };
        self.write(adam, path.as_ref(), vec![weights], &[])
    }

    /// Flushes, and writes the optimizer's state of the table to `path` as [`SparseAdam::save`] does for an optimizer that
    /// has this parameter alone, as number 0: `StateDict::load` reads it, and torch as the README of sparse-adam says.
    /// Moments in bf16 are written in f32, which has all their numbers. Memory and file as for [`CachedTable::export_weights`].
    ///
    /// # Errors
    /// As [`CachedTable::for_each`]; [`Error::Io`].
    pub fn export_state(
        &mut self,
        adam: &mut SparseAdam,
        path: impl AsRef<Path>,
    ) -> Result<(), Error> {
        let options = adam.options(adam.group_of(self.param())?)?;
        let mut group = GroupState::new(options, vec![0]);
        group.param_names = Some(vec![adam.name(self.param())?.into()]);
        let groups = serde_json::to_string(&[group]).map_err(io::Error::from);
        let groups = groups.map_err(Error::io("writing the options"))?;
        let state = format!(r#"{{"0":{{"step":{}}}}}"#, adam.step_count(self.param())?);
        let mut texts = vec![
            Text { key: "format_version", value: "1".into() },
            Text { key: "state", value: state },
            Text { key: "param_groups", value: groups },
        ];
        let stored = adam.state_storage(self.param())?;
        if let Rounding::Stochastic { seed } = stored.rounding {
            let storage = serde_json::to_string(&BTreeMap::from([(0, (stored.moments, seed))]));
            let value = storage.map_err(|error| Error::io("writing the formats")(error.into()))?;
            texts.push(Text { key: "storage", value });
        }
        let tensors = self.state_tensors(adam, &options)?;
        self.write(adam, path.as_ref(), tensors, &texts)
    }

    /// The tensors of the state, as records have them.
    fn state_tensors(
        &self,
        adam: &SparseAdam,
        options: &AdamOptions,
    ) -> Result<Vec<Tensor>, Error> {
        let by_rows = options.second_moment == SecondMoment::Row;
        let fields = [
            ("exp_avg", true, false),
            ("exp_avg_sq", true, by_rows),
            ("max_exp_avg_sq", options.amsgrad, by_rows),
            ("row_counter", options.bias_correction == BiasCorrection::Row, true),
            ("prev_iter", options.catch_up != CatchUp::Never, true),
        ];
        let are_narrow = adam.state_storage(self.param())?.moments != Format::F32;
        let (shape, values) = (self.shape(adam)?, values(adam, self.param())? as usize);
        let of_values = self.layout().weights as usize;
        let (mut next, mut of_rows) = (of_values, of_values + self.layout().moments as usize);
        let mut tensors = Vec::new();
        for (name, _, of_row) in fields.into_iter().filter(|(_, is_there, _)| *is_there) {
            let bytes = if of_row { 4 } else { 4 * values };
            // Both moments in bf16 share words.
            let (at, held) = match (of_row, are_narrow, name) {
                (true, ..) => (of_rows, As::Bytes),
                (_, true, "exp_avg") => (of_values, As::LowBf16),
                (_, true, _) => (of_values, As::HighBf16),
                _ => (next, As::Bytes),
            };
            *(if of_row { &mut of_rows } else { &mut next }) += bytes;
            tensors.push(Tensor {
                name: format!("state.0.{name}"),
                dtype: if ["row_counter", "prev_iter"].contains(&name) { "U32" } else { "F32" },
                shape: if of_row { vec![shape[0]] } else { shape.clone() },
                at,
                bytes,
                held,
            });
        }
        Ok(tensors)
    }

    /// Its shape, as torch has it.
    fn shape(&self, adam: &SparseAdam) -> Result<Vec<u64>, Error> {
        let mut shape: Vec<u64> =
            adam.shape(self.param())?.iter().copied().map(u64::from).collect();
        shape[0] = self.store().rows();
        Ok(shape)
    }

    fn write(
        &mut self,
        adam: &mut SparseAdam,
        path: &Path,
        tensors: Vec<Tensor>,
        texts: &[Text],
    ) -> Result<(), Error> {
        let record = self.layout().bytes();
        let rows = self.store().rows();
        let writing = || Error::io(format!("writing {}", path.display()));
        let mut file = File::new(path, rows, tensors, texts).map_err(writing())?;
        self.for_each(adam, |first, records| {
            file.write(first, records, record).map_err(writing())
        })?;
        file.finish().map_err(writing())
    }
}
