// Workgroups are dispatched as a grid [x, y], because one axis holds 65,535 at most.
fn linear_workgroup(id: vec3<u32>, grid: vec3<u32>) -> u32 {
    return id.y * grid.x + id.x;
}
