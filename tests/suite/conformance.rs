//! The conformance module itself: what it finds on every adapter, and that it can find something.

use sparse_adam_testkit::conformance::{Adapter, Kind, Law, check_trace};
use sparse_adam_testkit::trace::Trace;
use sparse_adam_testkit::{gpus, variants};

#[test]
fn every_law_is_found_to_hold() {
    for (gpu, tuning) in variants() {
        for law in Law::ALL {
            let check = pollster::block_on(law.check(gpu, tuning, 7));
            assert!(check.ok, "{}: {check:?}", gpu.describe());
        }
    }
}

#[test]
fn every_stage_and_every_tensor_is_measured() {
    let (gpu, tuning) = variants()[0];
    let mut kernels = 0;
    for law in Law::ALL.iter().filter(|law| law.kind() == Kind::Kernel) {
        let check = pollster::block_on(law.check(gpu, tuning, 0));
        assert!(!check.tensors.is_empty(), "{check:?}");
        kernels += 1;
    }
    assert_eq!(kernels, 6);
    let check = pollster::block_on(Law::Update.check(gpu, tuning, 0));
    let tensors: Vec<_> = check.tensors.iter().map(|tensor| &*tensor.name).collect();
    assert_eq!(tensors, ["param", "exp_avg", "exp_avg_sq"]);
}

#[test]
fn a_wrong_trace_is_found_and_said() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/maximize.safetensors");
    let mut trace = Trace::parse(&std::fs::read(path).unwrap()).unwrap();
    for group in &mut trace.recipe.groups {
        group.options.maximize = !group.options.maximize;
    }
    let (gpu, tuning) = variants()[0];
    let check = pollster::block_on(check_trace("wrong", &trace, gpu, tuning));
    assert!(!check.ok && check.max_ulp() > 1000, "{check:?}");
    assert!(check.wrong[0].contains("off by up to"), "{check:?}");
}

#[test]
fn an_adapter_is_described_with_its_limits() {
    for gpu in gpus() {
        let adapter = Adapter::of(gpu);
        assert!(!adapter.name.is_empty());
        assert!(adapter.limits.iter().all(|(_, value)| *value > 0));
    }
}
