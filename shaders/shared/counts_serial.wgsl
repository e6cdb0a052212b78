// Counting into the status one by one: for adapters where a barrier costs more than an atomic.

fn begin_counting(local: u32) {}

fn count_one(counter: u32) {
    add_to_status(counter, 1u);
}

fn end_counting(local: u32) {}
