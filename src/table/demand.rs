//! What a step is asked for a table, and the bytes behind the names that its dispatches bind.

use super::pools::{Numbers, new_states};
use super::{Table, sharing};
use crate::entries::{Entries, ValueSource};
use crate::format::Formats;
use crate::region::{Spot, in_words};
use crate::step::demand::{
    Demand, Inspect, OneList, Pool, Pools, Segment, TableDemand, ValueOrigin,
};
use crate::step::list::Bind;
use crate::step::record::{Binds, Tables};
use crate::step::shape::{DeviceShape, Window};
use crate::{Duplicates, NonFinite, Region};
use wgpu::{Buffer, CommandEncoder};

impl Binds for Vec<Table> {
    fn bytes_of(&self, bind: Bind) -> Option<Spot<'_>> {
        self.get(bind.table()? as usize)?.bytes_of(bind)
    }

    fn count(&self, table: u32, segment: u32) -> Region {
        Region::from(&self[table as usize].extras.counts[segment as usize])
    }
}

impl Tables for Vec<Table> {
    fn ask(&self, device: DeviceShape, demand: &mut Demand) {
        let (new, mut numbers) = (new_states(self, device), Numbers::new(device));
        for (number, table) in self.iter().enumerate() {
            let maker = sharing::maker(self, number).filter(|&maker| maker != number);
            let pools = table.pools(new.get(number).copied().flatten(), &mut numbers);
            table.ask(number as u32, maker.map(|maker| maker as u32), pools, demand);
        }
    }

    fn copy_inputs(&self, encoder: &mut CommandEncoder) {
        for (number, table) in self.iter().enumerate() {
            // Of a list that tables share, its first table's count is read.
            if sharing::maker(self, number).is_none_or(|maker| maker == number) {
                table.copy_inputs(encoder);
            }
        }
    }

    fn copy_numbers(&self, table: u32, encoder: &mut CommandEncoder, (to, at): (&Buffer, u64)) {
        if let Some(numbers) = &self[table as usize].numbers {
            let (buffer, offset, size) = (numbers.buffer(), numbers.offset(), numbers.size());
            encoder.copy_buffer_to_buffer(buffer, offset, to, at, size);
        }
    }
}

impl Table {
    /// Adds what a step does for it, as table `number`, with the pairs of table `maker` where there is one; nothing
    /// where it has no entries.
    fn ask(
        &self,
        number: u32,
        maker: Option<u32>,
        (pools, indices): (Pools, Pool),
        demand: &mut Demand,
    ) {
        let Some(first) = self.grads.first() else { return };
        let shares =
            maker.and_then(|maker| demand.tables.iter().position(|asked| asked.table == maker));
        if let Some(maker) = shares {
            demand.tables[maker].tallied = true;
        }
        let promised = first.duplicates == Duplicates::None;
        demand.segments.extend(self.segments().map(|segment| Segment { indices, ..segment }));
        demand.windows.extend(
            self.windows
                .iter()
                .map(|&super::TableWindow { first_row, rows, .. }| Window { first_row, rows }),
        );
        demand.tables.push(TableDemand {
            table: number,
            geometry: self.geometry,
            // Checked when the gradients were set.
            nnz: self.grads.iter().map(|grad| grad.nnz).sum(),
            value_rows: self.value_rows() as u32,
            formats: Formats::of(self.storage, self.value_format())
                .numbered(self.numbers.is_some()),
            promised,
            checked: first.duplicates == Duplicates::NoneChecked,
            first_wins: promised || matches!(first.source, ValueSource::Row),
            rule: self.rule,
            limit: self.limit,
            grad_scale: self.grad_scale,
            squares: false,
            normed: false,
            weighted: self.grads.iter().any(|grad| grad.weights.is_some()),
            shares: shares.map(|maker| maker as u32),
            tallied: false,
            one_list: (self.grads.len() == 1 && first.non_finite == NonFinite::Applied).then(
                || {
                    let joins = first.is_plain(self.geometry) && first.count.is_none();
                    OneList { joins, pool: indices }
                },
            ),
            segments: self.grads.len(),
            windows: self.windows.len(),
            pools,
        });
    }

    fn segments(&self) -> impl Iterator<Item = Segment> {
        let (mut entry_base, mut value_base) = (0, 0);
        self.grads.iter().map(move |grad| {
            let segment = self.segment(grad, entry_base, value_base);
            entry_base += segment.nnz;
            value_base += self.value_rows_of(grad) as u32;
            segment
        })
    }

    fn segment(&self, grad: &Entries, entry_base: u32, value_base: u32) -> Segment {
        Segment {
            nnz: grad.nnz,
            entry_base,
            value_base,
            value_rows: grad.value_rows(self.geometry),
            index_dtype: grad.format,
            origin: match grad.source {
                ValueSource::Entry => ValueOrigin::Entry,
                ValueSource::Map { .. } => ValueOrigin::Map,
                ValueSource::Row => ValueOrigin::Row,
            },
            plain: grad.is_plain(self.geometry),
            has_weights: grad.weights.is_some(),
            counted: grad.count.is_some(),
            inspect: match grad.non_finite {
                NonFinite::Applied => None,
                NonFinite::Skipped => Some(Inspect::Skip),
                _ => Some(Inspect::Count),
            },
            padding_row: grad.padding_idx,
            indices: None,
        }
    }

    /// The bytes of it that a dispatch binds; None where it has none of that name.
    fn bytes_of(&self, bind: Bind) -> Option<Spot<'_>> {
        let grad = |segment: u32| self.grads.get(segment as usize);
        let state = || self.state.as_ref();
        match bind {
            Bind::Param { window, .. } => Some(self.windows[window as usize].region.spot()),
            Bind::State { window, .. } => state()?.windows.get(window as usize).map(Region::spot),
            Bind::RowState { window, .. } => state()?.rows.get(window as usize).map(Region::spot),
            Bind::Values { first_row, rows, .. } => {
                let row = self.value_row_bytes();
                let values = self.values()?;
                Some(values.part(u64::from(first_row) * row, in_words(u64::from(rows) * row)))
            }
            Bind::Status { .. } => Some(self.status.spot()),
            Bind::Tally { .. } => self.extras.tally.as_ref().map(Spot::from),
            Bind::Indices { segment, .. } => Some(grad(segment)?.indices.spot()),
            Bind::Map { segment, .. } => match &grad(segment)?.source {
                ValueSource::Map { map, .. } => Some(map.spot()),
                ValueSource::Entry | ValueSource::Row => None,
            },
            Bind::Weights { segment, .. } => grad(segment)?.weights.as_ref().map(Region::spot),
            Bind::NewParam { .. }
            | Bind::NewState { .. }
            | Bind::NewRowState { .. }
            | Bind::Rows { .. }
            | Bind::Pairs
            | Bind::Sorted
            | Bind::Histogram
            | Bind::Scalars
            | Bind::Clipped
            | Bind::Norm
            | Bind::Placeholder(_)
            | Bind::Stretch(_) => None,
        }
    }

    /// The value rows: where the caller has them, or gathered from several gradients.
    fn values(&self) -> Option<Spot<'_>> {
        match (&*self.grads, &self.extras.gathered) {
            ([grad], _) => Some(grad.values.spot()),
            ([_, ..], Some(gathered)) => {
                let bytes = self.value_rows() * self.value_row_bytes();
                Some(Spot::from(gathered).part(0, bytes))
            }
            _ => None,
        }
    }

    /// Copies what must be copied before the pass: counts, and the rows of several gradients.
    fn copy_inputs(&self, encoder: &mut CommandEncoder) {
        for (number, grad) in self.grads.iter().enumerate() {
            if let Some(count) = &grad.count {
                let held = &self.extras.counts[number];
                encoder.copy_buffer_to_buffer(count.buffer(), count.offset(), held, 0, 4);
            }
        }
        if let ([_, _, ..], Some(gathered)) = (&*self.grads, &self.extras.gathered) {
            for (segment, grad) in self.segments().zip(&self.grads) {
                let at = u64::from(segment.value_base) * self.value_row_bytes();
                let from = &grad.values;
                let (buffer, offset, size) = (from.buffer(), from.offset(), from.size());
                encoder.copy_buffer_to_buffer(buffer, offset, gathered, at, size);
            }
        }
    }
}
