//! Parameter groups, readable and changeable between steps.

use crate::{AdamOptions, Error, GroupId, ParamId, SparseAdam};

impl SparseAdam {
    /// The hyperparameters of a group.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`].
    pub fn options(&self, group: GroupId) -> Result<AdamOptions, Error> {
        self.check_group(group)?;
        Ok(self.groups[group.0].options)
    }

    /// Changes the hyperparameters of a group for the steps recorded from now on.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`], [`Error::InvalidOption`].
    pub fn set_options(&mut self, group: GroupId, options: AdamOptions) -> Result<(), Error> {
        self.check_group(group)?;
        options.validate()?;
        self.groups[group.0].options = options;
        Ok(())
    }

    /// Changes the learning rate of a group.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`], [`Error::InvalidOption`].
    pub fn set_lr(&mut self, group: GroupId, lr: f64) -> Result<(), Error> {
        let options = self.options(group)?;
        self.set_options(group, AdamOptions { lr, ..options })
    }

    /// The groups, in the order in which they were added.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = GroupId> + use<> {
        (0..self.groups.len()).map(GroupId)
    }

    /// The parameters of a group, in the order in which they were added.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`].
    pub fn group_params(&self, group: GroupId) -> Result<Vec<ParamId>, Error> {
        self.check_group(group)?;
        let members = (0..self.tables.len()).filter(|&table| self.tables[table].group == group.0);
        Ok(members.map(ParamId).collect())
    }

    /// The group of a parameter.
    ///
    /// # Errors
    /// [`Error::UnknownParam`].
    pub fn group_of(&self, param: ParamId) -> Result<GroupId, Error> {
        Ok(GroupId(self.table(param)?.group))
    }

    fn check_group(&self, group: GroupId) -> Result<(), Error> {
        let expected = self.groups.len();
        if group.0 < expected {
            return Ok(());
        }
        Err(Error::UnknownGroup { expected, found: group.0 })
    }
}
