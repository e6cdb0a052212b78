//! WordNet's nouns and the pairs to learn: every noun with each of its ancestors.

use flate2::read::GzDecoder;
use std::error::Error;
use std::io::Read;

/// A line a noun: its lemma, a tab, the line numbers (from 0) of its hypernyms.
static NOUNS: &[u8] = include_bytes!("../data/wordnet-nouns.tsv.gz");

/// Nouns by number, and the transitive closure of "is a kind of".
pub struct WordNet {
    pub lemmas: Vec<String>,
    /// Line numbers of a noun's direct hypernyms.
    pub hypernyms: Vec<Vec<u32>>,
    /// `(noun, ancestor)`, ascending.
    pub pairs: Vec<[u32; 2]>,
    /// The pairs of noun `u` are `pairs[starts[u]..starts[u + 1]]`.
    starts: Vec<usize>,
}

impl WordNet {
    pub fn load() -> Result<Self, Box<dyn Error>> {
        let mut text = String::new();
        GzDecoder::new(NOUNS).read_to_string(&mut text)?;
        let (mut lemmas, mut hypernyms) = (Vec::new(), Vec::new());
        for line in text.lines() {
            let (lemma, above) = line.split_once('\t').ok_or("a line without a tab")?;
            let above = above.split(',').filter(|number| !number.is_empty()).map(str::parse);
            lemmas.push(lemma.replace('_', " "));
            hypernyms.push(above.collect::<Result<Vec<u32>, _>>()?);
        }
        let (pairs, starts) = closure(&hypernyms);
        Ok(Self { lemmas, hypernyms, pairs, starts })
    }

    /// Number of nouns: rows of the embedding.
    pub fn len(&self) -> u32 {
        self.lemmas.len() as u32
    }

    /// The ancestors of a noun, ascending.
    pub fn ancestors(&self, noun: u32) -> impl ExactSizeIterator<Item = u32> + '_ {
        let noun = noun as usize;
        self.pairs[self.starts[noun]..self.starts[noun + 1]].iter().map(|pair| pair[1])
    }

    /// The first noun of this lemma. Several may share one ("car" is also a railway carriage).
    pub fn find(&self, lemma: &str) -> Option<u32> {
        self.lemmas.iter().position(|found| found == lemma).map(|noun| noun as u32)
    }
}

fn closure(hypernyms: &[Vec<u32>]) -> (Vec<[u32; 2]>, Vec<usize>) {
    let (mut pairs, mut starts) = (Vec::new(), vec![0]);
    let mut reached = Vec::new();
    for (noun, above) in hypernyms.iter().enumerate() {
        reached.clone_from(above);
        let mut next = 0;
        while next < reached.len() {
            for &ancestor in &hypernyms[reached[next] as usize] {
                if !reached.contains(&ancestor) {
                    reached.push(ancestor);
                }
            }
            next += 1;
        }
        reached.sort_unstable();
        pairs.extend(reached.iter().map(|&ancestor| [noun as u32, ancestor]));
        starts.push(pairs.len());
    }
    (pairs, starts)
}
