// What a step's norm comes of, and what the update reads of it.

/// 16 bits of a sum each, lowest first, before carries: of all f32 above 0 that a step may add up, and of their sum.
/// The lowest bit stands for 2^-149.
const DIGITS: u32 = 20u;
const DIGIT: u32 = 0xffffu;

const INFINITY_BITS: u32 = 0x7f800000u;
/// Bits of `marks`: an infinity was added, or a NaN.
const INFINITE: u32 = 1u;
const UNDEFINED: u32 = 2u;

struct NormState {
    /// As the fragment `scalars` reads them, with the norm in their last word.
    grad_scale: f32,
    lr_factor: f32,
    skip: u32,
    norm: f32,
    digits: array<atomic<u32>, DIGITS>,
    marks: atomic<u32>,
}
