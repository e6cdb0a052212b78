//! A save leaves the folder as a careful editor would.

use super::{dict, folder};
use sparse_adam::{Error, StateDict};
use std::fs::{self, File};
use std::path::Path;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn the_mode_is_the_old_files_or_the_umasks() {
        let folder = folder("modes");
        let path = folder.join("state.safetensors");
        dict().save(&path).unwrap();
        let plain = folder.join("plain");
        File::create(&plain).unwrap();
        assert_eq!(mode(&path), mode(&plain), "a new file has another mode than others");
        for wanted in [0o600, 0o640, 0o664, 0o666, 0o777] {
            fs::set_permissions(&path, fs::Permissions::from_mode(wanted)).unwrap();
            dict().save(&path).unwrap();
            assert_eq!(mode(&path), wanted, "{wanted:o}");
        }
        assert_eq!(StateDict::load(&path).unwrap(), dict());
    }

    #[test]
    fn links_stay_and_what_they_point_to_is_replaced() {
        let folder = folder("links");
        let elsewhere = folder.join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        let target = elsewhere.join("state.safetensors");
        let (first, second) = (folder.join("first"), folder.join("second"));
        symlink("elsewhere/state.safetensors", &first).unwrap();
        symlink(&first, &second).unwrap();
        // First to nowhere, then to a file.
        for _ in 0..2 {
            dict().save(&second).unwrap();
            assert!(fs::symlink_metadata(&first).unwrap().is_symlink());
            assert!(fs::symlink_metadata(&second).unwrap().is_symlink());
            assert!(fs::symlink_metadata(&target).unwrap().is_file());
            assert_eq!(StateDict::load(&target).unwrap(), dict());
        }
        assert_eq!(names(&folder), ["elsewhere", "first", "second"]);
        assert_eq!(names(&elsewhere), ["state.safetensors"]);
        let ring = folder.join("ring");
        symlink(&ring, &ring).unwrap();
        assert!(matches!(dict().save(&ring), Err(Error::Io { .. })));
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let folder = folder("no_files");
        let error = dict().save(&folder).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
        let error = dict().save("/dev/null").unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert_eq!(names(&folder), [""; 0]);
    }
}

#[test]
fn what_a_killed_save_left_is_removed_and_nothing_else() {
    let folder = folder("stale");
    let stale = [".sparse-adam-1-0.tmp", ".sparse-adam-4194304-17.tmp"];
    let others = [".sparse-adam-notes", "sparse-adam-1-0.tmp", "state.tmp"];
    for name in stale.iter().chain(&others) {
        fs::write(folder.join(name), [0; 100]).unwrap();
    }
    // One that another process is writing.
    let busy = folder.join(".sparse-adam-2-0.tmp");
    let held = File::create(&busy).unwrap();
    held.lock().unwrap();
    dict().save(folder.join("state.safetensors")).unwrap();
    let mut left: Vec<_> = others.into_iter().chain([".sparse-adam-2-0.tmp"]).collect();
    left.push("state.safetensors");
    left.sort_unstable();
    assert_eq!(names(&folder), left);
    drop(held);
    dict().save(folder.join("state.safetensors")).unwrap();
    assert!(!busy.exists());
}

#[test]
fn a_save_that_fails_leaves_nothing_behind() {
    let folder = folder("leftovers");
    let path = folder.join("state.safetensors");
    let mut wrong = dict();
    wrong.param_groups[0].options.lr = f64::NAN;
    assert!(wrong.save(&path).is_err());
    assert_eq!(names(&folder), [""; 0]);
    // A folder in its place: renaming fails after everything was written.
    fs::create_dir(&path).unwrap();
    assert!(dict().save(&path).is_err());
    assert_eq!(names(&folder), ["state.safetensors"]);
}

#[test]
fn many_saves_at_once_into_one_file_leave_one_of_them() {
    let folder = folder("at_once");
    let path = folder.join("state.safetensors");
    let numbered = |step| {
        let mut dict = dict();
        dict.state.values_mut().for_each(|state| state.step = step);
        dict
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = &path;
            scope
                .spawn(move || (0..10).for_each(|k| numbered(10 * thread + k).save(path).unwrap()));
        }
    });
    let loaded = StateDict::load(&path).unwrap();
    assert_eq!(loaded, numbered(loaded.state[&0].step));
    assert_eq!(names(&folder), ["state.safetensors"]);
}
