// Which of a dispatch's items a workgroup belongs to, where there is one: a table, or a segment or window of it.

fn dealt_out(workgroup: u32, of_all: u32) -> u32 {
    return workgroup;
}

fn item_of(workgroup: u32) -> u32 {
    return 0u;
}

fn first_workgroup(item: u32) -> u32 {
    return 0u;
}

fn begin_item(item: u32) {}
