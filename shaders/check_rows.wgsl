// check_rows: counts the rows of a list that a table does not have.
//
// One invocation per entry: of a map of rows, of which one number stands for none, or of a list of rows.

struct CheckConfig {
    /// Entries that there may be, and where the first is in `list`.
    capacity: u32,
    first: u32,
    /// Rows of the table.
    rows: u32,
    /// What is counted, as what.
    counter: u32,
    /// A number that names no row and is no mistake, or one of a row of the table: none.
    none: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> config: CheckConfig;
@group(0) @binding(1) var<uniform> count: EntryCount;
@group(0) @binding(2) var<storage, read_write> list: array<u32>;
@group(0) @binding(3) var<storage, read_write> status: Status;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    begin_counting(local);
    let entry = linear_workgroup(workgroup, grid) * WORKGROUP + local;
    if (entry < min(count.entries, config.capacity)) {
        let row = list[config.first + entry];
        if (row >= config.rows && row != config.none) {
            count_one(config.counter);
        }
    }
    if (entry == 0u && count.entries > config.capacity) {
        count_one(OVER_CAPACITY);
    }
    end_counting(local);
}
