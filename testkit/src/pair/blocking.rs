//! Pairs that wait, and panic with what is wrong.

use super::{Pair, Shape};
use crate::adapters::assert_finding;
use crate::conformance::Finding;
use crate::headless::Gpu;
use crate::{Rng, Stored};
use pollster::block_on;
use sparse_adam::reference::{Gradient, Table};
use sparse_adam::{AdamOptions, IndexDtype, SparseGrad, Status, Tuning};

const TAKEN: &str = "the optimizer takes it";
const READ: &str = "the device can be read";

impl<'a> Pair<'a> {
    /// Tables of `shapes`, each in a group of its own with its own options.
    ///
    /// # Panics
    /// Where the optimizer refuses them.
    pub fn new(
        on: (&'a Gpu, Tuning),
        shapes: &[Shape],
        options: &[AdamOptions],
        rng: &mut Rng,
    ) -> Self {
        assert_eq!(shapes.len(), options.len(), "options of each table");
        let tables: Vec<_> = shapes.iter().copied().zip(options.iter().copied()).collect();
        Self::try_new(on, &tables, rng).expect(TAKEN)
    }

    /// Tables of `shapes`, each in a group of its own with its own options, and stored in its own formats.
    ///
    /// # Panics
    /// Where the optimizer refuses them.
    pub fn stored(
        on: (&'a Gpu, Tuning),
        tables: &[(Shape, AdamOptions, Stored)],
        rng: &mut Rng,
    ) -> Self {
        Self::try_stored(on, tables, rng).expect(TAKEN)
    }

    /// One table with default options.
    ///
    /// # Panics
    /// As [`Pair::new`].
    pub fn single(on: (&'a Gpu, Tuning), rows: usize, dim: usize, rng: &mut Rng) -> Self {
        Self::new(on, &[(rows, dim)], &[AdamOptions::default()], rng)
    }

    /// Sets a table's gradient, in one of the formats; its twin does not know it yet.
    ///
    /// # Panics
    /// Where the optimizer refuses it.
    pub fn set_grad(&mut self, table: usize, grad: &Gradient<f32>) {
        self.try_set_grad(table, grad).expect(TAKEN);
    }

    /// Sets a table's gradient in the given format; its twin does not know it yet.
    ///
    /// # Panics
    /// Where the optimizer refuses it.
    pub fn set_grad_as(&mut self, table: usize, grad: &Gradient<f32>, format: IndexDtype) {
        let set = self.sparse_grad(grad, format);
        self.optimizer.set_grad(self.ids[table], set).expect(TAKEN);
    }

    /// A step of the adapter alone, with the gradients that are set.
    ///
    /// # Panics
    /// Where it fails.
    pub fn submit_step(&mut self) {
        self.try_submit_step().expect(TAKEN);
    }

    /// One step on both sides; tables without a gradient are skipped.
    ///
    /// # Panics
    /// Where it fails.
    pub fn step(&mut self, grads: &[Option<Gradient<f32>>]) {
        self.try_step(grads).expect(TAKEN);
    }

    /// As [`Pair::try_step_table`].
    ///
    /// # Panics
    /// Where the optimizer refuses.
    pub fn step_table(&mut self, table: usize, grad: &Gradient<f32>) {
        self.try_step_table(table, grad).expect("the optimizer takes it");
    }

    /// One step of one table by `grad`, which its twin knows as `same`.
    ///
    /// # Panics
    /// Where it fails.
    pub fn step_as(&mut self, table: usize, grad: SparseGrad, same: &Gradient<f32>) {
        self.try_step_as(table, grad, same).expect(TAKEN);
    }

    /// What was counted of a table.
    ///
    /// # Panics
    /// Where it cannot be read.
    pub fn status(&self, table: usize) -> Status {
        block_on(self.try_status(table)).expect(READ)
    }

    /// The state, saved and loaded into a new optimizer of another tuning over the same tables.
    ///
    /// # Panics
    /// Where the optimizer refuses it.
    pub fn restart(&mut self, tuning: Tuning) {
        let saved = block_on(self.optimizer.state_dict()).expect(READ);
        self.try_restart(tuning, &saved).expect(TAKEN);
    }

    /// A table as the adapter has it.
    ///
    /// # Panics
    /// Where the poison around it was touched, or it cannot be read.
    pub fn table(&self, table: usize) -> Table<f32> {
        let (table, is_whole) = block_on(self.try_table(table)).expect(READ);
        assert!(is_whole, "the poison around a table was touched");
        table
    }

    /// Adapter and twin agree: bit for bit where the adapter is exact, else closely.
    ///
    /// # Panics
    /// Where they do not, with `what`.
    pub fn assert_equal(&self, what: &str) {
        let mut finding = Finding::default();
        block_on(self.compare(&mut finding)).expect(READ);
        assert_finding(&finding, self.gpu, what);
    }

    /// What the optimizer was given to read is as it was, and so is the poison around it.
    ///
    /// # Panics
    /// Where it is not, with `what`.
    pub fn assert_inputs_whole(&self, what: &str) {
        let whole = block_on(self.inputs_are_whole()).expect(READ);
        assert!(whole, "{what}: an input was written to");
    }
}
