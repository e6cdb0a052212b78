//! What a table refuses, and that it has changed nothing then.

use sparse_adam::{AdamOptions, CatchUp, Format, Param, Rounding, SparseAdam, WeightDecay, wgpu};
use sparse_adam_cached::{CachedTable, Error, Layout, Mark, MemoryStore, RowStore, f32_weights};
use sparse_adam_testkit::gpus;
use sparse_adam_testkit::headless::Gpu;

fn optimizer(gpu: &Gpu, options: AdamOptions) -> SparseAdam {
    SparseAdam::new(&gpu.device, &gpu.queue, options).unwrap()
}

fn made(gpu: &Gpu, adam: &mut SparseAdam, param: Param) -> Result<CachedTable<MemoryStore>, Error> {
    let param = adam.add_param(param)?;
    let init = f32_weights(|row, weights| weights.fill(row as f32));
    CachedTable::new(&gpu.device, &gpu.queue, adam, param, |layout| {
        Ok(MemoryStore::new(100, layout, init))
    })
}

#[test]
fn what_would_not_have_a_resident_tables_bits_is_refused_by_name() {
    let gpu = &gpus()[0];
    let weights = gpu.zeroed("weights", 4 * 60);
    let plain = AdamOptions::default();
    let axes = Param::new("p", &weights, [2, 5, 6]).sparse_dim(2);
    let error = made(gpu, &mut optimizer(gpu, plain), axes).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("sparse axes"), "{error}");
    let whole = || Param::new("p", &weights, [10, 6]);
    let mut adam = optimizer(gpu, plain);
    let param = adam.add_param(whole()).unwrap();
    let other = CachedTable::new(&gpu.device, &gpu.queue, &mut adam, param, |_| {
        Ok(MemoryStore::zeroed(100, Layout::f32(7)?))
    });
    assert!(matches!(other, Err(Error::Mismatch { .. })));
}

/// A store in memory with a checkpoint of other formats.
struct Marked(MemoryStore, Mark);

impl RowStore for Marked {
    fn rows(&self) -> u64 {
        self.0.rows()
    }

    fn layout(&self) -> Layout {
        self.0.layout()
    }

    fn read(&self, rows: &[u64], records: &mut [u8]) -> Result<(), Error> {
        self.0.read(rows, records)
    }

    fn write(&self, rows: &[u64], records: &[u8]) -> Result<(), Error> {
        self.0.write(rows, records)
    }

    fn mark(&self) -> Option<Mark> {
        Some(self.1.clone())
    }
}

#[test]
fn a_checkpoint_of_another_seed_or_format_is_refused() {
    let gpu = &gpus()[0];
    let weights = gpu.zeroed("weights", 2 * 60);
    let open = |format: Format, seed: u32, stored: &str| {
        let mut adam = optimizer(gpu, AdamOptions::default());
        let param = Param::new("p", &weights, [10, 6]).format(format);
        let param = adam.add_param(param.rounding(Rounding::Stochastic { seed })).unwrap();
        let options = serde_json::to_string(&AdamOptions::default()).unwrap();
        let mark = Mark::new(3, options, "").stored(stored);
        let made = CachedTable::new(&gpu.device, &gpu.queue, &mut adam, param, |layout| {
            Ok(Marked(MemoryStore::zeroed(100, layout), mark))
        });
        made.map(|_| adam.step_count(param).unwrap())
    };
    let told = r#"["bf16",{"moments":"f32","rounding":{"stochastic":{"seed":7}}}]"#;
    assert_eq!(open(Format::Bf16, 7, told).unwrap(), 3);
    assert!(matches!(open(Format::Bf16, 8, told), Err(Error::Mismatch { .. })));
    assert!(matches!(open(Format::F16, 7, told), Err(Error::Mismatch { .. })));
}

#[test]
fn what_is_done_to_the_cache_alone_is_noticed() {
    let gpu = &gpus()[0];
    let options =
        AdamOptions::default().catch_up(CatchUp::Decay).weight_decay(WeightDecay::Plain(0.1));
    let mut adam = optimizer(gpu, options);
    let weights = gpu.zeroed("weights", 4 * 4 * 8);
    let mut table = made(gpu, &mut adam, Param::new("p", &weights, [4, 8])).unwrap();
    let values = gpu.zeroed("values", 4 * 8 * 2);
    let plan = table.plan(&[3u32, 50]).unwrap();
    gpu.submit(|encoder| {
        let batch = table.load(&mut adam, encoder, plan).unwrap();
        adam.set_grad(table.param(), table.grad(&batch, &values).unwrap())?;
        adam.step(encoder)
    })
    .unwrap();
    table.catch_up(&mut adam).unwrap();
    gpu.submit(|encoder| adam.flush(encoder)).unwrap();
    assert!(matches!(table.flush(&mut adam), Err(Error::FlushedAlone)));
    // Numbers of its rows that are taken from it.
    let mut adam = optimizer(gpu, AdamOptions::default());
    let weights = gpu.zeroed("narrow weights", 2 * 4 * 8);
    let param = Param::new("p", &weights, [4, 8]).format(Format::F16);
    let param = param.rounding(Rounding::Stochastic { seed: 1 });
    let param = adam.add_param(param).unwrap();
    let mut table = CachedTable::new(&gpu.device, &gpu.queue, &mut adam, param, |layout| {
        Ok(MemoryStore::zeroed(100, layout))
    })
    .unwrap();
    table.flush(&mut adam).unwrap();
    adam.clear_row_numbers(param).unwrap();
    assert!(matches!(table.flush(&mut adam), Err(Error::Replaced)));
}

#[test]
fn batches_and_plans_that_cannot_be_are_refused() {
    for gpu in gpus() {
        let mut adam = optimizer(gpu, AdamOptions::default());
        let weights = gpu.zeroed("weights", 4 * 4 * 8);
        let mut table = made(gpu, &mut adam, Param::new("p", &weights, [4, 8])).unwrap();
        assert!(matches!(
            table.plan(&[3u32, 100]),
            Err(Error::RowOutOfRange { row: 100, rows: 100 })
        ));
        let (first, twin) = (table.plan(&[1u64, 2, 3]).unwrap(), table.plan(&[4u64]).unwrap());
        let batch =
            gpu.submit(|encoder| Ok(table.load(&mut adam, encoder, first).unwrap())).unwrap();
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        assert!(matches!(table.load(&mut adam, &mut encoder, twin), Err(Error::StalePlan)));
        assert!(matches!(
            table.plan(&[4u32, 5]),
            Err(Error::CacheTooSmall { needed: 5, slots: 4 })
        ));
        let next = table.plan(&[3u32, 4]).unwrap();
        gpu.submit(|encoder| Ok(table.load(&mut adam, encoder, next).unwrap())).unwrap();
        let values = gpu.zeroed("values", 4 * 8 * 3);
        assert!(matches!(table.grad(&batch, &values), Err(Error::StalePlan)));
        let plan = table.plan(&[3u32]).unwrap();
        let saved = pollster::block_on(adam.state_dict()).unwrap();
        adam.load_state_dict(&saved).unwrap();
        assert!(matches!(table.load(&mut adam, &mut encoder, plan), Err(Error::Replaced)));
    }
}

#[test]
fn an_encoder_that_is_not_submitted_is_noticed() {
    let gpu = &gpus()[0];
    let mut adam = optimizer(gpu, AdamOptions::default());
    let weights = gpu.zeroed("weights", 4 * 2 * 8);
    let param = Param::new("p", &weights, [2, 8]);
    let mut table = made(gpu, &mut adam, param).unwrap();
    let values = gpu.zeroed("values", 4 * 8);
    let mut kept = Vec::new();
    let error = (0u32..10).find_map(|row| {
        let plan = table.plan(&[row]).unwrap();
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        let batch = match table.load(&mut adam, &mut encoder, plan) {
            Ok(batch) => batch,
            Err(error) => return Some(error),
        };
        let _ = table.grad(&batch, &values).unwrap();
        kept.push(encoder);
        None
    });
    assert!(matches!(error, Some(Error::NotSubmitted { .. })), "{error:?}");
    assert!(matches!(table.flush(&mut adam), Err(Error::NotSubmitted { .. })));
    // Once they are submitted, nothing is lost.
    gpu.queue.submit(kept.into_iter().map(wgpu::CommandEncoder::finish));
    table.flush(&mut adam).unwrap();
}

/// An engine may look at the device from a thread of its own.
#[test]
fn what_another_thread_is_about_to_call_back_was_submitted() {
    let gpu = &gpus()[0];
    let mut adam = optimizer(gpu, AdamOptions::default());
    let weights = gpu.zeroed("weights", 4 * 2 * 8);
    let mut table = made(gpu, &mut adam, Param::new("p", &weights, [2, 8])).unwrap();
    let encoder = || gpu.device.create_command_encoder(&Default::default());
    let here = std::thread::current().id();
    // What is done at once is called back by the submission, here; then once more.
    let elsewhere = (0u32..50).any(|row| {
        let (sender, called) = std::sync::mpsc::channel();
        let slow = encoder();
        slow.on_submitted_work_done(move || {
            let caller = std::thread::current().id();
            sender.send(caller).unwrap();
            if caller != here {
                std::thread::sleep(std::time::Duration::from_millis(300));
            }
        });
        let mut load = encoder();
        let plan = table.plan(&[row]).unwrap();
        table.load(&mut adam, &mut load, plan).unwrap();
        gpu.queue.submit([slow.finish(), load.finish()]);
        let device = gpu.device.clone();
        let looks = std::thread::spawn(move || {
            device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        });
        let caller = called.recv().unwrap();
        table.flush(&mut adam).unwrap();
        looks.join().unwrap();
        caller != here
    });
    assert!(elsewhere, "no thread but this one ever called back");
}

/// wgpu calls back of a submission that it refused as of one that is done.
#[test]
fn a_load_whose_submission_is_refused_writes_nothing_to_the_store() {
    let gpu = &gpus()[0];
    for refused in 0..3u32 {
        let mut adam = optimizer(gpu, AdamOptions::default());
        let weights = gpu.zeroed("weights", 4 * 2 * 8);
        let mut table = made(gpu, &mut adam, Param::new("p", &weights, [2, 8])).unwrap();
        let values = gpu.upload("values", &[1.0f32; 8]);
        let record = |table: &CachedTable<MemoryStore>, row: u64| {
            let mut record = vec![0; table.layout().bytes()];
            table.store().read(&[row], &mut record).unwrap();
            record
        };
        let mut error = None;
        for row in 0..8u32 {
            let plan = table.plan(&[row]).unwrap();
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            let batch = match table.load(&mut adam, &mut encoder, plan) {
                Ok(batch) => batch,
                Err(told) => {
                    error = Some(told);
                    break;
                }
            };
            let grad = table.grad(&batch, &values).unwrap();
            adam.set_grad(table.param(), grad).unwrap();
            adam.step(&mut encoder).unwrap();
            if row == refused {
                // Something of the caller's that is gone.
                let gone = gpu.zeroed("gone", 16);
                encoder.copy_buffer_to_buffer(&gone, 0, &gpu.zeroed("there", 16), 0, 16);
                gone.destroy();
            }
            let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
            gpu.queue.submit([encoder.finish()]);
            assert_eq!(pollster::block_on(scope.pop()).is_some(), row == refused);
        }
        let error = error.or_else(|| table.flush(&mut adam).err());
        assert!(matches!(error, Some(Error::LoadRefused)), "{error:?}");
        // And so it stays.
        assert!(matches!(table.flush(&mut adam), Err(Error::LoadRefused)));
        let moved = (0..8).filter(|&row| record(&table, row)[..4] != (row as f32).to_le_bytes());
        let moved: Vec<u64> = moved.collect();
        assert!(moved.iter().all(|&row| row < u64::from(refused)), "{refused}: {moved:?}");
    }
}

#[test]
fn a_load_that_evicts_nothing_and_is_not_submitted_is_noticed_before_the_store_is_written() {
    let gpu = &gpus()[0];
    let mut adam = optimizer(gpu, AdamOptions::default());
    let weights = gpu.zeroed("weights", 4 * 20 * 8);
    let mut table = made(gpu, &mut adam, Param::new("p", &weights, [20, 8])).unwrap();
    let values = gpu.zeroed("values", 4 * 8 * 3);
    let plan = table.plan(&[3u32, 50, 7]).unwrap();
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    let batch = table.load(&mut adam, &mut encoder, plan).unwrap();
    let grad = table.grad(&batch, &values).unwrap();
    adam.set_grad(table.param(), grad).unwrap();
    adam.step(&mut encoder).unwrap();
    assert!(matches!(table.flush(&mut adam), Err(Error::NotSubmitted { .. })));
    gpu.queue.submit([encoder.finish()]);
    table.flush(&mut adam).unwrap();
    for row in [3u64, 50, 7] {
        let mut record = vec![0; table.layout().bytes()];
        table.store().read(&[row], &mut record).unwrap();
        // A step by a gradient of zeros leaves a row where it was.
        assert_eq!(record[..4], (row as f32).to_le_bytes(), "row {row}");
    }
}
