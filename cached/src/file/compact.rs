//! A log folded into the base, by a thread of its own. Doing it again does the same, so a crash in between costs nothing.

use super::Shared;
use super::disk::Disk;
use super::folded;
use super::log::{self, Log};
use super::manifest::Manifest;
use crate::Error;
use crate::threads::locked;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// A folding that may be under way.
#[derive(Debug, Default)]
pub(super) struct Folding {
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Folding {
    /// Whether the last one that has ended has failed.
    pub fn verdict(&mut self) -> Result<(), Error> {
        match self.thread.take_if(|thread| thread.is_finished()) {
            Some(thread) => joined(thread),
            None => Ok(()),
        }
    }

    /// Sets the active log aside, all of which the last checkpoint has. Nothing may be appended meanwhile.
    pub fn begin(&mut self, shared: &Shared) -> Result<(), Error> {
        let next = shared.state().active.number + 1;
        let next = Log::new(&shared.disk, next)?;
        let mut state = shared.state_mut();
        let active = std::mem::replace(&mut state.active, next);
        state.frozen = Some(active);
        Ok(())
    }

    /// Starts the thread where there is something to fold and none at it.
    pub fn go_on(&mut self, shared: &Arc<Shared>) -> Result<(), Error> {
        if self.thread.is_some() || shared.state().frozen.is_none() {
            return Ok(());
        }
        let shared = Arc::clone(shared);
        let spawned =
            thread::Builder::new().name("cached-fold".into()).spawn(move || fold(&shared));
        self.thread = Some(spawned.map_err(Error::io("starting a thread"))?);
        Ok(())
    }

    /// Waits for it.
    #[cfg(test)]
    pub fn wait(&mut self) -> Result<(), Error> {
        self.thread.take().map_or(Ok(()), joined)
    }
}

impl Drop for Folding {
    fn drop(&mut self) {
        // What failed will be tried again when the store is opened.
        let _ = self.thread.take().map(joined);
    }
}

fn joined(thread: JoinHandle<Result<(), Error>>) -> Result<(), Error> {
    let panicked =
        |_| Err(Error::io("folding a log")(std::io::Error::other("its thread panicked")));
    thread.join().unwrap_or_else(panicked)
}

/// Folds the log that is set aside, and takes it out of the manifest.
fn fold(shared: &Shared) -> Result<(), Error> {
    shared.journal.check()?;
    let Some((number, file, mut places)) = shared.state().frozen.as_ref().map(|log| {
        let places: Vec<(u64, u64)> = log.places.iter().map(|(&row, &at)| (row, at)).collect();
        (log.number, Arc::clone(&log.file), places)
    }) else {
        return Ok(());
    };
    places.sort_unstable();
    let mut record = vec![0; shared.layout.bytes()];
    for &place in &places {
        log::read(&shared.disk, (number, &*file), place, &mut record)?;
        shared.base.write(place.0, &record)?;
    }
    shared.base.sync()?;
    let mut folded = shared.state().folded.clone();
    let any = folded.extend(places.iter().map(|place| place.0));
    // Nobody else changes what the manifest says of them.
    let held = locked(&shared.manifest).manifest.folded;
    let before = held.map(|pages| pages.number);
    let pages = match any {
        true => Some(folded.write(&shared.disk, before.map_or(0, |before| before + 1))?),
        false => held,
    };
    let mut written = locked(&shared.manifest);
    let mut next = Manifest { folded: pages, ..written.manifest.clone() };
    next.logs.retain(|log| log.0 > number);
    if next.logs.is_empty() {
        next.logs.push((number + 1, 0));
    }
    shared.publish(&mut written, next)?;
    let mut state = shared.state_mut();
    (state.folded, state.frozen) = (folded, None);
    drop((state, written));
    let old = before.filter(|_| any).map(folded::name);
    for name in [log::name(number)].into_iter().chain(old) {
        let removed = Disk::remove(&shared.disk, &name);
        removed.map_err(Error::io(format!("removing {}", shared.disk.name(&name))))?;
    }
    Ok(())
}
