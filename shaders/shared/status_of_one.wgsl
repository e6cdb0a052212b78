// Counters of the status that is bound, as `status`.

fn counter_of(counter: u32) -> u32 {
    return atomicLoad(&status.counts[counter]);
}

fn add_to_counter(counter: u32, count: u32) {
    atomicAdd(&status.counts[counter], count);
}
