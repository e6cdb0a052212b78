//! Checkpoint files: what torch wrote, what we wrote, and thousands that are broken.

mod adam;
mod kills;
mod memory;
mod mutated;
mod pickles;
mod round_trips;
mod saves;
mod torch;
mod traces;
mod zips;

use sparse_adam::{AdamOptions, Error, GroupState, ParamState, StateDict};
use sparse_adam_testkit::Rng;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/checkpoints").join(name)
}

/// A folder of this test's own, emptied.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn dict() -> StateDict {
    let mut rng = Rng(1);
    let mut dict = StateDict::default();
    for (number, shape) in [vec![6, 4], vec![5], vec![3, 2, 2]].into_iter().enumerate() {
        let values = shape.iter().product::<u32>() as usize;
        let (exp_avg, exp_avg_sq) = (rng.floats(values), rng.floats(values));
        dict.state.insert(number, ParamState::new(7, shape, exp_avg, exp_avg_sq));
    }
    let mut named = GroupState::new(AdamOptions::default(), vec![0, 1]);
    named.param_names = Some(vec!["a".into(), "b".into()]);
    dict.param_groups.push(named);
    let options = AdamOptions::default().lr(0.25).maximize(true);
    dict.param_groups.push(GroupState::new(options, vec![2]));
    dict
}

#[test]
fn a_saved_state_loads_as_it_was() {
    let path = folder("saved").join("state.safetensors");
    dict().save(&path).unwrap();
    assert_eq!(StateDict::load(&path).unwrap(), dict());
    // Saving again replaces the file, and leaves nothing else behind.
    let mut changed = dict();
    changed.state.get_mut(&0).unwrap().step = 8;
    changed.save(&path).unwrap();
    assert_eq!(StateDict::load(&path).unwrap(), changed);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn hyperparameters_come_back_with_their_bits() {
    let mut rng = Rng(4);
    let mut dict = StateDict::default();
    for number in 0..2_000 {
        // Any 53 bits, spread over forty powers of two.
        let exponent = -(rng.below(40) as i32);
        let lr = (1.0 + (rng.next() >> 12) as f64 / (1u64 << 52) as f64) * 2f64.powi(exponent);
        let options = AdamOptions::default().lr(lr);
        dict.param_groups.push(GroupState::new(options, vec![number]));
    }
    let read = StateDict::from_safetensors(&dict.to_safetensors().unwrap()).unwrap();
    assert_eq!(read, dict);
}

#[test]
fn files_without_a_version_still_load() {
    let path = golden("version_0.safetensors");
    let loaded = StateDict::load(&path).unwrap();
    assert_eq!(loaded.state.len(), 3);
    assert_eq!(loaded.param_groups[0].param_names, Some(vec!["p1".to_string()]));
    assert!(loaded.state.values().all(|state| state.step == 6));
    // Written again, it has one.
    let written = loaded.to_safetensors().unwrap();
    assert!(String::from_utf8_lossy(&written).contains(r#""format_version":"1""#));
    assert_eq!(StateDict::from_safetensors(&written).unwrap(), loaded);
}

#[test]
fn a_file_of_a_newer_version_says_what_to_do() {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let newer = text(StateDict::default().to_safetensors().unwrap());
    let newer = newer.replace(r#""format_version":"1""#, r#""format_version":"2""#);
    let error = StateDict::from_safetensors(newer.as_bytes()).unwrap_err().to_string();
    assert!(
        error.contains("format_version: 2; this version of sparse-adam reads up to 1"),
        "{error}"
    );
    assert!(error.contains("nothing was loaded"), "{error}");
}

#[test]
fn others_read_what_is_saved() {
    let bytes = dict().to_safetensors().unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), 6);
    let moment = file.tensor("state.2.exp_avg").unwrap();
    assert_eq!(moment.shape(), [3, 2, 2]);
    assert_eq!(moment.data(), bytemuck::cast_slice::<f32, u8>(&dict().state[&2].exp_avg));
}

#[test]
fn a_save_that_fails_leaves_the_old_file() {
    let path = folder("failed").join("state.safetensors");
    dict().save(&path).unwrap();
    let mut wrong = dict();
    wrong.state.get_mut(&0).unwrap().shape = vec![5, 5];
    assert!(matches!(wrong.save(&path), Err(Error::InvalidFile { .. })));
    assert_eq!(StateDict::load(&path).unwrap(), dict());
    let nowhere = path.with_file_name("missing").join("state.safetensors");
    let error = dict().save(&nowhere).unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    let source = source.downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound, "{error}");
    assert!(matches!(StateDict::load(&nowhere), Err(Error::Io { .. })));
}

/// Whether reading failed in order: with an error that says so.
fn refused(result: Result<StateDict, Error>, what: &str) -> bool {
    match result {
        Ok(_) => false,
        Err(Error::InvalidFile { .. } | Error::Io { .. }) => true,
        Err(other) => panic!("{what}: {other}"),
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = dict().to_safetensors().unwrap();
    for length in 0..bytes.len() {
        let read = StateDict::from_safetensors(&bytes[..length]);
        assert!(refused(read, "cut"), "cut at {length} of {}", bytes.len());
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(refused(StateDict::from_safetensors(&longer), "longer"));
}

#[test]
fn a_file_with_any_bit_flipped_is_refused() {
    let bytes = dict().to_safetensors().unwrap();
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(refused(StateDict::from_safetensors(&flipped), "flipped"), "bit {bit}");
    }
}

#[test]
fn altered_headers_are_refused() {
    let bytes = dict().to_safetensors().unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap().trim_end();
    let data = &bytes[8 + length..];
    let with_header = |header: &str| {
        let size = (header.len() as u64).to_le_bytes();
        [&size[..], header.as_bytes(), data].concat()
    };
    assert!(StateDict::from_safetensors(&with_header(header)).is_ok());
    let changes = [
        // Huge sizes, shapes that do not multiply, another type.
        ("[6,4]", "[6,4000000000]"),
        ("[6,4]", "[18446744073709551615,18446744073709551615]"),
        ("[6,4]", "[4,6]"),
        ("\"F32\"", "\"F64\""),
        ("\"F32\"", "\"I32\""),
        // Missing, stray, repeated tensors.
        ("state.0.exp_avg_sq", "state.0.exp_avg_cube"),
        ("state.0.exp_avg_sq", "state.0.exp_avg"),
        ("state.2.exp_avg_sq", "state.1.exp_avg_sq"),
        // Hyperparameters and counts.
        ("\\\"lr\\\":0.25", "\\\"lr\\\":NaN"),
        ("\\\"lr\\\":0.25", "\\\"lr\\\":0.26"),
        ("\\\"lr\\\":0.25", "\\\"lr\\\":0.25,\\\"lr\\\":0.25"),
        ("\\\"step\\\":7", "\\\"step\\\":-7"),
        ("\\\"step\\\":7", "\\\"step\\\":8"),
        ("\\\"step\\\":7", "\\\"stop\\\":7"),
        ("\\\"maximize\\\":true", "\\\"maximize\\\":false"),
        ("\\\"params\\\":[2]", "\\\"params\\\":[-2]"),
        ("param_groups", "param_group"),
        // The version, and one that is not known yet.
        ("format_version", "formal_version"),
        ("\"format_version\":\"1\"", "\"format_version\":\"0\""),
        ("\"format_version\":\"1\"", "\"format_version\":\"2\""),
        ("\"format_version\":\"1\"", "\"format_version\":\"-1\""),
        // Numbers of parameters that read as another's.
        ("\\\"1\\\":{", "\\\"00\\\":{"),
        ("\\\"1\\\":{", "\\\"+1\\\":{"),
        ("\\\"1\\\":{", "\\\"0\\\":{"),
        ("\"shape\":[5]", "\"shape\":[5],\"shape\":[5]"),
        ("\"shape\":[5]", "\"shape\":[5],\"stride\":[1]"),
    ];
    for (from, to) in changes {
        let altered = header.replacen(from, to, 1);
        assert_ne!(altered, header, "{from} is not in the header");
        let read = StateDict::from_safetensors(&with_header(&altered));
        assert!(refused(read, from), "{from} -> {to} was accepted");
    }
}
