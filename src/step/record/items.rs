//! The uniforms of dispatches that take several items.

use super::{Recorder, StepOf};
use crate::Error;
use crate::step::layout::{Config, EntriesItem, UpdateItem};
use crate::step::list::{Item, Items, Second};
use crate::step::uniforms::Slot;
use bytemuck::bytes_of;

/// Of an item that is not there: no workgroup is its.
const NO_WORKGROUP: u32 = u32::MAX;

impl Recorder {
    /// The configs of a dispatch's items, and the words of their rules where they have such. A kernel for `most` items reads
    /// as many.
    pub(super) fn items(
        &mut self,
        Items { first, count }: Items,
        most: u32,
        step: &impl Fn(u32) -> StepOf,
    ) -> Result<(Slot, Option<Slot>), Error> {
        let [mut configs, mut rules] = std::mem::take(&mut self.item_bytes);
        configs.clear();
        rules.clear();
        let listed = &self.items[first as usize..][..count as usize];
        for number in 0..most as usize {
            // One that is not there is like the first, but that it has no workgroups.
            let item = listed
                .get(number)
                .copied()
                .unwrap_or(Item { first_workgroup: NO_WORKGROUP, ..listed[0] });
            config(item, &mut configs);
            if let Some(Second::Rule { table }) = item.second {
                let StepOf { rule, options, number, .. } = step(table);
                rules.extend_from_slice(bytes_of(&rule.words(&options, number)));
            }
        }
        let of_configs = self.uniforms.slots(&self.guard, &configs)?;
        let of_rules = (!rules.is_empty()).then(|| self.uniforms.slots(&self.guard, &rules));
        self.item_bytes = [configs, rules];
        Ok((of_configs, of_rules.transpose()?))
    }
}

fn config(Item { config, second, first_workgroup }: Item, out: &mut Vec<u8>) {
    match config {
        Config::Entries(config) => {
            let entries = if let Some(Second::Entries(entries)) = second { entries } else { 0 };
            let item = EntriesItem { config, first_workgroup, entries, ..Default::default() };
            out.extend_from_slice(bytes_of(&item));
        }
        Config::Update(config) => {
            let item = UpdateItem { config, first_workgroup, ..Default::default() };
            out.extend_from_slice(bytes_of(&item));
        }
        _ => {}
    }
}
