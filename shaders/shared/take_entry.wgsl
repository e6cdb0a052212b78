// Turning an entry into a (key, value row) pair.
//
// A stage that uses this has the fragments `status` and `entries_of_one`. An entry that lies beyond the entry count, that
// names no row of the table, that is padding, or whose value row does not exist, gets the table's
// sentinel key: it sorts behind the table's rows and no later stage writes for it. All but the
// first kind are counted in the status, and a count that the gradient has no room for.

/// Whether the index list is the common one: 32 bits, one axis, a value row per entry. Where it is
/// signed, the table has at most 2^31 rows.
override PLAIN: bool = false;

const NO_ROW: u32 = 0xffffffffu;

// The index at `at`, or NO_ROW where it does not fit in 32 bits or is negative.
fn load_index(at: u32) -> u32 {
    if (config.index_format == 2u) {
        let low = index_word(2u * at);
        let high = index_word(2u * at + 1u);
        return select(NO_ROW, low, high == 0u);
    }
    let index = index_word(at);
    let negative = config.index_format == 1u && (index >> 31u) == 1u;
    return select(index, NO_ROW, negative);
}

fn axis_size(axis: u32) -> u32 {
    if (axis == 0u) {
        return config.axis_size_0;
    }
    return select(config.axis_size_2, config.axis_size_1, axis == 1u);
}

// The row that an entry names: its sparse axes flattened, first axis slowest.
fn row_of(entry: u32) -> u32 {
    if (PLAIN) {
        let index = index_word(entry);
        return select(NO_ROW, index, index < config.axis_size_0);
    }
    var row = 0u;
    for (var axis = 0u; axis < config.axes; axis++) {
        let index = load_index(axis * config.capacity + entry);
        if (index >= axis_size(axis)) {
            return NO_ROW;
        }
        row = row * axis_size(axis) + index;
    }
    return row;
}

fn value_row_of(entry: u32, row: u32) -> u32 {
    if (PLAIN) {
        return entry;
    }
    if (config.value_origin == VALUES_BY_MAP) {
        return map_word(entry);
    }
    return select(entry, row, config.value_origin == VALUES_BY_ROW);
}

// What a pair holds beside its key.
fn payload_of(entry: u32, value_row: u32) -> u32 {
    let weighted = config.weighted == 1u;
    return select(config.value_base + value_row, config.entry_base + entry, weighted);
}

/// An entry's pair, and the counter of the status that counts it: NOT_COUNTED where none does.
struct Taken {
    pair: vec2<u32>,
    counter: u32,
}

const NOT_COUNTED: u32 = 0xffffffffu;

fn entry_taken(entry: u32) -> Taken {
    var taken = Taken(vec2<u32>(config.sentinel, 0u), NOT_COUNTED);
    if (entry >= count.entries) {
        return taken;
    }
    let row = row_of(entry);
    let value_row = value_row_of(entry, row);
    if (row == NO_ROW) {
        taken.counter = OUT_OF_RANGE;
    } else if (row == config.padding_row) {
        taken.counter = PADDING;
    } else if (value_row >= config.value_rows) {
        taken.counter = BAD_VALUE_ROW;
    } else {
        taken.pair = vec2<u32>(config.key_base + row, payload_of(entry, value_row));
    }
    return taken;
}

// As entry_taken, once for each entry, which is counted.
fn take_entry(entry: u32) -> vec2<u32> {
    if (entry == 0u && count.entries > config.capacity) {
        count_one(OVER_CAPACITY);
    }
    let taken = entry_taken(entry);
    if (taken.counter != NOT_COUNTED) {
        count_one(taken.counter);
    }
    return taken.pair;
}
