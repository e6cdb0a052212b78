//! Checks of the example's own parts.

use crate::data::WordNet;
use crate::evaluate::{self, Embedding};
use crate::model::{Model, Shape, Stored};
use crate::random::{Purpose, Random};
use crate::sampler::Sampler;
use sparse_adam::{AdamOptions, Format, SparseAdam};
use sparse_adam_testkit::headless::Gpu;

#[test]
fn the_closure_is_whole() {
    let wordnet = WordNet::load().unwrap();
    assert_eq!(wordnet.len(), 82_192);
    assert_eq!(wordnet.hypernyms.iter().map(Vec::len).sum::<usize>(), 84_505);
    assert_eq!(wordnet.pairs.len(), 743_746);
    assert!(wordnet.pairs.is_sorted() && wordnet.pairs.iter().all(|[u, v]| u != v));
    let (dog, entity) = (wordnet.find("dog").unwrap(), wordnet.find("entity").unwrap());
    assert!(wordnet.ancestors(dog).any(|ancestor| ancestor == entity));
}

fn draw(sampler: &Sampler<'_>, epoch: u32) -> Vec<Vec<u32>> {
    let (mut epoch, mut batches) = (sampler.epoch(epoch), Vec::new());
    loop {
        let mut ids = Vec::new();
        if epoch.next_batch(&mut ids) == 0 {
            return batches;
        }
        batches.push(ids);
    }
}

#[test]
fn an_epoch_has_every_pair_once_and_depends_on_seed_and_number_alone() {
    let pairs: Vec<[u32; 2]> = (0..100).map(|noun| [noun, 200 - noun]).collect();
    let sampler = Sampler { pairs: &pairs, nouns: 300, negatives: 3, batch: 32, seed: 7 };
    let batches = draw(&sampler, 4);
    let sizes: Vec<usize> = batches.iter().map(|ids| ids.len() / 5).collect();
    assert_eq!(sizes, [32, 32, 32, 4]);
    let ids = batches.concat();
    let mut seen: Vec<[u32; 2]> = ids.chunks(5).map(|ids| [ids[0], ids[1]]).collect();
    assert!(!seen.is_sorted());
    seen.sort_unstable();
    assert_eq!(seen, pairs);
    assert!(ids.iter().all(|&id| id < 300));
    assert_eq!(draw(&sampler, 4), batches);
    assert_ne!(draw(&sampler, 5), batches);
    assert_ne!(draw(&Sampler { seed: 8, ..sampler }, 4), batches);
}

/// Loss and value rows of a batch, in f64, from the definition.
fn naive(shape: Shape, table: &[f32], ids: &[u32]) -> (f64, Vec<f64>) {
    let dim = shape.dim as usize;
    let row = |id: u32| table[id as usize * dim..][..dim].iter().map(|&x| f64::from(x));
    let entries = shape.entries() as usize;
    let pairs = ids.len() / entries;
    let (mut loss, mut values) = (0.0, Vec::new());
    for ids in ids.chunks(entries) {
        let distance = |&c: &u32| row(ids[0]).zip(row(c)).map(|(a, b)| (a - b).powi(2)).sum();
        let distances: Vec<f64> = ids[1..].iter().map(distance).collect();
        let total: f64 = distances.iter().map(|d| (-d).exp()).sum();
        loss += distances[0] + total.ln();
        let mut grads = vec![vec![0.0; dim]];
        for (j, &c) in ids[1..].iter().enumerate() {
            let p = (-distances[j]).exp() / total - if j == 0 { 1.0 } else { 0.0 };
            let scale = 2.0 * p / pairs as f64;
            let grad: Vec<f64> = row(ids[0]).zip(row(c)).map(|(a, b)| scale * (a - b)).collect();
            grads[0].iter_mut().zip(&grad).for_each(|(sum, grad)| *sum -= grad);
            grads.push(grad);
        }
        values.extend(grads.concat());
    }
    (loss, values)
}

#[test]
fn the_gradient_is_the_definitions() {
    let gpu = pollster::block_on(Gpu::open()).unwrap();
    println!("{}", gpu.describe());
    for format in [Format::F32, Format::F16, Format::Bf16] {
        check_gradient(&gpu, Stored { format, ..Stored::default() });
    }
}

fn check_gradient(gpu: &Gpu, stored: Stored) {
    let shape = Shape { nouns: 50, dim: 12, negatives: 5, batch: 100, stored };
    let mut random = Random::new(1, Purpose::Initial);
    let table: Vec<f32> = (0..shape.nouns * shape.dim).map(|_| random.normal() as f32).collect();
    let table = stored.format.unpack(&stored.format.pack(&table), table.len());
    let options = AdamOptions::default().lr(0.01);
    let mut optimizer = SparseAdam::new(&gpu.device, &gpu.queue, options).unwrap();
    let model = Model::new(&gpu.device, &mut optimizer, shape, &table).unwrap();
    // A batch that is not full, with a noun as its own negative and a repeated candidate.
    let mut ids: Vec<u32> = (0..93 * shape.entries()).map(|_| random.below(50)).collect();
    ids[2] = ids[0];
    ids[4] = ids[3];
    gpu.submit(|encoder| model.record(&gpu.queue, &mut optimizer, encoder, &ids)).unwrap();
    let total: Vec<f32> = pollster::block_on(gpu.read(&model.total)).unwrap();
    let values: Vec<f32> = pollster::block_on(gpu.read(&model.values)).unwrap();
    let stepped = model.values_of(&pollster::block_on(gpu.read(&model.embedding)).unwrap());
    let (loss, expected) = naive(shape, &table, &ids);
    assert!((f64::from(total[0]) / loss - 1.0).abs() < 1e-5, "{} {loss}", total[0]);
    let largest = expected.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    for (at, (&value, expected)) in values.iter().zip(&expected).enumerate() {
        assert!((f64::from(value) - expected).abs() < 1e-5 * largest, "{at}: {value} {expected}");
    }
    assert!(pollster::block_on(optimizer.status(model.param)).unwrap().is_clean());
    // Adam's first step moves every value by the learning rate, against its gradient.
    let moved = table.iter().zip(&stepped).map(|(a, b)| (a - b).abs());
    assert!(moved.fold(0.0, f32::max) > 0.9e-2);
}

#[test]
fn ranks_are_those_of_a_full_sort() {
    let wordnet = WordNet::load().unwrap();
    let mut random = Random::new(2, Purpose::Initial);
    let values: Vec<f32> = (0..wordnet.len() * 4).map(|_| random.normal() as f32).collect();
    let embedding = Embedding { values: &values, dim: 4 };
    let noun = wordnet.find("dog").unwrap();
    let order = evaluate::nearest(embedding, noun, values.len());
    let is_ancestor: Vec<bool> =
        order.iter().map(|&near| wordnet.ancestors(noun).any(|above| above == near)).collect();
    let (mut found, mut ranks, mut precisions) = (0, 0, 0.0);
    for (at, _) in is_ancestor.iter().enumerate().filter(|(_, ancestor)| **ancestor) {
        ranks += at - found + 1;
        found += 1;
        precisions += found as f64 / (at + 1) as f64;
    }
    let result = evaluate::evaluate(&wordnet, embedding, &[noun]);
    assert!((result.mean_rank - ranks as f64 / found as f64).abs() < 1e-9);
    assert!((result.mean_average_precision - precisions / found as f64).abs() < 1e-12);
    // Numbers that know nothing are as good as chance.
    let nouns = evaluate::sample(&wordnet, 100, 0);
    let result = evaluate::evaluate(&wordnet, embedding, &nouns);
    let chance = evaluate::chance(&wordnet, &nouns);
    assert!((result.mean_rank / chance.mean_rank - 1.0).abs() < 0.1);
}
