// Adding an invocation's digits to its workgroup's, and these to the step's.
//
// Every invocation of a workgroup calls begin_total and end_total.

var<workgroup> shared_digits: array<atomic<u32>, DIGITS>;
var<workgroup> shared_marks: atomic<u32>;

fn begin_total(local: u32) {
    for (var i = local; i < DIGITS; i += WORKGROUP) {
        atomicStore(&shared_digits[i], 0u);
    }
    if (local == 0u) {
        atomicStore(&shared_marks, 0u);
    }
    workgroupBarrier();
}

fn end_total(local: u32) {
    var carry = 0u;
    for (var i = 0u; i < DIGITS; i++) {
        let digit = own_digits[i] + carry;
        carry = digit >> 16u;
        if ((digit & DIGIT) != 0u) {
            atomicAdd(&shared_digits[i], digit & DIGIT);
        }
    }
    if (own_marks != 0u) {
        atomicOr(&shared_marks, own_marks);
    }
    workgroupBarrier();
    if (local == 0u) {
        add_shared();
    }
}

fn add_shared() {
    var carry = 0u;
    for (var i = 0u; i < DIGITS; i++) {
        let digit = atomicLoad(&shared_digits[i]) + carry;
        carry = digit >> 16u;
        if ((digit & DIGIT) != 0u) {
            atomicAdd(&state.digits[i], digit & DIGIT);
        }
    }
    let marks = atomicLoad(&shared_marks);
    if (marks != 0u) {
        atomicOr(&state.marks, marks);
    }
}
