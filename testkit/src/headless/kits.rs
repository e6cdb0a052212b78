//! Pipelines of optimizers that come and go: most of a short test's time would be building them.

use sparse_adam::{Error, Kit, Tuning};
use std::sync::{Arc, Mutex, PoisonError};
use wgpu::{Device, Queue};

/// Tunings whose pipelines are kept: those of CPUs and of GPUs, and some that a campaign draws.
const KEPT: usize = 6;

/// Kits used lately, the last one at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Kits(Arc<Mutex<Vec<Kit>>>);

impl Kits {
    pub fn get(&self, device: &Device, queue: &Queue, tuning: Tuning) -> Result<Kit, Error> {
        let mut kits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kit = match kits.iter().position(|kit| *kit.tuning() == tuning) {
            Some(found) => kits.remove(found),
            None => Kit::with_tuning(device, queue, tuning)?,
        };
        if kits.len() == KEPT {
            kits.remove(0);
        }
        kits.push(kit.clone());
        Ok(kit)
    }
}
