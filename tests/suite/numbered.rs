//! Rows that draw random bits by numbers of the caller's, against the twin.

use super::formats::{rule, small};
use sparse_adam::{
    AdamOptions, CatchUp, Error, Format, Param, ParamRows, Region, Rounding, RowMap, Tuning,
};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Pool, Rng, Stored, drawn_variants, gpus};
use wgpu::BufferUsages;

/// Tables of any formats and rules.
fn check(on: (&Gpu, Tuning), rows: usize, dims: &[usize], rng: &mut Rng) {
    let table = |&dim: &usize| {
        let stored = Stored::any(rng);
        ((rows / 2 + rng.below(rows / 2), dim), rule(rng, stored), stored)
    };
    let tables: Vec<_> = dims.iter().map(table).collect();
    train(Pair::stored(on, &tables, rng), &tables, rng);
}

/// A table's shape, rule and formats.
type Kind = ((usize, usize), AdamOptions, Stored);

/// Steps of tables, some of whose rows have numbers, which change between steps.
fn train(mut pair: Pair<'_>, tables: &[Kind], rng: &mut Rng) {
    for _ in 0..4 {
        for (table, &((rows, _), ..)) in tables.iter().enumerate() {
            match rng.below(4) {
                0 => pair.try_unnumber(table).unwrap(),
                1 => {}
                // Any numbers, twice the same among them.
                _ => {
                    let numbers: Vec<u32> =
                        (0..rows).map(|_| (rng.next() >> rng.below(64)) as u32).collect();
                    let (_, options, stored) = &tables[table];
                    let catches_up = options.catch_up != CatchUp::Never;
                    let draws = stored.rounding != Rounding::Nearest;
                    match pair.try_number(table, &numbers) {
                        Err(Error::Unsupported { .. }) => assert!(catches_up && draws),
                        numbered => assert!(numbered.is_ok() && !(catches_up && draws)),
                    }
                }
            }
        }
        let grad = |&((rows, dim), ..): &Kind| {
            let nnz = [1, 60, 700][rng.below(3)];
            (rng.below(5) > 0).then(|| rng.gradient(rows, dim, nnz))
        };
        let grads: Vec<_> = tables.iter().map(grad).collect();
        pair.step(&grads);
    }
    pair.assert_equal(&format!("{tables:?}"));
    pair.assert_inputs_whole("numbers of rows");
}

#[test]
fn rows_draw_by_their_numbers_in_any_format_over_one_binding_and_several() {
    let mut rng = Rng(fresh_seed());
    for on in drawn_variants(&mut rng) {
        check(on, 400, &[3, 8, 12, 33], &mut rng);
    }
    let gpu = small();
    for (_, tuning) in drawn_variants(&mut rng) {
        [5, 8, 12].into_iter().for_each(|dim| check((&gpu, tuning), 1500, &[dim], &mut rng));
    }
}

/// Tables of one format and rule but of many dims are stepped together, in pools or not.
#[test]
fn tables_of_many_dims_in_pools_draw_by_their_numbers() {
    let seed = fresh_seed();
    for (number, gpu) in (0..).zip(gpus()) {
        let mut rng = Rng(seed ^ number << 40);
        let stored = Stored::any(&mut rng);
        let options = rule(&mut rng, stored);
        let dims = [8, 64, 3, 12, 8, 300, 33, 4, 768, 20];
        let tables = dims.map(|dim| ((40 + rng.below(40), dim), options, stored));
        let pools = (0..rng.below(3)).map(|_| Pool::new(gpu, 16 << 20, &mut rng)).collect();
        let pair = Pair::try_pooled((gpu, Tuning::GPU), pools, &tables, &mut rng).unwrap();
        train(pair, &tables, &mut rng);
    }
}

#[test]
fn numbers_that_will_not_do_are_refused_and_change_nothing() {
    let gpu = &gpus()[0];
    let mut adam = gpu.optimizer(AdamOptions::default(), Tuning::CPU).unwrap();
    let place = gpu.zeroed("table", 4 * 20);
    let param = Param::new("table", &place, [10, 4]).format(Format::Bf16);
    let param = param.rounding(Rounding::Stochastic { seed: 1 });
    let param = adam.add_param(param).unwrap();
    let numbers = gpu.zeroed("numbers", 44);
    let of_queries = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 40,
        usage: BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let mut set = |region: Region| adam.set_row_numbers(param, region);
    let small = set(Region::new(&numbers, 0, 36));
    assert!(matches!(small, Err(Error::BufferTooSmall { .. })), "{small:?}");
    let misaligned = set(Region::new(&numbers, 2, 40));
    assert!(matches!(misaligned, Err(Error::Misaligned { .. })), "{misaligned:?}");
    let usage = set(Region::from(&of_queries));
    assert!(matches!(usage, Err(Error::MissingUsage { .. })), "{usage:?}");
    let overlap = set(Region::new(&place, 0, 40));
    assert!(matches!(overlap, Err(Error::Overlap { .. })), "{overlap:?}");
    // None of them was taken.
    assert!(remap(gpu, &mut adam, param).is_ok());
    adam.set_row_numbers(param, Region::new(&numbers, 4, 40)).unwrap();
    let moved = remap(gpu, &mut adam, param);
    assert!(matches!(moved, Err(Error::Unsupported { .. })), "{moved:?}");
    adam.clear_row_numbers(param).unwrap();
    assert!(remap(gpu, &mut adam, param).is_ok());
}

fn remap(
    gpu: &Gpu,
    adam: &mut sparse_adam::SparseAdam,
    param: sparse_adam::ParamId,
) -> Result<(), Error> {
    let map = RowMap::new(gpu.zeroed("map", 40), 10).param_rows(ParamRows::Copied);
    let place = gpu.zeroed("new place", 4 * 20);
    gpu.submit(|encoder| adam.remap_rows(encoder, map, [(param, &place)]))
}
