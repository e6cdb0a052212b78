//! The optimizer inside somebody else's engine.
//!
//! The engine ([`engine`]) has a device of its own at the smallest limits wgpu knows, one pool
//! buffer that holds every tensor, and kernels of its own. The model ([`classifier`]) tells the
//! class of a document from the mean of its words' embeddings. A frame is one encoder and one
//! submit: upload word ids, forward, backward, `SparseAdam` for the embedding, the engine's own
//! SGD for the dense head. Nothing is read back until an epoch is over.
//!
//!     cargo run --release --example embed_in_engine

mod classifier;
mod data;
mod engine;

use classifier::{BAGS, CAPACITY, CLASSES, Classifier, DIM, Totals, VOCABULARY};
use data::{Documents, Random};
use engine::Engine;
use std::error::Error;
use std::time::{Duration, Instant};

const EPOCHS: u32 = 8;
/// Documents to learn from, and documents held out; multiples of [`BAGS`].
const TRAINED: usize = 64 * BAGS as usize;
const HELD_OUT: usize = 16 * BAGS as usize;
const SEED: u64 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let mut engine = Engine::open()?;
    println!("adapter   {}", engine.describe());
    println!("model     {VOCABULARY} words of {DIM}, {CLASSES} classes, {BAGS} bags a frame");

    let mut random = Random::new(SEED);
    let world = data::World::new(&mut random);
    let trained = world.documents(TRAINED, &mut random);
    let held_out = world.documents(HELD_OUT, &mut random);
    let mut classifier = Classifier::new(&engine, &mut random)?;

    let before = evaluate(&mut engine, &classifier, &held_out)?;
    println!("before    held out: loss {:.3}, {:.1} % right", before.loss, 100.0 * before.right);

    let mut times = Times::default();
    let mut warm = None;
    for epoch in 1..=EPOCHS {
        let start = Instant::now();
        let (submits, read_backs) = (engine.submits, engine.read_backs);
        let order = random.permutation(TRAINED);
        for chosen in order.chunks(BAGS as usize) {
            let batch = trained.batch(chosen);
            let begun = Instant::now();
            let (frame, step) = classifier.record(&engine, &batch)?;
            times.frames.push(begun.elapsed());
            times.steps.push(step);
            engine.submit(frame);
            // The first step makes state, scratch, pipelines and bind groups; from then on a step
            // makes nothing. (After 1,024 steps it would make a buffer of uniforms, once.)
            let held = classifier.optimizer.resources();
            assert_eq!(
                held,
                *warm.get_or_insert(held),
                "a step in the steady state made something"
            );
        }
        // One submit a frame, and nothing was read back.
        assert_eq!(engine.submits - submits, (TRAINED / BAGS as usize) as u32);
        assert_eq!(engine.read_backs, read_backs);

        let seen = classifier.take_totals(&mut engine, TRAINED)?;
        let seconds = start.elapsed().as_secs_f64();
        let Totals { loss, right } = evaluate(&mut engine, &classifier, &held_out)?;
        let (seen, right) = (seen.loss, 100.0 * right);
        println!(
            "epoch {epoch:>3} loss {seen:.3}   held out: loss {loss:.3}, {right:.1} % right   \
             {seconds:.2} s"
        );
    }
    report(&classifier, times)
}

/// Mean loss and share of right answers on documents that nothing is learnt from.
fn evaluate(
    engine: &mut Engine,
    classifier: &Classifier,
    documents: &Documents,
) -> Result<Totals, Box<dyn Error>> {
    let all: Vec<usize> = (0..documents.len()).collect();
    for chosen in all.chunks(BAGS as usize) {
        let frame = classifier.record_forward(engine, &documents.batch(chosen));
        engine.submit(frame);
    }
    classifier.take_totals(engine, documents.len())
}

/// Host times, one a frame.
#[derive(Default)]
struct Times {
    /// Setting the gradient and recording the step.
    steps: Vec<Duration>,
    /// Uploading and recording the whole frame, that step included.
    frames: Vec<Duration>,
}

fn report(classifier: &Classifier, times: Times) -> Result<(), Box<dyn Error>> {
    let optimizer = &classifier.optimizer;
    let status = pollster::block_on(optimizer.status(classifier.words))?;
    assert!(status.is_clean(), "{status:?}");
    let held = optimizer.resources();
    println!("steps     {} of up to {CAPACITY} entries", optimizer.step_count(classifier.words)?);
    println!(
        "host      {:.1} us to record a step, {:.1} us to record a whole frame (medians)",
        median_us(times.steps),
        median_us(times.frames)
    );
    println!(
        "frame     {} dispatches of the optimizer, {} of the engine",
        optimizer.dispatches(),
        classifier::DISPATCHES
    );
    println!(
        "memory    {} KiB of moments, {} KiB of scratch",
        held.state_bytes / 1024,
        held.scratch_bytes / 1024
    );
    Ok(())
}

fn median_us(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    1e6 * times[times.len() / 2].as_secs_f64()
}
