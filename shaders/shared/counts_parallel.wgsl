// Counting in workgroup memory first, because a GPU does the atomics of one address one after another.
//
// Every invocation of a workgroup, which has COUNTERS at least, calls begin_counting and end_counting.

const COUNTERS: u32 = 8u;

var<workgroup> counted: array<atomic<u32>, COUNTERS>;

fn begin_counting(local: u32) {
    if (local < COUNTERS) {
        atomicStore(&counted[local], 0u);
    }
    workgroupBarrier();
}

fn count_one(counter: u32) {
    atomicAdd(&counted[counter], 1u);
}

fn end_counting(local: u32) {
    workgroupBarrier();
    if (local < COUNTERS) {
        let count = atomicLoad(&counted[local]);
        if (count > 0u) {
            add_to_status(local, count);
        }
    }
}
