//! What reading and writing take: counted allocation by allocation.

use super::zips::{self, *};
use super::{folder, golden};
use sparse_adam::{
    AdamOptions, Error, Format, GroupState, ParamState, Rounding, StateDict, StateStorage,
};

/// The most that is held at one time while `run` runs, in bytes, beside what it returns.
pub fn peak<T>(run: impl FnOnce() -> T) -> (T, u64) {
    let mut result = None;
    let counted = allocation_counter::measure(|| result = Some(run()));
    (result.unwrap(), counted.bytes_max)
}

/// Reading a file takes three times its size at most, or 3 MiB; and a few windows.
pub fn assert_bounded(what: &str, size: usize, peak: u64) {
    let most = 3 * size.max(1 << 20) as u64 + (1 << 16);
    assert!(peak <= most, "{what}: {peak} bytes for a file of {size}, at most {most}");
}

fn refused(what: &str, bytes: &[u8], told: &str) {
    let (read, peak) = peak(|| StateDict::from_pytorch(bytes, &[]));
    let error = read.unwrap_err().to_string();
    assert!(error.contains(told), "{what}: {error}");
    assert!(error.len() < 1_000, "{what}: an error of {} bytes", error.len());
    eprintln!("{what}: {} bytes, refused with {peak} held at most", bytes.len());
    assert_bounded(what, bytes.len(), peak);
}

#[test]
fn small_pickles_that_would_become_large_are_refused() {
    let expanded = std::fs::read(golden("expanded.pt")).unwrap();
    refused("an expanded moment", &expanded, "more numbers than its storage");
    // 8 KB of deflated pickle that is 8 MiB of lists.
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packer, &vec![b']'; 8 << 20]).unwrap();
    let packed = packer.finish().unwrap();
    assert!(packed.len() < 9_000);
    let bomb = zip_of([("a/data.pkl", &packed[..], 8, 8 << 20)].into_iter());
    refused("a deflated pickle", &bomb, "zip -0");
    // One moment under many numbers.
    let state = param(int(7), moment("0"), moment("1"));
    let first = (int(0), [&state[..], b"q\x00"].concat());
    let many: Vec<_> = (1..200_000).map(|number| (int(number), b"h\x00".to_vec())).collect();
    let value = state_dict(&[&[first][..], &many].concat(), &[group(&[0], &[])]);
    refused("a state 200,000 times", &zips::file(&value), "more than a file of this size");
    // One moment of many axes under many numbers.
    let (size, stride) = (&[1; 64], &[1; 64]);
    let axes = Tensor { class: "FloatStorage", key: "0", length: 6, offset: 0, size, stride };
    let state = param(int(7), [&axes.pickled()[..], b"q\x01"].concat(), b"h\x01".to_vec());
    let first = (int(0), [&state[..], b"q\x00"].concat());
    let many: Vec<_> = (1..8_000).map(|number| (int(number), b"h\x00".to_vec())).collect();
    let value = state_dict(&[&[first][..], &many].concat(), &[group(&[0], &[])]);
    refused("64 axes 8,000 times", &zips::file(&value), "more than a file of this size");
}

#[test]
fn large_pickles_of_small_values_are_refused() {
    let fills = [
        ("lists", vec![b']'; 4 << 20]),
        ("dicts", vec![b'}'; 4 << 20]),
        ("marks", vec![b'('; 4 << 20]),
        ("nothing", vec![b'N'; 4 << 20]),
        ("copies", [b"N", &vec![b'2'; 4 << 20][..]].concat()),
        ("tuples of one", [b"N", &vec![0x85; 4 << 20][..]].concat()),
        ("a tuple of many", [b"(", &vec![b'N'; 4 << 20][..], b"t"].concat()),
        ("a list of many", [b"](", &vec![b'N'; 4 << 20][..], b"e"].concat()),
        ("appended", [b"]", &b"Na".repeat(2 << 20)[..]].concat()),
        ("items", [b"}", &b"NNs".repeat(1 << 20)[..]].concat()),
        ("kept", [b"N", &vec![0x94; 4 << 20][..]].concat()),
        ("empty texts", b"U\x00".repeat(2 << 20)),
        ("classes", b"c\n\n".repeat(1 << 20)),
    ];
    for (what, fill) in fills {
        let value = [&fill[..], b"0N"].concat();
        let (read, peak) = peak(|| StateDict::from_pytorch(&zips::file(&value), &[]));
        assert!(read.is_err(), "{what}");
        // The file itself is made within.
        assert_bounded(what, value.len(), peak.saturating_sub(3 * value.len() as u64));
    }
    let long = vec![b'N'; 17 << 20];
    refused("a long pickle", &zips::file(&long), "at most 16777216");
}

#[test]
fn many_records_take_no_more_than_few() {
    // A zip file of 50,000 records without contents.
    let names: Vec<_> = (0..50_000).map(|number| format!("a/{number}")).collect();
    let records: Vec<_> = names.iter().map(|name| (&name[..], &b""[..])).collect();
    refused("many records", &zip(&records), "no data.pkl");
    // The older format with 50,000 storages of no numbers.
    let keys: Vec<_> = (0..50_000).map(|number| text(&format!("{number}"))).collect();
    let class = [&global("torch", "FloatStorage")[..], b"q\x000"].concat();
    let id = |key: &Vec<u8>| {
        let id =
            [text("storage"), b"h\x00".to_vec(), key.clone(), b"N".to_vec(), b"K\x00".to_vec()];
        [tuple(&id), b"Q".to_vec()].concat()
    };
    let storages = list(&keys.iter().map(id).collect::<Vec<_>>());
    let pickles = [
        b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19".to_vec(),
        int(1001),
        dict(&[(text("little_endian"), b"\x88".to_vec())]),
        [class, storages].concat(),
        list(&keys),
    ];
    let pickles = pickles.map(|pickle| [b"\x80\x02", &pickle[..], b"."].concat()).concat();
    let file = [&pickles[..], &vec![0; 8 * 50_000]].concat();
    refused("many storages", &file, "more than a file of this size may hold");
}

#[test]
fn looking_for_a_state_takes_little_time_and_memory() {
    // A hundred long keys of a dict of a hundred long keys: ten thousand long paths.
    let key = |number: usize| text(&format!("{number:0>400}"));
    let pairs: Vec<_> = (0..100).map(|number| (key(number), b"N".to_vec())).collect();
    let inner = [&dict(&pairs)[..], b"q\x000"].concat();
    let pairs: Vec<_> = (0..100).map(|number| (key(number), b"h\x00".to_vec())).collect();
    refused("long paths", &zips::file(&[inner, dict(&pairs)].concat()), "a dict [\"0000");
    // Ten thousand times the same dict of a million pairs, whose keys have no text, or a text.
    for pair in [&b"NN"[..], b"h\x01N"] {
        let pairs = pair.repeat(1_000_000);
        let inner = [&text("x")[..], b"q\x010}(", &pairs, b"uq\x000"].concat();
        let pickle =
            [b"\x80\x02", &inner[..], &list(&vec![b"h\x00".to_vec(); 10_000]), b"."].concat();
        let room = vec![0; 64 << 20];
        let file = zip(&[("a/data.pkl", &pickle), ("a/room", &room)]);
        let start = std::time::Instant::now();
        refused("one dict again and again", &file, "no optimizer's state");
        let took = start.elapsed();
        assert!(took < std::time::Duration::from_secs(5), "{took:?}");
    }
}

/// A safetensors file with this JSON for a header and `data` bytes behind it.
fn safetensors(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

#[test]
fn large_headers_of_small_values_are_refused() {
    let many = |text: &str, times: usize| vec![text; times].join(",");
    let groups = |more: &str| {
        let group = format!(r#"[{{\"lr\":1,\"betas\":[0,0],\"eps\":1,\"params\":[],{more}}}]"#);
        format!(r#"{{"__metadata__":{{"state":"{{}}","param_groups":"{group}"}}}}"#)
    };
    let tensor = |number: usize| {
        format!(r#""state.{number}.exp_avg":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#)
    };
    let axes = many("0", 2 << 20);
    let headers = [
        ("params", groups(&format!(r#"\"param_names\":[],\"params\":[{}]"#, many("0", 2 << 20)))),
        ("names", groups(&format!(r#"\"param_names\":[{}]"#, many(r#"\"\""#, 1 << 20)))),
        ("a key", groups(&format!(r#"\"{}\":0"#, "x".repeat(4 << 20)))),
        ("a key with escapes", groups(&format!(r#"\"\\n{}\":0"#, "x".repeat(4 << 20)))),
        (
            "steps",
            format!(
                r#"{{"__metadata__":{{"param_groups":"[]","state":"{{{}}}"}}}}"#,
                (0..200_000)
                    .map(|k| format!(r#"\"{k}\":{{\"step\":0}}"#))
                    .collect::<Vec<_>>()
                    .join(",")
            ),
        ),
        ("tensors", format!("{{{}}}", (0..50_000).map(tensor).collect::<Vec<_>>().join(","))),
        ("axes", format!(r#"{{"a":{{"dtype":"F32","shape":[{axes}],"data_offsets":[0,0]}}}}"#)),
        (
            "metadata",
            format!(
                r#"{{"__metadata__":{{{}}}}}"#,
                (0..400_000).map(|k| format!(r#""{k}":"""#)).collect::<Vec<_>>().join(",")
            ),
        ),
        ("a tensor's name", format!(r#"{{"{}":0}}"#, r"\n".repeat(2 << 20))),
        ("a type", format!(r#"{{"a":{{"dtype":"{}"}}}}"#, r"\n".repeat(2 << 20))),
        ("arrays", "[".repeat(4 << 20)),
        ("objects", r#"{"a":"#.repeat(1 << 20)),
    ];
    for (what, header) in headers {
        let bytes = safetensors(&header, 0);
        let (read, peak) = peak(|| StateDict::from_safetensors(&bytes));
        let error = read.unwrap_err().to_string();
        assert!(error.len() < 1_000, "{what}: an error of {} bytes", error.len());
        assert_bounded(what, bytes.len(), peak);
    }
}

#[test]
fn lengths_are_believed_only_where_the_bytes_are() {
    let huge = u64::MAX.to_le_bytes();
    let (read, peak_of) = peak(|| StateDict::from_safetensors(&huge));
    assert!(matches!(read, Err(Error::InvalidFile { .. })) && peak_of < 10_000, "{peak_of}");
    let header =
        r#"{"state.0.exp_avg":{"dtype":"F32","shape":[1073741824],"data_offsets":[0,4294967296]}}"#;
    let (read, peak_of) = peak(|| StateDict::from_safetensors(&safetensors(header, 64)));
    assert!(matches!(read, Err(Error::InvalidFile { .. })) && peak_of < 10_000, "{peak_of}");
}

/// A state of `mib` MiB in two tables.
fn large(mib: usize) -> StateDict {
    let table = |seed: u32| {
        let values = mib << 16;
        let moment = || (0..values as u32).map(|k| (k ^ seed) as f32).collect::<Vec<_>>();
        let shape = vec![values as u32 / 64, 64];
        ParamState::new(3, shape, moment(), moment())
    };
    let mut dict = StateDict::default();
    dict.state.extend([(0, table(1)), (1, table(2))]);
    dict.param_groups.push(GroupState::new(AdamOptions::default(), vec![0, 1]));
    dict
}

#[test]
fn a_large_state_is_held_once() {
    let path = folder("large").join("state.safetensors");
    let dict = large(64);
    let (saved, saving) = peak(|| dict.save(&path));
    saved.unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    let (loaded, loading) = peak(|| StateDict::load(&path));
    assert!(loaded.unwrap() == dict);
    eprintln!("a file of {size} bytes: saving takes {saving} beside the state, loading {loading}");
    assert!(saving < (1 << 20) + (1 << 16), "{saving}");
    assert!(loading < size + (1 << 16), "{loading}");
}

#[test]
fn ten_thousand_small_parameters_load_as_they_were_saved() {
    let drawn = Rounding::Stochastic { seed: u32::MAX };
    for (what, shape, values, moments, rounding) in [
        ("one value", vec![1], 1, Format::F32, Rounding::Nearest),
        ("a scalar", vec![], 1, Format::F32, Rounding::Nearest),
        ("no value", vec![0], 0, Format::F32, Rounding::Nearest),
        ("a value in bf16", vec![1], 1, Format::Bf16, drawn),
    ] {
        let state = |step: usize| {
            let moment = vec![step as f32; values];
            let state = ParamState::new(step as u64, shape.clone(), moment.clone(), moment);
            state.rounded(moments)
        };
        let numbers = 0..10_000;
        let group = GroupState::new(AdamOptions::default(), numbers.clone().collect());
        let mut dict = StateDict::default();
        dict.state.extend(numbers.map(|number| (number, state(number))));
        dict.param_groups.push(group);
        let storage = StateStorage::new(moments, rounding);
        let told = (storage != StateStorage::default()).then_some(storage);
        dict.storage.extend((0..10_000).flat_map(|number| Some((number, told?))));
        for named in [false, true] {
            let names = || (0..10_000).map(|number| format!("tables.{number}.weight")).collect();
            dict.param_groups[0].param_names = named.then(names);
            let bytes = dict.to_safetensors().unwrap();
            let (loaded, peak) = peak(|| StateDict::from_safetensors(&bytes));
            assert!(loaded.unwrap() == dict, "{what}");
            eprintln!("{what}, 10,000 times: {} bytes, loading takes {peak}", bytes.len());
            assert_bounded(what, bytes.len(), peak);
        }
    }
}

#[test]
fn torchs_file_is_held_once() {
    // Two moments of 32 MiB as torch saves them.
    let values = 8 << 20;
    let (first, second) = (storage(1.0, values), storage(2.0, values));
    let moment = |key: &str| {
        let (length, size, stride) = (values as i64, &[values as i64 / 64, 64][..], &[64, 1][..]);
        Tensor { class: "FloatStorage", key, length, offset: 0, size, stride }.pickled()
    };
    let value =
        state_dict(&[(int(0), param(int(7), moment("0"), moment("1")))], &[group(&[0], &[])]);
    let pickle = [b"\x80\x02", &value[..], b"."].concat();
    let file = zip(&[("a/data.pkl", &pickle), ("a/data/0", &first), ("a/data/1", &second)]);
    let path = folder("large_pt").join("state.pt");
    std::fs::write(&path, &file).unwrap();
    let (loaded, loading) = peak(|| StateDict::load_pytorch(&path));
    assert_eq!(loaded.unwrap().state[&0].exp_avg.len(), values);
    eprintln!("a .pt of {} bytes: loading takes {loading}", file.len());
    assert!(loading < file.len() as u64 + (1 << 17), "{loading}");
}
