// ingest_small_serial: ingest, sort and heads in one, for a step of one small gradient.
//
// The form for CPU adapters, where every dispatch wakes threads: one workgroup of one SIMD
// group. Each invocation owns a strip of pairs; a stable least-significant-digit radix sort
// moves them between the words [0, 2 capacity) of `scratch`, where they end, and those behind.

const LANES: u32 = 8u;
const DIGIT_BITS: u32 = 7u;
const RADIX: u32 = 128u;

@group(0) @binding(4) var<storage, read_write> scratch: array<u32>;

/// `[RADIX, LANES]`: how many pairs of a lane have a digit, then where its next one goes.
var<workgroup> places: array<u32, 1024>;
var<workgroup> sums: array<u32, LANES>;

// Makes `places` its own exclusive prefix sum; each invocation owns RADIX of it.
fn scan_places(local: u32) {
    var sum = 0u;
    for (var i = 0u; i < RADIX; i++) {
        sum += places[local * RADIX + i];
    }
    sums[local] = sum;
    workgroupBarrier();
    var before = 0u;
    for (var lane = 0u; lane < local; lane++) {
        before += sums[lane];
    }
    for (var i = 0u; i < RADIX; i++) {
        let at = local * RADIX + i;
        let own = places[at];
        places[at] = before;
        before += own;
    }
    workgroupBarrier();
}

// One pass: the pairs of the strip [start, end) go from word `source` on to `sink` on.
fn sort_pass(local: u32, start: u32, end: u32, shift: u32, source: u32, sink: u32) {
    for (var digit = 0u; digit < RADIX; digit++) {
        places[digit * LANES + local] = 0u;
    }
    for (var i = start; i < end; i++) {
        let digit = (scratch[source + 2u * i] >> shift) & (RADIX - 1u);
        places[digit * LANES + local] += 1u;
    }
    workgroupBarrier();
    scan_places(local);
    for (var i = start; i < end; i++) {
        let key = scratch[source + 2u * i];
        let at = ((key >> shift) & (RADIX - 1u)) * LANES + local;
        let place = sink + 2u * places[at];
        places[at] += 1u;
        scratch[place] = key;
        scratch[place + 1u] = scratch[source + 2u * i + 1u];
    }
    storageBarrier();
    workgroupBarrier();
}

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) local: u32) {
    let strip = (config.capacity + LANES - 1u) / LANES;
    let start = min(local * strip, config.capacity);
    let end = min(start + strip, config.capacity);
    let passes = (config.key_bits + DIGIT_BITS - 1u) / DIGIT_BITS;
    // The last pass brings them to word 0.
    var source = (passes % 2u) * 2u * config.capacity;
    for (var entry = start; entry < end; entry++) {
        let pair = take_entry(entry);
        scratch[source + 2u * entry] = pair.x;
        scratch[source + 2u * entry + 1u] = pair.y;
    }
    for (var round = 0u; round < passes; round++) {
        let sink = 2u * config.capacity - source;
        sort_pass(local, start, end, round * DIGIT_BITS, source, sink);
        source = sink;
    }
    for (var block = local; block * config.block < config.capacity; block += LANES) {
        list_heads(block * config.block, config.block, config.capacity, config.lists);
    }
}
