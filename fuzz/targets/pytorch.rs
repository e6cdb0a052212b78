//! Bytes of a file of torch's; checksums are made right.
#![no_main]

mod shared;
#[allow(dead_code)]
#[path = "../../tests/suite/files/zips.rs"]
mod zips;

use libfuzzer_sys::fuzz_target;
use sparse_adam::StateDict;

fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    zips::correct(&mut file);
    drop(shared::check(file.len(), || StateDict::from_pytorch(&file, &[])));
    drop(shared::check(file.len(), || StateDict::from_pytorch(&file, &["optimizer"])));
});
