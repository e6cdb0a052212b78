//! What a checkpoint says of itself: `index.json`.

use super::{invalid, io};
use crate::assign::Deal;
use crate::{Assign, Ranks};
use serde::{Deserialize, Serialize};
use sparse_adam::{
    AdamOptions, BiasCorrection, CatchUp, Error, Format, GroupState, ParamState, SecondMoment,
};
use std::path::Path;

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;
/// The longest index that is read, in bytes.
const LONGEST: u64 = 64 << 20;
pub(crate) const INDEX: &str = "index.json";

/// A whole checkpoint but for its numbers. The files' layout follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    pub format_version: u32,
    /// How many ranks wrote it.
    pub ranks: u32,
    /// Steps that the optimizer has made.
    pub steps: u64,
    /// As in a state dict: tables are numbered through the groups.
    pub groups: Vec<GroupState>,
    /// By number.
    pub tables: Vec<TableEntry>,
    /// By rank.
    pub shards: Vec<ShardFile>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableEntry {
    pub name: String,
    pub rows: u64,
    pub row_shape: Vec<u32>,
    pub assign: Assign,
    /// How its values are stored on devices; in files they are f32.
    pub format: Format,
    pub state: Option<StateEntry>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateEntry {
    /// Steps counted.
    pub step: u64,
    pub tensors: Vec<Tensor>,
}

/// A tensor of a state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tensor {
    pub name: String,
    /// Numbers of a row.
    pub width: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShardFile {
    pub file: String,
    /// Of all its bytes.
    pub crc32: String,
}

/// The tensors that a state may have, in their order; the last two are u32.
pub(crate) const TENSORS: [&str; 5] =
    ["exp_avg", "exp_avg_sq", "max_exp_avg_sq", "row_counter", "prev_iter"];

/// The words of a state's tensors, in that order; None of those that it has not.
pub(crate) fn words(state: &ParamState) -> [Option<&[u32]>; 5] {
    let rows = state.rows.as_deref();
    [
        Some(bytemuck::cast_slice(&state.exp_avg)),
        Some(bytemuck::cast_slice(&state.exp_avg_sq)),
        state.max_exp_avg_sq.as_deref().map(bytemuck::cast_slice),
        rows.and_then(|rows| rows.row_counter.as_deref()),
        rows.and_then(|rows| rows.prev_iter.as_deref()),
    ]
}

impl StateEntry {
    /// Of a state of `rows` rows.
    pub fn of(state: &ParamState, rows: u64) -> Self {
        let tensor = |(&name, words): (&&str, Option<&[u32]>)| {
            Some(Tensor { name: name.into(), width: words?.len() as u64 / rows })
        };
        let tensors = TENSORS.iter().zip(words(state)).filter_map(tensor).collect();
        Self { step: state.step, tensors }
    }

    /// Of a table with `dim` values for each row, by the options of its group.
    pub fn with(options: &AdamOptions, step: u64, dim: u64) -> Self {
        let seconds = if options.second_moment == SecondMoment::Row { 1 } else { dim };
        let has = [
            Some(dim),
            Some(seconds),
            options.amsgrad.then_some(seconds),
            (options.bias_correction == BiasCorrection::Row).then_some(1),
            (options.catch_up != CatchUp::Never).then_some(1),
        ];
        let tensor = |(&name, width): (&&str, Option<u64>)| {
            Some(Tensor { name: name.into(), width: width? })
        };
        Self { step, tensors: TENSORS.iter().zip(has).filter_map(tensor).collect() }
    }

    /// The state of `shape` with the words of its tensors.
    pub fn state(&self, shape: Vec<u32>, words: Vec<Vec<u32>>) -> ParamState {
        let mut state = ParamState::new(self.step, shape, Vec::new(), Vec::new());
        for (tensor, words) in self.tensors.iter().zip(words) {
            let floats = |words| bytemuck::cast_vec::<u32, f32>(words);
            state = match tensor.name.as_str() {
                "exp_avg" => {
                    state.exp_avg = floats(words);
                    state
                }
                "exp_avg_sq" => {
                    state.exp_avg_sq = floats(words);
                    state
                }
                "max_exp_avg_sq" => state.max_exp_avg_sq(floats(words)),
                "row_counter" => state.row_counter(words),
                _ => state.prev_iter(words),
            };
        }
        state
    }
}

impl TableEntry {
    /// Values of a row.
    pub fn dim(&self) -> u64 {
        self.row_shape.iter().map(|&axis| u64::from(axis)).product()
    }

    pub fn deal(&self, ranks: Ranks) -> Deal {
        Deal { assign: self.assign, rows: self.rows, ranks }
    }
}

impl Index {
    pub fn new(ranks: Ranks, steps: u64, groups: Vec<GroupState>, tables: Vec<TableEntry>) -> Self {
        let shards = Vec::new();
        Self { format_version: VERSION, ranks: ranks.get(), steps, groups, tables, shards }
    }

    /// That of the checkpoint in `folder`, checked in itself.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::InvalidFile`].
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(INDEX);
        let bytes = path.metadata().map_err(|error| io(&path, error))?.len();
        if bytes > LONGEST {
            return Err(invalid(&path, format!("{bytes} bytes, at most {LONGEST}")));
        }
        let text = std::fs::read(&path).map_err(|error| io(&path, error))?;
        let index: Self =
            serde_json::from_slice(&text).map_err(|error| invalid(&path, error.to_string()))?;
        index.check().map_err(|reason| invalid(&path, reason))?;
        Ok(index)
    }

    /// A number that other indices do not share, so that ranks which read one of another save find out.
    pub fn hash(&self) -> u32 {
        crc32fast::hash(format!("{self:?}").as_bytes())
    }

    /// The ranks that wrote it.
    ///
    /// # Errors
    /// None for an index that was read.
    pub fn ranks(&self) -> Result<Ranks, crate::Error> {
        Ranks::new(self.ranks)
    }

    pub fn check(&self) -> Result<(), String> {
        if self.format_version != VERSION {
            return Err(format!("format {}, this build reads {VERSION}", self.format_version));
        }
        Ranks::new(self.ranks).map_err(|error| error.to_string())?;
        if self.shards.len() != self.ranks as usize {
            return Err(format!("{} files, expected {}", self.shards.len(), self.ranks));
        }
        // A name with a folder in it would lead elsewhere.
        if let Some(shard) = self.shards.iter().find(|shard| shard.file.contains(['/', '\\'])) {
            return Err(format!("{:?} is no name of a file beside it", shard.file));
        }
        let numbers = self.groups.iter().flat_map(|group| &group.params);
        if !numbers.copied().eq(0..self.tables.len()) {
            return Err("the groups do not number its tables one after another".into());
        }
        self.tables.iter().try_for_each(TableEntry::check)
    }
}

impl TableEntry {
    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let axes = self.row_shape.iter().map(|&axis| u64::from(axis));
        let dim = axes.clone().try_fold(1u64, u64::checked_mul).filter(|&dim| dim > 0);
        let Some(dim) = dim.filter(|dim| self.rows > 0 && dim.checked_mul(self.rows).is_some())
        else {
            return Err(format!("table {name:?} has no shape that there can be"));
        };
        let Some(state) = &self.state else { return Ok(()) };
        let mut known = TENSORS.iter();
        let in_order = |tensor: &Tensor| known.any(|name| *name == tensor.name);
        let has_moments = state.tensors.len() >= 2 && state.tensors[1].name == "exp_avg_sq";
        let fits = |tensor: &Tensor| match tensor.name.as_str() {
            "exp_avg" => tensor.width == dim,
            "exp_avg_sq" | "max_exp_avg_sq" => tensor.width == dim || tensor.width == 1,
            _ => tensor.width == 1,
        };
        match state.tensors.iter().all(in_order) && has_moments && state.tensors.iter().all(fits) {
            true => Ok(()),
            false => Err(format!("table {name:?} has tensors that no state has")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let state =
            ParamState::new(3, vec![5, 2], vec![0.0; 10], vec![0.0; 5]).row_counter(vec![0; 5]);
        let table = TableEntry {
            name: "t".into(),
            rows: 5,
            row_shape: vec![2],
            assign: Assign::Cyclic,
            format: Format::F32,
            state: Some(StateEntry::of(&state, 5)),
        };
        let group = GroupState::new(Default::default(), vec![0]);
        let mut index = Index::new(Ranks::new(1).unwrap(), 3, vec![group], vec![table]);
        index.shards.push(ShardFile { file: "a".into(), crc32: "0".into() });
        index
    }

    #[test]
    fn an_index_comes_back_from_its_text() {
        let text = serde_json::to_string(&index()).unwrap();
        let read: Index = serde_json::from_str(&text).unwrap();
        assert_eq!((read.check(), &read), (Ok(()), &index()));
        let widths: Vec<_> =
            read.tables[0].state.iter().flat_map(|state| &state.tensors).map(|t| t.width).collect();
        assert_eq!(widths, [2, 1, 1]);
    }

    #[test]
    fn an_index_that_nobody_writes_is_refused() {
        let wrong: [fn(&mut Index); 10] = [
            |index| index.format_version = 2,
            |index| index.ranks = 0,
            |index| index.ranks = 2,
            |index| index.shards[0].file = "../a".into(),
            |index| index.groups[0].params = vec![1],
            |index| index.groups.clear(),
            |index| index.tables[0].rows = 0,
            |index| index.tables[0].row_shape = vec![u32::MAX; 3],
            |index| index.tables[0].state.as_mut().unwrap().tensors.swap(0, 1),
            |index| index.tables[0].state.as_mut().unwrap().tensors[2].width = 2,
        ];
        for (number, wrong) in wrong.iter().enumerate() {
            let mut index = index();
            wrong(&mut index);
            assert!(index.check().is_err(), "case {number}");
        }
    }
}
