// Adding an invocation's digits to the step's, for adapters where a barrier costs more than an atomic.

fn begin_total(local: u32) {}

fn end_total(local: u32) {
    var carry = 0u;
    for (var i = 0u; i < DIGITS; i++) {
        let digit = own_digits[i] + carry;
        carry = digit >> 16u;
        if ((digit & DIGIT) != 0u) {
            atomicAdd(&state.digits[i], digit & DIGIT);
        }
    }
    if (own_marks != 0u) {
        atomicOr(&state.marks, own_marks);
    }
}
