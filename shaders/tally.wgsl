// tally: adds what was counted of an index list to the status of each table that has it.
//
// One workgroup, an invocation per counter. Runs only where several tables have a list: the stages that look
// at it count once, in `tally`, which the last dispatch for the list leaves at zero for the next step.

struct TallyConfig {
    /// How many of the three are tables; the others are not touched.
    tables: u32,
    /// 1: no other dispatch reads the tally after this one.
    is_last: u32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> config: TallyConfig;
@group(0) @binding(1) var<storage, read_write> tally: Status;
@group(0) @binding(2) var<storage, read_write> status: Status;
@group(0) @binding(3) var<storage, read_write> second_status: Status;
@group(0) @binding(4) var<storage, read_write> third_status: Status;

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) counter: u32) {
    let count = atomicLoad(&tally.counts[counter]);
    if (count == 0u) {
        return;
    }
    // A step has 2^30 entries at most, so a counter that is not full does not wrap.
    add_to_status(counter, count);
    if (config.tables > 1u && atomicLoad(&second_status.counts[counter]) < FULL) {
        atomicAdd(&second_status.counts[counter], count);
    }
    if (config.tables > 2u && atomicLoad(&third_status.counts[counter]) < FULL) {
        atomicAdd(&third_status.counts[counter], count);
    }
    if (config.is_last == 1u) {
        atomicStore(&tally.counts[counter], 0u);
    }
}
