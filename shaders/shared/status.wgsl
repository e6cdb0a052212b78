// What the GPU refused of one parameter's gradients.
struct Status {
    out_of_range: atomic<u32>,
    bad_value_row: atomic<u32>,
    non_finite: atomic<u32>,
    repeated: atomic<u32>,
}
