//! Steps of many small tables, several of which a dispatch takes where the device lets it bind so much.
//!
//! Other seeds each run; `SPARSE_ADAM_SEED` repeats one.

use sparse_adam::reference::{self, Gradient};
use sparse_adam::{
    AdamOptions, ClipGradNorm, Duplicates, Form, GradValues, IndexDtype, IndexList, Param,
    ParamRows, Region, SparseGrad, Tuning, USEFUL_FEATURES,
};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::headless::Gpu;
use sparse_adam_testkit::{Pair, Pool, Rng, Stored, gpus, variants};
use wgpu::{Backend, Features, Limits};

/// An adapter that binds so many storage buffers per dispatch, and none in arrays.
pub(super) fn with_buffers(buffers: u32) -> Gpu {
    with(Limits {
        max_storage_buffers_per_shader_stage: buffers,
        max_binding_array_elements_per_shader_stage: 0,
        ..gpus()[0].device.limits()
    })
}

fn with(limits: Limits) -> Gpu {
    pollster::block_on(Gpu::open_with_limits(limits)).unwrap()
}

/// Whether dispatches may have so many buffers in arrays there.
fn has_arrays_of(gpu: &Gpu, buffers: u32) -> bool {
    let (features, limits) = (gpu.device.features(), gpu.device.limits());
    (gpu.info.backend, gpu.info.driver.as_str()) == (Backend::Vulkan, "llvmpipe")
        && features.contains(USEFUL_FEATURES.difference(Features::SHADER_INT64))
        && limits.max_binding_array_elements_per_shader_stage >= buffers
}

/// One step in which most tables have a gradient: small or not, of a common list or another, some entries of which name nothing.
/// Returns how many of these each table has.
fn step(pair: &mut Pair<'_>, rng: &mut Rng) -> Vec<u32> {
    let mut outside = vec![0; pair.ids.len()];
    pair.optimizer.clear_grads();
    for (table, outside) in outside.iter_mut().enumerate() {
        if rng.below(6) == 0 {
            continue;
        }
        let (rows, dim) = (pair.twins[table].rows(), pair.twins[table].dim);
        let most = [2, 90, 700, 5000][rng.below(4)];
        let nnz = 1 + rng.below(most);
        let mut grad = rng.gradient(rows, dim, nnz);
        let dtype = [IndexDtype::U32, IndexDtype::U32, IndexDtype::I64][rng.below(3)];
        let is_unique = rng.below(6) == 0;
        if is_unique {
            grad.indices = rng.permutation(rows);
            grad.indices.truncate(nnz);
            grad.values.truncate(grad.indices.len() * dim);
        } else {
            for index in &mut grad.indices {
                if rng.below(40) == 0 {
                    *index = (rows + rng.below(9)) as i64;
                    *outside += 1;
                }
            }
        }
        let duplicates = if is_unique { Duplicates::None } else { Duplicates::Summed };
        let set = pair.sparse_grad(&grad, dtype).duplicates(duplicates);
        pair.optimizer.set_grad(pair.ids[table], set).unwrap();
        let mut known = grad.clone();
        let is_row = |entry: &usize| grad.indices[*entry] < rows as i64;
        let there: Vec<usize> = (0..grad.indices.len()).filter(is_row).collect();
        known.indices = there.iter().map(|&entry| grad.indices[entry]).collect();
        known.values =
            there.iter().flat_map(|entry| grad.values[entry * dim..][..dim].to_vec()).collect();
        reference::step(&mut pair.twins[table], &known, &pair.options[table]);
    }
    pair.submit_step();
    outside
}

/// No pools, one for tables and gradients, or one for each.
fn pools(gpu: &Gpu, count: usize, rng: &mut Rng) -> Vec<Pool> {
    (0..count).map(|_| Pool::new(gpu, 16 << 20, rng)).collect()
}

/// Steps of up to thirty tables in so many pools, which equal their twins and have counted what was wrong, each its own.
fn check(on: (&Gpu, Tuning), in_pools: usize, rng: &mut Rng, what: &str) {
    let narrow = Stored::any(rng);
    let kinds = [
        (rng.options(), Stored::default()),
        (AdamOptions::default().lr(0.02), Stored::default()),
        (AdamOptions::default(), Stored { values: narrow.values, ..Stored::default() }),
    ];
    let most_rows = [9, 300, 9000][rng.below(3)];
    let of = |rng: &mut Rng| {
        // A kernel for each kind, in each way to bind several, takes its time.
        let of_kind = if in_pools > 0 { [1, 1, 1, 1, 1, 2] } else { [0, 1, 1, 1, 1, 2] };
        let (options, stored) = kinds[of_kind[rng.below(6)]];
        let dim = [8, 8, 8, 3, 64][rng.below(if in_pools > 0 { 4 } else { 5 })];
        // So many rows that pairs are sorted in one, two or three passes, which end in one buffer or the other.
        ((1 + rng.below(most_rows), dim), options, stored)
    };
    let tables: Vec<_> = (0..2 + rng.below(29)).map(|_| of(rng)).collect();
    let pools = pools(on.0, in_pools, rng);
    let mut pair = Pair::try_pooled(on, pools, &tables, rng).unwrap();
    let mut outside = vec![0; tables.len()];
    for _ in 0..3 {
        let more = step(&mut pair, rng);
        outside.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
    pair.assert_equal(what);
    pair.assert_inputs_whole(what);
    for (table, outside) in outside.into_iter().enumerate() {
        assert_eq!(pair.status(table).out_of_range, outside, "{what}, table {table}");
    }
}

#[test]
fn many_small_tables_equal_their_twins() {
    let seed = fresh_seed();
    for (number, on) in (0..).zip(variants()) {
        let mut rng = Rng(seed ^ number << 40);
        let in_pools = rng.below(3);
        let what = format!("SPARSE_ADAM_SEED={seed}, {number}, {in_pools} pools");
        check(on, in_pools, &mut rng, &what);
    }
}

#[test]
fn however_many_buffers_a_dispatch_may_bind_the_bits_are_the_same() {
    let seed = fresh_seed();
    for buffers in [4, 5, 8] {
        let gpu = with_buffers(buffers);
        let mut rng = Rng(seed ^ u64::from(buffers));
        let in_pools = rng.below(3);
        let what = format!("SPARSE_ADAM_SEED={seed}, {buffers} buffers, {in_pools} pools");
        check((&gpu, Tuning::GPU), in_pools, &mut rng, &what);
    }
}

/// Of parameters, states and values, those that are not in a pool are in arrays, or none of them, or some; tables may have several
/// windows.
#[test]
fn however_many_buffers_arrays_may_have_the_bits_are_the_same() {
    let seed = fresh_seed();
    for (elements, tuning) in
        [(31, Tuning::CPU), (64, Tuning::GPU), (1000, Tuning::CPU), (1000, Tuning::GPU)]
    {
        let all = gpus()[0].device.limits();
        let mut rng = Rng(seed ^ u64::from(elements) << tuning.interleave);
        let binding = [all.max_storage_buffer_binding_size, 512 << 10][rng.below(2)];
        let gpu = with(Limits {
            max_binding_array_elements_per_shader_stage: elements
                .min(all.max_binding_array_elements_per_shader_stage),
            max_storage_buffer_binding_size: binding,
            ..all
        });
        let in_pools = rng.below(3);
        let what = format!(
            "SPARSE_ADAM_SEED={seed}, {elements} in arrays, bindings of {binding}, {in_pools} pools"
        );
        check((&gpu, tuning), in_pools, &mut rng, &what);
    }
}

#[test]
fn windows_of_a_table_are_updated_by_one_dispatch_where_there_are_arrays() {
    let seed = fresh_seed();
    for (number, tuning) in [Tuning::CPU, Tuning::GPU].into_iter().enumerate() {
        // States are the larger half: 20 windows of 400 rows or 40.
        let binding = [256 << 10, 128 << 10][number];
        let limits =
            Limits { max_storage_buffer_binding_size: binding, ..gpus()[0].device.limits() };
        let gpu = with(limits);
        let mut rng = Rng(seed ^ (number as u64) << 40);
        let mut pair =
            Pair::new((&gpu, tuning), &[(10_000, 64)], &[AdamOptions::default()], &mut rng);
        let mut updates = Vec::new();
        for nnz in [1, 90, 500] {
            // Some rows of few windows, or of all.
            let mut grad = rng.gradient(10_000, 64, nnz);
            let rows = [10_000, 700][rng.below(2)];
            grad.indices.iter_mut().for_each(|index| *index %= rows);
            pair.step(&[Some(grad)]);
            updates.push(pair.optimizer.dispatches());
        }
        pair.assert_equal(&format!("SPARSE_ADAM_SEED={seed}, {number}"));
        // Ingest, sort and heads of so few entries are one dispatch.
        let windows = (10_000 * 64 * 8_u64).div_ceil(binding) as u32;
        let each = if has_arrays_of(&gpu, 96) { windows.div_ceil(32) } else { windows };
        if tuning.form == Form::Serial {
            assert_eq!(updates, [1 + each; 3]);
        } else {
            // On GPUs a dispatch has a choice of bindings where there are no arrays.
            assert!(updates.iter().all(|&of| of <= 1 + each), "{updates:?}");
        }
    }
}

/// Two optimizers take turns in one encoder, each with one table more than a dispatch takes, or two; between their steps options change.
#[test]
fn optimizers_of_one_table_too_many_take_turns_in_one_encoder() {
    let seed = fresh_seed();
    for (number, on) in (0..).zip(variants()) {
        let mut rng = Rng(seed ^ number << 40);
        let shapes = [[(40, 8); 33].to_vec(), [(70, 3); 34].to_vec()];
        let mut pairs = shapes.map(|shapes| {
            let options = vec![AdamOptions::default(); shapes.len()];
            Pair::new(on, &shapes, &options, &mut rng)
        });
        pairs[0]
            .gpu
            .submit(|encoder| {
                for turn in 0..3 {
                    for pair in &mut pairs {
                        pair.optimizer.clear_grads();
                        let options = AdamOptions::default().lr([0.1, 0.003, 0.7][turn]);
                        for group in pair.optimizer.groups() {
                            pair.optimizer.set_options(group, options)?;
                        }
                        pair.options.iter_mut().for_each(|held| *held = options);
                        for table in 0..pair.ids.len() {
                            let (rows, dim) = (pair.twins[table].rows(), pair.twins[table].dim);
                            let nnz = 1 + rng.below(200);
                            let grad = rng.gradient(rows, dim, nnz);
                            let set = pair.sparse_grad(&grad, IndexDtype::U32);
                            pair.optimizer.set_grad(pair.ids[table], set)?;
                            pair.step_twin(table, &grad);
                        }
                        pair.optimizer.step(encoder)?;
                    }
                }
                Ok(())
            })
            .unwrap();
        for pair in &pairs {
            pair.assert_equal(&format!("SPARSE_ADAM_SEED={seed}, {number}"));
        }
    }
}

/// Tables of a pool that no binding holds all of are taken together as far as one does.
#[test]
fn a_pool_that_is_larger_than_a_binding_is_bound_in_stretches() {
    let seed = fresh_seed();
    let limits = Limits {
        max_storage_buffers_per_shader_stage: 8,
        max_storage_buffer_binding_size: 4 << 20,
        ..gpus()[0].device.limits()
    };
    let gpu = pollster::block_on(Gpu::open_with_limits(limits)).unwrap();
    let mut rng = Rng(seed);
    let in_pools = 1 + rng.below(2);
    let what = format!("SPARSE_ADAM_SEED={seed}, {in_pools} pools in stretches");
    check((&gpu, Tuning::GPU), in_pools, &mut rng, &what);
}

#[test]
fn twenty_six_tables_in_pools_take_two_dispatches() {
    for buffers in [4, 8] {
        let gpu = with_buffers(buffers);
        let mut rng = Rng(5);
        let listed: Vec<u32> = (0..26 * 4096).map(|_| rng.below(500) as u32).collect();
        let ids = gpu.upload("ids", &listed);
        let tables = gpu.zeroed("tables", 26 * 4 * 500 * 32);
        let values = gpu.upload("values", &rng.floats(26 * 4096 * 32));
        let mut optimizer = gpu.optimizer(AdamOptions::default(), Tuning::GPU).unwrap();
        let part = |buffer: &wgpu::Buffer, table: u64| {
            let bytes = buffer.size() / 26;
            Region::new(buffer, table * bytes, bytes)
        };
        for table in 0..26 {
            let param = Param::new(format!("p{table}"), part(&tables, table), [500, 32]);
            let id = optimizer.add_param(param).unwrap();
            let grad = SparseGrad::new(part(&ids, table), part(&values, table), 4096);
            optimizer.set_grad(id, grad).unwrap();
        }
        optimizer.prepare().unwrap();
        let prepared = optimizer.resources().pipelines;
        for _ in 0..2 {
            gpu.submit(|encoder| optimizer.step(encoder)).unwrap();
            assert_eq!(optimizer.dispatches(), 2);
            assert_eq!(optimizer.resources().pipelines, prepared, "none but those prepared");
        }
        let moments = optimizer.params().map(|id| optimizer.moments(id).unwrap().remove(0).region);
        let moments: Vec<_> = moments.collect();
        assert!(moments.iter().all(|region| region.buffer() == moments[0].buffer()));
        assert!(moments.iter().all(|region| region.size() == 8 * 500 * 32));
        assert_eq!(optimizer.resources().state_bytes, 26 * 8 * 500 * 32);
    }
}

#[test]
fn twenty_six_tables_of_their_own_buffers_take_as_few_dispatches_as_bindings_allow() {
    let dispatches = |gpu: Gpu| {
        let tables = [((500, 32), AdamOptions::default()); 26];
        let shapes = tables.map(|(shape, _)| shape);
        let options = tables.map(|(_, options)| options);
        let mut pair = Pair::new((&gpu, Tuning::GPU), &shapes, &options, &mut Rng(3));
        let mut rng = Rng(4);
        let grads: Vec<_> = shapes.iter().map(|_| Some(rng.gradient(500, 32, 4096))).collect();
        pair.step(&grads);
        pair.assert_equal("26 tables");
        let made = pair.optimizer.resources();
        pair.submit_step();
        assert_eq!(pair.optimizer.resources(), made, "a step like the last one makes nothing");
        pair.optimizer.dispatches()
    };
    // One sort takes the entries of all: of 13,026 keys, two passes of two dispatches each.
    let found = [4, 8, 10].map(|buffers| dispatches(with_buffers(buffers)));
    assert_eq!(found, [13 + 4 + 26, 5 + 4 + 13, 4 + 4 + 9]);
    // With arrays, as many as in pools.
    let gpu = with(gpus()[0].device.limits());
    if has_arrays_of(&gpu, 96) {
        assert_eq!(dispatches(gpu), 2);
    }
}

/// Gradients that tables of as many values per row share the buffers of, and for some of them one more behind it.
#[test]
fn wide_tables_that_share_buffers_and_take_several_gradients_equal_their_twins() {
    let seed = fresh_seed();
    for (number, on) in (0..).zip(variants()) {
        let mut rng = Rng(seed ^ number << 40);
        let rows = 1 + rng.below(300);
        let dims = [300, 768, 1024, 768, 300, 1024, 300];
        let shapes = dims.map(|dim| (rows, dim));
        let mut pair = Pair::new(on, &shapes, &[AdamOptions::default(); 7], &mut rng);
        for _ in 0..2 {
            let nnz = 1 + rng.below(400);
            let widest = rng.gradient(rows, 1024, nnz);
            let (indices, values) = (pair.hold(&indices_of(&widest)), pair.hold(&widest.values));
            pair.optimizer.clear_grads();
            for (table, dim) in dims.into_iter().enumerate() {
                let (from, bytes) = (values.offset(), 4 * (nnz * dim) as u64);
                let values_of_it = Region::new(values.buffer(), from, bytes);
                let set = SparseGrad::new(indices.clone(), values_of_it, nnz as u32);
                pair.optimizer.set_grad(pair.ids[table], set).unwrap();
                let mut known = widest.clone();
                known.values.truncate(nnz * dim);
                if rng.below(2) == 0 {
                    let more = rng.gradient(rows, dim, 1 + nnz / 2);
                    let set = pair.sparse_grad(&more, IndexDtype::U32);
                    pair.optimizer.accumulate_grad(pair.ids[table], set).unwrap();
                    known.indices.extend(more.indices);
                    known.values.extend(more.values);
                }
                pair.step_twin(table, &known);
            }
            pair.submit_step();
        }
        pair.assert_equal(&format!("SPARSE_ADAM_SEED={seed}, {number}"));
    }
}

fn indices_of(grad: &Gradient<f32>) -> Vec<u32> {
    grad.indices.iter().map(|&row| row as u32).collect()
}

/// Each step has other words of the rules, so uniforms fill a chunk now and then, in the middle of a step.
#[test]
fn a_training_of_many_tables_outlives_its_uniforms() {
    let mut rng = Rng(fresh_seed());
    for on in variants() {
        let shapes = [(9, 4); 21];
        let tables = shapes.map(|shape| (shape, AdamOptions::default(), Stored::default()));
        let (gpu, in_pools) = (on.0, rng.below(3));
        let pools = pools(gpu, in_pools, &mut rng);
        let mut pair = Pair::try_pooled(on, pools, &tables, &mut rng).unwrap();
        for _ in 0..400 {
            let grads = shapes.map(|(rows, dim)| Some(rng.gradient(rows, dim, 3)));
            pair.step(&grads);
        }
        pair.assert_equal("400 steps of 21 tables");
    }
}

/// Sets the gradients of all tables by one list. Returns what their twins know.
fn set_by_list(pair: &mut Pair<'_>, rng: &mut Rng) -> Vec<Gradient<f32>> {
    let rows = pair.twins[0].rows();
    let nnz = 1 + rng.below(900);
    let listed = rng.gradient(rows, 1, nnz).indices;
    let dims: Vec<usize> = pair.twins.iter().map(|twin| twin.dim).collect();
    let known: Vec<Gradient<f32>> = dims
        .into_iter()
        .map(|dim| Gradient { indices: listed.clone(), values: rng.floats(nnz * dim) })
        .collect();
    let list = IndexList::new(pair.hold(&indices_of(&known[0])), nnz as u32);
    let values: Vec<_> =
        known.iter().map(|grad| GradValues::new(pair.hold(&grad.values))).collect();
    pair.optimizer.set_grads(list, pair.ids.iter().copied().zip(values)).unwrap();
    known
}

#[test]
fn lists_that_are_shared_outlast_remaps_in_one_encoder_and_the_table_that_took_them_in() {
    let seed = fresh_seed();
    for (number, on) in (0..).zip(variants()) {
        let mut rng = Rng(seed ^ number << 40);
        let rows = 2 + rng.below(300);
        let tables =
            [3, 8, 8, 1, 64, 8].map(|dim| ((rows, dim), AdamOptions::default(), Stored::default()));
        let in_pools = rng.below(3);
        let pools = pools(on.0, in_pools, &mut rng);
        let mut pair = Pair::try_pooled(on, pools, &tables, &mut rng).unwrap();
        let gpu = pair.gpu;
        gpu.submit(|encoder| {
            for _ in 0..3 {
                for (table, grad) in set_by_list(&mut pair, &mut rng).iter().enumerate() {
                    pair.step_twin(table, grad);
                }
                pair.optimizer.step(encoder)?;
                pair.optimizer.clear_grads();
                let old = pair.twins[0].rows();
                let new = 1 + rng.below(2 * old);
                let from: Vec<u32> = (0..new).map(|_| rng.below(old + 1) as u32).collect();
                let all = [0, 1, 2, 3, 4, 5];
                pair.try_remap(encoder, &all, (&from, ParamRows::Copied), &mut rng)?;
            }
            Ok(())
        })
        .unwrap();
        // The first table took the list in for the others; now it is gone, and its gradient with it.
        let known = set_by_list(&mut pair, &mut rng);
        pair.optimizer.remove_param(pair.ids.remove(0)).unwrap();
        let (_, _) = (pair.params.remove(0), pair.twins.remove(0));
        let (_, _) = (pair.options.remove(0), pair.stored.remove(0));
        for (table, grad) in known[1..].iter().enumerate() {
            pair.step_twin(table, grad);
        }
        pair.submit_step();
        pair.assert_equal(&format!("SPARSE_ADAM_SEED={seed}, {number}"));
    }
}

/// More tables than a dispatch takes, in pools, whose states come to lie elsewhere: loaded at once and one by one, let go of, made anew.
#[test]
fn more_tables_in_pools_than_a_dispatch_takes_outlast_loads_and_removals() {
    let seed = fresh_seed();
    for (number, on) in (0..).zip(variants()) {
        let mut rng = Rng(seed ^ number << 40);
        let table = |rng: &mut Rng| {
            let options = AdamOptions::default().lr(0.001 + rng.fraction());
            ((1 + rng.below(40), [8, 8, 8, 5][rng.below(4)]), options, Stored::default())
        };
        let tables: Vec<_> = (0..90).map(|_| table(&mut rng)).collect();
        let pools = pools(on.0, 1 + number as usize % 2, &mut rng);
        let mut pair = Pair::try_pooled(on, pools, &tables, &mut rng).unwrap();
        for turn in 0..4 {
            step(&mut pair, &mut rng);
            pair.assert_equal(&format!("SPARSE_ADAM_SEED={seed}, {number}, turn {turn}"));
            let dict = pollster::block_on(pair.optimizer.state_dict()).unwrap();
            match turn {
                0 => pair.optimizer.load_state_dict(&dict).unwrap(),
                1 => {
                    for (&state, held) in &dict.state {
                        if rng.below(3) == 0 {
                            let id = pair.ids[state];
                            pair.optimizer.load_state_of(id, held).unwrap();
                        }
                    }
                }
                _ => pair.optimizer.trim(),
            }
            for _ in 0..5 {
                let gone = rng.below(pair.ids.len());
                pair.optimizer.remove_param(pair.ids.remove(gone)).unwrap();
                let (_, _) = (pair.params.remove(gone), pair.twins.remove(gone));
                let (_, _) = (pair.options.remove(gone), pair.stored.remove(gone));
            }
        }
    }
}

/// Tables of one list in a pool, of which half a step was taken and let go of, then a whole one in halves.
#[test]
fn lists_in_pools_are_clipped_in_halves_as_in_one() {
    let seed = fresh_seed();
    for (number, on) in (0..).zip(variants()) {
        let rows = 1 + Rng(seed).below(200);
        let dims = [3, 8, 8, 8, 8, 8, 33, 8, 8];
        let tables = dims.map(|dim| ((rows, dim), AdamOptions::default(), Stored::default()));
        let [mut whole, mut halved] = [(); 2].map(|()| {
            let mut rng = Rng(seed ^ number);
            let pools = pools(on.0, 1, &mut rng);
            let mut pair = Pair::try_pooled(on, pools, &tables, &mut rng).unwrap();
            pair.optimizer.set_clip_grad_norm(Some(ClipGradNorm::new(0.5))).unwrap();
            pair
        });
        let gpu = on.0;
        for turn in 0..3 {
            for pair in [&mut whole, &mut halved] {
                pair.optimizer.clear_grads();
                set_by_list(pair, &mut Rng(seed ^ turn));
            }
            gpu.submit(|encoder| whole.optimizer.step(encoder)).unwrap();
            if turn > 0 {
                gpu.submit(|encoder| halved.optimizer.begin_clipped_step(encoder).map(drop))
                    .unwrap();
            }
            let finish = |encoder: &mut _| {
                let step = halved.optimizer.begin_clipped_step(encoder)?;
                let total = step.total().clone();
                step.finish(encoder, total)
            };
            gpu.submit(finish).unwrap();
            for table in 0..dims.len() {
                let [expected, found] = [&whole, &halved].map(|pair| pair.table(table));
                let same = found.step == expected.step
                    && found.param == expected.param
                    && found.exp_avg == expected.exp_avg
                    && found.exp_avg_sq == expected.exp_avg_sq;
                assert!(same, "SPARSE_ADAM_SEED={seed}, {number}, turn {turn}, table {table}");
            }
        }
    }
}
