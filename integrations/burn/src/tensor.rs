//! From a burn tensor to the range of a wgpu buffer that holds it.

use crate::{Error, Gpu};
use burn::backend::{Cube, TensorMetadata};
use burn::cubecl::wgpu::{AutoCompiler, WgpuResource, WgpuServer};
use burn::tensor::{DType, Int, Tensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use burn_fusion::stream::StreamId;
use burn_fusion::{FusionBackend, FusionRuntime, FusionTensor, NoOp};
use burn_ir::{InitOperationIr, OperationIr};
use sparse_adam::{IndexDtype, Region};
use std::any::Any;

/// Where a tensor lies. While it is held, burn neither frees the memory nor moves it.
pub(crate) struct Place {
    /// What burn gave with the buffer; its type has no public name.
    _held: Box<dyn Any + Send + Sync>,
    pub region: Region,
}

/// Ids where they lie.
pub(crate) struct Ids {
    pub place: Place,
    pub count: usize,
    pub format: IndexDtype,
}

/// The primitive of burn's wgpu backend: a cube tensor, or a handle to one that kernel fusion
/// has yet to compute. Which of the two it is, burn's `fusion` feature decides, and another crate
/// may switch it on, so both are served.
///
/// `B` is [`CubeBackend`]; it is a parameter because only with `fusion` is it a [`FusionBackend`].
trait Primitive<B>: Sized {
    fn into_float(self) -> CubeTensor;
    fn into_int(self) -> CubeTensor;
    /// Shows the tensor, as the only one that refers to it where nothing else does.
    fn look<T>(self, look: impl FnOnce(&CubeTensor) -> T) -> (Self, T);
}

impl<B> Primitive<B> for CubeTensor {
    fn into_float(self) -> CubeTensor {
        self
    }

    fn into_int(self) -> CubeTensor {
        self
    }

    fn look<T>(self, look: impl FnOnce(&CubeTensor) -> T) -> (Self, T) {
        let seen = look(&self);
        (self, seen)
    }
}

impl<R, B> Primitive<B> for FusionTensor<R>
where
    R: FusionRuntime,
    B: FusionBackend<
            FusionRuntime = R,
            FloatTensorPrimitive = CubeTensor,
            IntTensorPrimitive = CubeTensor,
        >,
{
    fn into_float(self) -> CubeTensor {
        let client = self.client.clone();
        client.resolve_tensor_float::<B>(self)
    }

    fn into_int(self) -> CubeTensor {
        let client = self.client.clone();
        client.resolve_tensor_int::<B>(self)
    }

    fn look<T>(self, look: impl FnOnce(&CubeTensor) -> T) -> (Self, T) {
        let client = self.client.clone();
        let tensor = Primitive::<B>::into_float(self);
        let seen = look(&tensor);
        let (shape, dtype) = (TensorMetadata::shape(&tensor), tensor.dtype);
        // As burn's own `float_from_data` hands a tensor to fusion.
        let handle = B::float_tensor_handle(tensor);
        let made = InitOperationIr::create(shape, dtype, || client.register_tensor_handle(handle));
        let nothing = NoOp::<B>::new();
        let mut made = client.register(StreamId::current(), OperationIr::Init(made), nothing);
        // One output for one description.
        (made.swap_remove(0), seen)
    }
}

/// A weight, to be read and written where it lies, and the tensor again. The tensor keeps its
/// place in autodiff, but is a new leaf there, as after a step of burn's own optimizers.
pub(crate) fn weight<const D: usize>(
    gpu: &Gpu,
    name: &str,
    tensor: Tensor<D>,
    shared: Shared,
) -> (Tensor<D>, Result<Place, Error>) {
    let what = || format!("weight {name:?}");
    if let Err(error) = check(gpu, &what(), tensor.device(), tensor.dtype(), &[DType::F32]) {
        return (tensor, Err(error));
    }
    let (tracked, strategy) = (
        tensor.is_require_grad(),
        tensor.gradient_checkpointing_strategy(),
    );
    let primitive = match tensor.clone().inner().try_into_primitive::<Cube>() {
        Ok(primitive) => primitive,
        Err(error) => return (tensor, Err(unexpected(&error))),
    };
    // From here on the primitive is the only one to refer to the buffer, if nothing else does.
    drop(tensor);
    let (primitive, found) = Primitive::<CubeBackend>::look(primitive, |cube| {
        if !cube.is_contiguous() {
            return Err(Error::NotContiguous {
                name: name.into(),
                strides: cube.meta.strides().to_vec(),
            });
        }
        if shared == Shared::Refused && !cube.handle.can_mut() {
            return Err(Error::SharedWeight { name: name.into() });
        }
        place(cube)
    });
    let inner = Tensor::<D>::from_primitive::<Cube>(primitive);
    let tensor = match strategy {
        None => inner,
        Some(strategy) => Tensor::from_inner(inner)
            .with_gradient_checkpointing_strategy(strategy)
            .set_require_grad(tracked),
    };
    (tensor, found)
}

/// A tensor without autodiff, as a leaf of it where `old` was one.
pub(crate) fn leaf_like<const D: usize>(old: &Tensor<D>, new: Tensor<D>) -> Tensor<D> {
    match old.gradient_checkpointing_strategy() {
        None => new,
        Some(strategy) => Tensor::from_inner(new)
            .with_gradient_checkpointing_strategy(strategy)
            .set_require_grad(old.is_require_grad()),
    }
}

/// Whether a weight's buffer may have other owners.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shared {
    Allowed,
    Refused,
}

/// Value rows. They are copied where their elements do not lie one after another.
pub(crate) fn values(gpu: &Gpu, what: &str, tensor: Tensor<2>) -> Result<Place, Error> {
    let tensor = tensor.inner();
    check(gpu, what, tensor.device(), tensor.dtype(), &[DType::F32])?;
    let primitive = tensor.try_into_primitive::<Cube>();
    let primitive = primitive.map_err(|error| unexpected(&error))?;
    let tensor = Primitive::<CubeBackend>::into_float(primitive);
    place(&into_contiguous(tensor))
}

/// Ids. They are copied where they do not lie one after another.
pub(crate) fn ids(gpu: &Gpu, what: &str, tensor: Tensor<1, Int>) -> Result<Ids, Error> {
    let tensor = tensor.inner();
    let formats = [DType::I32, DType::U32, DType::I64];
    check(gpu, what, tensor.device(), tensor.dtype(), &formats)?;
    let format = match tensor.dtype() {
        DType::I64 => IndexDtype::I64,
        DType::U32 => IndexDtype::U32,
        _ => IndexDtype::I32,
    };
    let [count] = tensor.dims();
    let primitive = tensor.try_into_primitive::<Cube>();
    let primitive = primitive.map_err(|error| unexpected(&error))?;
    let tensor = Primitive::<CubeBackend>::into_int(primitive);
    let place = place(&into_contiguous(tensor))?;
    Ok(Ids {
        place,
        count,
        format,
    })
}

fn check(
    gpu: &Gpu,
    what: &str,
    device: burn::tensor::Device,
    found: DType,
    fit: &[DType],
) -> Result<(), Error> {
    gpu.check_device(what, device)?;
    if fit.contains(&found) {
        return Ok(());
    }
    let expected = match fit {
        [DType::F32] => "f32",
        _ => "i32, u32 or i64",
    };
    Err(Error::WrongType {
        what: what.into(),
        expected,
        found: found.name().into(),
    })
}

fn place(tensor: &CubeTensor) -> Result<Place, Error> {
    let held = tensor
        .client
        .get_resource::<WgpuServer<AutoCompiler>>(tensor.handle.clone())
        .map_err(|error| Error::Burn {
            doing: "looking up a tensor's buffer",
            reason: error.to_string(),
        })?;
    let WgpuResource {
        buffer,
        offset,
        size,
        ..
    } = held.resource();
    let bytes = (TensorMetadata::shape(tensor).num_elements() * tensor.dtype.size()) as u64;
    // wgpu has no slice of 0 bytes; a gradient without entries reads none.
    let region = match bytes.min(*size) {
        0 => Region::from(buffer),
        bytes => Region::from(buffer.slice(*offset..*offset + bytes)),
    };
    Ok(Place {
        _held: Box::new(held),
        region,
    })
}

fn unexpected(error: &impl std::fmt::Debug) -> Error {
    Error::Burn {
        doing: "converting a tensor",
        reason: format!("{error:?}"),
    }
}
