//! Files as torch writes them, made by hand: zip files and pickles.

/// A zip file of stored records, with right checksums.
pub fn zip(records: &[(&str, &[u8])]) -> Vec<u8> {
    zip_of(records.iter().map(|&(name, bytes)| (name, bytes, 0, bytes.len() as u64)))
}

/// A zip file of records, each with its method and the length that it says it unpacks to.
pub fn zip_of<'a>(records: impl Iterator<Item = (&'a str, &'a [u8], u16, u64)>) -> Vec<u8> {
    let (mut file, mut directory, mut count) = (Vec::new(), Vec::new(), 0u16);
    for (name, bytes, method, unpacked) in records {
        let start = file.len() as u32;
        let mut common = Vec::new();
        common.extend(20u16.to_le_bytes());
        common.extend(0u16.to_le_bytes());
        common.extend(method.to_le_bytes());
        common.extend([0; 4]);
        common.extend(crc32fast::hash(bytes).to_le_bytes());
        common.extend((bytes.len() as u32).to_le_bytes());
        common.extend((unpacked as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend(0u16.to_le_bytes());
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(name.as_bytes());
        file.extend(bytes);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.as_bytes());
        count += 1;
    }
    let start = file.len() as u32;
    file.extend(&directory);
    file.extend(b"PK\x05\x06\x00\x00\x00\x00");
    file.extend(count.to_le_bytes());
    file.extend(count.to_le_bytes());
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0; 2]);
    file
}

/// Puts right checksums into the directory of a zip file that was altered, as far as it is one.
pub fn correct(file: &mut [u8]) {
    let number = |file: &[u8], at: usize, width: usize| {
        let bytes = file.get(at..at + width)?;
        Some(bytes.iter().rev().fold(0usize, |number, &byte| number << 8 | usize::from(byte)))
    };
    let mut at = 0;
    while let Some(found) =
        file.get(at..).and_then(|rest| rest.windows(4).position(|window| window == b"PK\x01\x02"))
    {
        at += found;
        let crc = || {
            let (length, header) = (number(file, at + 24, 4)?, number(file, at + 42, 4)?);
            let names = number(file, header + 26, 2)? + number(file, header + 28, 2)?;
            let start = header + 30 + names;
            Some(crc32fast::hash(file.get(start..start.checked_add(length)?)?))
        };
        if let Some(crc) = crc() {
            file[at + 16..at + 20].copy_from_slice(&crc.to_le_bytes());
        }
        at += 4;
    }
}

pub fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

pub fn int(number: i64) -> Vec<u8> {
    [b"\x8a\x08", &number.to_le_bytes()[..]].concat()
}

pub fn float(number: f64) -> Vec<u8> {
    [b"G", &number.to_be_bytes()[..]].concat()
}

pub fn tuple(values: &[Vec<u8>]) -> Vec<u8> {
    [b"(", &values.concat()[..], b"t"].concat()
}

pub fn list(values: &[Vec<u8>]) -> Vec<u8> {
    [b"](", &values.concat()[..], b"e"].concat()
}

pub fn dict(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let pairs: Vec<_> = pairs.iter().map(|(key, value)| [&key[..], value].concat()).collect();
    [b"}(", &pairs.concat()[..], b"u"].concat()
}

pub fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

/// A view of the storage `key` of `length` numbers.
pub struct Tensor<'a> {
    pub class: &'a str,
    pub key: &'a str,
    pub length: i64,
    pub offset: i64,
    pub size: &'a [i64],
    pub stride: &'a [i64],
}

impl Tensor<'_> {
    pub fn pickled(&self) -> Vec<u8> {
        let numbers =
            |numbers: &[i64]| tuple(&numbers.iter().map(|&number| int(number)).collect::<Vec<_>>());
        let class = global("torch", self.class);
        let id = [text("storage"), class, text(self.key), text("cpu"), int(self.length)];
        let storage = [tuple(&id), b"Q".to_vec()].concat();
        let hooks = [global("collections", "OrderedDict"), b")R".to_vec()].concat();
        let view = [storage, int(self.offset), numbers(self.size), numbers(self.stride)];
        let arguments = [&view[..], &[b"\x89".to_vec(), hooks]].concat();
        let rebuild = global("torch._utils", "_rebuild_tensor_v2");
        [rebuild, tuple(&arguments), b"R".to_vec()].concat()
    }
}

/// A moment `[3, 2]` in the storage `key`.
pub fn moment(key: &str) -> Vec<u8> {
    let (size, stride) = (&[3, 2], &[2, 1]);
    Tensor { class: "FloatStorage", key, length: 6, offset: 0, size, stride }.pickled()
}

/// A state of one parameter.
pub fn param(step: Vec<u8>, exp_avg: Vec<u8>, exp_avg_sq: Vec<u8>) -> Vec<u8> {
    dict(&[(text("step"), step), (text("exp_avg"), exp_avg), (text("exp_avg_sq"), exp_avg_sq)])
}

/// A good group of the parameters `params`, and more keys.
pub fn group(params: &[i64], more: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let params: Vec<_> = params.iter().map(|&number| int(number)).collect();
    let keys = [
        (text("lr"), float(0.5)),
        (text("betas"), tuple(&[float(0.5), float(0.75)])),
        (text("eps"), float(1e-8)),
        (text("params"), list(&params)),
    ];
    dict(&[&keys[..], more].concat())
}

/// A state dict.
pub fn state_dict(states: &[(Vec<u8>, Vec<u8>)], groups: &[Vec<u8>]) -> Vec<u8> {
    dict(&[(text("state"), dict(states)), (text("param_groups"), list(groups))])
}

/// The file of a pickled value, with storages 0 and 1 of six numbers.
pub fn file(value: &[u8]) -> Vec<u8> {
    let pickle = [b"\x80\x02", value, b"."].concat();
    let (first, second) = (storage(1.0, 6), storage(2.0, 6));
    zip(&[
        ("archive/data.pkl", &pickle),
        ("archive/byteorder", b"little"),
        ("archive/data/0", &first),
        ("archive/data/1", &second),
    ])
}

/// A storage of numbers from `first` on.
pub fn storage(first: f32, length: usize) -> Vec<u8> {
    (0..length).flat_map(|number| (first + number as f32).to_le_bytes()).collect()
}
