//! Each error, provoked without a GPU, and a good call after it.

use sparse_adam::{
    AdamOptions, Error, IndexDtype, Param, ParamGroup, ParamId, Region, SparseAdam, SparseGrad,
};
use wgpu::{Buffer, BufferDescriptor, BufferUsages, Device, DeviceDescriptor, Limits, Queue};

/// Whether an error is the expected one.
type Expected = fn(&Error) -> bool;

pub struct Noop {
    pub device: Device,
    pub queue: Queue,
    pub optimizer: SparseAdam,
}

impl Noop {
    pub fn new() -> Self {
        Self::with_limits(Limits::downlevel_defaults()).unwrap()
    }

    fn with_limits(required_limits: Limits) -> Result<Self, Error> {
        let (device, queue) =
            Device::noop(&DeviceDescriptor { required_limits, ..Default::default() });
        let optimizer = SparseAdam::new(&device, &queue, AdamOptions::default())?;
        Ok(Self { device, queue, optimizer })
    }

    pub fn buffer(&self, bytes: u64, usage: BufferUsages) -> Buffer {
        self.device.create_buffer(&BufferDescriptor {
            label: Some("test"),
            size: bytes,
            usage,
            mapped_at_creation: false,
        })
    }

    pub fn storage(&self, bytes: u64) -> Buffer {
        self.buffer(bytes, BufferUsages::STORAGE)
    }

    /// A parameter `[10, 4]` named `name`.
    fn param(&self, name: &str) -> Param {
        Param::new(name, self.storage(160), [10, 4])
    }

    fn with_param() -> (Self, ParamId) {
        let mut noop = Self::new();
        let param = noop.param("good");
        let id = noop.optimizer.add_param(param).unwrap();
        (noop, id)
    }

    fn grad(&self) -> SparseGrad {
        SparseGrad::new(self.storage(12), self.storage(48), 3)
    }

    /// The optimizer still works and holds what it held: one parameter, `steps` steps.
    pub fn assert_sound(&mut self, id: ParamId, steps: u64) {
        assert_eq!(self.optimizer.step_count(id), Ok(steps));
        let grad = self.grad();
        self.optimizer.set_grad(id, grad).unwrap();
        self.step().unwrap();
        assert_eq!(self.optimizer.step_count(id), Ok(steps + 1));
    }

    pub fn step(&mut self) -> Result<(), Error> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        self.optimizer.step(&mut encoder)?;
        self.queue.submit([encoder.finish()]);
        Ok(())
    }
}

#[test]
fn bad_parameters_are_refused_and_named() {
    let (mut noop, id) = Noop::with_param();
    let small = Param::new("p", noop.storage(156), [10, 4]);
    let unusable = Param::new("p", noop.buffer(160, BufferUsages::COPY_DST), [10, 4]);
    let pool = noop.storage(1024);
    let misaligned = Param::new("p", pool.slice(4..), [10, 4]);
    let shapeless = Param::new("p", &pool, []);
    let empty = Param::new("p", &pool, [0, 4]);
    let again = noop.param("good");
    let cases: [(Param, Expected); 6] = [
        (small, |e| matches!(e, Error::BufferTooSmall { expected: 160, found: 156, .. })),
        (unusable, |e| matches!(e, Error::MissingUsage { .. })),
        (misaligned, |e| matches!(e, Error::Misaligned { found: 4, .. })),
        (shapeless, |e| matches!(e, Error::InvalidShape { .. })),
        (empty, |e| matches!(e, Error::InvalidShape { .. })),
        (again, |e| matches!(e, Error::DuplicateName { .. })),
    ];
    for (steps, (param, expected)) in cases.into_iter().enumerate() {
        let error = noop.optimizer.add_param(param).unwrap_err();
        assert!(expected(&error), "{error}");
        noop.assert_sound(id, steps as u64);
    }
    let good = noop.param("another");
    noop.optimizer.add_param(good).unwrap();
}

#[test]
fn bad_groups_are_refused_whole() {
    let (mut noop, id) = Noop::with_param();
    let empty = noop.optimizer.add_param_group(ParamGroup::new([])).unwrap_err();
    assert_eq!(empty, Error::EmptyGroup);
    let overrides: [fn(ParamGroup) -> ParamGroup; 4] =
        [|g| g.lr(-0.5), |g| g.eps(f64::NAN), |g| g.betas((2.0, 0.9)), |g| g.betas((0.9, -1.0))];
    for wrong in overrides {
        let group = wrong(ParamGroup::new([noop.param("b")]));
        let error = noop.optimizer.add_param_group(group).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { .. }), "{error}");
    }
    // The second parameter is bad: the first must not stay.
    let group = ParamGroup::new([noop.param("b"), noop.param("good")]);
    let error = noop.optimizer.add_param_group(group).unwrap_err();
    assert!(matches!(error, Error::DuplicateName { .. }), "{error}");
    assert_eq!(noop.optimizer.param("b"), None);
    assert_eq!(noop.optimizer.groups().len(), 1);
    noop.assert_sound(id, 0);
    let group = ParamGroup::new([noop.param("b"), noop.param("c")]).lr(0.5);
    let group = noop.optimizer.add_param_group(group).unwrap();
    assert_eq!(noop.optimizer.group_params(group).unwrap().len(), 2);
    assert_eq!(noop.optimizer.options(group).unwrap().lr, 0.5);
}

#[test]
fn bad_options_are_refused() {
    let (mut noop, id) = Noop::with_param();
    let bad = AdamOptions::default().lr(-1.0);
    let refused = SparseAdam::new(&noop.device, &noop.queue, bad).map(drop);
    assert!(matches!(refused, Err(Error::InvalidOption { field: "lr", .. })));
    let group = noop.optimizer.group_of(id).unwrap();
    assert!(noop.optimizer.set_lr(group, f64::INFINITY).is_err());
    assert_eq!(noop.optimizer.options(group).unwrap(), AdamOptions::default());
    noop.optimizer.set_lr(group, 0.25).unwrap();
    assert_eq!(noop.optimizer.options(group).unwrap().lr, 0.25);
    noop.assert_sound(id, 0);
}

#[test]
fn handles_of_another_optimizer_are_unknown() {
    let (mut noop, id) = Noop::with_param();
    let group = noop.optimizer.group_of(id).unwrap();
    // One that has no parameter of that index, one that has, and one of the same device.
    let same = SparseAdam::new(&noop.device, &noop.queue, AdamOptions::default()).unwrap();
    let same = Noop { device: noop.device.clone(), queue: noop.queue.clone(), optimizer: same };
    for (mut other, add) in [(Noop::new(), false), (Noop::new(), true), (same, true)] {
        let own = add.then(|| other.optimizer.add_param(other.param("good")).unwrap());
        let count = own.iter().len();
        let param = Error::UnknownParam { expected: count, found: 0 };
        let grad = other.grad();
        assert_eq!(other.optimizer.set_grad(id, grad.clone()), Err(param.clone()));
        assert_eq!(other.optimizer.accumulate_grad(id, grad), Err(param.clone()));
        assert_eq!(other.optimizer.step_count(id), Err(param.clone()));
        assert_eq!(other.optimizer.set_step_count(id, 3), Err(param.clone()));
        assert_eq!(other.optimizer.group_of(id), Err(param.clone()));
        let moved = other.storage(160);
        assert_eq!(other.optimizer.replace_param(id, &moved), Err(param.clone()));
        let mut encoder = other.device.create_command_encoder(&Default::default());
        assert_eq!(other.optimizer.reset_status(id, &mut encoder), Err(param.clone()));
        assert_eq!(pollster::block_on(other.optimizer.status(id)), Err(param.clone()));
        assert_eq!(pollster::block_on(other.optimizer.state_of(id)), Err(param));
        let unknown = Error::UnknownGroup { expected: count, found: 0 };
        assert_eq!(other.optimizer.set_lr(group, 0.1), Err(unknown.clone()));
        let options = AdamOptions::default();
        assert_eq!(other.optimizer.set_options(group, options), Err(unknown.clone()));
        assert_eq!(other.optimizer.options(group), Err(unknown.clone()));
        assert_eq!(other.optimizer.group_params(group), Err(unknown));
        if let Some(own) = own {
            assert_ne!(own, id);
            other.assert_sound(own, 0);
        }
    }
    noop.assert_sound(id, 0);
}

#[test]
fn step_counts_past_what_is_exact_are_refused() {
    let (mut noop, id) = Noop::with_param();
    let most = 1 << 53;
    let error = noop.optimizer.set_step_count(id, most + 1).unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit, .. } if limit == most), "{error}");
    assert!(pollster::block_on(noop.optimizer.state_of(id)).unwrap().is_none());
    noop.optimizer.set_step_count(id, 0).unwrap();
    assert!(pollster::block_on(noop.optimizer.state_of(id)).unwrap().is_none());
    noop.optimizer.set_step_count(id, most).unwrap();
    assert_eq!(noop.optimizer.step_count(id), Ok(most));
    noop.optimizer.set_step_count(id, 5).unwrap();
    noop.assert_sound(id, 5);
}

#[test]
fn bad_gradients_are_refused_and_the_old_one_stays() {
    let (mut noop, id) = Noop::with_param();
    let pool = noop.storage(2048);
    let (indices, values) = (noop.storage(12), noop.storage(48));
    let usage = noop.buffer(48, BufferUsages::UNIFORM);
    let cases: [(SparseGrad, Expected); 11] = [
        (SparseGrad::new(noop.storage(24), &values, 3), |e| {
            matches!(e, Error::MaybeI64 { expected: 12, found: 24, .. })
        }),
        (SparseGrad::new(pool.slice(..24), &values, 3).index_dtype(IndexDtype::I32), |e| {
            matches!(e, Error::MaybeI64 { expected: 12, found: 24, .. })
        }),
        (
            SparseGrad::new(&indices, &values, 3).value_map(noop.storage(12), 0),
            |e| matches!(e, Error::InvalidShape { found, .. } if *found == [0, 4]),
        ),
        (SparseGrad::new(&indices, pool.slice(..0), 3).value_map(noop.storage(12), 0), |e| {
            matches!(e, Error::InvalidShape { .. })
        }),
        (SparseGrad::new(&indices, &values, 3).padding_idx(10), |e| {
            matches!(e, Error::TooLarge { found: 10, limit: 9, .. })
        }),
        (SparseGrad::new(&indices, &values, 4), |e| {
            matches!(e, Error::BufferTooSmall { expected: 16, found: 12, .. })
        }),
        (SparseGrad::new(&indices, &values, 3).index_dtype(IndexDtype::I64), |e| {
            matches!(e, Error::BufferTooSmall { expected: 24, found: 12, .. })
        }),
        // Rows of 3 values where the parameter has 4.
        (SparseGrad::new(&indices, values.slice(..36), 3), |e| {
            matches!(e, Error::BufferTooSmall { expected: 48, found: 36, .. })
        }),
        (SparseGrad::new(&indices, &usage, 3), |e| matches!(e, Error::MissingUsage { .. })),
        (SparseGrad::new(pool.slice(8..20), &values, 3), |e| {
            matches!(e, Error::Misaligned { found: 8, .. })
        }),
        (SparseGrad::new(pool.slice(256..268), pool.slice(..512), 80), |e| {
            matches!(e, Error::BufferTooSmall { .. })
        }),
    ];
    let good = noop.grad();
    noop.optimizer.set_grad(id, good).unwrap();
    for (steps, (grad, expected)) in (1..).zip(cases) {
        let error = noop.optimizer.set_grad(id, grad).unwrap_err();
        assert!(expected(&error), "{error}");
        noop.step().unwrap();
        assert_eq!(noop.optimizer.step_count(id), Ok(steps));
    }
}

#[test]
fn a_step_too_large_for_the_device_counts_nothing() {
    let max_storage_buffer_binding_size = 1 << 16;
    let limits = Limits { max_storage_buffer_binding_size, ..Limits::downlevel_defaults() };
    let mut noop = Noop::with_limits(limits).unwrap();
    let big = |noop: &mut Noop, name: &str| {
        let param = Param::new(name, noop.storage(4000), [1000]);
        let id = noop.optimizer.add_param(param).unwrap();
        let grad = SparseGrad::new(noop.storage(1 << 15), noop.storage(1 << 15), 1 << 13);
        noop.optimizer.set_grad(id, grad).unwrap();
        id
    };
    // The pairs of one fit 64 KiB but for its chunk sums.
    let id = big(&mut noop, "a");
    let error = noop.step().unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 65_536, .. }), "{error}");
    assert_eq!(noop.optimizer.step_count(id), Ok(0));
    let small = SparseGrad::new(noop.storage(400), noop.storage(400), 100);
    noop.optimizer.set_grad(id, small).unwrap();
    noop.step().unwrap();
    assert_eq!(noop.optimizer.step_count(id), Ok(1));
}

#[test]
fn values_larger_than_a_binding_are_refused() {
    let max_storage_buffer_binding_size = 1 << 16;
    let limits = Limits { max_storage_buffer_binding_size, ..Limits::downlevel_defaults() };
    let mut noop = Noop::with_limits(limits).unwrap();
    let id = noop.optimizer.add_param(noop.param("p")).unwrap();
    let values = noop.storage(1 << 17);
    let error =
        noop.optimizer.set_grad(id, SparseGrad::new(noop.storage(1 << 15), &values, 1 << 13));
    assert!(matches!(error, Err(Error::TooLarge { .. })), "{error:?}");
    noop.assert_sound(id, 0);
}

#[test]
fn a_device_too_small_for_the_kernels_is_refused() {
    let limits = Limits { max_storage_buffers_per_shader_stage: 3, ..Limits::downlevel_defaults() };
    let error = Noop::with_limits(limits).map(drop).unwrap_err();
    assert!(matches!(error, Error::DeviceLimit { expected: 4, found: 3, .. }), "{error}");
}

#[test]
fn a_region_knows_its_range() {
    let noop = Noop::new();
    let pool = noop.storage(1024);
    let region = Region::from(pool.slice(256..512));
    assert_eq!((region.offset(), region.size()), (256, 256));
    assert_eq!(region.buffer(), &pool);
}
