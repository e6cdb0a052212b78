//! How often slots were named: lists of slots by count, in each the longest unnamed first.
//!
//! Naming a slot moves it to the end of the next list, so a victim is found without a look at the others. After
//! [`AGEING`] namings per slot all counts are halved: what was often named long ago may leave.

/// Namings per slot between two halvings.
pub(super) const AGEING: u64 = 16;

/// Where counts stop.
const MOST: u8 = u8::MAX;

const END: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    after: u32,
    /// 0: in no list.
    count: u8,
    /// Grows with every naming: of two slots in one list, the first has the smaller one.
    named: u64,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

const EMPTY: List = List { first: END, last: END };

/// The counts of all slots.
#[derive(Debug)]
pub(super) struct Frequencies {
    links: Vec<Link>,
    /// The list of each count.
    lists: Vec<List>,
    namings: u64,
    /// Namings at which counts are halved next.
    ageing: u64,
}

impl Frequencies {
    pub fn new(slots: usize) -> Self {
        let link = Link { before: END, after: END, count: 0, named: 0 };
        let lists = vec![EMPTY; usize::from(MOST) + 1];
        Self { links: vec![link; slots], lists, namings: 0, ageing: AGEING * slots as u64 }
    }

    /// The slots that were named, least often first.
    pub fn ascending(&self) -> impl Iterator<Item = u32> {
        self.lists.iter().flat_map(|list| self.following(list.first))
    }

    fn following(&self, first: u32) -> impl Iterator<Item = u32> {
        let some = |slot: u32| (slot != END).then_some(slot);
        std::iter::successors(some(first), move |&slot| some(self.links[slot as usize].after))
    }

    /// A batch names these slots, each once.
    pub fn name(&mut self, slots: &[u32]) {
        for &slot in slots {
            let count = self.links[slot as usize].count;
            self.forget(slot);
            self.namings += 1;
            self.links[slot as usize].named = self.namings;
            self.append(slot, count.saturating_add(1));
        }
        if self.namings >= self.ageing {
            self.age();
            self.ageing = self.namings + AGEING * self.links.len() as u64;
        }
    }

    /// Takes a slot out; its count starts anew.
    pub fn forget(&mut self, slot: u32) {
        let Link { before, after, count, .. } = self.links[slot as usize];
        if count == 0 {
            return;
        }
        let list = &mut self.lists[usize::from(count)];
        match before {
            END => list.first = after,
            before => self.links[before as usize].after = after,
        }
        match after {
            END => list.last = before,
            after => self.links[after as usize].before = before,
        }
        self.links[slot as usize].count = 0;
    }

    /// Puts a slot that is in no list to the end of one.
    fn append(&mut self, slot: u32, count: u8) {
        let list = &mut self.lists[usize::from(count)];
        let before = std::mem::replace(&mut list.last, slot);
        match before {
            END => list.first = slot,
            before => self.links[before as usize].after = slot,
        }
        let link = &mut self.links[slot as usize];
        (link.before, link.after, link.count) = (before, END, count);
    }

    /// Halves all counts but 1: two lists become one, in the order of their namings.
    fn age(&mut self) {
        let old = std::mem::replace(&mut self.lists, vec![EMPTY; usize::from(MOST) + 1]);
        for half in 1..=MOST / 2 {
            // 1 stays, beside 2 and 3.
            let lists = if half == 1 { 1..=3 } else { 2 * half..=2 * half + 1 };
            let mut heads: Vec<u32> = lists
                .map(|count| old[usize::from(count)].first)
                .filter(|&head| head != END)
                .collect();
            while let Some((at, &slot)) =
                heads.iter().enumerate().min_by_key(|(_, slot)| self.links[**slot as usize].named)
            {
                match self.links[slot as usize].after {
                    END => drop(heads.swap_remove(at)),
                    after => heads[at] = after,
                }
                self.append(slot, half);
            }
        }
    }
}
