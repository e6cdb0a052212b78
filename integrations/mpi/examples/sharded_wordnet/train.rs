//! One rank's training: its part of every batch.

use crate::Options;
use crate::data::WordNet;
use crate::pass::{Pass, Shape};
use crate::random::{Purpose, Random};
use crate::sampler::Sampler;
use sparse_adam::{AdamOptions, ParamId, SparseAdam};
use sparse_adam_mpi::{ShardedOptimizer, ShardedTable, Transport, Values};
use sparse_adam_testkit::headless::Gpu;
use std::error::Error;
use std::time::Instant;

/// Standard deviation of the initial embedding, as in `wordnet`.
const INITIAL: f64 = 0.01;

/// The optimizer with the embedding, at its start or as it was saved.
pub fn begin<T: Transport>(
    transport: T,
    gpu: &Gpu,
    wordnet: &WordNet,
    options: &Options,
) -> Result<(ShardedOptimizer<T>, ParamId), Box<dyn Error>> {
    let adam = AdamOptions::default().lr(options.lr);
    let core = SparseAdam::new(&gpu.device, &gpu.queue, adam)?;
    let on = (&gpu.device, &gpu.queue);
    let mut optimizer = ShardedOptimizer::new(transport, on, core)?.sums(options.sums);
    let mut random = Random::new(options.seed, Purpose::Initial);
    let dim = options.dim as usize;
    let values = wordnet.len() as usize * dim;
    let initial: Vec<_> = (0..values).map(|_| (INITIAL * random.normal()) as f32).collect();
    let table = ShardedTable::new("nouns", wordnet.len().into(), &[options.dim], |row, values| {
        values.copy_from_slice(&initial[row as usize * dim..][..dim]);
    });
    let group = optimizer.add_group(adam, vec![table])?;
    let table = optimizer.core().group_params(group)?[0];
    if let Some(folder) = &options.resume {
        optimizer.load(folder)?;
    }
    Ok((optimizer, table))
}

/// Trains up to the last epoch, and saves after each.
pub fn train<T: Transport>(
    optimizer: &mut ShardedOptimizer<T>,
    table: ParamId,
    gpu: &Gpu,
    wordnet: &WordNet,
    options: &Options,
) -> Result<(), Box<dyn Error>> {
    let &Options { dim, negatives, batch, .. } = options;
    let most = batch.div_ceil(optimizer.ranks().get());
    let pass = Pass::new(gpu, Shape { dim, negatives, batch: most });
    let (pairs, seed) = (&wordnet.pairs[..], options.seed);
    let sampler = Sampler { pairs, nouns: wordnet.len(), negatives, batch, seed };
    let batches = pairs.len().div_ceil(batch as usize) as u64;
    let steps = optimizer.core().step_count(table)?;
    if steps % batches != 0 {
        return Err(format!("{steps} steps are no whole epochs of {batches} batches").into());
    }
    for epoch in (steps / batches) as u32..options.epochs {
        let (start, mut pairs) = (Instant::now(), 0);
        let (mut drawn, mut ids) = (sampler.epoch(epoch), Vec::new());
        while drawn.next_batch(&mut ids) > 0 {
            pairs += step(optimizer, table, gpu, &pass, &ids)?;
        }
        let loss = pass.take_loss(gpu)? / f64::from(pairs.max(1));
        if optimizer.rank() == 0 {
            let seconds = start.elapsed().as_secs_f64();
            println!("epoch {:>2}  loss of rank 0's pairs {loss:.4}  {seconds:.1} s", epoch + 1);
        }
        if let Some(folder) = &options.save {
            optimizer.save(folder)?;
        }
    }
    Ok(())
}

/// One batch, of which this rank has a block of pairs; how many.
fn step<T: Transport>(
    optimizer: &mut ShardedOptimizer<T>,
    table: ParamId,
    gpu: &Gpu,
    pass: &Pass,
    ids: &[u32],
) -> Result<u32, Box<dyn Error>> {
    let entries = pass.shape.entries() as usize;
    let pairs = ids.len() / entries;
    let (rank, ranks) = (optimizer.rank() as usize, optimizer.ranks().get() as usize);
    let most = pairs.div_ceil(ranks);
    let own = (rank * most).min(pairs)..((rank + 1) * most).min(pairs);
    let own_ids = &ids[own.start * entries..own.end * entries];
    let own_ids: Vec<_> = own_ids.iter().map(|&id| i64::from(id)).collect();
    let asked = optimizer.ask(&[(table, &own_ids)])?;
    let looked = optimizer.rows(asked)?;
    let own = own.len() as u32;
    gpu.submit(|encoder| {
        pass.record(gpu, encoder, &looked[0], (own, pairs as u32));
        Ok(())
    })?;
    optimizer.give(looked, &[Values::rows(&pass.values)])?;
    optimizer.step(&[])?;
    Ok(own)
}
