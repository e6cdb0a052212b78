// Which of a dispatch's items a workgroup belongs to; `items` are in the order of their workgroups.
fn item_of(workgroup: u32) -> u32 {
    var item = 0u;
    // A power of two below ITEMS, at least half of it, and each half of that: what is added to find the last item that begins
    // at the workgroup or before.
    for (var more = FARTHEST; more > 0u; more /= 2u) {
        let next = item + more;
        if (next < ITEMS && workgroup >= items[min(next, ITEMS - 1u)].first_workgroup) {
            item = next;
        }
    }
    return item;
}

fn first_workgroup(item: u32) -> u32 {
    return items[item].first_workgroup;
}
