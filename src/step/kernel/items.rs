//! Kernels that take several items per dispatch: tables, or segments or windows of them. Each item has a config in an array. What
//! it has of its own lies in one binding with that of the others, at a place that its config tells, or in a binding by itself: a
//! workgroup chooses among these by its item's number. Where a device has binding arrays, it looks them up there instead.

use super::Kernel;
use crate::Format;
use crate::step::access::Values;
use crate::step::layout::{EntriesItem, PartialItem, UpdateItem};
use crate::step::shape::DeviceShape;
use crate::step::stages::{Bound, MOST_BINDINGS, Stage};
use crate::step::stored::shares_words;
use std::fmt::Write;

/// The binding of what items have of their own: first what lies in one binding for all, then the buffers of one item behind those
/// of the other.
const FIRST: u32 = MOST_BINDINGS as u32;
/// The bind group of arrays; all others are bound in group 0.
pub const ARRAYS: u32 = 1;
/// What a module begins with that has arrays.
pub(super) const ENABLE_ARRAYS: &str = "enable wgpu_binding_array;\n";
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

/// What a kernel has to do with the items of a dispatch.
struct Taken {
    own: &'static [Own],
    /// What it may have of that in one binding: each way is a pipeline, so these are few.
    ways: &'static [Pooled],
    /// The binding of what items share, and the uniforms that they have in arrays.
    shared: u32,
    uniforms: u32,
    /// Bytes of an item in the largest of these.
    bytes: usize,
    /// What takes the place of the bindings of one.
    wgsl: &'static str,
}

/// A status is the library's own, which has them side by side; and so it has the states of parameters that are.
static ENTRIES: Taken = Taken {
    own: &[
        words(2, "index", "u32", false),
        Own { binding: 5, name: "status", words: None, is_written: true },
    ],
    ways: &[Pooled(0b10), Pooled(0b11)],
    shared: 4,
    // Entries are counted in the items.
    uniforms: 1,
    bytes: size_of::<EntriesItem>(),
    wgsl: include_str!("../../../shaders/shared/entries_of_items.wgsl"),
};
static SUMS: Taken = Taken {
    own: &[words(5, "value", "ValueStored", false)],
    ways: &[Pooled(0b0), Pooled(0b1)],
    shared: 1,
    uniforms: 1,
    bytes: size_of::<PartialItem>(),
    wgsl: include_str!("../../../shaders/shared/sums_of_items.wgsl"),
};
static ROWS: Taken = Taken {
    own: &[
        words(2, "param", "ParamStored", true),
        words(3, "state", "StateStored", true),
        words(5, "value", "ValueStored", false),
    ],
    ways: &[Pooled(0b000), Pooled(0b011), Pooled(0b111)],
    shared: 4,
    uniforms: 2,
    bytes: size_of::<UpdateItem>(),
    wgsl: include_str!("../../../shaders/shared/rows_of_items.wgsl"),
};

/// How a dispatch takes several items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Together {
    /// How many at most.
    pub most: usize,
    /// What of each lies in one binding for all.
    pub pooled: Pooled,
    /// Whether the rest of it is in binding arrays, in place of bindings of each item's own.
    pub in_arrays: bool,
}

impl Kernel {
    fn taken(self) -> Option<&'static Taken> {
        match self.stage {
            Stage::Ingest | Stage::IngestSmallParallel | Stage::IngestRadixParallel
                if self.plain =>
            {
                Some(&ENTRIES)
            }
            // A level of sums reads what the one below wrote.
            Stage::PartialSerial | Stage::PartialParallel
                if self.of_entries && self.access.values == Values::One =>
            {
                Some(&SUMS)
            }
            Stage::UpdateParallel | Stage::UpdateSerial
                if self.access.values == Values::One
                    && !self.draws()
                    && !shares_words(self.access) =>
            {
                Some(&ROWS)
            }
            _ => None,
        }
    }

    /// The buffers that each item has, in the order of their bindings.
    fn own(self) -> &'static [Own] {
        self.taken().map_or(&[], |taken| taken.own)
    }

    /// What may lie in one binding of what each item has.
    pub fn poolings(self) -> &'static [Pooled] {
        self.taken().map_or(&[], |taken| taken.ways)
    }

    /// The ways in which a dispatch on a device takes several items.
    pub fn ways(self, device: DeviceShape) -> impl Iterator<Item = Together> {
        let all = self.poolings().iter().map(move |&pooled| self.way(pooled, device));
        all.filter(|way| way.most > 1)
    }

    fn way(self, pooled: Pooled, device: DeviceShape) -> Together {
        let (one, bytes) = (pooled.count(), self.taken().map_or(0, |taken| taken.bytes));
        let each = self.own().len() - one;
        let listed = MOST_ITEMS.min(device.uniform_bytes / bytes.max(1));
        // Bindings that are left for what each item has, beside what they share.
        let storage = device.storage_buffers.min(MOST_BUFFERS).checked_sub(1 + one);
        let numbers = device.group_bindings.checked_sub(FIRST as usize + one);
        let Some(room) = storage.zip(numbers).map(|(storage, numbers)| storage.min(numbers)) else {
            return Together { most: 1, pooled, in_arrays: false };
        };
        let is_serial = matches!(self.stage, Stage::UpdateSerial | Stage::PartialSerial);
        let in_arrays = each > 0 && device.may_overlap && each * listed <= device.array_elements;
        let most = match each {
            _ if each == 0 || in_arrays => listed,
            _ if !device.may_overlap => 1,
            // A CPU adapter would run through all that there is to choose among for each number.
            _ if is_serial => 1,
            _ => (room / each).min(listed),
        };
        Together { most, pooled, in_arrays }
    }

    pub fn with_items(self, Together { most, pooled, in_arrays }: Together) -> Self {
        Self { items: most as u32, pooled, in_arrays, ..self }
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
        let bound = self.stage.spec().bound.len() as u32;
        // Values come behind the others, whatever their binding is.
        let place = move |own: &Own| own.binding.min(bound) as usize - self.uniforms();
        self.own().iter().map(place)
    }

    /// And the one that items share, of a kernel that can take several.
    pub fn shared_place(self) -> Option<usize> {
        self.taken().map(|taken| taken.shared as usize - self.uniforms())
    }

    /// How many uniforms with a dynamic offset a dispatch of one item has.
    fn uniforms(self) -> usize {
        self.stage.spec().bound.iter().filter(|bound| **bound == Bound::Uniform).count()
    }

    /// The bindings of a kernel of several items, but for scalars and arrays.
    pub fn items_bound(self) -> Vec<(u32, Bound)> {
        let spec = self.stage.spec().bound;
        let Some(taken) = self.taken() else { return Vec::new() };
        let shared = (0..taken.uniforms).chain([taken.shared]);
        let shared = shared.map(|binding| (binding, spec[binding as usize]));
        let apart = if self.in_arrays { 0 } else { self.apart().count() as u32 * self.items };
        let own = self.pooled.count() as u32 + apart;
        shared.chain((FIRST..FIRST + own).map(|binding| (binding, Bound::ReadWrite))).collect()
    }

    /// The numbers of what each item has in an array, which are the bindings of a group of their own: wgpu lets no group have
    /// arrays and uniforms.
    pub fn arrays(self) -> impl Iterator<Item = u32> {
        self.apart().map(|(number, _)| number).filter(move |_| self.in_arrays)
    }

    /// The WGSL of what a kernel of several items binds of them.
    pub(super) fn items_wgsl(self) -> String {
        let farthest = self.items.next_power_of_two() / 2;
        let mut out = format!("const ITEMS = {}u;\nconst FARTHEST = {farthest}u;\n", self.items);
        out += self.taken().map_or("", |taken| taken.wgsl);
        out += include_str!("../../../shaders/shared/item_of_items.wgsl");
        for (binding, (number, own)) in (FIRST..).zip(self.pooled()) {
            own.declare("all", binding, &mut out);
            own.find(number, self.words_of(own), &mut out);
        }
        if self.in_arrays {
            self.apart().for_each(|(number, own)| own.look_up(number, &mut out));
            return out;
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

    /// The same, where an array has a binding for each item.
    fn look_up(&self, number: u32, out: &mut String) {
        let (name, Some(of)) = (self.name, self.words) else { return };
        *out += &format!(
            "\nstruct {name}_of_item {{\n    words: array<{of}>,\n}}\n\n\
            @group({ARRAYS}) @binding({number}) var<storage, read_write> {name}_each: \
            binding_array<{name}_of_item, ITEMS>;\n\n\
            fn {name}_word(at: u32) -> {of} {{\n    return {name}_each[chosen].words[at];\n}}\n"
        );
        if self.is_written {
            *out += &format!(
                "\nfn set_{name}_word(at: u32, word: {of}) {{\n    \
                {name}_each[chosen].words[at] = word;\n}}\n"
            );
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
