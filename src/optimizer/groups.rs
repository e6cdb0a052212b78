//! Parameter groups, readable and changeable between steps.

use crate::{AdamOptions, Error, GroupId, ParamId, SparseAdam};

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
    /// [`Error::UnknownGroup`], [`Error::InvalidOption`]; [`Error::Unsupported`] where `amsgrad` differs.
    pub fn set_options(&mut self, group: GroupId, options: AdamOptions) -> Result<(), Error> {
        let index = self.index_of(group)?;
        options.validate()?;
        let (expected, found) = (self.groups[index].options.amsgrad, options.amsgrad);
        if expected != found {
            return Err(Error::Unsupported {
                what: "changing amsgrad of a group that has parameters",
                remedy: "add them to an optimizer with it, and load the state there",
            });
        }
        self.groups[index].options = options;
        self.follow_groups();
        Ok(())
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
