// What the GPU refused of one parameter's gradients, or remarked on.
//
// A stage that uses this declares `status: Status` and has the fragment `status_of_one`, or what takes its place.

struct Status {
    counts: array<atomic<u32>, 8>,
}

const OUT_OF_RANGE: u32 = 0u;
const BAD_VALUE_ROW: u32 = 1u;
const NON_FINITE: u32 = 2u;
const REPEATED: u32 = 3u;
const PADDING: u32 = 4u;
const OVER_CAPACITY: u32 = 5u;
const BAD_MAP_ROW: u32 = 6u;

/// A counter that has come so far stops. What is added by those that looked before is no more than
/// the entries of a dispatch that are under way at once, far from the 2^30 that are left, so none wraps
/// to a number that looks clean.
const FULL: u32 = 0xc0000000u;

fn add_to_status(counter: u32, count: u32) {
    if (counter_of(counter) < FULL) {
        add_to_counter(counter, count);
    }
}
