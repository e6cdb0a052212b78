//! Kernels that take several items per dispatch: tables, or segments or windows of them. Each item has a config in an array. What
//! it has of its own lies in one binding with that of the others, at a place that its config tells, or in a binding by itself: a
//! workgroup chooses among these by its item's number.

use super::Kernel;
use crate::Format;
use crate::step::access::Values;
use crate::step::shape::DeviceShape;
use crate::step::stages::{Bound, MOST_BINDINGS, Stage};
use crate::step::stored::shares_words;
use std::fmt::Write;

/// The binding of what items have of their own: first what lies in one binding for all, then the buffers of one item behind those
/// of the other.
const FIRST: u32 = MOST_BINDINGS as u32;
/// Most storage buffers of such a kernel: choosing among them should stay short.
pub const MOST_BUFFERS: usize = 13;
/// Most items of one that has nothing to choose among.
pub const MOST_ITEMS: usize = 32;

/// Which buffers of their own, by their order, items have in one binding, each at a place that its config tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pooled(u8);

impl Pooled {
    pub fn has(self, number: u32) -> bool {
        self.0 >> number & 1 == 1
    }

    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }
}

/// A buffer that each item has.
struct Own {
    /// Its binding where a dispatch takes one item.
    binding: u32,
    name: &'static str,
    /// What it is an array of; None for a status, which lies with the others' in any way.
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
/// What a kernel may have of them in one binding: each way is a pipeline, so these are few. A status is the library's own, which
/// has them side by side; and so it has the states of parameters that are.
const ENTRIES_WAYS: &[Pooled] = &[Pooled(0b10), Pooled(0b11)];
const ROWS_WAYS: &[Pooled] = &[Pooled(0b000), Pooled(0b011), Pooled(0b111)];
/// What items share.
const SHARED: u32 = 4;

impl Kernel {
    /// The buffers that each item has, in the order of their bindings.
    fn own(self) -> &'static [Own] {
        match self.stage {
            Stage::Ingest if self.plain => ENTRIES,
            Stage::UpdateParallel | Stage::UpdateSerial
                if self.access.values == Values::One
                    && !self.draws()
                    && !shares_words(self.access) =>
            {
                ROWS
            }
            _ => &[],
        }
    }

    /// What may lie in one binding of what each item has.
    pub fn ways(self) -> &'static [Pooled] {
        match self.own().len() {
            0 => &[],
            _ if self.stage == Stage::Ingest => ENTRIES_WAYS,
            _ => ROWS_WAYS,
        }
    }

    /// Most items of a dispatch on a device, which have this in one binding: 1 where it takes no more.
    pub fn most_items(self, pooled: Pooled, device: DeviceShape) -> usize {
        let (all, one) = (self.own().len(), pooled.count());
        // Beside what they share.
        let room = device.storage_buffers.min(MOST_BUFFERS).saturating_sub(1 + one);
        match all - one {
            _ if all == 0 || device.storage_buffers < 1 + one => 1,
            0 => MOST_ITEMS,
            // A CPU adapter would run through all that there is to choose among for each number.
            _ if self.stage == Stage::UpdateSerial => 1,
            each if device.may_overlap => (room / each).max(1),
            _ => 1,
        }
    }

    pub fn with_items(self, items: usize, pooled: Pooled) -> Self {
        Self { items: items as u32, pooled, ..self }
    }

    /// What each item has in a binding of its own, and what all have in one, each with its number.
    fn apart(self) -> impl Iterator<Item = (u32, &'static Own)> {
        (0..).zip(self.own()).filter(move |&(number, _)| !self.pooled.has(number))
    }

    fn pooled(self) -> impl Iterator<Item = (u32, &'static Own)> {
        (0..).zip(self.own()).filter(move |&(number, _)| self.pooled.has(number))
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
        let own = self.pooled.count() as u32 + self.apart().count() as u32 * self.items;
        shared.chain((FIRST..FIRST + own).map(|binding| (binding, Bound::ReadWrite))).collect()
    }

    /// The WGSL of what a kernel of several items binds of them.
    pub(super) fn items_wgsl(self) -> String {
        let farthest = self.items.next_power_of_two() / 2;
        let mut out = format!("const ITEMS = {}u;\nconst FARTHEST = {farthest}u;\n", self.items);
        out += match self.stage {
            Stage::Ingest => include_str!("../../../shaders/shared/entries_of_items.wgsl"),
            _ => include_str!("../../../shaders/shared/rows_of_items.wgsl"),
        };
        out += include_str!("../../../shaders/shared/item_of_items.wgsl");
        for (binding, (number, own)) in (FIRST..).zip(self.pooled()) {
            own.declare("all", binding, &mut out);
            own.find(number, self.words_of(own), &mut out);
        }
        let (first, each) = (FIRST + self.pooled.count() as u32, self.apart().count() as u32);
        for (place, (_, own)) in (0..).zip(self.apart()) {
            for item in 0..self.items {
                own.declare(&item.to_string(), first + item * each + place, &mut out);
            }
            own.choose(self.items, &mut out);
        }
        out
    }

    /// Words of an element of a buffer.
    fn words_of(self, own: &Own) -> u32 {
        let lane = self.access.width.lane_width();
        let halves = |format: Format| if format.is_narrow() { (lane / 2).max(1) } else { lane };
        let formats = self.access.formats;
        match own.words {
            Some("ParamStored") => halves(formats.param),
            Some("ValueStored") => halves(formats.values),
            Some("StateStored") => lane,
            _ => 1,
        }
    }
}

impl Own {
    /// A buffer at a binding: of the item that it is named for, or of all.
    fn declare(&self, of: &str, binding: u32, out: &mut String) {
        let name = self.name;
        let held = match self.words {
            Some(words) => format!("array<{words}>"),
            None => "array<atomic<u32>>".into(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "@group(0) @binding({binding}) var<storage, read_write> {name}_{of}: {held};"
        );
    }

    /// The functions that read, and write, the chosen item's where one binding has all.
    fn find(&self, number: u32, words: u32, out: &mut String) {
        let name = self.name;
        let at = |index: &str| format!("{name}_all[firsts[{number}] / {words}u + {index}]");
        *out += &match self.words {
            None => format!(
                "\nfn counter_of(counter: u32) -> u32 {{\n    return atomicLoad(&{0});\n}}\n\
                \nfn add_to_counter(counter: u32, count: u32) {{\n    atomicAdd(&{0}, count);\n}}\n",
                at("counter")
            ),
            Some(of) => {
                format!("\nfn {name}_word(at: u32) -> {of} {{\n    return {};\n}}\n", at("at"))
            }
        };
        if let (Some(of), true) = (self.words, self.is_written) {
            let place = at("at");
            *out +=
                &format!("\nfn set_{name}_word(at: u32, word: {of}) {{\n    {place} = word;\n}}\n");
        }
    }

    /// The same, where each item has its own binding.
    fn choose(&self, items: u32, out: &mut String) {
        let (name, Some(of)) = (self.name, self.words) else { return };
        let read = |item| format!("return {name}_{item}[at];");
        *out += &chosen(&format!("fn {name}_word(at: u32) -> {of}"), items, read);
        if self.is_written {
            let write = |item| format!("{name}_{item}[at] = word; return;");
            *out += &chosen(&format!("fn set_{name}_word(at: u32, word: {of})"), items, write);
        }
    }
}

/// A function that does for the chosen item what `of` says for an item.
fn chosen(head: &str, items: u32, of: impl Fn(u32) -> String) -> String {
    let others = (1..items).map(|item| format!("    if (chosen == {item}u) {{ {} }}\n", of(item)));
    format!("\n{head} {{\n{}    {}\n}}\n", others.collect::<String>(), of(0))
}
