//! Errors instead of surprises; after each, the weights are as before.

use super::harness::{Tables, assert_same, gpu, ids, rows, single, training, weight};
use burn::backend::DispatchDevice;
use burn::cubecl::Device as CubeDevice;
use burn::module::{Module, Param};
use burn::tensor::wgpu::{WgpuBackend, WgpuSetup};
use burn::tensor::{DType, Device, Tensor, TensorData};
use sparse_adam::AdamOptions;
use sparse_adam_burn::{Error, Gpu, Lookups, SparseAdam, SparseEmbeddingConfig, SparseGrads};

/// A second device, on the same adapter.
fn other() -> Gpu {
    static OTHER: std::sync::OnceLock<Gpu> = std::sync::OnceLock::new();
    let open = || Gpu::open(Device::wgpu_options().graphics_api(WgpuBackend::Vulkan)).unwrap();
    OTHER.get_or_init(open).clone()
}

fn pushed(module: &Tables) -> SparseGrads {
    let mut grads = SparseGrads::new();
    grads.push(&module.tables[0].weight, ids(&[1]), rows(&[1.0, 1.0], 2));
    grads
}

#[test]
fn a_clone_that_shares_the_weight_is_refused_until_it_is_dropped() {
    let (module, mut optimizer) = single(4, 2, 20);
    let before = weight(&module.tables[0]);
    let clone = module.clone();
    let grads = pushed(&module);
    let failed = optimizer.step_rows(module, grads).unwrap_err();
    let expected = Error::SharedWeight { name: "t".into() };
    assert_eq!(failed.error, expected);
    assert_same("the clone", &weight(&clone.tables[0]), &before);
    assert_same("the module", &weight(&failed.module.tables[0]), &before);
    drop(clone);
    let grads = pushed(&failed.module);
    let module = optimizer.step_rows(failed.module, grads).unwrap();
    assert_ne!(weight(&module.tables[0]), before);
    let id = optimizer.core().param("t").unwrap();
    assert_eq!(optimizer.core().step_count(id).unwrap(), 1);
}

#[test]
fn a_validation_module_that_is_kept_is_refused() {
    let (module, mut optimizer) = single(4, 2, 21);
    let valid = module.valid();
    let grads = pushed(&module);
    let failed = optimizer.step_rows(module, grads).unwrap_err();
    assert!(
        matches!(failed.error, Error::SharedWeight { .. }),
        "{failed}"
    );
    drop(valid);
    let grads = pushed(&failed.module);
    optimizer.step_rows(failed.module, grads).unwrap();
}

#[test]
fn a_tensor_taken_from_the_weight_is_refused() {
    let (module, mut optimizer) = single(4, 2, 22);
    let taken = module.tables[0].weight.val();
    let grads = pushed(&module);
    let failed = optimizer.step_rows(module, grads).unwrap_err();
    assert!(
        matches!(failed.error, Error::SharedWeight { .. }),
        "{failed}"
    );
    drop(taken);
}

#[test]
fn a_weight_used_outside_its_lookups_has_a_dense_gradient() {
    let (module, mut optimizer) = single(4, 2, 23);
    let before = weight(&module.tables[0]);
    let mut lookups = Lookups::new();
    let vectors = module.tables[0].rows(ids(&[1, 2]), &mut lookups);
    let loss = vectors.sum() + module.tables[0].weight.val().sum();
    let mut grads = loss.backward();
    let failed = optimizer.step(module, lookups, &mut grads).unwrap_err();
    assert!(
        matches!(failed.error, Error::DenseGradient { .. }),
        "{failed}"
    );
    assert_same("the weight", &weight(&failed.module.tables[0]), &before);
}

#[test]
fn a_transposed_weight_cannot_be_updated_in_place() {
    let transposed = Tensor::<2>::zeros([3, 5], &training()).transpose();
    let mut optimizer = SparseAdam::new(gpu(), AdamOptions::default()).unwrap();
    let error = optimizer.add("t", &Param::from_tensor(transposed));
    let expected = Error::NotContiguous {
        name: "t".into(),
        strides: vec![1, 5],
    };
    assert_eq!(error.unwrap_err(), expected);
}

#[test]
fn a_weight_of_another_type_is_refused() {
    let data = TensorData::new(vec![0f64; 6], [3, 2]);
    let weight = Tensor::<2>::from_data(data, (&gpu().device(), DType::F64));
    let mut optimizer = SparseAdam::new(gpu(), AdamOptions::default()).unwrap();
    let error = optimizer.add("t", &Param::from_tensor(weight)).unwrap_err();
    assert!(matches!(error, Error::WrongType { .. }), "{error}");
}

#[test]
fn tensors_of_another_device_are_refused() {
    let (module, mut optimizer) = single(4, 2, 24);
    let before = weight(&module.tables[0]);
    let there = other().device();
    let table = SparseEmbeddingConfig::new(4, 2).init(&there);
    let error = optimizer.add("there", &table.weight).unwrap_err();
    assert!(matches!(error, Error::OtherDevice { .. }), "{error}");

    let mut grads = SparseGrads::new();
    let values = Tensor::<2>::zeros([1, 2], &there);
    grads.push(&module.tables[0].weight, ids(&[1]), values);
    let failed = optimizer.step_rows(module, grads).unwrap_err();
    assert!(
        matches!(failed.error, Error::OtherDevice { .. }),
        "{failed}"
    );
    assert_same("the weight", &weight(&failed.module.tables[0]), &before);

    let moved = failed.module.fork(&there.autodiff());
    let grads = pushed(&moved);
    let failed = optimizer.step_rows(moved, grads).unwrap_err();
    assert!(
        matches!(failed.error, Error::OtherDevice { .. }),
        "{failed}"
    );
}

#[test]
fn another_backend_is_refused() {
    let cpu = Device::new(DispatchDevice::Cube(CubeDevice::Cpu(Default::default())));
    let (_, setup): (_, WgpuSetup) = shared_setup();
    let error = Gpu::from_parts(cpu, &setup).unwrap_err();
    assert!(matches!(error, Error::OtherDevice { .. }), "{error}");
}

/// A device of ours that burn is given.
fn shared_setup() -> (Gpu, WgpuSetup) {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = instance.request_adapter(&Default::default());
    let adapter = pollster::block_on(adapter).unwrap();
    let descriptor = wgpu::DeviceDescriptor {
        required_limits: adapter.limits(),
        required_features: adapter.features()
            & !wgpu::Features::all_experimental_mask()
            & !wgpu::Features::MAPPABLE_PRIMARY_BUFFERS,
        ..Default::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
    let setup = WgpuSetup {
        backend: adapter.get_info().backend,
        instance,
        adapter,
        device,
        queue,
    };
    let gpu = Gpu::share(setup.clone(), Device::wgpu_options()).unwrap();
    (gpu, setup)
}

#[test]
fn burn_can_be_given_a_device() {
    let (gpu, setup) = shared_setup();
    assert_eq!(*gpu.wgpu(), setup.device);
    let table = SparseEmbeddingConfig::new(4, 2).init(&gpu.device().autodiff());
    let mut optimizer = SparseAdam::new(&gpu, AdamOptions::default()).unwrap();
    optimizer.add("t", &table.weight).unwrap();
    let mut grads = SparseGrads::new();
    let named = Tensor::from_data([2], &gpu.device());
    grads.push(&table.weight, named, Tensor::ones([1, 2], &gpu.device()));
    let before = weight(&table);
    let after = weight(&optimizer.step_rows(table, grads).unwrap());
    assert_eq!(after[..4], before[..4]);
    assert_ne!(after[4..6], before[4..6]);
}

#[test]
fn a_device_is_opened_once() {
    gpu();
    let error = Gpu::open(Device::wgpu_options()).unwrap_err();
    assert!(matches!(error, Error::Burn { .. }), "{error}");
}

#[test]
fn value_rows_of_another_shape_are_refused() {
    let (module, mut optimizer) = single(4, 2, 25);
    let mut grads = SparseGrads::new();
    grads.push(&module.tables[0].weight, ids(&[1, 2]), rows(&[1.0, 1.0], 2));
    let failed = optimizer.step_rows(module, grads).unwrap_err();
    let expected = Error::WrongShape {
        what: "gradient of \"t\"".into(),
        expected: vec![2, 2],
        found: vec![1, 2],
    };
    assert_eq!(failed.error, expected);
}

#[test]
fn a_parameter_that_was_not_added_is_refused() {
    let (module, _) = single(4, 2, 26);
    let (_, mut stranger) = single(4, 2, 27);
    let grads = pushed(&module);
    let failed = stranger.step_rows(module, grads).unwrap_err();
    assert!(matches!(failed.error, Error::NotAdded { .. }), "{failed}");
}

#[test]
fn a_module_without_the_parameter_is_refused() {
    let (module, mut optimizer) = single(4, 2, 28);
    let (elsewhere, _) = single(4, 2, 29);
    let grads = pushed(&module);
    let failed = optimizer.step_rows(elsewhere, grads).unwrap_err();
    let expected = Error::NotInModule { name: "t".into() };
    assert_eq!(failed.error, expected);
}

#[test]
fn a_parameter_or_a_name_is_added_once() {
    let (module, mut optimizer) = single(4, 2, 30);
    let error = optimizer.add("again", &module.tables[0].weight);
    assert!(matches!(error, Err(Error::AddedTwice { .. })));
    let other = SparseEmbeddingConfig::new(4, 2).init(&training());
    let error = optimizer.add("t", &other.weight).unwrap_err();
    let expected = Error::Core(sparse_adam::Error::DuplicateName { name: "t".into() });
    assert_eq!(error, expected);
    let twice = [("a", &other.weight), ("b", &other.weight)];
    let error = optimizer.add_group(twice, |group| group).unwrap_err();
    assert!(matches!(error, Error::AddedTwice { .. }), "{error}");
}

#[test]
fn options_out_of_range_are_refused() {
    let (module, mut optimizer) = single(4, 2, 31);
    assert!(matches!(optimizer.set_lr(-1.0), Err(Error::Core(_))));
    let wrong = AdamOptions::default().eps(0.0);
    assert!(SparseAdam::new(gpu(), wrong).is_err());
    drop(module);
}

#[test]
fn ids_outside_the_table_are_left_out_and_counted() {
    let (module, mut optimizer) = single(4, 2, 32);
    let before = weight(&module.tables[0]);
    let mut grads = SparseGrads::new();
    let named = ids(&[-1, 4, i32::MAX]);
    grads.push(&module.tables[0].weight, named, rows(&[1.0; 6], 2));
    let module = optimizer.step_rows(module, grads).unwrap();
    assert_same("the weight", &weight(&module.tables[0]), &before);
    let id = optimizer.core().param("t").unwrap();
    let status = pollster::block_on(optimizer.core().status(id)).unwrap();
    assert_eq!(status.out_of_range, 3);
}

#[test]
fn an_error_says_what_to_do_and_turns_into_one_kind() {
    let (module, mut optimizer) = single(4, 2, 33);
    let clone = module.clone();
    let step = || -> Result<(), Error> {
        let grads = pushed(&module);
        optimizer.step_rows(module, grads)?;
        Ok(())
    };
    let error = step().unwrap_err();
    assert!(error.to_string().contains("drop the clone"), "{error}");
    drop(clone);
}
