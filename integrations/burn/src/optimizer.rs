//! SparseAdam over the parameters of burn modules.

mod growing;

use crate::lookups::SparseGrad;
use crate::tensor::{self, Ids, Place, Shared};
use crate::{Error, Gpu, Lookups, SparseGrads, StepError};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Gradients, Tensor};
use sparse_adam::{AdamOptions, GroupId, ParamGroup, ParamId, StateDict};
use std::collections::HashMap;
use wgpu::CommandEncoderDescriptor;

/// burn's id of a parameter.
type Id = burn::module::ParamId;

/// `torch.optim.SparseAdam` for the embeddings of burn modules, on burn's own device and queue.
///
/// A step changes the rows that a batch named, of the weight and of both moments, in the
/// weight's own buffer. Nothing is read back and nothing waits.
#[derive(Debug)]
pub struct SparseAdam {
    gpu: Gpu,
    core: sparse_adam::SparseAdam,
    added: HashMap<Id, Added>,
}

/// A parameter that was added.
struct Added {
    id: ParamId,
    name: String,
    dims: [usize; 2],
    /// Where the optimizer knows it to be. Held, so that burn puts nothing else there.
    place: Place,
}

impl std::fmt::Debug for Added {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.name, self.dims)
    }
}

impl SparseAdam {
    /// An optimizer on burn's device, with `defaults` for its parameters.
    ///
    /// # Errors
    /// [`Error::Core`] for options out of range, or a device too small.
    pub fn new(gpu: &Gpu, defaults: AdamOptions) -> Result<Self, Error> {
        Ok(Self {
            gpu: gpu.clone(),
            core: sparse_adam::SparseAdam::new(gpu.wgpu(), gpu.queue(), defaults)?,
            added: HashMap::new(),
        })
    }

    /// Adds an embedding's weight under a name that its saved state is known by.
    ///
    /// burn knows a parameter by its id, which a module takes over from a record it loads: add
    /// the weights after that.
    ///
    /// # Errors
    /// [`Error::OtherDevice`], [`Error::WrongType`], [`Error::NotContiguous`],
    /// [`Error::AddedTwice`]; [`Error::Core`] for a name in use or a table too large.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        weight: &Param<Tensor<2>>,
    ) -> Result<ParamId, Error> {
        let (param, prepared) = self.prepare(name.into(), weight)?;
        let id = self.core.add_param(param)?;
        self.added.insert(weight.id, prepared.added(id));
        Ok(id)
    }

    /// Adds weights as a group with options of its own:
    /// `add_group([("tags", &model.tags.weight)], |group| group.lr(0.01))`.
    ///
    /// # Errors
    /// As [`SparseAdam::add`]; [`Error::Core`] for an empty group or options out of range.
    pub fn add_group<'a, N: Into<String>>(
        &mut self,
        weights: impl IntoIterator<Item = (N, &'a Param<Tensor<2>>)>,
        options: impl FnOnce(ParamGroup) -> ParamGroup,
    ) -> Result<GroupId, Error> {
        let mut params = Vec::new();
        let mut members: Vec<(Id, Prepared)> = Vec::new();
        for (name, weight) in weights {
            let (param, prepared) = self.prepare(name.into(), weight)?;
            if let Some((_, earlier)) = members.iter().find(|(id, _)| *id == weight.id) {
                return Err(added_twice(prepared.name, &earlier.name));
            }
            params.push(param);
            members.push((weight.id, prepared));
        }
        let group = self
            .core
            .add_param_group(options(ParamGroup::new(params)))?;
        let ids = self.core.group_params(group)?;
        for ((burn_id, prepared), id) in members.into_iter().zip(ids) {
            self.added.insert(burn_id, prepared.added(id));
        }
        Ok(group)
    }

    fn prepare(
        &self,
        name: String,
        weight: &Param<Tensor<2>>,
    ) -> Result<(sparse_adam::Param, Prepared), Error> {
        if let Some(earlier) = self.added.get(&weight.id) {
            return Err(added_twice(name, &earlier.name));
        }
        let (tensor, place) = tensor::weight(&self.gpu, &name, weight.base(), Shared::Allowed);
        let (place, dims) = (place?, tensor.dims());
        let shape = dims.map(|axis| u32::try_from(axis).unwrap_or(u32::MAX));
        let param = sparse_adam::Param::new(&name, place.region.clone(), shape);
        Ok((param, Prepared { name, dims, place }))
    }

    /// One step of every added weight that `lookups` looked up and the loss depends on.
    ///
    /// The module comes back with the same weights, changed in place. What burn was told to do
    /// before, on this thread or to make the tensors, comes before it on the queue, what it is told after
    /// comes after. What another thread told it to read of the weights may come later: let that thread sync first.
    ///
    /// # Errors
    /// As [`SparseAdam::step_rows`]; [`Error::DenseGradient`] where the loss also depends on a
    /// weight outside its lookups.
    pub fn step<M: Module>(
        &mut self,
        module: M,
        lookups: Lookups,
        grads: &mut Gradients,
    ) -> Result<M, StepError<M>> {
        let sparse = lookups.gradients(grads);
        self.apply(module, sparse, Some(grads))
    }

    /// As [`SparseAdam::step`], by gradients however made.
    ///
    /// # Errors
    /// With the module unchanged: [`Error::SharedWeight`], [`Error::NotContiguous`],
    /// [`Error::OtherDevice`], [`Error::WrongType`], [`Error::WrongShape`],
    /// [`Error::NotAdded`], [`Error::NotInModule`], and [`Error::Core`] and [`Error::Burn`] where
    /// the device has no memory left or is lost.
    pub fn step_rows<M: Module>(
        &mut self,
        module: M,
        grads: SparseGrads,
    ) -> Result<M, StepError<M>> {
        self.apply(module, grads, None)
    }

    fn apply<M: Module>(
        &mut self,
        module: M,
        sparse: SparseGrads,
        dense: Option<&Gradients>,
    ) -> Result<M, StepError<M>> {
        let gradients: Result<Vec<_>, _> = sparse
            .grads
            .into_iter()
            .map(|grad| self.fetch(grad))
            .collect();
        let gradients = match gradients {
            Ok(gradients) => gradients,
            Err(error) => return Err(StepError { module, error }),
        };
        let mut weights = Weights {
            gpu: &self.gpu,
            added: &self.added,
            wanted: gradients.iter().map(|grad| grad.param).collect(),
            dense,
            found: Vec::new(),
            error: None,
        };
        let module = module.map(&mut weights);
        let (found, error) = (weights.found, weights.error);
        let stepped = match error {
            Some(error) => Err(error),
            None => self.record(gradients, found),
        };
        // Also after a failure: what was set belongs to this step alone.
        self.core.clear_grads();
        match stepped {
            Ok(()) => Ok(module),
            Err(error) => Err(StepError { module, error }),
        }
    }

    /// A gradient where it lies.
    fn fetch(&self, grad: SparseGrad) -> Result<Fetched, Error> {
        let added = self.added.get(&grad.param).ok_or_else(|| Error::NotAdded {
            id: grad.param.to_string(),
        })?;
        let (name, [_, dim]) = (&added.name, added.dims);
        let what = format!("gradient of {name:?}");
        let [count] = grad.ids.dims();
        if grad.values.dims() != [count, dim] {
            return Err(Error::WrongShape {
                what,
                expected: vec![count, dim],
                found: grad.values.dims().to_vec(),
            });
        }
        Ok(Fetched {
            param: grad.param,
            ids: tensor::ids(&self.gpu, &format!("ids of {name:?}"), grad.ids)?,
            values: tensor::values(&self.gpu, &what, grad.values)?,
        })
    }

    /// Records the step and submits it.
    fn record(&mut self, gradients: Vec<Fetched>, found: Vec<(Id, Place)>) -> Result<(), Error> {
        if let Some(added) = self.missing(&gradients, &found) {
            return Err(Error::NotInModule {
                name: added.name.clone(),
            });
        }
        self.follow(found)?;
        for grad in &gradients {
            if let Some(added) = self.added.get(&grad.param) {
                self.core.accumulate_grad(added.id, grad.core())?;
            }
        }
        let mut encoder = self
            .gpu
            .wgpu()
            .create_command_encoder(&CommandEncoderDescriptor {
                label: Some("sparse_adam_burn::step"),
            });
        let stepped = self.core.step(&mut encoder);
        // Of a hook that failed after the step, the step is recorded and counted all the same.
        if !matches!(stepped, Ok(()) | Err(sparse_adam::Error::AfterStep { .. })) {
            return Ok(stepped?);
        }
        // The lookups above had burn submit what the tensors wait for; this is for the rest.
        self.gpu.flush()?;
        self.gpu.queue().submit([encoder.finish()]);
        Ok(stepped?)
    }

    /// Weights lie where they were found.
    fn follow(&mut self, found: Vec<(Id, Place)>) -> Result<(), Error> {
        for (id, place) in found {
            if let Some(added) = self.added.get_mut(&id) {
                if added.place.region != place.region {
                    self.core.replace_param(added.id, place.region.clone())?;
                }
                added.place = place;
            }
        }
        Ok(())
    }

    fn missing(&self, gradients: &[Fetched], found: &[(Id, Place)]) -> Option<&Added> {
        let is_missing = |id: &Id| !found.iter().any(|(found, _)| found == id);
        let missing = gradients.iter().find(|grad| is_missing(&grad.param))?;
        self.added.get(&missing.param)
    }

    /// Sets the learning rate of every group, for instance from one of burn's schedulers. Those
    /// of single groups are set through [`SparseAdam::core_mut`].
    ///
    /// # Errors
    /// [`Error::Core`] for a rate out of range.
    pub fn set_lr(&mut self, lr: f64) -> Result<(), Error> {
        for group in self.core.groups() {
            self.core.set_lr(group, lr)?;
        }
        Ok(())
    }

    /// Reads the state back, that of the moment of this call, after every step so far, in torch's
    /// shape: to be saved beside the module's record, with any format of serde. The future does not
    /// borrow the optimizer.
    ///
    /// # Errors
    /// [`Error::Core`] where the device is lost.
    pub fn state_dict(&self) -> impl Future<Output = Result<StateDict, Error>> + use<> {
        let state = self.core.state_dict();
        async move { Ok(state.await?) }
    }

    /// Takes over a state that [`SparseAdam::state_dict`] gave. Weights must have been added in the
    /// same order, groups and shapes; the next step goes on where the saved one would have.
    ///
    /// # Errors
    /// [`Error::Core`] for a state of another shape, and then nothing was loaded.
    pub fn load_state_dict(&mut self, state: &StateDict) -> Result<(), Error> {
        Ok(self.core.load_state_dict(state)?)
    }

    /// The optimizer under it: options, status, step counts, resources.
    pub fn core(&self) -> &sparse_adam::SparseAdam {
        &self.core
    }

    /// The optimizer under it. Gradients that are set here join the next step, which drops them.
    pub fn core_mut(&mut self) -> &mut sparse_adam::SparseAdam {
        &mut self.core
    }

    /// The device that it shares with burn.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }
}

fn added_twice(name: String, earlier: &str) -> Error {
    let earlier = earlier.to_string();
    Error::AddedTwice { name, earlier }
}

/// A parameter that can be added.
struct Prepared {
    name: String,
    dims: [usize; 2],
    place: Place,
}

impl Prepared {
    fn added(self, id: ParamId) -> Added {
        let Self { name, dims, place } = self;
        Added {
            id,
            name,
            dims,
            place,
        }
    }
}

/// A gradient in its buffers, which are held until the step is submitted.
struct Fetched {
    param: Id,
    ids: Ids,
    values: Place,
}

impl Fetched {
    fn core(&self) -> sparse_adam::SparseGrad {
        let (ids, values) = (self.ids.place.region.clone(), self.values.region.clone());
        let count = u32::try_from(self.ids.count).unwrap_or(u32::MAX);
        sparse_adam::SparseGrad::new(ids, values, count).index_dtype(self.ids.format)
    }
}

/// Finds the wanted weights of a module and checks that they can be updated.
struct Weights<'a> {
    gpu: &'a Gpu,
    added: &'a HashMap<Id, Added>,
    wanted: Vec<Id>,
    dense: Option<&'a Gradients>,
    found: Vec<(Id, Place)>,
    error: Option<Error>,
}

impl ModuleMapper for Weights<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let wanted = self.error.is_none() && self.wanted.contains(&param.id);
        let Some(added) = self.added.get(&param.id).filter(|_| wanted) else {
            return param;
        };
        let name = &added.name;
        let (id, tensor, mapper) = param.consume();
        let found = tensor.dims().to_vec();
        let dense = self.dense.and_then(|grads| tensor.grad(grads));
        let (tensor, place) = tensor::weight(self.gpu, name, tensor, Shared::Refused);
        let place = match (place, dense) {
            _ if found != added.dims => Err(Error::WrongShape {
                what: format!("weight {name:?}"),
                expected: added.dims.to_vec(),
                found,
            }),
            (_, Some(_)) => Err(Error::DenseGradient { name: name.clone() }),
            (place, None) => place,
        };
        match place {
            Ok(place) => self.found.push((id, place)),
            Err(error) => self.error = Some(error),
        }
        Param::from_mapped_value(id, tensor, mapper)
    }
}
