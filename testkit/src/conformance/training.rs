//! A standard training, whose result is one number.

use crate::Rng;
use crate::headless::Gpu;
use sparse_adam::reference::{self, Gradient, Table};
use sparse_adam::{AdamOptions, Error, Param, ParamGroup, ParamId, SparseAdam, SparseGrad, Tuning};

/// What the standard training ends with, wherever results have the twin's bits: FNV-1a of 64 bits over
/// each table's parameter, `exp_avg` and `exp_avg_sq`, as little-endian f32.
pub const TRAINING_HASH: u64 = 0x21af_5690_348f_c6af;

/// Steps of the training. The learning rates fall at each tenth of them.
const STEPS: usize = 2_000;
/// Steps between two waits for the device.
const STRETCH: usize = 100;
/// Rows, and values per row; the last two tables are a group.
const SHAPES: [(usize, usize); 3] = [(700, 16), (300, 5), (90, 33)];

fn options(table: usize) -> AdamOptions {
    match table {
        0 => AdamOptions::default().lr(0.01),
        _ => AdamOptions::default().lr(0.05).betas((0.8, 0.99)).eps(1e-6).maximize(true),
    }
}

/// The tables before the first step.
fn tables() -> Vec<Table<f32>> {
    let table = |((rows, dim), stream): ((usize, usize), u64)| {
        Table::new(Rng::of_stream(1, stream).floats(rows * dim), dim)
    };
    SHAPES.into_iter().zip(0..).map(table).collect()
}

/// The gradient of a table in a step: up to 200 entries, most of them of few rows. One step of eight has
/// one for each table, the others for one table alone.
fn gradient(step: usize, table: usize) -> Option<Gradient<f32>> {
    if !step.is_multiple_of(8) && step % SHAPES.len() != table {
        return None;
    }
    let mut rng = Rng::of_stream(2, (step * SHAPES.len() + table) as u64);
    let (rows, dim) = SHAPES[table];
    let nnz = 1 + rng.below(200);
    let mut row = || (rng.below(rows) * rng.below(rows) / rows) as i64;
    let indices = (0..nnz).map(|_| row()).collect();
    Some(Gradient { indices, values: rng.floats(nnz * dim) })
}

/// The learning rate of a table in a step: nine tenths of what it was, after each tenth of the steps.
fn lr(step: usize, table: usize) -> f64 {
    (0..step / (STEPS / 10)).fold(options(table).lr, |lr, _| lr * 0.9)
}

/// The hash of the training on the CPU twin, which is [`TRAINING_HASH`].
#[must_use]
pub fn training_hash_of_twin() -> u64 {
    let mut tables = tables();
    for step in 0..STEPS {
        for (number, table) in tables.iter_mut().enumerate() {
            if let Some(grad) = gradient(step, number) {
                reference::step(table, &grad, &options(number).lr(lr(step, number)));
            }
        }
    }
    hash(tables.iter().flat_map(|table| [&table.param, &table.exp_avg, &table.exp_avg_sq]))
}

/// The hash of the training on an adapter.
///
/// # Errors
/// Those of the optimizer, and of reading back.
pub async fn training_hash(gpu: &Gpu, tuning: Tuning) -> Result<u64, Error> {
    let mut optimizer = gpu.optimizer(options(0), tuning)?;
    let made = tables();
    let buffers: Vec<_> = made.iter().map(|table| gpu.upload("table", &table.param)).collect();
    let param = |at: usize| {
        let (rows, dim) = SHAPES[at];
        Param::new(format!("table {at}"), &buffers[at], [rows as u32, dim as u32])
    };
    let first = optimizer.add_param(param(0))?;
    let group = ParamGroup::new([param(1), param(2)]).options(options(1));
    let group = optimizer.add_param_group(group)?;
    let params: Vec<_> = [first].into_iter().chain(optimizer.group_params(group)?).collect();
    for step in 0..STEPS {
        if step % (STEPS / 10) == 0 {
            optimizer.set_options(optimizer.group_of(params[0])?, options(0).lr(lr(step, 0)))?;
            optimizer.set_options(group, options(1).lr(lr(step, 1)))?;
        }
        submit_step(gpu, &mut optimizer, &params, step)?;
        if step % STRETCH == STRETCH - 1 {
            gpu.finished().await?;
        }
    }
    let mut state = optimizer.state_dict().await?.state;
    let mut held = Vec::new();
    for (number, buffer) in buffers.iter().enumerate() {
        held.push(gpu.read::<f32>(buffer).await?);
        let moments = state.remove(&number).map(|state| [state.exp_avg, state.exp_avg_sq]);
        held.extend(moments.into_iter().flatten());
    }
    Ok(hash(&held))
}

fn submit_step(
    gpu: &Gpu,
    optimizer: &mut SparseAdam,
    params: &[ParamId],
    step: usize,
) -> Result<(), Error> {
    optimizer.clear_grads();
    for (table, &param) in params.iter().enumerate() {
        let Some(grad) = gradient(step, table) else { continue };
        let indices: Vec<u32> = grad.indices.iter().map(|&index| index as u32).collect();
        let indices = gpu.upload("indices", &indices);
        let values = gpu.upload("values", &grad.values);
        optimizer.set_grad(param, SparseGrad::new(&indices, &values, grad.indices.len() as u32))?;
    }
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    optimizer.step(&mut encoder)?;
    gpu.queue.submit([encoder.finish()]);
    Ok(())
}

/// FNV-1a (Fowler, Noll, Vo) of the values' bytes.
fn hash<'a>(tensors: impl IntoIterator<Item = &'a Vec<f32>>) -> u64 {
    let bytes = tensors.into_iter().flatten().flat_map(|value| value.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
