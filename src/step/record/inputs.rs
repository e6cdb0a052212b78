//! What a step takes from tables and their gradients.

use crate::AdamOptions;
use crate::entries::Entries;
use crate::step::layout::Source;
use crate::step::pipelines::Gather;
use crate::step::plan::{TablePlan, TableStep};
use crate::table::Table;
use wgpu::CommandEncoder;

/// A table as a step's stages see it.
#[derive(Clone, Copy)]
pub(super) struct Live<'a> {
    pub table: &'a Table,
    pub options: &'a AdamOptions,
    pub at: &'a TablePlan,
    pub asked: TableStep,
    pub gather: Gather,
    pub source: Source,
}

/// One of a table's gradients: where its entries and value rows start in the table's.
#[derive(Clone, Copy)]
pub(super) struct Stretch<'a> {
    pub grad: &'a Entries,
    pub number: usize,
    pub entry_base: u32,
    pub value_base: u32,
}

pub(super) fn stretches(table: &Table) -> impl Iterator<Item = Stretch<'_>> {
    let (mut entry_base, mut value_base) = (0, 0);
    table.grads.iter().enumerate().map(move |(number, grad)| {
        let stretch = Stretch { grad, number, entry_base, value_base };
        entry_base += grad.nnz;
        value_base += grad.value_rows(table.geometry);
        stretch
    })
}

/// Copies what must be copied before the pass: counts, and the rows of several gradients.
pub(super) fn gather_inputs<'a>(
    encoder: &mut CommandEncoder,
    tables: impl Iterator<Item = &'a Table>,
) {
    for table in tables {
        for stretch in stretches(table) {
            if let Some(count) = &stretch.grad.count {
                let held = &table.extras.counts[stretch.number];
                encoder.copy_buffer_to_buffer(count.buffer(), count.offset(), held, 0, 4);
            }
        }
        if let ([_, _, ..], Some(gathered)) = (&*table.grads, &table.extras.gathered) {
            for stretch in stretches(table) {
                let at = u64::from(stretch.value_base) * table.geometry.row_bytes();
                let from = &stretch.grad.values;
                let (buffer, offset, size) = (from.buffer(), from.offset(), from.size());
                encoder.copy_buffer_to_buffer(buffer, offset, gathered, at, size);
            }
        }
    }
}
