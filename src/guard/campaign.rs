//! Random calls, refused at random, at once or late, against what must come of them.
//!
//! Other seeds each run; `SPARSE_ADAM_SEED` repeats one, `SPARSE_ADAM_CAMPAIGN_SECONDS` goes on for
//! longer.

use super::rig;
use super::world::World;
use crate::{Error, Param, RowMap, SparseGrad};
use pollster::block_on;
use sparse_adam_testkit::Rng;
use sparse_adam_testkit::campaign::Budget;
use wgpu::Buffer;

/// What a parameter must be like.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    steps: Option<u64>,
    has_grad: bool,
    entries: u64,
}

struct Run {
    world: World,
    known: Vec<Known>,
    rng: Rng,
    done: Done,
    /// Tables that were remapped while no verdict came.
    remapped: Vec<usize>,
}

/// What was tried.
#[derive(Default)]
struct Done {
    runs: u64,
    calls: u64,
    refused: u64,
    refused_late: u64,
    destroyed: u64,
}

/// A call, and what it makes of what is known if it succeeds.
type Called = (Result<(), Error>, Vec<Known>);

impl Run {
    fn new(seed: u64) -> Self {
        let known = vec![Known { steps: None, has_grad: false, entries: 0 }];
        Self {
            world: World::new(),
            known,
            rng: Rng(seed),
            done: Done::default(),
            remapped: Vec::new(),
        }
    }

    fn pick(&mut self) -> usize {
        self.rng.below(self.known.len())
    }

    fn grad(&mut self) -> (SparseGrad, u64) {
        let nnz = [0, 1, 3, 70, 3000][self.rng.below(5)];
        let (bytes, world) = (u64::from(nnz.max(1)), &self.world);
        let mut grad = SparseGrad::new(world.buffer(4 * bytes), world.buffer(16 * bytes), nnz);
        if self.rng.below(3) == 0 {
            grad = grad.weights(self.world.buffer(4 * u64::from(nnz.max(1))));
        }
        if self.rng.below(3) == 0 {
            grad = grad.count(self.world.buffer(4));
        }
        (grad, nnz.into())
    }

    /// One call that the optimizer must take, unless the device refuses something.
    fn call(&mut self) -> Called {
        let (at, mut then) = (self.pick(), self.known.clone());
        let id = self.world.optimizer.param_id(at);
        let called = match self.rng.below(10) {
            0 if then.len() < 5 => {
                then.push(Known { steps: None, has_grad: false, entries: 0 });
                let place = self.world.buffer(640);
                let param = Param::new(format!("param {}", then.len()), &place, [40, 4]);
                self.world.optimizer.add_param(param).map(drop)
            }
            1 | 2 => {
                let (grad, entries) = self.grad();
                (then[at].has_grad, then[at].entries) = (true, entries);
                self.world.optimizer.set_grad(id, grad)
            }
            3 => {
                let (grad, entries) = self.grad();
                then[at].has_grad = true;
                then[at].entries += entries;
                self.world.optimizer.accumulate_grad(id, grad)
            }
            4 => {
                let place = self.world.buffer(640);
                self.world.optimizer.replace_param(id, &place)
            }
            9 if then[at].entries == 0 => self.remap(at),
            5 => block_on(self.world.optimizer.status(id)).map(drop),
            6 => block_on(self.world.optimizer.state_of(id)).map(drop),
            _ => {
                for known in then.iter_mut().filter(|known| known.has_grad) {
                    known.steps = Some(known.steps.unwrap_or(0) + 1);
                }
                self.world.step()
            }
        };
        self.done.calls += 1;
        (called, then)
    }

    /// A table of as many rows, elsewhere.
    fn remap(&mut self, at: usize) -> Result<(), Error> {
        let (id, world) = (self.world.optimizer.param_id(at), &mut self.world);
        let (map, place) = (RowMap::new(world.buffer(160), 40), world.buffer(640));
        let mut encoder = world.device.create_command_encoder(&Default::default());
        world.optimizer.remap_rows(&mut encoder, map, [(id, &place)])?;
        world.queue.submit([encoder.finish()]);
        Ok(())
    }

    /// Changes that ask nothing of the device.
    fn change(&mut self) {
        match self.rng.below(8) {
            0 => self.world.optimizer.trim(),
            1 => {
                let to_none = self.rng.below(2) == 0;
                self.world.optimizer.zero_grad(to_none);
                for known in &mut self.known {
                    known.has_grad &= !to_none;
                    known.entries = 0;
                }
            }
            _ => {}
        }
    }

    fn assert_known(&self) {
        let found = self.world.optimizer.tables.iter().map(|table| Known {
            steps: table.state.as_ref().map(|state| state.step),
            has_grad: table.has_grad,
            entries: table.grads.iter().map(|grad| u64::from(grad.nnz)).sum(),
        });
        assert_eq!(found.collect::<Vec<_>>(), self.known);
    }

    /// Calls whose refusals come at once.
    fn prompt(&mut self) {
        for _ in 0..20 {
            self.change();
            let before = self.world.host();
            let refuse = self.rng.below(3) == 0;
            if refuse {
                rig::refuse_after(self.rng.below(7) as u32);
            }
            let (called, then) = self.call();
            if refuse && !rig::spare() {
                self.done.refused += 1;
                assert!(matches!(called, Err(Error::OutOfMemory { .. })), "{called:?}");
                assert_eq!(self.world.host(), before);
            } else {
                assert_eq!(called, Ok(()));
                self.known = then;
            }
            self.assert_known();
        }
    }

    /// Calls whose refusals come late: then their steps are taken back.
    fn late(&mut self) {
        let before = self.known.clone();
        let late = rig::hold_back();
        rig::refuse_after(self.rng.below(40) as u32);
        self.remapped.clear();
        for _ in 0..1 + self.rng.below(9) {
            // Readers would wait for what is held back.
            let (called, then) = self.trusting_call();
            assert_eq!(called, Ok(()));
            self.known = then;
        }
        let refused = !rig::spare();
        late.arrive();
        drop(late);
        if refused {
            self.done.refused_late += 1;
            let grad = self.world.grad(1);
            let called = self.world.optimizer.set_grad(self.world.first, grad);
            assert!(matches!(called, Err(Error::OutOfMemory { .. })), "{called:?}");
            for (number, known) in self.known.iter_mut().enumerate() {
                known.steps = before.get(number).and_then(|known| known.steps);
                if self.remapped.contains(&number) {
                    (known.has_grad, known.entries) = (false, 0);
                }
            }
        }
        self.assert_known();
    }

    fn trusting_call(&mut self) -> Called {
        let mut then = self.known.clone();
        self.done.calls += 1;
        let at = self.pick();
        if self.known[at].entries == 0 && self.rng.below(4) == 0 {
            self.remapped.push(at);
            return (self.remap(at), then);
        }
        if self.rng.below(3) == 0 {
            let (grad, entries) = self.grad();
            (then[at].has_grad, then[at].entries) = (true, entries);
            return (self.world.optimizer.set_grad(self.world.optimizer.param_id(at), grad), then);
        }
        for known in then.iter_mut().filter(|known| known.has_grad) {
            known.steps = Some(known.steps.unwrap_or(0) + 1);
        }
        (self.world.step(), then)
    }

    /// A buffer that is destroyed while it is in use stops every step until it is replaced.
    fn destroyed(&mut self) {
        let at = self.pick();
        if self.known[at].entries == 0 {
            return;
        }
        let buffers: Vec<Buffer> =
            self.world.optimizer.tables[at].given().map(|(_, _, it)| it.buffer().clone()).collect();
        buffers[self.rng.below(buffers.len())].destroy();
        let before = self.world.host();
        let called = self.world.step();
        assert!(matches!(called, Err(Error::InvalidBuffer { .. })), "{called:?}");
        assert_eq!(self.world.host(), before);
        let (place, grad) = (self.world.buffer(640), self.world.grad(3));
        self.world.optimizer.replace_param(self.world.optimizer.param_id(at), &place).unwrap();
        self.world.optimizer.set_grad(self.world.optimizer.param_id(at), grad).unwrap();
        self.known[at].entries = 3;
        self.done.calls += 3;
        self.done.destroyed += 1;
    }

    /// The end of every run.
    fn lost(&mut self) {
        self.world.device.destroy();
        let before = self.world.host();
        for _ in 0..5 {
            let (called, _) = self.call();
            assert!(matches!(called, Err(Error::DeviceLost { .. })), "{called:?}");
            assert_eq!(self.world.host(), before);
        }
    }
}

/// Tells the seed of a run that fails.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SPARSE_ADAM_SEED={}", self.0);
        }
    }
}

#[test]
fn campaign_of_refusals() {
    let budget = Budget::new();
    let mut done = Done::default();
    while done.runs == 0 || budget.is_left() {
        let seed = budget.seed.wrapping_add(done.runs);
        let _told = Told(seed);
        let mut run = Run::new(seed);
        run.done = done;
        for _ in 0..10 {
            run.prompt();
            run.late();
            run.destroyed();
        }
        run.lost();
        done = run.done;
        done.runs += 1;
    }
    let Done { runs, calls, refused, refused_late, destroyed } = done;
    println!(
        "campaign: noop: calls {calls}, refused at once {refused}, refused late {refused_late}, \
         destroyed buffers {destroyed}, lost devices {runs}"
    );
}
