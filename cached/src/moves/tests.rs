//! The kernels against their twin, on every adapter.

use super::*;
use bytemuck::{cast_slice, cast_slice_mut};
use sparse_adam::{AdamOptions, Format, Param, SparseAdam};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::{Rng, gpus};

/// What gathering or scattering does, on the host: `cache` has the bytes of each part's rows, one behind the other.
fn twin(way: Way, parts: &[Part], cache: &mut [Vec<u8>], list: &[u32], records: &mut [u32]) {
    let stride: u32 = parts.iter().map(|part| part.words).sum();
    for (part, held) in parts.iter().zip(cache) {
        for (entry, &slot) in list.iter().enumerate() {
            let bytes = row_bytes(part);
            let row = &mut held[slot as usize * bytes..][..bytes];
            let record = &mut records[entry * stride as usize + part.at as usize..];
            let record: &mut [u8] = cast_slice_mut(&mut record[..part.words as usize]);
            match way {
                Way::Gather => {
                    record.fill(0);
                    record[..bytes].copy_from_slice(row);
                }
                Way::Scatter => row.copy_from_slice(&record[..bytes]),
            }
        }
    }
}

fn row_bytes(part: &Part) -> usize {
    part.halves.map_or(4 * part.words as usize, |values| 2 * values as usize)
}

/// Any bits: NaN payloads and subnormal numbers among them.
fn words(rng: &mut Rng, count: usize) -> Vec<u32> {
    let word = |rng: &mut Rng| match rng.below(4) {
        0 => 0x7f80_0001 | rng.next() as u32,
        1 => (rng.next() as u32) & 0x807f_ffff,
        _ => rng.next() as u32,
    };
    (0..count).map(|_| word(rng)).collect()
}

#[test]
fn rows_move_as_bits() {
    let mut rng = Rng(fresh_seed());
    for gpu in gpus() {
        for _ in 0..8 {
            check(&mut rng, gpu);
        }
    }
}

fn check(rng: &mut Rng, gpu: &sparse_adam_testkit::headless::Gpu) {
    let (slots, dim) = (1 + rng.below(300), [1, 2, 3, 4, 7, 8, 64, 100][rng.below(8)]);
    let format = [Format::F32, Format::F16][rng.below(2)];
    let options = match format {
        Format::F32 => {
            let options = rng.options();
            rng.rule(options)
        }
        _ => AdamOptions::default(),
    };
    let mut adam = SparseAdam::new(&gpu.device, &gpu.queue, options).unwrap();
    // In two parts, if there are rows for that: windows of their own.
    let first = rng.below(slots);
    let rows = [first, slots - first].into_iter().filter(|&rows| rows > 0);
    let buffers: Vec<_> =
        rows.map(|rows| (gpu.zeroed("weights", (4 * rows * dim) as u64), rows as u32)).collect();
    let parts = buffers.iter().map(|(buffer, rows)| (buffer.into(), *rows));
    let param = Param::in_parts("p", parts, [slots as u32, dim as u32]).format(format);
    let param = adam.add_param(param).unwrap();
    let (layout, parts) = crate::layout::parts(&mut adam, param).unwrap();
    let of_part = |part: &Part, rng: &mut Rng| {
        let mut held: Vec<u8> =
            cast_slice::<u32, u8>(&words(rng, slots * part.words as usize)).to_vec();
        held.truncate(slots * row_bytes(part));
        held
    };
    let mut cache: Vec<Vec<u8>> = parts.iter().map(|part| of_part(part, rng)).collect();
    for (part, held) in parts.iter().zip(&cache) {
        for window in &part.windows {
            let at = window.first_row as usize * row_bytes(part);
            let mut bytes = held[at..][..window.rows as usize * row_bytes(part)].to_vec();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            gpu.queue.write_buffer(window.region.buffer(), window.region.offset(), &bytes);
        }
    }
    let list: Vec<u32> = rng.permutation(slots).into_iter().map(|slot| slot as u32).collect();
    let list = &list[..1 + rng.below(slots)];
    let stride = layout.bytes() / 4;
    let ours = Gpu { device: gpu.device.clone(), queue: gpu.queue.clone() };
    let mut mover = Mover::new(&ours, layout, parts.clone()).unwrap();
    // As on a device that binds little, and on one whose grids are small.
    mover.most = 64 * (1 + rng.below(3));
    mover.widest = 1 + rng.below(40) as u32;
    for way in [Way::Gather, Way::Scatter] {
        let mut records = words(rng, stride * list.len());
        let held = gpu.upload("records", &records);
        let listed = gpu.upload("list", list);
        let rows = Rows { way, list: &listed, records: &held, count: list.len() };
        let ready = mover.ready(&ours, &mut None, &[rows]).unwrap();
        ours.submit(|encoder| ready.record(encoder, way)).unwrap();
        twin(way, &parts, &mut cache, list, &mut records);
        let found: Vec<u32> = pollster::block_on(gpu.read(&held)).unwrap();
        assert!(found == records, "{way:?} {layout:?}, {} of {slots} rows", list.len());
        for (part, expected) in parts.iter().zip(&cache) {
            let found = part.windows.iter().flat_map(|window| {
                let mut bytes = pollster::block_on(gpu.read::<u8>(&window.region)).unwrap();
                // A half behind the last row is nobody's, and stays zero.
                let nobodys = bytes.split_off(window.rows as usize * row_bytes(part));
                assert!(
                    nobodys.iter().all(|&byte| byte == 0),
                    "{way:?} {layout:?}: written behind"
                );
                bytes
            });
            assert!(found.eq(expected.iter().copied()), "{way:?} {layout:?}: the cache");
        }
    }
}
