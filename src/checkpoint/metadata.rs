//! What the metadata of a checkpoint says beside its tensors: version, step counts, groups, how states are stored.

use crate::tensor_file::{Budget, Fault, Parsed, invalid};
use crate::{Format, GroupState, ParamState, Rounding, StateDict, StateStorage, serde_with};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version that is written. Files without one are read as 0: they lack it in the checksum.
pub(super) const VERSION: u32 = 1;

/// What is said of a parameter beside its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counted {
    pub step: u64,
}

/// What is said of each.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Counts(
    #[serde(deserialize_with = "serde_with::unique")] pub BTreeMap<usize, Counted>,
);

/// How each is stored: the format of its moments, and the seed where there is one.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Storages(
    #[serde(deserialize_with = "serde_with::unique")] BTreeMap<usize, (Format, Option<u32>)>,
);

/// The JSON of `state`, `param_groups` and `storage`; empty where there is none of the last.
pub(super) struct Texts {
    pub state: String,
    pub groups: String,
    pub storage: String,
}

impl Texts {
    pub fn of(dict: &StateDict) -> Result<Self, Fault> {
        let counted =
            |(&number, state): (&usize, &ParamState)| (number, Counted { step: state.step });
        let counts = Counts(dict.state.iter().map(counted).collect());
        let stored = |(&number, storage): (&usize, &StateStorage)| {
            (number, (storage.moments, storage.rounding.drawn_from()))
        };
        let storages = Storages(dict.storage.iter().map(stored).collect());
        let storage = match dict.storage.is_empty() {
            true => String::new(),
            false => json("storage", &storages)?,
        };
        let (state, groups) = (json("state", &counts)?, json("param_groups", &dict.param_groups)?);
        Ok(Self { state, groups, storage })
    }
}

pub(super) fn json(what: &str, value: &(impl Serialize + ?Sized)) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| invalid(what, error))
}

/// What the metadata says: version, step counts, groups.
pub(super) fn stated(
    header: &Parsed,
    budget: &mut Budget,
) -> Result<(u32, Counts, Vec<GroupState>), Fault> {
    let version = match header.metadata.get("format_version").map(|text| text.parse()) {
        None => 0,
        Some(Ok(version)) if version <= VERSION => version,
        Some(found) => {
            let found = found.map_or("not a number".into(), |version| version.to_string());
            let reason = format!("{found}; this version of sparse-adam reads up to {VERSION}");
            return Err(invalid("format_version", reason));
        }
    };
    // First, because reading them may take more for a while than they keep.
    let groups = text(header, "param_groups")?;
    budget.take_json("param_groups", groups)?;
    let groups = parse(groups, "param_groups")?;
    // No lists are in it: what it becomes is its B-tree, whose nodes may be half empty, and then that of the
    // state, into which it goes entry by entry: the larger of the two.
    let counts = text(header, "state")?;
    let most = counts.bytes().filter(|&byte| byte == b'{').count().saturating_sub(1);
    let entry = size_of::<(usize, ParamState)>().max(size_of::<(usize, Counted)>());
    let each = 2 * entry + 32;
    budget.take("state", (most * each) as u64)?;
    Ok((version, parse(counts, "state")?, groups))
}

/// What the metadata says of states that are stored otherwise than in f32.
pub(super) fn stored(
    header: &Parsed,
    budget: &mut Budget,
) -> Result<BTreeMap<usize, StateStorage>, Fault> {
    let Some(text) = header.metadata.get("storage") else { return Ok(BTreeMap::new()) };
    // Of each entry, which is a list, two places in B-trees whose nodes may be half empty.
    let most = text.bytes().filter(|&byte| byte == b'[').count();
    let each = size_of::<(usize, (Format, Option<u32>))>() + size_of::<(usize, StateStorage)>();
    budget.take("storage", (most * 2 * each) as u64)?;
    let Storages(storages) = parse(text, "storage")?;
    let storage = |(number, (moments, seed)): (usize, (Format, Option<u32>))| {
        let rounding = seed.map_or(Rounding::Nearest, |seed| Rounding::Stochastic { seed });
        (number, StateStorage::new(moments, rounding))
    };
    Ok(storages.into_iter().map(storage).collect())
}

pub(super) fn text<'a>(header: &'a Parsed, key: &str) -> Result<&'a str, Fault> {
    let text = header.metadata.get(key).map(String::as_str);
    text.ok_or_else(|| invalid(key, "missing from the metadata"))
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, key: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| invalid(key, error))
}
