//! How often ranks meet: what a step costs where messages are slow.

use super::harness::{core, gpu, ranks};
use sparse_adam::{AdamOptions, ClipGradNorm};
use sparse_adam_mpi::{
    Blocks, Error, Gradient, ShardedOptimizer, ShardedTable, Sums, Transport, Values, World,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

struct Counted(World, Arc<AtomicU32>);

impl Transport for Counted {
    fn rank(&self) -> u32 {
        self.0.rank()
    }

    fn size(&self) -> u32 {
        self.0.size()
    }

    fn exchange(&mut self, doing: &str, send: Blocks) -> Result<Blocks, Error> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.exchange(doing, send)
    }
}

/// Exchanges of `ask`, `rows`, `give`, a step by what was given, and one by a gradient of its own.
fn counted(sums: Sums, clip: Option<ClipGradNorm>) -> Vec<[u32; 5]> {
    World::run(ranks(2), |end| {
        let count = Arc::new(AtomicU32::new(0));
        let on = (&gpu().device, &gpu().queue);
        let optimizer = ShardedOptimizer::new(Counted(end, Arc::clone(&count)), on, core());
        let mut optimizer = optimizer.unwrap().sums(sums);
        let tables =
            ["a", "b"].map(|name| ShardedTable::new(name, 9, &[2], |_, out| out.fill(0.5)));
        let group = optimizer.add_group(AdamOptions::default(), tables.into()).unwrap();
        let ids = optimizer.core().group_params(group).unwrap();
        optimizer.set_clip_grad_norm(clip).unwrap();
        let lap = || count.swap(0, Ordering::Relaxed);
        lap();
        let asked = optimizer.ask(&[(ids[0], &[1, 2]), (ids[1], &[3, 4])]).unwrap();
        let ask = lap();
        let looked = optimizer.rows(asked).unwrap();
        let rows = lap();
        let values = gpu().upload("v", &[1.0f32; 4]);
        optimizer.give(looked, &[Values::rows(&values), Values::rows(&values)]).unwrap();
        let give = lap();
        optimizer.step(&[]).unwrap();
        let step = lap();
        let gradient = Gradient { ids: &[1, 2], values: &[1.0; 4] };
        optimizer.step(&[(ids[0], gradient), (ids[1], gradient)]).unwrap();
        [ask, rows, give, step, lap()]
    })
}

#[test]
fn a_call_takes_one_and_chunks_two_more() {
    for clip in [None, Some(ClipGradNorm::new(1.0))] {
        assert_eq!(counted(Sums::Entries, clip), [[1, 1, 1, 1, 2]; 2]);
        assert_eq!(counted(Sums::Ranks, clip), [[1, 1, 1, 1, 2]; 2]);
        assert_eq!(counted(Sums::Chunks, clip), [[1, 1, 3, 1, 4]; 2]);
    }
}
