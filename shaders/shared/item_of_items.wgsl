// Which of a dispatch's items a workgroup belongs to; `items` are in the order of their workgroups.
fn item_of(workgroup: u32) -> u32 {
    var item = 0u;
    for (var next = 1u; next < ITEMS; next++) {
        item += select(0u, 1u, workgroup >= items[next].first_workgroup);
    }
    return item;
}

fn first_workgroup(item: u32) -> u32 {
    return items[item].first_workgroup;
}
