// The order in which the workgroups of several items are taken, where there are several: else as they come (`item_of_one`).
//
// A stage that uses this has the fragments `tiles` and `item_of_items`.

// The place of a workgroup among those of all items, of which there are `of_all`: items lie one behind the other, so where a
// thread has a stretch of neighbouring workgroups, it would have items of its own, and wait for the thread that has the
// longest. Each place is taken once. The workgroups of one item are dealt out by its tiles.
fn dealt_out(workgroup: u32, of_all: u32) -> u32 {
    let stretch = max(of_all / INTERLEAVE, 1u);
    let place = (workgroup % stretch) * INTERLEAVE + workgroup / stretch;
    return select(workgroup, place, workgroup < of_all / INTERLEAVE * INTERLEAVE);
}
