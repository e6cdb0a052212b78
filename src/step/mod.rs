//! One step: planned without a GPU, then recorded.

/// The WGSL of fragments in `shaders/shared`, one after another.
macro_rules! shared {
    ($($name:literal),+) => {
        concat!($(include_str!(concat!("../../shaders/shared/", $name, ".wgsl"))),+)
    };
}

pub(crate) mod access;
pub(crate) mod bind;
pub(crate) mod budget;
pub(crate) mod demand;
#[cfg(feature = "tune")]
pub(crate) mod fingerprint;
#[cfg(test)]
mod hostile;
pub(crate) mod kernel;
pub(crate) mod layout;
pub(crate) mod list;
pub(crate) mod pipelines;
pub(crate) mod plan;
pub(crate) mod record;
pub(crate) mod scratch;
pub(crate) mod shape;
pub(crate) mod stages;
mod stored;
pub(crate) mod turns;
pub(crate) mod uniforms;
pub(crate) mod width;
pub(crate) mod witness;
