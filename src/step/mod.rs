//! One step: planned without a GPU, then recorded.

pub(crate) mod bind;
pub(crate) mod layout;
pub(crate) mod pipelines;
pub(crate) mod plan;
pub(crate) mod record;
pub(crate) mod scratch;
pub(crate) mod shaders;
pub(crate) mod shape;
pub(crate) mod turns;
pub(crate) mod uniforms;
pub(crate) mod witness;
