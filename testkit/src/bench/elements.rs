//! What is in the tables and the gradients: noise that needs no state, so that peers make the
//! same without a file.

/// The values of a table before the first step, by their place in `[rows, dim]`.
pub fn initial(table: u32) -> impl Fn(u32) -> f32 {
    element(2 * table)
}

/// The values of a table's gradient, by their place in `[value rows, dim]`.
pub fn values(table: u32) -> impl Fn(u32) -> f32 {
    element(2 * table + 1)
}

/// The element at each place of an array of its own `stream`: in [-1, 1).
fn element(stream: u32) -> impl Fn(u32) -> f32 {
    let salt = mix(stream.wrapping_add(0x9e37_79b9));
    move |at| {
        let bits = mix(at.wrapping_add(salt)) >> 8;
        bits as f32 / 8_388_608.0 - 1.0
    }
}

/// The finalizer of MurmurHash3.
fn mix(mut bits: u32) -> u32 {
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    bits ^ (bits >> 16)
}
