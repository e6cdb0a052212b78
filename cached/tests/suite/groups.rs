//! Tables of one folder go on from one checkpoint, to the bits of a run that was never interrupted.

use crate::run::{init, sum};
use sparse_adam::{AdamOptions, Format, Param, ParamId, Rounding, SparseAdam};
use sparse_adam_cached::{CachedTable, Error, FileGroup, FileStore, Layout, MemoryStore, RowStore};
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Rng, gpus};

const NAMES: [&str; 2] = ["users", "items"];
const ROWS: [u64; 2] = [500, 300];
const DIMS: [u32; 2] = [8, 5];
const ENTRIES: usize = 40;

/// A table in f32, and one whose rows share words and draw random bits.
fn tables<S: RowStore>(
    gpu: &Gpu,
    mut open: impl FnMut(usize, Layout) -> Result<S, Error>,
) -> (SparseAdam, Vec<CachedTable<S>>) {
    let mut adam = SparseAdam::new(&gpu.device, &gpu.queue, AdamOptions::default()).unwrap();
    let params: [ParamId; 2] = [0, 1].map(|table| {
        let weights = gpu.zeroed("cache", 4 * 90 * u64::from(DIMS[table]));
        let param = Param::new(NAMES[table], &weights, [90, DIMS[table]]);
        let narrow = |param: Param| {
            let rounding = Rounding::Stochastic { seed: 3 };
            param.format(Format::Bf16).moments(Format::Bf16).rounding(rounding)
        };
        adam.add_param(if table == 1 { narrow(param) } else { param }).unwrap()
    });
    let made = |table: usize| {
        let param = params[table];
        let open = |layout| open(table, layout);
        CachedTable::with_threads(&gpu.device, &gpu.queue, &mut adam, param, 1, open).unwrap()
    };
    let tables = [0, 1].into_iter().map(made).collect();
    (adam, tables)
}

fn step<S: RowStore>(gpu: &Gpu, adam: &mut SparseAdam, tables: &mut [CachedTable<S>]) {
    let number = adam.step_count(tables[0].param()).unwrap();
    gpu.submit(|encoder| {
        for (table, (rows, dim)) in tables.iter_mut().zip(ROWS.into_iter().zip(DIMS)) {
            let mut rng = Rng::of_stream(rows, number);
            let ids: Vec<u64> = (0..ENTRIES).map(|_| rng.below(rows as usize) as u64).collect();
            let plan = table.plan(&ids).unwrap();
            let batch = table.load(adam, encoder, plan).unwrap();
            let values = gpu.upload("values", &rng.floats(ENTRIES * dim as usize));
            adam.set_grad(table.param(), table.grad(&batch, &values).unwrap())?;
        }
        adam.step(encoder)
    })
    .unwrap();
}

#[test]
fn tables_of_a_group_go_on_together() {
    let gpu = &gpus()[0];
    let memory = |table: usize, layout| Ok(MemoryStore::new(ROWS[table], layout, init_of(table)));
    let (mut adam, mut whole) = tables(gpu, memory);
    (0..12).for_each(|_| step(gpu, &mut adam, &mut whole));
    whole.iter_mut().for_each(|table| table.flush(&mut adam).unwrap());
    let folder = std::env::temp_dir().join(format!("sparse-adam-group-{}", std::process::id()));
    for checkpoint in [5, 9, 12] {
        let group = FileGroup::open(&folder).unwrap();
        let open = |table: usize, layout| -> Result<FileStore, Error> {
            group.store(NAMES[table], ROWS[table], layout, init_of(table))
        };
        let (mut adam, mut held) = tables(gpu, open);
        while adam.step_count(held[0].param()).unwrap() < checkpoint {
            step(gpu, &mut adam, &mut held);
        }
        let one = group.checkpoint(&mut adam, held.iter_mut().take(1), "one");
        assert!(matches!(one, Err(Error::Mismatch { .. })), "{one:?}");
        group.checkpoint(&mut adam, &mut held, &format!("step {checkpoint}")).unwrap();
        if checkpoint < 12 {
            // What comes after the checkpoint is as if it had never been.
            step(gpu, &mut adam, &mut held);
            held[0].flush(&mut adam).unwrap();
        }
    }
    let group = FileGroup::open(&folder).unwrap();
    for (table, whole) in whole.iter().enumerate() {
        let layout = whole.layout();
        let store = group.store(NAMES[table], ROWS[table], layout, init_of(table)).unwrap();
        let mark = store.mark().unwrap();
        assert_eq!((mark.steps, mark.note.as_str()), (12, "step 12"));
        assert_eq!(sum(&store), sum(whole.store()), "{}", NAMES[table]);
    }
    drop(group);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A row's first weights: in 16 bits those of a number alone.
fn init_of(table: usize) -> impl Fn(u64, &mut [u8]) + Send + Sync + 'static {
    let of_f32 = init();
    move |row, bytes| match table {
        0 => of_f32(row, bytes),
        _ => {
            let words = Format::Bf16.pack(&[row as f32 / 64.0; DIMS[1] as usize]);
            bytes.copy_from_slice(bytemuck::cast_slice(&words));
        }
    }
}
