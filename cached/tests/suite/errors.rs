//! What a table refuses, and that it has changed nothing then.

use sparse_adam::{AdamOptions, CatchUp, Format, Param, Rounding, SparseAdam, WeightDecay};
use sparse_adam_cached::{CachedTable, Error, Layout, MemoryStore, RowStore, f32_weights};
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
    let stochastic = Rounding::Stochastic { seed: 1 };
    let whole = || Param::new("p", &weights, [10, 6]);
    let catching_up =
        AdamOptions::default().catch_up(CatchUp::Decay).weight_decay(WeightDecay::Plain(0.1));
    let plain = AdamOptions::default();
    let cases = [
        (plain, whole().format(Format::Bf16).rounding(stochastic), "random bits"),
        (plain, whole().moments(Format::Bf16).rounding(stochastic), "random bits"),
        (catching_up, whole(), "catch_up"),
        (plain, Param::new("p", &weights, [2, 5, 6]).sparse_dim(2), "sparse axes"),
        (plain, Param::new("p", &weights, [12, 5]).format(Format::F16), "odd number"),
    ];
    for (options, param, expected) in cases {
        let error = made(gpu, &mut optimizer(gpu, options), param).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let mut adam = optimizer(gpu, plain);
    let param = adam.add_param(whole()).unwrap();
    let other = CachedTable::new(&gpu.device, &gpu.queue, &mut adam, param, |_| {
        Ok(MemoryStore::zeroed(100, Layout::f32(7)?))
    });
    assert!(matches!(other, Err(Error::Mismatch { .. })));
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
