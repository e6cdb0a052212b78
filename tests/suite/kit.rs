//! The test kit itself: what it finds on every adapter, and that it can find something.

use pollster::block_on;
use sparse_adam_testkit::conformance::{Adapter, Kind, Law, check_trace};
use sparse_adam_testkit::trace::Trace;
use sparse_adam_testkit::{Inspected, Pair, Poisoned, Rng, gpus, variants};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn every_stage_and_every_tensor_is_measured() {
    let (gpu, tuning) = variants()[0];
    let mut kernels = 0;
    for law in Law::ALL.iter().filter(|law| law.kind() == Kind::Kernel) {
        let check = block_on(law.check(gpu, tuning, 0));
        assert!(!check.tensors.is_empty(), "{check:?}");
        kernels += 1;
    }
    assert_eq!(kernels, 6);
    let check = block_on(Law::Update.check(gpu, tuning, 0));
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
    let check = block_on(check_trace("wrong", &trace, gpu, tuning));
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

#[test]
fn a_region_that_is_overrun_or_changed_is_found() {
    for gpu in gpus() {
        // Bytes past the last word are poison too.
        for bytes in [vec![7u8; 28], vec![7; 30]] {
            let start = 256.max(gpu.device.limits().min_storage_buffer_offset_alignment) as usize;
            let found = |at: Option<usize>| {
                let poisoned = Poisoned::new(gpu, &bytes);
                if let Some(at) = at {
                    let word = at as u64 / 4 * 4;
                    gpu.queue.write_buffer(poisoned.region.buffer(), word, &[7; 4]);
                }
                let inspected: Inspected<u8> = block_on(poisoned.inspect(gpu)).unwrap();
                (inspected.is_whole, inspected.is_unchanged, inspected.contents == bytes)
            };
            assert_eq!(found(None), (true, true, true));
            assert_eq!(found(Some(start - 4)), (false, true, true));
            assert_eq!(found(Some(start + 32)), (false, true, true));
            assert_eq!(found(Some(start + bytes.len() - 1)).0, bytes.len() == 28);
        }
        let poisoned = Poisoned::new(gpu, &[1u32, 2]);
        gpu.queue.write_buffer(poisoned.region.buffer(), poisoned.region.offset(), &[3; 4]);
        let inspected: Inspected<u32> = block_on(poisoned.inspect(gpu)).unwrap();
        assert!(inspected.is_whole && !inspected.is_unchanged);
        assert_eq!(inspected.contents, [0x0303_0303, 2]);
    }
}

#[test]
fn a_table_that_differs_from_its_twin_is_found() {
    for (gpu, tuning) in variants() {
        let mut rng = Rng(5);
        let mut pair = Pair::single((gpu, tuning), 20, 3, &mut rng);
        pair.step(&[Some(rng.gradient(20, 3, 40))]);
        pair.assert_equal("as it is");
        let value = pair.twins[0].param[7];
        // A bit, where bits are asked for; 0 and -0 differ in one.
        let other = if gpu.has_bits_of_twin(&tuning) { value.next_up() } else { value + 1e-3 };
        pair.twins[0].param[7] = other;
        let compared = catch_unwind(AssertUnwindSafe(|| pair.assert_equal("another value")));
        let told = compared.unwrap_err().downcast::<String>().unwrap();
        assert!(told.contains("another value") && told.contains("20 x 3, p0/param"), "{told}");
        pair.twins[0].param[7] = value;
        if gpu.has_bits_of_twin(&tuning) {
            let zeroed = Poisoned::new(gpu, &[0f32; 60]);
            pair.optimizer.replace_param(pair.ids[0], zeroed.region.clone()).unwrap();
            pair.params[0] = zeroed;
            pair.twins[0].param = vec![-0.0; 60];
            assert!(catch_unwind(AssertUnwindSafe(|| pair.assert_equal("signs"))).is_err());
        }
    }
}

#[test]
fn an_input_that_is_written_to_is_found() {
    let (gpu, tuning) = variants()[0];
    let mut pair = Pair::single((gpu, tuning), 20, 3, &mut Rng(5));
    let held = pair.hold(&[1.0f32; 12]);
    pair.assert_inputs_whole("as it is");
    gpu.queue.write_buffer(held.buffer(), held.offset() + 4, &[0; 4]);
    let compared = catch_unwind(AssertUnwindSafe(|| pair.assert_inputs_whole("written")));
    assert!(compared.is_err());
}
