//! Files of tunings: kept, read, refused.

use super::*;
use crate::Arithmetic;
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::campaign::fresh_seed;
use wgpu::{Backend, DeviceType};

fn info() -> AdapterInfo {
    let mut info = AdapterInfo::new(DeviceType::DiscreteGpu, Backend::Vulkan);
    info.name = "a GPU".into();
    info.vendor = 4318;
    info.driver = "its driver".into();
    info.driver_info = "570.1".into();
    info
}

fn tuned() -> Tuned {
    let tuning = Tuning { update_tile: 32, ..Tuning::GPU };
    let mut tuned = Tuned::new(&info(), Clock::Timestamps, tuning);
    tuned.evidence = vec![Evidence {
        field: "update_tile".into(),
        candidate: "32".into(),
        workload: "5 x 6, 7 uniform".into(),
        us: Some(0.1 + 0.2),
        default_us: None,
        bits: Bits::Same,
    }];
    tuned
}

#[test]
fn a_file_comes_back_as_it_was() {
    let tuned = tuned();
    let text = tuned.to_json().unwrap();
    assert_eq!(Tuned::from_json(&text), Ok(tuned.clone()));
    assert_eq!(tuned.tuning().update_tile, 32);
    assert!(text.contains("\"crate\"") && text.contains("\"timestamps\""), "{text}");
}

#[test]
fn a_tuning_fits_its_adapter_driver_and_kernels_alone() {
    let tuned = tuned();
    assert!(tuned.fits(&info()));
    let others: [fn(&mut AdapterInfo); 6] = [
        |info| info.name.push('x'),
        |info| info.vendor += 1,
        |info| info.device += 1,
        |info| info.backend = Backend::Gl,
        |info| info.driver.push('x'),
        |info| info.driver_info.push('x'),
    ];
    for (number, change) in others.into_iter().enumerate() {
        let mut other = info();
        change(&mut other);
        assert!(!tuned.fits(&other), "{number}");
    }
    let mut other = tuned.clone();
    other.kernels.push('0');
    assert!(!other.fits(&info()));
    for tuning in [
        Tuning { arithmetic: Arithmetic::Fast, ..tuned.tuning },
        Tuning { u64_rows: true, ..tuned.tuning },
        Tuning::CPU,
    ] {
        assert!(!Tuned { tuning, ..tuned.clone() }.fits(&info()), "{tuning:?}");
    }
}

#[test]
fn a_file_out_of_range_or_of_another_format_is_refused() {
    let text = tuned().to_json().unwrap();
    for (from, to) in [
        ("\"update_tile\": 32", "\"update_tile\": 257"),
        ("\"update_tile\": 32", "\"update_tile\": 0"),
        ("\"workgroup\": 256", "\"workgroup\": 192"),
        ("\"digit_bits\": 8", "\"digit_bits\": 9"),
        ("\"digit_bits\": 8", "\"digit_bits\": -1"),
        ("\"parallel\"", "\"serial\""),
        ("\"exact\"", "\"roughly\""),
        ("\"format\": 2", "\"format\": 1"),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        let refused = Tuned::from_json(&text.replace(from, to));
        assert!(matches!(refused, Err(Error::InvalidFile { .. })), "{to}: {refused:?}");
    }
}

/// Whatever happens to a file: what is read of it, an optimizer takes.
#[test]
fn a_file_with_bytes_changed_is_refused_or_valid() {
    let text = tuned().to_json().unwrap().into_bytes();
    let seed = fresh_seed();
    let mut rng = Rng(seed);
    let mut refused = 0;
    for round in 0..2000 {
        let mut bytes = text.clone();
        for _ in 0..=rng.below(3) {
            let at = rng.below(bytes.len());
            bytes[at] = b"0123456789{}[],\":-enx"[rng.below(21)];
        }
        match Tuned::from_json(&String::from_utf8(bytes).unwrap()) {
            Ok(tuned) => assert_eq!(tuned.tuning.validate(), Ok(()), "seed {seed}, {round}"),
            Err(error) => {
                assert!(matches!(error, Error::InvalidFile { .. }), "seed {seed}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "{refused}");
}
