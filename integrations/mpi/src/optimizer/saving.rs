//! Checkpoints over ranks: each writes and reads its own rows.

use super::ShardedOptimizer;
use crate::checkpoint::{
    Index, Layout, Opened, ShardFile, StateEntry, TableEntry, generation, own_rows, remove_others,
    shard_name, sync_folder, text, words, write_index, write_shard,
};
use crate::words::{Reader, push_wide};
use crate::{Error, Transport};
use sparse_adam::{Error as CoreError, ParamState, StateDict};
use std::path::Path;

/// What a rank has read of a checkpoint.
struct Loaded {
    steps: u64,
    dict: StateDict,
    /// Of each table, the words of its rows.
    values: Vec<Vec<f32>>,
}

impl<T: Transport> ShardedOptimizer<T> {
    /// Saves all tables and their state in `folder`, which all ranks reach: a file by each rank, and then `index.json`, put in
    /// place by a rename. Collective. A crash at any time leaves the checkpoint that was there before whole; its files
    /// are removed once the new one is complete. Any other number of ranks loads it. Takes memory for one table's rows of this
    /// rank and their state on the host. Gradients that were given are not saved.
    ///
    /// # Errors
    /// [`sparse_adam::Error::Io`], also where rank 0 does not see a rank's file; what a device says; [`Error::Peer`],
    /// [`Error::Disagree`], [`Error::RankLost`].
    pub fn save(&mut self, folder: impl AsRef<Path>) -> Result<(), Error> {
        let folder = folder.as_ref();
        let described = self.index().and_then(|index| {
            let number = if self.rank() == 0 { generation(folder)? } else { 0 };
            Ok((index, number))
        });
        let text_of = |index: &Index| format!("{:?} {:?}", index.groups, index.tables);
        let doing = described.as_ref().map(|(index, _)| text_of(index)).unwrap_or_default();
        let doing = format!("save after step {} of {doing}", self.steps);
        // Rank 0 tells all the number of the save.
        let mine = described.map(|(index, number)| {
            let mut words = Vec::new();
            if self.rank() == 0 {
                push_wide(&mut words, number);
            }
            (index, vec![words; self.ranks.get() as usize])
        });
        let (mut index, told) = self.send(&doing, mine)?;
        let number = self.link.or_broken(Reader::new(0, &told[0]).wide())?;
        let written = self.write_own(folder, &index, number).map(|crc| {
            let mut messages = self.link.no_words();
            messages[0] = vec![crc];
            ((), messages)
        });
        let ((), told) = self.send("save, files written", written)?;
        let placed = if self.rank() == 0 {
            let ranks = self.ranks.get();
            let shard = |(rank, crc): (u32, &Vec<u32>)| {
                let crc32 = text(crc.first().copied().unwrap_or_default());
                ShardFile { file: shard_name(number, rank, ranks), crc32 }
            };
            index.shards = (0..).zip(&told).map(shard).collect();
            self.place(folder, &index)
        } else {
            Ok(())
        };
        self.meet("save, index written", placed)
    }

    /// Loads what [`ShardedOptimizer::save`] saved, on any number of ranks, or [`import`](crate::import) made: values, state, steps and hyperparameters of
    /// all tables, which were added before under the same names, in the same groups; they may be dealt out otherwise. Collective.
    /// Each file's checksum is looked at by one rank. Takes memory for this rank's rows and their state on the host.
    ///
    /// # Errors
    /// [`sparse_adam::Error::Io`], [`sparse_adam::Error::InvalidFile`], [`sparse_adam::Error::StateMismatch`], what a device says; [`Error::Peer`],
    /// [`Error::Disagree`], [`Error::RankLost`]: nothing was loaded on any rank, but where one rank's device alone had no
    /// memory for the state, all later collective calls fail.
    pub fn load(&mut self, folder: impl AsRef<Path>) -> Result<(), Error> {
        let folder = folder.as_ref();
        let (read, doing) = match Index::read(folder) {
            Ok(index) => {
                let doing = format!("load of step {}, index {:08x}", index.steps, index.hash());
                (self.read_own(folder, &index), doing)
            }
            Err(error) => (Err(error.into()), "load".into()),
        };
        let loaded = self.meet(&doing, read)?;
        let taken = self.core.load_state_dict(&loaded.dict);
        let has_taken = taken.is_ok();
        let met = self.meet("load, state taken", taken.map_err(Error::from));
        let met = if has_taken { self.link.or_broken(met) } else { met };
        met?;
        self.steps = loaded.steps;
        self.received.clear();
        for ((_, shard), values) in self.tables.iter().zip(loaded.values) {
            let written = self.gpu.write(&shard.name, &shard.buffer, &shard.format.pack(&values));
            // Where it fails, the others have loaded, and this rank has new states beside old values.
            self.link.or_broken(written.map_err(Error::from))?;
        }
        Ok(())
    }

    /// What the index says, but for the files.
    fn index(&self) -> Result<Index, Error> {
        let mut tables = Vec::new();
        for (id, shard) in &self.tables {
            let step = self.core.step_count(*id)?;
            // Its moments may be those of steps that are no longer counted.
            let has_state = step > 0 || pollster::block_on(self.core.state_of(*id))?.is_some();
            let options = self.core.options(self.core.group_of(*id)?)?;
            tables.push(TableEntry {
                name: shard.name.clone(),
                rows: shard.deal.rows,
                row_shape: shard.row_shape.clone(),
                assign: shard.deal.assign,
                format: shard.format,
                state: has_state.then(|| StateEntry::with(&options, step, shard.dim as u64)),
            });
        }
        Ok(Index::new(self.ranks, self.steps, self.core.group_states(), tables))
    }

    /// Writes this rank's file; its checksum.
    fn write_own(&self, folder: &Path, index: &Index, number: u64) -> Result<u32, Error> {
        let (rank, ranks) = (self.rank(), self.ranks);
        let path = folder.join(shard_name(number, rank, ranks.get()));
        let layout = Layout::new(index, rank, ranks)?;
        let crc = write_shard(&path, &layout, |table| {
            let (id, shard) = &self.tables[table];
            let words = self.gpu.read(&shard.name, &[(&shard.buffer).into()])?.remove(0);
            let held = shard.deal.rows_of(rank).max(1);
            let values = shard.format.unpack(&words, held as usize * shard.dim);
            let mut tensors = vec![bytemuck::cast_vec(values)];
            if let Some(state) = pollster::block_on(self.core.state_of(*id))? {
                if index.tables[table].state != Some(StateEntry::of(&state, held)) {
                    let what = "a state whose tensors are not those of its options";
                    return Err(Error::Unsupported { what, remedy: "report it as a defect" });
                }
                tensors.extend(words_of_state(&state));
            }
            Ok::<_, Error>(tensors)
        })?;
        // Before an index names it.
        sync_folder(folder)?;
        Ok(crc)
    }

    /// Makes the files a checkpoint, if all are there; removes those of earlier ones.
    fn place(&self, folder: &Path, index: &Index) -> Result<(), Error> {
        for rank in 0..index.ranks {
            Opened::open(folder, index, rank, self.ranks)?;
        }
        write_index(folder, index)?;
        Ok(remove_others(folder, index)?)
    }

    /// This rank's rows of the checkpoint, whose files it checks its part of.
    fn read_own(&self, folder: &Path, index: &Index) -> Result<Loaded, Error> {
        self.check_tables(index)?;
        let (old, rank) = (index.ranks()?, self.rank());
        let mut files = Vec::new();
        for number in 0..index.ranks {
            let mut file = Opened::open(folder, index, number, old)?;
            if number % self.ranks.get() == rank {
                file.verify(index)?;
            }
            files.push(file);
        }
        let mut dict = StateDict::default();
        dict.param_groups = index.groups.clone();
        let mut values = Vec::new();
        for (number, (_, shard)) in self.tables.iter().enumerate() {
            let mut words =
                own_rows((index, &mut files), (number, old), (shard.deal, rank))?.into_iter();
            // A rank without rows has one of zeros.
            let held = shard.deal.rows_of(rank).max(1);
            let padded = |mut words: Vec<u32>, width: u64| {
                words.resize((held * width) as usize, 0);
                words
            };
            let own = padded(words.next().unwrap_or_default(), shard.dim as u64);
            values.push(bytemuck::cast_vec(own));
            if let Some(entry) = &index.tables[number].state {
                let tensors = words.zip(&entry.tensors);
                let tensors = tensors.map(|(words, tensor)| padded(words, tensor.width)).collect();
                let mut shape = vec![held as u32];
                shape.extend(&shard.row_shape);
                dict.state.insert(number, entry.state(shape, tensors));
            }
        }
        Ok(Loaded { steps: index.steps, dict, values })
    }

    /// That the checkpoint has these tables.
    fn check_tables(&self, index: &Index) -> Result<(), Error> {
        let described = |name: &str, rows: u64, shape: &[u32], format| {
            format!("{name:?} [{rows}, {shape:?}] {format:?}")
        };
        let own = self.tables.iter().map(|(_, shard)| {
            described(&shard.name, shard.deal.rows, &shard.row_shape, shard.format)
        });
        let found = index
            .tables
            .iter()
            .map(|table| described(&table.name, table.rows, &table.row_shape, table.format));
        let (expected, found): (Vec<_>, Vec<_>) = (own.collect(), found.collect());
        if expected == found {
            return Ok(());
        }
        let (what, expected, found) = ("tables".into(), expected.join(", "), found.join(", "));
        Err(CoreError::StateMismatch { what, expected, found }.into())
    }
}

fn words_of_state(state: &ParamState) -> impl Iterator<Item = Vec<u32>> {
    words(state).into_iter().flatten().map(<[u32]>::to_vec)
}
