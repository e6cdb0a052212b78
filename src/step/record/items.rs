//! What dispatches bind that take several items.

use super::{Binds, Recorder, StepOf, nobody_has};
use crate::Error;
use crate::region::Spot;
use crate::step::kernel::items::MOST_ITEMS;
use crate::step::layout::{Config, EntriesItem, PartialItem, UpdateItem};
use crate::step::list::{Bind, Dispatch, Item, Items, MOST_OWN, Second};
use crate::step::uniforms::Slot;
use bytemuck::bytes_of;

/// Of an item that is not there: no workgroup is its.
const NO_WORKGROUP: u32 = u32::MAX;

/// What is bound once for what all items have of their own, by its number.
pub(super) type Stretches<'a> = [Option<Spot<'a>>; MOST_OWN];

/// What is bound in arrays: kept in place, so that a step allocates nothing for it.
pub(super) struct Elements<'a> {
    spots: [Option<Spot<'a>>; MOST_OWN * MOST_ITEMS],
    count: usize,
}

impl Default for Elements<'_> {
    fn default() -> Self {
        Self { spots: [None; MOST_OWN * MOST_ITEMS], count: 0 }
    }
}

impl<'a> Elements<'a> {
    fn push(&mut self, spot: Spot<'a>) {
        self.spots[self.count] = Some(spot);
        self.count += 1;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Spot<'a>> + Clone {
        self.spots[..self.count].iter().flatten().copied()
    }
}

impl Recorder {
    /// From the first byte to the last of what the items of a dispatch have side by side.
    pub(super) fn stretches<'a>(
        &self,
        dispatch: &Dispatch,
        tables: &'a impl Binds,
    ) -> Result<Stretches<'a>, Error> {
        let mut stretches = [None; MOST_OWN];
        let Some(items) = dispatch.items else { return Ok(stretches) };
        for (number, stretch) in (0..).zip(&mut stretches) {
            if dispatch.kernel.pooled.has(number) {
                for item in self.listed_items(items) {
                    let spot = own(item, number, tables)?;
                    *stretch = Some(stretch.map_or(spot, |held: Spot<'_>| held.with(spot)));
                }
            }
        }
        Ok(stretches)
    }

    /// What the items of a dispatch have in arrays, array by array. One that is not there has the first one's.
    pub(super) fn in_arrays<'a>(
        &self,
        dispatch: &Dispatch,
        tables: &'a impl Binds,
    ) -> Result<Elements<'a>, Error> {
        let mut elements = Elements::default();
        let Some(items) = dispatch.items else { return Ok(elements) };
        let (listed, most) = (self.listed_items(items), dispatch.kernel.items as usize);
        for number in dispatch.kernel.arrays() {
            for item in (0..most).map(|item| listed.get(item).unwrap_or(&listed[0])) {
                elements.push(own(item, number, tables)?);
            }
        }
        Ok(elements)
    }

    fn listed_items(&self, Items { first, count }: Items) -> &[Item] {
        &self.items[first as usize..][..count as usize]
    }

    /// The configs of a dispatch's items, and the words of their rules where they have such. A kernel for `most` items reads
    /// as many.
    pub(super) fn items(
        &mut self,
        (items, most): (Items, u32),
        (tables, stretches): (&impl Binds, &Stretches<'_>),
        step: &impl Fn(u32) -> StepOf,
    ) -> Result<(Slot, Option<Slot>), Error> {
        let [mut configs, mut rules] = std::mem::take(&mut self.item_bytes);
        let mut last_words = std::mem::take(&mut self.last_words);
        configs.clear();
        rules.clear();
        let listed = self.listed_items(items);
        for number in 0..most as usize {
            // One that is not there is like the first, but that it has no workgroups.
            let item = listed
                .get(number)
                .copied()
                .unwrap_or(Item { first_workgroup: NO_WORKGROUP, ..listed[0] });
            let mut firsts = [0; MOST_OWN];
            for (own_number, (first, stretch)) in (0..).zip(firsts.iter_mut().zip(stretches)) {
                if let Some(stretch) = stretch {
                    // One binding holds less than 4 GiB.
                    let spot = own(&item, own_number, tables)?;
                    *first = ((spot.offset - stretch.offset) / 4) as u32;
                }
            }
            config(item, firsts, &mut configs);
            if let Some(Second::Rule { table }) = item.second {
                rules.extend_from_slice(bytes_of(&last_words.of(step(table))));
            }
        }
        let of_configs = self.uniforms.slots(&self.guard, &configs)?;
        let of_rules = (!rules.is_empty()).then(|| self.uniforms.slots(&self.guard, &rules));
        self.item_bytes = [configs, rules];
        self.last_words = last_words;
        Ok((of_configs, of_rules.transpose()?))
    }
}

/// What an item has of its own, by its number.
fn own<'a>(item: &Item, number: u32, tables: &'a impl Binds) -> Result<Spot<'a>, Error> {
    let bind = item.own[number as usize].unwrap_or(Bind::Stretch(number));
    tables.bytes_of(bind).ok_or_else(|| nobody_has(bind))
}

fn config(
    Item { config, second, first_workgroup, .. }: Item,
    firsts: [u32; MOST_OWN],
    out: &mut Vec<u8>,
) {
    match config {
        Config::Entries(config) => {
            let entries = if let Some(Second::Entries(entries)) = second { entries } else { 0 };
            let [index_first, status_first, _] = firsts;
            let item = EntriesItem { config, first_workgroup, entries, index_first, status_first };
            out.extend_from_slice(bytes_of(&item));
        }
        Config::Partial(config) => {
            let [value_first, ..] = firsts;
            let item = PartialItem { config, first_workgroup, value_first, ..Default::default() };
            out.extend_from_slice(bytes_of(&item));
        }
        Config::Update(config) => {
            let [param_first, state_first, value_first] = firsts;
            let item =
                UpdateItem { config, first_workgroup, param_first, state_first, value_first };
            out.extend_from_slice(bytes_of(&item));
        }
        _ => {}
    }
}
