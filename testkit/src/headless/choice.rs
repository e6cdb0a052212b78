//! Which adapters the environment admits: `WGPU_BACKEND`, `WGPU_ADAPTER_NAME`, `WGPU_POWER_PREF`.

use sparse_adam::Error;
use wgpu::{
    Adapter, Backends, Instance, InstanceDescriptor, PowerPreference, RequestAdapterOptions,
};

pub(super) fn instance() -> Instance {
    Instance::new(InstanceDescriptor::new_without_display_handle_from_env())
}

/// The adapters of `WGPU_BACKEND` with `name` in theirs, where they can be listed.
pub(super) async fn listed(instance: &Instance, name: &str) -> Vec<Adapter> {
    let backends = Backends::from_env().unwrap_or(Backends::all());
    let name = name.to_lowercase();
    let listed = instance.enumerate_adapters(backends).await;
    let fits = |adapter: &Adapter| adapter.get_info().name.to_lowercase().contains(&name);
    listed.into_iter().filter(fits).collect()
}

pub(super) async fn named(instance: &Instance, name: &str) -> Result<Adapter, Error> {
    let reason = format!("none has {name:?} in its name");
    listed(instance, name).await.into_iter().next().ok_or(Error::NoAdapter { reason })
}

pub(super) fn wanted_name() -> Option<String> {
    std::env::var("WGPU_ADAPTER_NAME").ok()
}

pub(super) async fn choose(instance: &Instance) -> Result<Adapter, Error> {
    if let Some(name) = wanted_name() {
        return named(instance, &name).await;
    }
    let options = RequestAdapterOptions {
        power_preference: PowerPreference::from_env().unwrap_or(PowerPreference::HighPerformance),
        ..Default::default()
    };
    let chosen = instance.request_adapter(&options).await;
    chosen.map_err(|error| Error::NoAdapter { reason: error.to_string() })
}
