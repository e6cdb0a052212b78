//! The files of a checkpoint's folder: names that no earlier save has, and an index that is there whole or not at all.

use super::index::{INDEX, Index};
use super::{invalid, io};
use sparse_adam::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

const BEGIN: &str = "shard-";
const END: &str = ".safetensors";

/// The name of a rank's file of a save.
pub(crate) fn shard_name(generation: u64, rank: u32, ranks: u32) -> String {
    format!("{BEGIN}{generation}-{rank:05}-of-{ranks:05}{END}")
}

/// The number of a save into `folder`, which is made if it is not there: one that no file there has.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn generation(folder: &Path) -> Result<u64, Error> {
    fs::create_dir_all(folder).map_err(|error| io(folder, error))?;
    let number = |name: &str| name.strip_prefix(BEGIN)?.split('-').next()?.parse::<u64>().ok();
    let taken = names(folder)?.iter().filter_map(|name| number(name)).max();
    Ok(taken.map_or(0, |taken| taken.saturating_add(1)))
}

/// Writes the index beside its files, and brings it to the disk: from the rename on, it is the checkpoint.
///
/// # Errors
/// [`Error::Io`], [`Error::InvalidFile`].
pub(crate) fn write_index(folder: &Path, index: &Index) -> Result<(), Error> {
    let path = folder.join(INDEX);
    let text = serde_json::to_vec(index).map_err(|error| invalid(&path, error.to_string()))?;
    replace(&path, |file| file.write_all(&text))
}

/// Writes a file beside the one at `path`, and puts it in its place.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let mut file = File::create(&temporary).map_err(|error| io(&temporary, error))?;
    let written = write(&mut file).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = placed {
        // The error that is told is the one before.
        drop(fs::remove_file(&temporary));
        return Err(io(path, error));
    }
    path.parent().map_or(Ok(()), sync_folder)
}

/// Brings the names of a folder's files to the disk, where that can be asked for.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Error> {
    // Folders can be opened and synced on Unix alone.
    match File::open(folder) {
        Ok(opened) if cfg!(unix) => opened.sync_all().map_err(|error| io(folder, error)),
        _ => Ok(()),
    }
}

/// Removes the files of earlier saves, also of those that did not end.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn remove_others(folder: &Path, index: &Index) -> Result<(), Error> {
    let is_ours = |name: &str| name.starts_with(BEGIN) && name.ends_with(END);
    for name in names(folder)? {
        if is_ours(&name) && !index.shards.iter().any(|shard| shard.file == name) {
            let path = folder.join(&name);
            fs::remove_file(&path).map_err(|error| io(&path, error))?;
        }
    }
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let told = |error| io(folder, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(told)? {
        names.extend(entry.map_err(told)?.file_name().into_string());
    }
    Ok(names)
}
