//! Weights whose rows move, begin anew, or are let go of.

use super::{Id, Weights};
use crate::tensor::{self, Ids, Place, Shared};
use crate::{Error, SparseAdam, StepError};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Int, Tensor};
use sparse_adam::{IndexDtype, RowList, RowMap};
use std::any::Any;
use std::collections::HashMap;
use wgpu::{CommandEncoder, CommandEncoderDescriptor};

/// A weight that takes the place of another.
struct Grown {
    tensor: Tensor<2>,
    place: Place,
}

impl SparseAdam {
    /// Gives weights other rows: row `i` of the new weight is old row `from[i]`, with its moments, or, where that is -1
    /// ([`RowMap::NONE`]), what is given for it, with none. So tables grow, shrink, are sorted or compacted, and rows become
    /// several.
    ///
    /// Each weight is named by its id, with the new one: `[rows, dim]`, of which those rows stay that come from none. All have
    /// as many rows as `from` has numbers. The module comes back with the new weights under the old ids. Everything is
    /// recorded and submitted as in a step; nothing is read back.
    ///
    /// ```no_run
    /// # use burn::tensor::{Int, Tensor};
    /// # use sparse_adam_burn::{Error, SparseAdam, SparseEmbedding};
    /// # fn grow(sparse: &mut SparseAdam, words: SparseEmbedding, [old, new, dim]: [usize; 3]) -> Result<SparseEmbedding, Error> {
    /// let from: Vec<i32> = (0..new as i32).map(|row| if row < old as i32 { row } else { -1 }).collect();
    /// let device = words.weight.val().device();
    /// let from = Tensor::<1, Int>::from_ints(&*from, &device);
    /// let id = words.weight.id;
    /// let begun = Tensor::<2>::zeros([new, dim], &device);
    /// let words = sparse.remap_rows(words, from, [(id, begun)])?;
    /// # Ok(words) }
    /// ```
    ///
    /// # Errors
    /// With the module unchanged: as [`SparseAdam::step_rows`], of old weights and new ones alike; [`Error::WrongType`] for
    /// numbers that are not i32 or u32; [`Error::Core`] also for no rows, or a weight that is named twice.
    pub fn remap_rows<M: Module>(
        &mut self,
        module: M,
        from: Tensor<1, Int>,
        weights: impl IntoIterator<Item = (Id, Tensor<2>)>,
    ) -> Result<M, StepError<M>> {
        let wanted = self.numbers("the map of rows", from).and_then(|from| {
            let grown = weights
                .into_iter()
                .map(|(id, tensor)| self.grown(id, tensor, from.count))
                .collect::<Result<Vec<_>, _>>()?;
            Ok((from, grown))
        });
        let (from, grown) = match wanted {
            Ok(wanted) => wanted,
            Err(error) => return Err(StepError { module, error }),
        };
        let mut weights = Weights {
            gpu: &self.gpu,
            added: &self.added,
            wanted: grown.iter().map(|(id, _)| *id).collect(),
            dense: None,
            found: Vec::new(),
            error: None,
        };
        let module = module.map(&mut weights);
        let (found, error) = (weights.found, weights.error);
        let moved = match error {
            Some(error) => Err(error),
            None => self.record_remap(&from, &grown, found),
        };
        if let Err(error) = moved {
            return Err(StepError { module, error });
        }
        let mut tensors = HashMap::new();
        for (id, Grown { tensor, place }) in grown {
            if let Some(added) = self.added.get_mut(&id) {
                (added.dims, added.place) = (tensor.dims(), place);
            }
            tensors.insert(id, tensor);
        }
        Ok(module.map(&mut Exchange { tensors }))
    }

    /// A weight that is to take the place of another.
    fn grown(&self, id: Id, tensor: Tensor<2>, rows: usize) -> Result<(Id, Grown), Error> {
        let added = self
            .added
            .get(&id)
            .ok_or_else(|| Error::NotAdded { id: id.to_string() })?;
        let what = format!("new rows of {:?}", added.name);
        let (expected, found) = (vec![rows, added.dims[1]], tensor.dims().to_vec());
        if expected != found {
            return Err(Error::WrongShape {
                what,
                expected,
                found,
            });
        }
        let (tensor, place) = tensor::weight(&self.gpu, &what, tensor.inner(), Shared::Refused);
        Ok((
            id,
            Grown {
                tensor,
                place: place?,
            },
        ))
    }

    /// Records the remap and submits it.
    fn record_remap(
        &mut self,
        from: &Ids,
        grown: &[(Id, Grown)],
        found: Vec<(Id, Place)>,
    ) -> Result<(), Error> {
        let is_missing = |id: &Id| !found.iter().any(|(found, _)| found == id);
        let missing = grown.iter().find(|(id, _)| is_missing(id));
        if let Some(added) = missing.and_then(|(id, _)| self.added.get(id)) {
            return Err(Error::NotInModule {
                name: added.name.clone(),
            });
        }
        self.follow(found)?;
        let rows = u32::try_from(from.count).unwrap_or(u32::MAX);
        let map = RowMap::new(from.place.region.clone(), rows);
        let place =
            |(id, grown): &(Id, Grown)| Some((self.added.get(id)?.id, grown.place.region.clone()));
        let params: Vec<_> = grown.iter().filter_map(place).collect();
        let mut encoder = self.encoder("sparse_adam_burn::remap_rows");
        self.core.remap_rows(&mut encoder, map, params)?;
        self.submit(encoder)
    }

    /// Has rows begin anew, of each of these weights the same: their moments become zero, as if no step had named them. So ids
    /// that were given up go to new owners; what the rows hold is the caller's to change.
    ///
    /// # Errors
    /// [`Error::NotAdded`]; [`Error::WrongType`] for rows that are not i32 or u32; [`Error::OtherDevice`]; [`Error::Core`] and
    /// [`Error::Burn`] where the device has no memory left or is lost.
    pub fn reset_rows(
        &mut self,
        weights: impl IntoIterator<Item = Id>,
        rows: Tensor<1, Int>,
    ) -> Result<(), Error> {
        let added = |id: Id| {
            self.added
                .get(&id)
                .ok_or_else(|| Error::NotAdded { id: id.to_string() })
        };
        let params = weights.into_iter().map(|id| Ok(added(id)?.id));
        let params = params.collect::<Result<Vec<_>, Error>>()?;
        let rows = self.numbers("the rows", rows)?;
        let count = u32::try_from(rows.count).unwrap_or(u32::MAX);
        let list = RowList::new(rows.place.region.clone(), count);
        let mut encoder = self.encoder("sparse_adam_burn::reset_rows");
        self.core.reset_rows(&mut encoder, params, list)?;
        self.submit(encoder)
    }

    /// Lets go of a weight and its state. Its name is free again, and so is the weight.
    ///
    /// # Errors
    /// [`Error::NotAdded`]; [`Error::Core`] where the device is lost.
    pub fn remove(&mut self, weight: Id) -> Result<(), Error> {
        let added = self.added.get(&weight);
        let added = added.ok_or_else(|| Error::NotAdded {
            id: weight.to_string(),
        })?;
        self.core.remove_param(added.id)?;
        self.added.remove(&weight);
        Ok(())
    }

    /// Row numbers of 32 bits where they lie.
    fn numbers(&self, what: &str, numbers: Tensor<1, Int>) -> Result<Ids, Error> {
        let numbers = tensor::ids(&self.gpu, what, numbers)?;
        match numbers.format {
            IndexDtype::I64 => Err(Error::WrongType {
                what: what.into(),
                expected: "i32 or u32",
                found: "i64".into(),
            }),
            _ => Ok(numbers),
        }
    }

    fn encoder(&self, label: &str) -> CommandEncoder {
        let label = Some(label);
        self.gpu
            .wgpu()
            .create_command_encoder(&CommandEncoderDescriptor { label })
    }

    /// Submits behind all that burn was told to do.
    fn submit(&self, encoder: CommandEncoder) -> Result<(), Error> {
        self.gpu.flush()?;
        self.gpu.queue().submit([encoder.finish()]);
        Ok(())
    }
}

/// Puts tensors in the place of a module's weights.
struct Exchange {
    tensors: HashMap<Id, Tensor<2>>,
}

impl ModuleMapper for Exchange {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(new) = self.tensors.remove(&param.id) else {
            return param;
        };
        let new: Box<dyn Any> = Box::new(new);
        // Of two axes, as its old weight was found to be.
        let Ok(new) = new.downcast::<Tensor<D>>() else {
            return param;
        };
        let (id, old, mapper) = param.consume();
        Param::from_mapped_value(id, tensor::leaf_like(&old, *new), mapper)
    }
}
