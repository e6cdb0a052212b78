//! Every public call on a device that was destroyed.

use super::{noop, storage};
use pollster::block_on;
use sparse_adam::{
    AdamOptions, Error, Param, ParamGroup, ParamId, SparseAdam, SparseGrad, StateDict, Timestamps,
};
use sparse_adam_testkit::headless::Gpu;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use wgpu::{Buffer, Limits, PollType, QuerySet, QuerySetDescriptor, QueryType};

/// What an engine does about errors that nobody hears.
#[derive(Clone, Copy, Debug)]
enum Handler {
    /// wgpu's own, which panics.
    Default,
    Panics,
    Counts,
}

/// An optimizer whose device is gone, and what was made for it while it was there.
struct Wreck {
    gpu: Gpu,
    optimizer: SparseAdam,
    first: ParamId,
    /// Another one, to which nothing was added.
    empty: Option<SparseAdam>,
    saved: StateDict,
    spare: Buffer,
    queries: Option<QuerySet>,
    heard: Arc<AtomicU32>,
}

type Call = fn(&mut Wreck) -> Result<(), Error>;

const CALLS: [(&str, Call); 22] = [
    ("new", |w| SparseAdam::new(&w.gpu.device, &w.gpu.queue, AdamOptions::default()).map(drop)),
    ("add_param", |w| w.optimizer.add_param(Param::new("p", &w.spare, [10, 4])).map(drop)),
    ("add_param_group", |w| {
        let group = ParamGroup::new([Param::new("p", &w.spare, [10, 4])]);
        w.optimizer.add_param_group(group).map(drop)
    }),
    ("replace_param", |w| w.optimizer.replace_param(w.first, &w.spare)),
    ("set_grad", |w| w.optimizer.set_grad(w.first, w.grad())),
    ("an empty set_grad", |w| {
        w.optimizer.set_grad(w.first, SparseGrad::new(&w.spare, &w.spare, 0))
    }),
    ("accumulate_grad", |w| w.optimizer.accumulate_grad(w.first, w.grad())),
    ("step", |w| w.gpu.submit(|_| Ok(())).and(w.recorded(SparseAdam::step))),
    ("step alone", |w| w.recorded(SparseAdam::step)),
    ("step_with", |w| w.recorded(|optimizer, encoder| optimizer.step_with(encoder, |_, _| Ok(())))),
    ("step_with_timestamps", |w| {
        let Some(query_set) = w.queries.clone() else { return w.recorded(SparseAdam::step) };
        let timestamps = Timestamps::new(&query_set, 0);
        w.recorded(|optimizer, encoder| optimizer.step_with_timestamps(encoder, timestamps))
    }),
    ("status", |w| block_on(w.optimizer.status(w.first)).map(drop)),
    ("state_dict", |w| block_on(w.optimizer.state_dict()).map(drop)),
    ("state_of", |w| block_on(w.optimizer.state_of(w.first)).map(drop)),
    ("state_dict without parameters", |w| {
        let empty = w.empty.take().expect("one call");
        block_on(empty.state_dict()).map(drop)
    }),
    ("reset_status", |w| {
        let mut encoder = w.gpu.device.create_command_encoder(&Default::default());
        w.optimizer.reset_status(w.first, &mut encoder)
    }),
    ("set_step_count", |w| w.optimizer.set_step_count(w.first, 5)),
    ("load_state_dict", |w| w.optimizer.load_state_dict(&w.saved)),
    ("save", |w| {
        let path = std::env::temp_dir().join(format!("lost-{}.safetensors", std::process::id()));
        let saved = block_on(w.optimizer.save(&path));
        assert!(!path.exists(), "a file was left");
        saved
    }),
    ("Gpu::read", |w| block_on(w.gpu.read::<f32>(&w.spare)).map(drop)),
    ("Gpu::wait", |w| w.gpu.wait()),
    ("Gpu::finished", |w| block_on(w.gpu.finished())),
];

impl Wreck {
    fn new(gpu: Gpu, handler: Handler) -> Self {
        let heard = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&heard);
        match handler {
            Handler::Default => {}
            Handler::Panics => gpu.device.on_uncaptured_error(Arc::new(|e| panic!("heard {e}"))),
            Handler::Counts => gpu.device.on_uncaptured_error(Arc::new(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
            })),
        }
        let opened = || SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::default()).unwrap();
        let (mut optimizer, empty) = (opened(), Some(opened()));
        let param = Param::new("first", storage(&gpu, 160), [10, 4]);
        let first = optimizer.add_param(param).unwrap();
        let timed = gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let queries = timed.then(|| {
            let (label, ty, count) = (None, QueryType::Timestamp, 8);
            gpu.device.create_query_set(&QuerySetDescriptor { label, ty, count })
        });
        let (spare, saved) = (storage(&gpu, 160), StateDict::default());
        let mut wreck = Self { gpu, optimizer, first, empty, saved, spare, queries, heard };
        wreck.optimizer.set_grad(first, wreck.grad()).unwrap();
        wreck.recorded(SparseAdam::step).unwrap();
        wreck.saved = block_on(wreck.optimizer.state_dict()).unwrap();
        wreck.gpu.device.destroy();
        wreck
    }

    fn grad(&self) -> SparseGrad {
        SparseGrad::new(storage(&self.gpu, 12), storage(&self.gpu, 48), 3)
    }

    /// Submits what `record` records; an engine does so whatever it is.
    fn recorded(
        &mut self,
        record: impl FnOnce(&mut SparseAdam, &mut wgpu::CommandEncoder) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let recorded = record(&mut self.optimizer, &mut encoder);
        self.gpu.queue.submit([encoder.finish()]);
        recorded
    }

    fn host(&self) -> String {
        let optimizer = &self.optimizer;
        let groups: Vec<_> = optimizer.groups().map(|group| optimizer.options(group)).collect();
        let steps = optimizer.step_count(self.first);
        format!("{groups:?} {steps:?} {:?} {:?}", optimizer.param("p"), optimizer.resources())
    }
}

/// Checks every call in `wreck`, which none of them may change.
fn assert_all_calls_say_so(mut wreck: Wreck, what: &str) {
    let before = wreck.host();
    for (name, call) in CALLS {
        let called = call(&mut wreck);
        assert!(matches!(called, Err(Error::DeviceLost { .. })), "{name}, {what}: {called:?}");
        assert_eq!(wreck.host(), before, "{name}, {what}");
    }
    // These have no error to return, and must not panic.
    wreck.gpu.upload("lost", &[1u8, 2, 3]);
    wreck.gpu.zeroed("lost", 16);
    wreck.optimizer.trim();
    let heard = Arc::clone(&wreck.heard);
    drop(wreck);
    assert_eq!(heard.load(Ordering::Relaxed), 0, "{what}: the engine's handler was called");
}

#[test]
fn every_call_says_that_the_device_is_lost() {
    for handler in [Handler::Default, Handler::Panics, Handler::Counts] {
        for polled in [false, true] {
            let wreck = Wreck::new(noop(Limits::downlevel_defaults()), handler);
            if polled {
                // Now wgpu has let go of everything.
                wreck.gpu.device.poll(PollType::wait_indefinitely()).unwrap();
            }
            assert_all_calls_say_so(wreck, &format!("noop, {handler:?}, polled: {polled}"));
        }
    }
}

#[test]
fn every_call_says_that_an_adapters_device_is_lost() {
    for handler in [Handler::Default, Handler::Panics, Handler::Counts] {
        for gpu in block_on(Gpu::open_all()).unwrap() {
            let what = format!("{}, {handler:?}", gpu.describe());
            assert_all_calls_say_so(Wreck::new(gpu, handler), &what);
        }
    }
}
