//! The optimizer's state on the host, in torch's shape.

use crate::readback;
use crate::table::Table;
use crate::{AdamOptions, Error, ParamId, Region, SparseAdam};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What `torch.optim.SparseAdam.state_dict()` holds: state by parameter index, and groups.
///
/// Parameters are numbered through the groups in order, as torch numbers them, which may
/// differ from the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StateDict {
    /// State of each parameter that has had a gradient.
    pub state: BTreeMap<usize, ParamState>,
    /// The groups, in order.
    pub param_groups: Vec<GroupState>,
}

/// State of one parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParamState {
    /// Steps counted.
    pub step: u64,
    /// The parameter's shape, and that of its moments.
    pub shape: Vec<u32>,
    /// First moment, row-major.
    pub exp_avg: Vec<f32>,
    /// Second moment, row-major.
    pub exp_avg_sq: Vec<f32>,
}

/// One parameter group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupState {
    /// Its hyperparameters.
    #[serde(flatten)]
    pub options: AdamOptions,
    /// Numbers of its parameters.
    pub params: Vec<usize>,
    /// Names of its parameters, where they are known (torch: `param_names`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param_names: Option<Vec<String>>,
}

impl SparseAdam {
    /// Reads the state back, after every step submitted so far. Steps recorded but not
    /// submitted are counted but not in the moments: submit first.
    ///
    /// Natively this waits for the device; in a browser it yields.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub async fn state_dict(&self) -> Result<StateDict, Error> {
        let mut dict = StateDict::default();
        for (number, &table) in self.numbering().iter().enumerate() {
            if let Some(state) = self.param_state(&self.tables[table]).await? {
                dict.state.insert(number, state);
            }
        }
        let mut next = 0;
        for (group, held) in self.groups.iter().enumerate() {
            let members = self.tables.iter().filter(|table| table.group == group);
            let names: Vec<_> = members.map(|table| table.name.clone()).collect();
            dict.param_groups.push(GroupState {
                options: held.options,
                params: (next..next + names.len()).collect(),
                param_names: Some(names.clone()),
            });
            next += names.len();
        }
        Ok(dict)
    }

    /// Reads the state of one parameter back; None before its first gradient.
    ///
    /// # Errors
    /// [`Error::UnknownParam`], [`Error::DeviceLost`].
    pub async fn state_of(&self, param: ParamId) -> Result<Option<ParamState>, Error> {
        self.param_state(self.table(param)?).await
    }

    /// Table numbers in torch's order: through the groups, then as added.
    fn numbering(&self) -> Vec<usize> {
        let mut tables: Vec<_> = (0..self.tables.len()).collect();
        tables.sort_by_key(|&table| self.tables[table].group);
        tables
    }

    async fn param_state(&self, table: &Table) -> Result<Option<ParamState>, Error> {
        let Some(state) = &table.state else {
            return Ok(None);
        };
        let regions: Vec<_> = state.moments.iter().map(Region::from).collect();
        let windows = readback::read(&self.recorder.device, &self.recorder.queue, &regions).await?;
        let dim = table.geometry.dim as usize;
        let values = table.geometry.rows as usize * dim;
        let (mut exp_avg, mut exp_avg_sq) =
            (Vec::with_capacity(values), Vec::with_capacity(values));
        for window in windows {
            let moments: Vec<f32> = bytemuck::pod_collect_to_vec(&window);
            for row in moments.chunks_exact(2 * dim) {
                exp_avg.extend_from_slice(&row[..dim]);
                exp_avg_sq.extend_from_slice(&row[dim..]);
            }
        }
        let shape = table.shape.clone();
        Ok(Some(ParamState {
            step: state.step,
            shape,
            exp_avg,
            exp_avg_sq,
        }))
    }
}
