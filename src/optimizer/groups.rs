//! Parameter groups, readable and changeable between steps.

use crate::{AdamOptions, BiasCorrection, Error, GroupId, ParamId, SparseAdam};

impl SparseAdam {
    /// The hyperparameters of a group.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`].
    pub fn options(&self, group: GroupId) -> Result<AdamOptions, Error> {
        Ok(self.groups[self.index_of(group)?].options)
    }

    /// Changes the hyperparameters of a group for the steps recorded from now on.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`], [`Error::InvalidOption`], [`Error::Conflict`]; [`Error::Unsupported`] where what differs
    /// is what the state is of: `amsgrad`, `second_moment`, `catch_up`, or `bias_correction` from or to that of rows.
    pub fn set_options(&mut self, group: GroupId, options: AdamOptions) -> Result<(), Error> {
        let index = self.index_of(group)?;
        options.validate()?;
        let held = self.groups[index].options;
        let differs = |which: fn(&AdamOptions) -> bool| which(&held) != which(&options);
        let what = if differs(|options| options.amsgrad) {
            "changing amsgrad of a group that has parameters"
        } else if held.second_moment != options.second_moment {
            "changing second_moment of a group that has parameters"
        } else if held.catch_up != options.catch_up {
            "changing catch_up of a group that has parameters"
        } else if differs(|options| options.bias_correction == BiasCorrection::Row) {
            "changing bias_correction from or to row of a group that has parameters"
        } else {
            self.groups[index].options = options;
            self.follow_groups();
            return Ok(());
        };
        let remedy = "add them to an optimizer with it, and load the state there";
        Err(Error::Unsupported { what, remedy })
    }

    /// Gives every table the rule that its group's options ask for.
    pub(crate) fn follow_groups(&mut self) {
        let scalars = self.reads_scalars();
        for table in &mut self.tables {
            table.follow(&self.groups[table.group].options, scalars);
        }
    }

    /// Changes the learning rate of a group ([`AdamOptions::lr`](AdamOptions#structfield.lr)).
    ///
    /// # Errors
    /// [`Error::UnknownGroup`], [`Error::InvalidOption`].
    pub fn set_lr(&mut self, group: GroupId, lr: f64) -> Result<(), Error> {
        let options = self.options(group)?;
        self.set_options(group, options.lr(lr))
    }

    /// The groups, in the order in which they were added.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = GroupId> + use<> {
        let optimizer = self.number;
        (0..self.groups.len()).map(move |index| GroupId { optimizer, index })
    }

    /// The parameters of a group, in the order in which they were added.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`].
    pub fn group_params(&self, group: GroupId) -> Result<Vec<ParamId>, Error> {
        let group = self.index_of(group)?;
        let members = (0..self.tables.len()).filter(|&table| self.tables[table].group == group);
        Ok(members.map(|index| self.param_id(index)).collect())
    }

    /// The group of a parameter.
    ///
    /// # Errors
    /// [`Error::UnknownParam`].
    pub fn group_of(&self, param: ParamId) -> Result<GroupId, Error> {
        Ok(GroupId { optimizer: self.number, index: self.table(param)?.group })
    }

    fn index_of(&self, group: GroupId) -> Result<usize, Error> {
        let (expected, found) = (self.groups.len(), group.index);
        if group.optimizer == self.number && found < expected {
            return Ok(found);
        }
        Err(Error::UnknownGroup { expected, found })
    }
}
