//! A pickle, in a zip file with six storages of 24 numbers.
#![no_main]

mod shared;
#[allow(dead_code)]
#[path = "../../tests/suite/files/zips.rs"]
mod zips;

use libfuzzer_sys::fuzz_target;
use sparse_adam::StateDict;

fuzz_target!(|pickle: &[u8]| {
    let storage = zips::storage(1.0, 24);
    let names: Vec<_> = (0..6).map(|key| format!("a/data/{key}")).collect();
    let storages = names.iter().map(|name| (&name[..], &storage[..]));
    let records: Vec<_> = [("a/data.pkl", pickle)].into_iter().chain(storages).collect();
    let file = zips::zip(&records);
    drop(shared::check(file.len(), || StateDict::from_pytorch(&file, &[])));
});
