//! Pickles made by hand: what a state must not be taken for, and in whose place.

use super::zips::*;
use sparse_adam::{Error, StateDict};

pub fn load(value: &[u8]) -> Result<StateDict, Error> {
    StateDict::from_pytorch(&file(value), &[])
}

pub fn good() -> (Vec<u8>, Vec<u8>) {
    (int(0), param(int(7), moment("0"), moment("1")))
}

pub fn refused(value: &[u8], told: &str) {
    let error = load(value).unwrap_err();
    assert!(matches!(error, Error::InvalidFile { .. }), "{error}");
    assert!(error.to_string().contains(told), "expected {told:?}: {error}");
    assert!(error.to_string().len() < 1_000, "{}", error.to_string().len());
}

#[test]
fn a_state_made_by_hand_loads() {
    let loaded = load(&state_dict(&[good()], &[group(&[0], &[])])).unwrap();
    assert_eq!(loaded.state[&0].exp_avg, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(loaded.state[&0].exp_avg_sq, [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    assert_eq!((loaded.state[&0].step, &loaded.state[&0].shape[..]), (7, &[3, 2][..]));
    assert_eq!(loaded.param_groups[0].options.betas, (0.5, 0.75));
}

#[test]
fn a_parameter_has_one_number_and_one_state() {
    let groups = [group(&[0, 1], &[])];
    let (_, state) = good();
    for key in ["0", "00", "+0"] {
        let states = [(text(key), state.clone())];
        refused(&state_dict(&states, &groups), "is not a parameter's number");
    }
    refused(&state_dict(&[good(), good()], &groups), "state.0: there twice");
    refused(&state_dict(&[(int(-1), state.clone())], &groups), "key -1");
    refused(&state_dict(&[(b"\x88".to_vec(), state)], &groups), "key true");
    let twice = param(int(7), moment("0"), moment("1"));
    let twice = [&twice[..twice.len() - 1], &text("step"), &int(8), b"u"].concat();
    refused(&state_dict(&[(int(0), twice)], &groups), "\"step\" twice");
    let twice = dict(&[
        (text("state"), dict(&[good()])),
        (text("param_groups"), list(&groups)),
        (text("state"), dict(&[])),
    ]);
    refused(&twice, "\"state\" twice");
}

#[test]
fn a_step_is_exact_or_refused() {
    let with = |step: Vec<u8>| {
        let state = param(step, moment("0"), moment("1"));
        load(&state_dict(&[(int(0), state)], &[group(&[0], &[])]))
    };
    assert_eq!(with(int(1 << 53)).unwrap().state[&0].step, 1 << 53);
    let tensor = |class: &str, at: i64, size: &[i64]| {
        let length = if class == "FloatStorage" { 6 } else { 3 };
        let stride = vec![1; size.len()];
        Tensor { class, key: "0", length, offset: at, size, stride: &stride }.pickled()
    };
    // Storage 0 holds 1.0, 2.0 ..
    assert_eq!(with(tensor("FloatStorage", 4, &[])).unwrap().state[&0].step, 5);
    assert_eq!(with(tensor("FloatStorage", 4, &[1])).unwrap().state[&0].step, 5);
    let wrong = [
        int((1 << 53) + 1),
        int(i64::MAX),
        int(-1),
        float(1.5),
        float(f64::NAN),
        float(-1.0),
        // 2^64 and more: a long of nine bytes.
        b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01".to_vec(),
        b"\x88".to_vec(),
        b"N".to_vec(),
        text("7"),
        tensor("FloatStorage", 0, &[2]),
        tensor("FloatStorage", 6, &[]),
        // The bits of 1.0 and 2.0 as one integer are beyond 2^53.
        tensor("LongStorage", 0, &[]),
    ];
    for step in wrong {
        assert!(matches!(with(step.clone()), Err(Error::InvalidFile { .. })), "{step:x?}");
    }
}

#[test]
fn nothing_stands_in_for_a_missing_moment() {
    // At the root lie tensors under the names that a flat reader would look up.
    let state = dict(&[(text("step"), int(7)), (text("exp_avg_sq"), moment("1"))]);
    let root = dict(&[
        (text("state"), dict(&[(int(0), state)])),
        (text("param_groups"), list(&[group(&[0], &[])])),
        (text("state.0.exp_avg"), moment("0")),
        (text("state.0"), dict(&[(text("exp_avg"), moment("0"))])),
    ]);
    refused(&root, "state.0: exp_avg: missing");
    let none = param(int(7), b"N".to_vec(), moment("1"));
    refused(&state_dict(&[(int(0), none)], &[group(&[0], &[])]), "None is not a tensor");
}

#[test]
fn moments_stay_within_the_bytes_that_are_there() {
    let view = |offset, size: &[i64], stride: &[i64]| {
        let (class, key, length) = ("FloatStorage", "0", 6);
        Tensor { class, key, length, offset, size, stride }.pickled()
    };
    let wrong = [
        (view(0, &[1 << 15, 1 << 15], &[0, 0]), "more numbers than its storage"),
        (view(0, &[2, 3], &[0, 1]), "overlap"),
        (view(0, &[3, 2], &[1, 1]), "overlap"),
        (view(1, &[3, 2], &[2, 1]), "beyond its storage"),
        (view(0, &[2, 2], &[4, 2]), "beyond its storage"),
        (view(i64::MAX, &[1], &[1]), "beyond its storage"),
        (view(-1, &[3, 2], &[2, 1]), "negative offset"),
        (view(0, &[3, -2], &[2, 1]), "no shape"),
        (view(0, &[3, 2], &[-2, 1]), "no shape"),
        (view(0, &[1 << 40, 1 << 40], &[1, 1]), "no shape"),
        (view(0, &[2, 2], &[i64::MAX, i64::MAX]), "overlap"),
        (view(0, &[3, 2], &[2]), "axes"),
        (
            Tensor {
                class: "FloatStorage",
                key: "0",
                length: 7,
                offset: 0,
                size: &[7],
                stride: &[1],
            }
            .pickled(),
            "its storage has 24 bytes",
        ),
        (
            Tensor {
                class: "FloatStorage",
                key: "0",
                length: i64::MAX,
                offset: 0,
                size: &[6],
                stride: &[1],
            }
            .pickled(),
            "its storage has 24 bytes",
        ),
        (
            Tensor {
                class: "FloatStorage",
                key: "9",
                length: 6,
                offset: 0,
                size: &[6],
                stride: &[1],
            }
            .pickled(),
            "storage 9: missing",
        ),
        (
            Tensor {
                class: "HalfStorage",
                key: "0",
                length: 12,
                offset: 0,
                size: &[12],
                stride: &[1],
            }
            .pickled(),
            "HalfStorage, expected float32",
        ),
    ];
    for (exp_avg, told) in wrong {
        let state = param(int(7), exp_avg, moment("1"));
        refused(&state_dict(&[(int(0), state)], &[group(&[0], &[])]), told);
    }
    // Views that only some of the storage belongs to are as good as any.
    let columns = view(1, &[2, 2], &[2, 1]);
    let state = param(int(7), columns, view(0, &[2, 2], &[1, 2]));
    let loaded = load(&state_dict(&[(int(0), state)], &[group(&[0], &[])])).unwrap();
    assert_eq!(loaded.state[&0].exp_avg, [2.0, 3.0, 4.0, 5.0]);
    assert_eq!(loaded.state[&0].exp_avg_sq, [1.0, 3.0, 2.0, 4.0]);
    let empty = param(int(7), view(0, &[0, 2], &[2, 1]), view(6, &[0, 2], &[2, 1]));
    let loaded = load(&state_dict(&[(int(0), empty)], &[group(&[0], &[])])).unwrap();
    assert_eq!(loaded.state[&0].shape, [0, 2]);
}

#[test]
fn groups_hold_what_they_should() {
    let with = |more: &[(Vec<u8>, Vec<u8>)]| state_dict(&[good()], &[group(&[0], more)]);
    for key in ["max_lr", "min_lr", "base_lr", "max_momentum", "base_momentum", "swa_lr"] {
        assert!(load(&with(&[(text(key), float(0.1))])).is_ok(), "{key}");
    }
    refused(&with(&[(text("nesterov"), b"\x89".to_vec())]), "torch.optim.SGD");
    refused(&with(&[(text("lrr"), float(0.1))]), "unknown key \"lrr\"");
    refused(&with(&[(text(&"x".repeat(1 << 20)), float(0.1))]), "unknown key \"xxx");
    refused(&with(&[(text("lr"), text(&"y".repeat(1 << 20)))]), "\"lr\" twice");
    refused(&with(&[(text("maximize"), text(&"y".repeat(1 << 20)))]), "maximize is text");
    refused(&with(&[(text("param_names"), list(&[int(3)]))]), "no text");
    let scalar = [global("numpy._core.multiarray", "scalar"), tuple(&[]), b"R".to_vec()];
    refused(&with(&[(text("initial_lr"), scalar.concat())]), "a number of numpy");
}

#[test]
fn a_pickle_is_parsed_and_never_deep() {
    // Nested ten thousand times, and a million; a list in itself; a dict in itself.
    let deep = |depth| [vec![b']'; depth], vec![b'a'; depth - 1]].concat();
    refused(&deep(10_000), "a list [\"0\"] is no optimizer's state");
    refused(&deep(1 << 20), "more than a file of this size may hold");
    refused(b"]q\x00h\x00a", "is no optimizer's state");
    let of_itself = dict(&[(text("state"), b"}q\x00(X\x01\x00\x00\x00ah\x00u".to_vec())]);
    refused(&of_itself, "is no optimizer's state");
    for (pickle, told) in [
        (&b"(((((("[..], "it takes more than it has"),
        (b"e", "it takes more than it has"),
        (b"NNR", "it calls what is no function"),
        (b"N)\x81", "an object of what is no class"),
        (b"h\x05", "it recalls what it never kept"),
        (b"NNs", "it takes more than it has"),
        (b"}Na", "neither list, dict nor set"),
        (b"}(Nu", "a key without a value"),
        (b"\x80\x06N", "protocol 6"),
        (b"\xff", "operation 0xff at byte 2"),
        (b"X\xff\xff\xff\xffabc", "it ends in the middle"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc", "it ends in the middle"),
        (b"cos", "it ends in the middle"),
    ] {
        refused(pickle, told);
    }
}

#[test]
fn a_zip_file_is_what_its_directory_says() {
    let pickle = [b"\x80\x02", &state_dict(&[good()], &[group(&[0], &[])])[..], b"."].concat();
    let (first, second) = (storage(1.0, 6), storage(2.0, 6));
    let good = [("a/data.pkl", &pickle[..]), ("a/data/0", &first[..]), ("a/data/1", &second[..])];
    assert!(StateDict::from_pytorch(&zip(&good), &[]).is_ok());
    let refused = |file: &[u8], told: &str| {
        let error = StateDict::from_pytorch(file, &[]).unwrap_err();
        assert!(error.to_string().contains(told), "expected {told:?}: {error}");
    };
    refused(&zip(&[good[0], good[1], good[2], good[1]]), "two records of one name");
    refused(&zip(&[good[0], good[1], good[2], ("b/data.pkl", &pickle)]), "in two folders");
    refused(&zip(&good[1..]), "no data.pkl");
    refused(&zip(&[good[0], good[1]]), "storage 1: missing");
    let big = zip(&[good[0], good[1], good[2], ("a/byteorder", b"big")]);
    refused(&big, "a machine of another kind");
    let packed = |k| {
        good.iter().enumerate().map(move |(number, &(name, bytes))| {
            (name, bytes, if k == number { 8 } else { 0 }, bytes.len() as u64)
        })
    };
    refused(&zip_of(packed(0)), "zip -0");
    refused(&zip_of(packed(2)), "zip -0");
    let lies = good.iter().map(|&(name, bytes)| (name, bytes, 0, 1 << 31));
    refused(&zip_of(lies), "two lengths");
    let mut altered = zip(&good);
    let at = altered.windows(24).position(|window| window == &first[..]).unwrap();
    altered[at] ^= 1;
    refused(&altered, "it was altered");
    correct(&mut altered);
    assert!(StateDict::from_pytorch(&altered, &[]).is_ok());
    // A storage that goes on through the next record: 22 numbers of 24, 40 and 24 bytes.
    let view = Tensor {
        class: "FloatStorage",
        key: "0",
        length: 22,
        offset: 0,
        size: &[3, 2],
        stride: &[2, 1],
    };
    let value =
        state_dict(&[(int(0), param(int(7), view.pickled(), moment("1")))], &[group(&[0], &[])]);
    let pickle = [b"\x80\x02", &value[..], b"."].concat();
    let names = ["abc/data.pkl", "abc/data/0", "abc/data/1"];
    let mut file = zip(&[(names[0], &pickle[..]), (names[1], &first), (names[2], &second)]);
    let named = |window: &[u8]| window == names[1].as_bytes();
    let at = file.windows(10).rposition(named).unwrap() - 46;
    file[at + 20..at + 28].copy_from_slice(&[88, 0, 0, 0, 88, 0, 0, 0]);
    correct(&mut file);
    refused(&file, "reaches into the next one");
    let whole = zip(&good);
    for length in 0..whole.len() {
        assert!(StateDict::from_pytorch(&whole[..length], &[]).is_err(), "cut at {length}");
    }
}
