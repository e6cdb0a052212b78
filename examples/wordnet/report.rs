//! What is told of an embedding at the end.

use crate::data::WordNet;
use crate::evaluate::{self, Embedding};

/// Nouns that the embedding is measured on.
const EVALUATED: usize = 1000;
/// Nouns whose neighbours are shown.
const SHOWN: [&str; 8] = ["dog", "whale", "tree", "apple", "coffee", "car", "river", "physics"];

/// Prints how good the embedding is, beside chance, and what lies near what.
pub fn report(wordnet: &WordNet, embedding: Embedding<'_>, seed: u64) {
    let nouns = evaluate::sample(wordnet, EVALUATED, seed);
    let learned = evaluate::evaluate(wordnet, embedding, &nouns);
    let chance = evaluate::chance(wordnet, &nouns);
    println!("\nancestors of {} nouns, ranked by distance among all nouns", nouns.len());
    println!("                            learned   by chance");
    println!("  mean rank              {:>10.1}  {:>10.1}", learned.mean_rank, chance.mean_rank);
    println!(
        "  mean average precision {:>10.4}  {:>10.4}",
        learned.mean_average_precision, chance.mean_average_precision
    );
    println!("\nnearest neighbours");
    for lemma in SHOWN {
        let Some(noun) = wordnet.find(lemma) else {
            continue;
        };
        let above = wordnet.hypernyms[noun as usize].first();
        let above = above.map_or("", |&above| &wordnet.lemmas[above as usize]);
        let near = evaluate::nearest(embedding, noun, 5);
        let near: Vec<&str> = near.iter().map(|&near| &*wordnet.lemmas[near as usize]).collect();
        println!("  {:<28} {}", format!("{lemma} ({above})"), near.join(", "));
    }
}

/// Hash of the values' bits (FNV-1a, 64 bits): the same embedding, the same number.
pub fn fnv1a(values: &[f32]) -> u64 {
    let bytes: &[u8] = bytemuck::cast_slice(values);
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
