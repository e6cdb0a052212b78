//! What another library said, kept in an error of ours.

use std::error::Error;
use std::fmt::{Debug, Display, Formatter};
use std::ops::Deref;
use std::sync::Arc;

/// What the system or wgpu said: [`std::error::Error::source`] of an [`Error`](crate::Error) leads to
/// it, and so does a deref. Clones share it; two are equal if they read alike.
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    #[cfg(feature = "checkpoint")]
    pub(crate) fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn of_device(error: Arc<wgpu::Error>) -> Option<Self> {
        Some(Self(error))
    }

    /// None: in a browser wgpu's errors cannot be sent, and ours can.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn of_device(_: Arc<wgpu::Error>) -> Option<Self> {
        None
    }
}

impl Deref for Cause {
    type Target = dyn Error + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Debug for Cause {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        Debug::fmt(&*self.0, formatter)
    }
}

impl Display for Cause {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        Display::fmt(&*self.0, formatter)
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::{Guard, rig};
    use std::io;

    #[test]
    fn an_error_leads_to_what_was_said() {
        let said = || io::Error::new(io::ErrorKind::NotFound, "no such shelf");
        let error = |said: io::Error| {
            let (path, reason) = ("shelf".to_string(), said.to_string());
            crate::Error::Io { path, reason, source: Some(Cause::new(said)) }
        };
        let found = error(said());
        let source = found.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::NotFound));
        assert_eq!(found, error(said()));
        assert_ne!(found, error(io::Error::other("no such shelf here")));
        assert_eq!(found.clone().to_string(), "shelf: no such shelf");
    }

    #[test]
    fn an_error_leads_to_what_the_device_said() {
        let (device, queue) = rig::open();
        let guard = Guard::new(&device, &queue);
        rig::refuse_after(0);
        let error = guard.make("something", 4, |_| ()).unwrap_err();
        let source = error.source().and_then(|source| source.downcast_ref::<wgpu::Error>());
        assert!(matches!(source, Some(wgpu::Error::OutOfMemory { .. })), "{error:?}");
    }
}
