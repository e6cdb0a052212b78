//! Tables that share index lists beside tables that do not.

use super::drawn::{self, List};
use sparse_adam::reference::{self, Gradient, Scalars};
use sparse_adam::{AdamOptions, ClipGradNorm, SparseGrad};
use sparse_adam_testkit::{Pair, Rng, Stored};

/// A table's shape, options and formats.
pub type Described = ((usize, usize), AdamOptions, Stored);

/// Two optimizers over equal tables: one whose tables share lists, and one whose tables do not.
pub struct Both<'a> {
    pub shared: Pair<'a>,
    pub apart: Pair<'a>,
    pub tables: Vec<Described>,
}

impl Both<'_> {
    /// Sets the gradients of tables by one list, in both ways. Returns what their twins know.
    pub fn set(
        &mut self,
        rng: &mut Rng,
        list: &List,
        taking: &[usize],
    ) -> Vec<(usize, Gradient<f32>)> {
        let drawn = drawn::set(&mut self.shared, rng, list, taking);
        let apart = drawn.into_iter().map(|(table, values, same)| {
            self.set_apart(table, list, &values);
            (table, same)
        });
        apart.collect()
    }

    pub fn set_apart(&mut self, table: usize, list: &List, drawn: &[f32]) {
        let format = self.tables[table].2.values;
        let grad = match drawn {
            [] => SparseGrad::empty(),
            _ => list.sparse_grad(&mut self.apart, drawn, format),
        };
        self.apart.optimizer.set_grad(self.apart.ids[table], grad).unwrap();
    }

    /// Gives one table a gradient by itself, or one more. Returns what its twin knows of it.
    pub fn set_one(&mut self, rng: &mut Rng, table: usize, adds: bool) -> Gradient<f32> {
        let (shape, _, Stored { values: format, .. }) = self.tables[table];
        let nnz = 1 + rng.below(60);
        let list = List::plain(rng.gradient(shape.0, 1, nnz).indices);
        let drawn = list.values(rng, shape, format);
        for pair in [&mut self.shared, &mut self.apart] {
            let grad = list.sparse_grad(pair, &drawn, format);
            match adds {
                true => pair.optimizer.accumulate_grad(pair.ids[table], grad).unwrap(),
                false => pair.optimizer.set_grad(pair.ids[table], grad).unwrap(),
            }
        }
        list.same(&drawn, shape)
    }

    /// A step of both, and of the twins of the shared ones.
    pub fn step(&mut self, grads: &[Option<Gradient<f32>>], clip: Option<ClipGradNorm>) {
        for pair in [&mut self.shared, &mut self.apart] {
            pair.submit_step();
        }
        let Pair { twins, options, .. } = &mut self.shared;
        if let Some(clip) = clip {
            reference::step_clipped(twins, grads, options, Scalars::default(), clip);
            return;
        }
        for ((twin, grad), options) in twins.iter_mut().zip(grads).zip(options) {
            if let Some(grad) = grad {
                reference::step(twin, grad, options);
            }
        }
    }

    /// Both have the same bits, and have counted the same.
    pub fn assert_same(&self, what: &str) {
        for table in 0..self.tables.len() {
            let [found, expected] = [&self.shared, &self.apart].map(|pair| pair.table(table));
            let tensors = |table: &reference::Table<f32>| {
                [&table.param, &table.exp_avg, &table.exp_avg_sq, &table.max_exp_avg_sq]
                    .map(|values| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>())
            };
            assert_eq!(found.step, expected.step, "{what}, table {table}");
            assert!(tensors(&found) == tensors(&expected), "{what}, table {table}");
            assert_eq!(found.row_counter, expected.row_counter, "{what}, table {table}");
            assert_eq!(found.prev_iter, expected.prev_iter, "{what}, table {table}");
            let [found, expected] = [&self.shared, &self.apart].map(|pair| pair.status(table));
            assert_eq!(found, expected, "{what}, table {table}");
        }
    }
}
