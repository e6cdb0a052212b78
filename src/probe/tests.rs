use super::*;
use crate::Tuning;
use crate::probe::judge::judge;
use pollster::block_on;
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;

/// Results of a device of a kind: each operation by a function of its own.
fn results(cases: &[Case], compute: impl Fn(usize, [f32; 4]) -> f32) -> Vec<u32> {
    let of = |operation| cases.iter().map(move |case| (operation, case.map(f32::from_bits)));
    (0..OPERATIONS)
        .flat_map(of)
        .map(|(operation, case)| compute(operation, case).to_bits())
        .collect()
}

fn ieee(operation: usize, [x, y, z, w]: [f32; 4]) -> f32 {
    match operation {
        0 => x + y,
        1 => x - y,
        2 => x * y,
        3 => y * z + x,
        4 => (z + w) - z,
        5 => ((y + w) + x) + z,
        6 => x / y,
        8 => ((x + y) + z) + w,
        _ => x.sqrt(),
    }
}

fn flush(x: f32) -> f32 {
    if x.is_subnormal() { 0.0f32.copysign(x) } else { x }
}

#[test]
fn a_device_is_told_from_others_by_what_it_does() {
    let cases = cases::draw(fresh_seed(), CASES);
    let found = |compute: &dyn Fn(usize, [f32; 4]) -> f32| judge(&cases, &results(&cases, compute));
    let exact = found(&ieee);
    assert!(exact.is_exact() && exact.keeps_subnormals() && exact.not_finite == 0);
    assert_eq!(exact.to_string(), "IEEE 754 in 65536 cases");

    let fusing = found(&|operation, case @ [x, y, z, _]| match operation {
        3 => y.mul_add(z, x),
        _ => ieee(operation, case),
    });
    assert!(fusing.fused > 1000 && !fusing.is_exact());
    assert_eq!((fusing.misrounded, fusing.reordered), (0, 0));

    let folding =
        found(&|operation, case| if operation == 4 { case[3] } else { ieee(operation, case) });
    assert!(folding.folded > 1000 && folding.reordered == 0);
    let pairing = found(&|operation, case @ [x, y, z, w]| match operation {
        5 => (y + w) + (x + z),
        _ => ieee(operation, case),
    });
    assert!(pairing.reordered > 1000 && !pairing.is_exact());

    let truncating = found(&|operation, case @ [x, y, ..]| match operation {
        2 => {
            let (product, truth) = (x * y, f64::from(x) * f64::from(y));
            let above = f64::from(product).abs() > truth.abs();
            f32::from_bits(product.to_bits() - u32::from(above && product.is_normal()))
        }
        _ => ieee(operation, case),
    });
    assert!(truncating.misrounded > 1000 && !truncating.is_exact());

    let flushing = found(&|operation, case| flush(ieee(operation, case.map(flush))));
    assert!(flushing.is_exact() && !flushing.keeps_subnormals(), "{flushing}");

    let near = found(&|operation, case| match operation {
        6 | 7 if ieee(operation, case).is_normal() => {
            f32::from_bits(ieee(operation, case).to_bits() ^ 2)
        }
        _ => ieee(operation, case),
    });
    assert_eq!((near.quotient_ulp, near.root_ulp), (2, 2));
    assert!(!near.is_exact());

    let careless = found(&|operation, case| {
        Some(ieee(operation, case)).filter(|result| !result.is_nan()).unwrap_or_default()
    });
    assert!(careless.not_finite > 100 && !careless.is_exact());
}

#[test]
fn a_device_whose_results_are_no_numbers_is_not_exact() {
    let cases = cases::draw(fresh_seed(), CASES);
    let with = |wrong: &dyn Fn(usize, [f32; 4]) -> Option<f32>| {
        let compute = |operation, case| wrong(operation, case).unwrap_or(ieee(operation, case));
        judge(&cases, &results(&cases, compute))
    };
    for operation in 0..OPERATIONS {
        for result in [f32::NAN, f32::INFINITY] {
            let found = with(&|of, _| (of == operation).then_some(result));
            assert!(!found.is_exact(), "operation {operation} is always {result}: {found}");
        }
    }
    // What x * inverseSqrt(x) makes of 0, and others of what cancels and of zeros.
    let rootless = with(&|of, [x, ..]| (of == 7 && x == 0.0).then_some(f32::NAN));
    let negative = with(&|of, [x, y, ..]| (of == 1 && x == y).then_some(-0.0));
    let unsigned = with(&|of, [x, y, ..]| (of == 2 && x * y == 0.0).then_some(0.0));
    for found in [rootless, negative, unsigned] {
        assert!(!found.is_exact(), "{found}");
    }
}

/// The arithmetic that an adapter gets by itself has the twin's bits there, and the exact one has everywhere.
#[test]
fn the_adapters_of_this_machine_are_what_they_are_held_to() {
    for gpu in block_on(Gpu::open_all()).unwrap() {
        let probe = block_on(Probe::run(&gpu.device, &gpu.queue, fresh_seed())).unwrap();
        eprintln!("{}: plain: {}; fenced: {}", gpu.describe(), probe.plain, probe.fenced);
        let own = Tuning::for_adapter(&gpu.info).arithmetic;
        assert!(probe.has_bits_of_twin(own), "{}: {probe:?}", gpu.describe());
        assert!(probe.has_bits_of_twin(Arithmetic::Exact), "{}: {}", gpu.describe(), probe.fenced);
    }
}

#[test]
fn the_probe_is_valid_on_the_smallest_device() {
    for arithmetic in WAYS {
        let module = naga::front::wgsl::parse_str(&wgsl(arithmetic)).unwrap();
        let flags = naga::valid::ValidationFlags::all();
        let capabilities = naga::valid::Capabilities::empty();
        naga::valid::Validator::new(flags, capabilities).validate(&module).unwrap();
        let operations =
            module.constants.iter().find(|(_, held)| held.name.as_deref() == Some("OPERATIONS"));
        let init = operations.map(|(_, held)| &module.global_expressions[held.init]);
        let expected = naga::Literal::U32(OPERATIONS as u32);
        assert!(matches!(init, Some(naga::Expression::Literal(found)) if *found == expected));
    }
}

#[test]
fn a_device_with_room_for_a_few_cases_is_refused() {
    let small = wgpu::Limits {
        max_storage_buffer_binding_size: 8 << 10,
        ..wgpu::Limits::downlevel_defaults()
    };
    assert!(matches!(count(&small), Err(Error::DeviceLimit { .. })));
    let enough = wgpu::Limits { max_storage_buffer_binding_size: 72 << 10, ..small };
    assert_eq!(count(&enough), Ok(2048));
    assert_eq!(count(&wgpu::Limits::downlevel_defaults()), Ok(CASES));
}
