// ingest_radix_parallel: ingest and sort in one, of gradients of at most SMALL entries each; a workgroup takes one of them.
//
// The form for GPUs. A stable radix sort by digits of 4 bits, lowest first. An invocation has up to 16 neighbouring pairs in
// registers: it ranks them among themselves there, a prefix sum over all invocations tells where they go, and they change hands
// through workgroup memory, HELD of them at a time. A pair is one word: what is left of its key, above its entry. The first pass
// takes the lowest digit off the key before the entry is put below it, so keys may have 4 bits more than the word has room for.

const WORKGROUP: u32 = 256u;
const SMALL: u32 = 4096u;
const DIGIT_BITS: u32 = 4u;
const DIGITS: u32 = 16u;
const HELD: u32 = 2048u;
/// Words of a column of counts: one per invocation, and a gap behind every 8, so that neither those that write one each nor
/// those that read 8 meet in a bank.
const COLUMN: u32 = 288u;

@group(0) @binding(4) var<storage, read_write> pairs: array<vec2<u32>>;

/// HELD pairs; or `[8, COLUMN]` counts.
var<workgroup> held: array<u32, 2304>;
var<workgroup> sums: array<u32, WORKGROUP>;

/// How the pairs of a gradient are dealt out.
struct Dealt {
    /// Pairs of an invocation, 4, 8 or 16, as a power of two.
    each_bits: u32,
    /// Invocations whose pairs are held at a time, and how often.
    owners: u32,
    rounds: u32,
    /// Bits of an entry.
    entry_bits: u32,
}

fn dealt_out_of(capacity: u32) -> Dealt {
    if (capacity <= 4u * WORKGROUP) {
        return Dealt(2u, WORKGROUP, 1u, 10u);
    }
    if (capacity <= 8u * WORKGROUP) {
        return Dealt(3u, WORKGROUP, 1u, 11u);
    }
    return Dealt(4u, WORKGROUP / 2u, 2u, 12u);
}

/// Up to 16 numbers of an invocation, in their order.
struct Own {
    a: vec4<u32>,
    b: vec4<u32>,
    c: vec4<u32>,
    d: vec4<u32>,
}

// Words from one pair of an owner to its next: of all owners, and some, for the banks.
fn stride_of(cut: Dealt) -> u32 {
    return cut.owners + (32u >> cut.each_bits);
}

// Where the pair is held that is the `place`th of its round.
fn slot_of(place: u32, cut: Dealt) -> u32 {
    return (place & ((1u << cut.each_bits) - 1u)) * stride_of(cut) + (place >> cut.each_bits);
}

fn four_held(first: u32, stride: u32) -> vec4<u32> {
    return vec4<u32>(
        held[first],
        held[first + stride],
        held[first + 2u * stride],
        held[first + 3u * stride],
    );
}

// The pairs of an owner of those held.
fn own_of(owner: u32, cut: Dealt) -> Own {
    let stride = stride_of(cut);
    var own: Own;
    own.a = four_held(owner, stride);
    if (cut.each_bits > 2u) {
        own.b = four_held(owner + 4u * stride, stride);
    }
    if (cut.each_bits > 3u) {
        own.c = four_held(owner + 8u * stride, stride);
        own.d = four_held(owner + 12u * stride, stride);
    }
    return own;
}

// Takes the entries: an invocation's own, as keys from 0 on. Those past the last have keys above all others.
fn own_entries(capacity: u32, cut: Dealt, local: u32) -> Own {
    var own: Own;
    for (var round = 0u; round < cut.rounds; round++) {
        for (var place = local; place < cut.owners << cut.each_bits; place += WORKGROUP) {
            let entry = round * HELD + place;
            var key = 0xffffffffu;
            if (entry < capacity) {
                key = take_entry(entry).x - config.key_base;
            }
            held[slot_of(place, cut)] = key;
        }
        workgroupBarrier();
        if (local / cut.owners == round) {
            own = own_of(local % cut.owners, cut);
        }
        workgroupBarrier();
    }
    return own;
}

fn sum_of(x: vec4<u32>) -> u32 {
    return x.x + x.y + x.z + x.w;
}

// Which component has what belongs to a digit: its upper bits tell.
fn is_of(digit: u32) -> vec4<bool> {
    return vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(digit >> 2u);
}

/// Of each digit, in 8 bits, how many pairs of an invocation have it.
var<private> counts: vec4<u32>;

// How many pairs before this one have its digit. Counts it.
fn ranked(digit: u32) -> u32 {
    let shift = 8u * (digit & 3u);
    let before = sum_of(select(vec4<u32>(), counts, is_of(digit)));
    counts += select(vec4<u32>(), vec4<u32>(1u << shift), is_of(digit));
    return (before >> shift) & 0xffu;
}

fn four_ranked(digits: vec4<u32>) -> vec4<u32> {
    let x = ranked(digits.x);
    let y = ranked(digits.y);
    let z = ranked(digits.z);
    return vec4<u32>(x, y, z, ranked(digits.w));
}

/// A number per digit, two in a word: of digits 4i and, above, 4i + 2; of 4i + 1 and 4i + 3.
struct PerDigit {
    even: vec4<u32>,
    odd: vec4<u32>,
}

// Makes `sums` the inclusive prefix sum of each 32 of them (Hillis and Steele 1986).
fn scan_of_32(local: u32) {
    for (var reach = 1u; reach < 32u; reach *= 2u) {
        workgroupBarrier();
        var sum = sums[local];
        if (local % 32u >= reach) {
            sum += sums[local - reach];
        }
        workgroupBarrier();
        sums[local] = sum;
    }
    workgroupBarrier();
}

// Makes each column of `held` its own exclusive prefix sum over the invocations. Of a column, an invocation adds up 8 words.
fn scan_columns(local: u32) {
    let first = local / 32u * COLUMN + local % 32u * 9u;
    let low = four_held(first, 1u);
    let high = four_held(first + 4u, 1u);
    sums[local] = sum_of(low) + sum_of(high);
    scan_of_32(local);
    var before = sums[local] - sum_of(low) - sum_of(high);
    held[first] = before;
    before += low.x;
    held[first + 1u] = before;
    before += low.y;
    held[first + 2u] = before;
    before += low.z;
    held[first + 3u] = before;
    before += low.w;
    held[first + 4u] = before;
    before += high.x;
    held[first + 5u] = before;
    before += high.y;
    held[first + 6u] = before;
    before += high.z;
    held[first + 7u] = before;
}

// Where digits begin, given how many pairs have each.
fn starts_of(all: PerDigit) -> PerDigit {
    let half = vec4<u32>(0xffffu);
    let first = all.even & half;
    let second = first + (all.odd & half);
    let third = second + (all.even >> vec4<u32>(16u));
    let fourth = third + (all.odd >> vec4<u32>(16u));
    let two = fourth.x + fourth.y;
    let before = vec4<u32>(0u, fourth.x, two, two + fourth.z);
    let even = before | ((before + second) << vec4<u32>(16u));
    return PerDigit(even, (before + first) | ((before + third) << vec4<u32>(16u)));
}

// Where the first pair of each digit goes that this invocation has.
fn own_places(local: u32) -> PerDigit {
    let half = vec4<u32>(0xff00ffu);
    let even = counts & half;
    let odd = (counts >> vec4<u32>(8u)) & half;
    let at = local + local / 8u;
    held[at] = even.x;
    held[COLUMN + at] = even.y;
    held[2u * COLUMN + at] = even.z;
    held[3u * COLUMN + at] = even.w;
    held[4u * COLUMN + at] = odd.x;
    held[5u * COLUMN + at] = odd.y;
    held[6u * COLUMN + at] = odd.z;
    held[7u * COLUMN + at] = odd.w;
    workgroupBarrier();
    scan_columns(local);
    workgroupBarrier();
    let all_even = vec4<u32>(sums[31], sums[63], sums[95], sums[127]);
    let all_odd = vec4<u32>(sums[159], sums[191], sums[223], sums[255]);
    let starts = starts_of(PerDigit(all_even, all_odd));
    let before = PerDigit(four_held(at, COLUMN), four_held(4u * COLUMN + at, COLUMN));
    workgroupBarrier();
    // No half comes to more than SMALL, so none reaches the other.
    return PerDigit(starts.even + before.even, starts.odd + before.odd);
}

// Where a pair goes that is the `rank`th of its digit in its invocation.
fn place_of(digit: u32, rank: u32, places: PerDigit) -> u32 {
    let of_digit = select(places.even, places.odd, (digit & 1u) == 1u);
    let both = sum_of(select(vec4<u32>(), of_digit, is_of(digit)));
    return ((both >> (8u * (digit & 2u))) & 0xffffu) + rank;
}

fn four_places(digits: vec4<u32>, ranks: vec4<u32>, places: PerDigit) -> vec4<u32> {
    return vec4<u32>(
        place_of(digits.x, ranks.x, places),
        place_of(digits.y, ranks.y, places),
        place_of(digits.z, ranks.z, places),
        place_of(digits.w, ranks.w, places),
    );
}

// Hands a pair on, if its place is in the round.
fn hand_on(place: u32, pair: u32, round: u32, cut: Dealt) {
    if (place / HELD == round) {
        held[slot_of(place % HELD, cut)] = pair;
    }
}

fn hand_four_on(places: vec4<u32>, of_four: vec4<u32>, round: u32, cut: Dealt) {
    hand_on(places.x, of_four.x, round, cut);
    hand_on(places.y, of_four.y, round, cut);
    hand_on(places.z, of_four.z, round, cut);
    hand_on(places.w, of_four.w, round, cut);
}

// Writes the sorted pairs of a round.
fn write_out(capacity: u32, round: u32, cut: Dealt, local: u32) {
    for (var place = local; place < cut.owners << cut.each_bits; place += WORKGROUP) {
        let position = round * HELD + place;
        if (position < capacity) {
            let entry = held[slot_of(place, cut)] & ((1u << cut.entry_bits) - 1u);
            pairs[config.first + position] = entry_taken(entry).pair;
        }
    }
}

fn digits_of(of_four: vec4<u32>, shift: u32) -> vec4<u32> {
    return (of_four >> vec4<u32>(shift)) & vec4<u32>(DIGITS - 1u);
}

// Pairs without their lowest digit, above their entries.
fn without_digit(of_four: vec4<u32>, shift: u32, entries: vec4<u32>, cut: Dealt) -> vec4<u32> {
    let key = of_four >> vec4<u32>(shift + DIGIT_BITS);
    return (key << vec4<u32>(cut.entry_bits)) | entries;
}

// An invocation's pairs after a turn, before they are handed on. Before the first, keys have no entries below them.
fn passed(own: Own, is_first: bool, cut: Dealt, local: u32) -> Own {
    let shift = select(cut.entry_bits, 0u, is_first);
    let mask = vec4<u32>((1u << cut.entry_bits) - 1u);
    let first = vec4<u32>(local << cut.each_bits) + vec4<u32>(0u, 1u, 2u, 3u);
    return Own(
        without_digit(own.a, shift, select(own.a & mask, first, is_first), cut),
        without_digit(own.b, shift, select(own.b & mask, first + 4u, is_first), cut),
        without_digit(own.c, shift, select(own.c & mask, first + 8u, is_first), cut),
        without_digit(own.d, shift, select(own.d & mask, first + 12u, is_first), cut),
    );
}

// Where an invocation's pairs go in a turn, by the digit above `shift`.
fn places_of(own: Own, shift: u32, cut: Dealt, local: u32) -> Own {
    let a = digits_of(own.a, shift);
    let b = digits_of(own.b, shift);
    let c = digits_of(own.c, shift);
    let d = digits_of(own.d, shift);
    counts = vec4<u32>();
    var ranks: Own;
    ranks.a = four_ranked(a);
    if (cut.each_bits > 2u) {
        ranks.b = four_ranked(b);
    }
    if (cut.each_bits > 3u) {
        ranks.c = four_ranked(c);
        ranks.d = four_ranked(d);
    }
    let places = own_places(local);
    return Own(
        four_places(a, ranks.a, places),
        four_places(b, ranks.b, places),
        four_places(c, ranks.c, places),
        four_places(d, ranks.d, places),
    );
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let item = item_of(workgroup.x);
    begin_item(item);
    begin_counting(local);
    // Of the item, and not from `config`: what a loop around a barrier depends on must be seen to be the workgroup's.
    let of_item = config_of(item);
    let cut = dealt_out_of(of_item.capacity);
    var own = own_entries(of_item.capacity, cut, local);
    let passes = (of_item.key_bits + DIGIT_BITS - 1u) / DIGIT_BITS;
    for (var turn = 0u; turn < passes; turn++) {
        let is_first = turn == 0u;
        let places = places_of(own, select(cut.entry_bits, 0u, is_first), cut, local);
        let moved = passed(own, is_first, cut, local);
        for (var round = 0u; round < cut.rounds; round++) {
            hand_four_on(places.a, moved.a, round, cut);
            if (cut.each_bits > 2u) {
                hand_four_on(places.b, moved.b, round, cut);
            }
            if (cut.each_bits > 3u) {
                hand_four_on(places.c, moved.c, round, cut);
                hand_four_on(places.d, moved.d, round, cut);
            }
            workgroupBarrier();
            if (turn + 1u == passes) {
                write_out(of_item.capacity, round, cut, local);
            } else if (local / cut.owners == round) {
                own = own_of(local % cut.owners, cut);
            }
            workgroupBarrier();
        }
    }
    end_counting(local);
}
