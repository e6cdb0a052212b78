//! Tables that have rows of other tables, on both sides.

use super::Pair;
use crate::stored::packed;
use sparse_adam::Error;

impl Pair<'_> {
    /// Has the rows of a table, and those of its twin, draw random bits by `numbers`.
    ///
    /// # Errors
    /// Those of [`SparseAdam::set_row_numbers`](sparse_adam::SparseAdam::set_row_numbers).
    pub fn try_number(&mut self, table: usize, numbers: &[u32]) -> Result<(), Error> {
        let held = self.hold(numbers);
        self.optimizer.set_row_numbers(self.ids[table], held)?;
        self.twins[table] = self.twins[table].clone().numbered(numbers.to_vec());
        Ok(())
    }

    /// Has them draw by their place again.
    ///
    /// # Errors
    /// Those of [`SparseAdam::clear_row_numbers`](sparse_adam::SparseAdam::clear_row_numbers).
    pub fn try_unnumber(&mut self, table: usize) -> Result<(), Error> {
        self.optimizer.clear_row_numbers(self.ids[table])?;
        self.twins[table] = self.twins[table].clone().numbered(Vec::new());
        Ok(())
    }

    /// Gives a table, and its twin, the values of rows of another that is stored alike: row `i` those of row `from[i]`.
    pub fn take_rows(&mut self, table: usize, other: usize, from: &[usize]) {
        let dim = self.twins[other].dim;
        let row = |&row: &usize| self.twins[other].param[row * dim..][..dim].to_vec();
        let values: Vec<f32> = from.iter().flat_map(row).collect();
        let region = &self.params[table].region;
        let words = packed(self.stored[table].param, &values);
        let bytes = bytemuck::cast_slice(&words);
        self.gpu.queue.write_buffer(region.buffer(), region.offset(), bytes);
        self.twins[table].param = values;
    }
}
