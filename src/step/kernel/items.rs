//! Kernels that take several items per dispatch: tables, or segments or windows of them. Each item has a config in an array,
//! and buffers of its own, among which a workgroup chooses by its item's number.

use super::Kernel;
use crate::step::access::Values;
use crate::step::shape::DeviceShape;
use crate::step::stages::{Bound, MOST_BINDINGS, Stage};
use crate::step::stored::shares_words;
use std::fmt::Write;

/// The binding of the first item's first buffer; the others follow it, one item behind the other.
const FIRST: u32 = MOST_BINDINGS as u32;
/// Most storage buffers of such a kernel: choosing among them should stay short.
pub const MOST_BUFFERS: usize = 13;

/// A buffer that each item has.
struct Own {
    /// Its binding where a dispatch takes one item.
    binding: u32,
    name: &'static str,
    /// What it is an array of; None for a status.
    words: Option<&'static str>,
    is_written: bool,
}

const fn words(binding: u32, name: &'static str, of: &'static str, is_written: bool) -> Own {
    Own { binding, name, words: Some(of), is_written }
}

const ENTRIES: &[Own] = &[
    words(2, "index", "u32", false),
    Own { binding: 5, name: "status", words: None, is_written: true },
];
const ROWS: &[Own] = &[
    words(2, "param", "ParamStored", true),
    words(3, "state", "StateStored", true),
    words(5, "value", "ValueStored", false),
];
/// What items share.
const SHARED: u32 = 4;

impl Kernel {
    /// The buffers that each item has, in the order of their bindings.
    fn own(self) -> &'static [Own] {
        match self.stage {
            Stage::Ingest if self.plain => ENTRIES,
            Stage::UpdateParallel
                if self.access.values == Values::One
                    && !self.draws()
                    && !shares_words(self.access) =>
            {
                ROWS
            }
            _ => &[],
        }
    }

    /// Most items of a dispatch on a device: 1 where the kernel takes no more anywhere.
    pub fn most_items(self, device: DeviceShape) -> usize {
        match self.own().len() {
            0 => 1,
            each => ((device.storage_buffers.min(MOST_BUFFERS) - 1) / each).max(1),
        }
    }

    pub fn with_items(self, items: usize) -> Self {
        Self { items: items as u32, ..self }
    }

    /// Where among the storage bindings of a dispatch of one item those are that each item has.
    pub fn own_places(self) -> impl Iterator<Item = usize> {
        // Values, from binding 5 on, come behind the other bindings of an update, which are five.
        self.own().iter().map(move |own| own.binding as usize - self.uniforms())
    }

    /// And the one that items share, of a kernel that can take several.
    pub fn shared_place(self) -> Option<usize> {
        (!self.own().is_empty()).then(|| SHARED as usize - self.uniforms())
    }

    /// How many uniforms with a dynamic offset a dispatch of one item has.
    fn uniforms(self) -> usize {
        self.stage.spec().bound.iter().filter(|bound| **bound == Bound::Uniform).count()
    }

    /// The bindings of a kernel of several items, but for scalars.
    pub fn items_bound(self) -> Vec<(u32, Bound)> {
        let spec = self.stage.spec().bound;
        // Entries are counted in the items.
        let uniforms = if self.stage == Stage::Ingest { 1 } else { self.uniforms() as u32 };
        let shared = (0..uniforms).chain([SHARED]).map(|binding| (binding, spec[binding as usize]));
        let own = self.own().len() as u32 * self.items;
        shared.chain((FIRST..FIRST + own).map(|binding| (binding, Bound::ReadWrite))).collect()
    }

    /// The WGSL of what a kernel of several items binds of them.
    pub(super) fn items_wgsl(self) -> String {
        let mut out = format!("const ITEMS = {}u;\n", self.items);
        out += match self.stage {
            Stage::Ingest => include_str!("../../../shaders/shared/entries_of_items.wgsl"),
            _ => include_str!("../../../shaders/shared/rows_of_items.wgsl"),
        };
        out += include_str!("../../../shaders/shared/item_of_items.wgsl");
        let each = self.own().len() as u32;
        for (number, own) in (0..).zip(self.own()) {
            let binding = |item| FIRST + item * each + number;
            own.declare((0..self.items).map(binding), &mut out);
            own.choose(self.items, &mut out);
        }
        out
    }
}

impl Own {
    /// The buffers of all items, at their bindings.
    fn declare(&self, bindings: impl Iterator<Item = u32>, out: &mut String) {
        let held = self.words.map_or("Status".into(), |of| format!("array<{of}>"));
        for (item, binding) in bindings.enumerate() {
            let name = self.name;
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "@group(0) @binding({binding}) var<storage, read_write> {name}_{item}: {held};"
            );
        }
    }

    /// The functions that read, and write, the chosen item's.
    fn choose(&self, items: u32, out: &mut String) {
        let name = self.name;
        match self.words {
            None => {
                let read = |item| format!("return atomicLoad(&{name}_{item}.counts[counter]);");
                *out += &chosen("fn counter_of(counter: u32) -> u32", items, read);
                let add =
                    |item| format!("atomicAdd(&{name}_{item}.counts[counter], count); return;");
                *out += &chosen("fn add_to_counter(counter: u32, count: u32)", items, add);
            }
            Some(of) => {
                let read = |item| format!("return {name}_{item}[at];");
                *out += &chosen(&format!("fn {name}_word(at: u32) -> {of}"), items, read);
                if self.is_written {
                    let write = |item| format!("{name}_{item}[at] = word; return;");
                    *out +=
                        &chosen(&format!("fn set_{name}_word(at: u32, word: {of})"), items, write);
                }
            }
        }
    }
}

/// A function that does for the chosen item what `of` says for an item.
fn chosen(head: &str, items: u32, of: impl Fn(u32) -> String) -> String {
    let others = (1..items).map(|item| format!("    if (chosen == {item}u) {{ {} }}\n", of(item)));
    format!("\n{head} {{\n{}    {}\n}}\n", others.collect::<String>(), of(0))
}
