//! Rows that have left the cache and that the store does not have yet.

use super::{Map, Source};

/// Which rows are on their way, each from the last batch that evicted it.
#[derive(Debug, Default)]
pub(super) struct Flights {
    places: Map<u64, (u64, u32)>,
    /// The rows of each batch.
    rows: Map<u64, Vec<u64>>,
}

impl Flights {
    /// Where a row that is not in the cache is.
    pub fn source(&self, row: u64) -> Source {
        let place = self.places.get(&row);
        place.map_or(Source::Store, |&(batch, place)| Source::Flight { batch, place })
    }

    /// The batch of a number has evicted these rows.
    pub fn depart(&mut self, batch: u64, rows: impl Iterator<Item = u64>) {
        let rows: Vec<u64> = rows.collect();
        self.places.extend((0..).zip(&rows).map(|(place, &row)| (row, (batch, place))));
        if !rows.is_empty() {
            self.rows.insert(batch, rows);
        }
    }

    /// The store has them.
    pub fn land(&mut self, batch: u64) {
        for row in self.rows.remove(&batch).into_iter().flatten() {
            // A later batch may have evicted it again.
            if self.places.get(&row).is_some_and(|place| place.0 == batch) {
                self.places.remove(&row);
            }
        }
    }
}
