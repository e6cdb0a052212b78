//! The test kit's laws, each on every adapter in every tuning.

use pollster::block_on;
use sparse_adam::Tuning;
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::conformance::{
    Kind, Law, TRAINING_HASH, training_hash, training_hash_of_twin,
};
use sparse_adam_testkit::{gpus, other_variants, variants};

/// Bounds of adapters that may round as they like were only ever tried on this one.
const KNOWN_SEED: u64 = 7;

fn assert_holds(law: Law) {
    let mut on = variants();
    // What depends on the arithmetic is tried in both.
    if law.kind() == Kind::Kernel || law == Law::Twin {
        on.extend(other_variants());
    }
    for (gpu, tuning) in on {
        let seed = if gpu.has_bits_of_twin(&tuning) { fresh_seed() } else { KNOWN_SEED };
        let check = block_on(law.check(gpu, tuning, seed));
        assert!(check.ok, "{}, seed {seed}: {check:?}", gpu.describe());
    }
}

/// A test a law.
macro_rules! tests {
    ($($name:ident: $law:ident,)*) => {
        const TESTED: &[Law] = &[$(Law::$law),*];

        $(
            #[test]
            fn $name() {
                assert_holds(Law::$law);
            }
        )*
    };
}

tests! {
    entries_reach_their_rows: Order,
    few_entries_are_summed: ShortSums,
    many_entries_are_summed: LongSums,
    the_update_is_adam: Update,
    values_that_are_not_finite_are_found: Inspect,
    a_checked_promise_counts_what_breaks_it: Repeats,
    loops_are_not_cut_short: Turns,
    a_step_equals_the_twins: Twin,
    wide_rows_equal_their_twins: WideRows,
    many_tables_in_one_step_equal_their_twins: ManyTables,
    entries_outside_the_table_write_nothing_and_are_counted: OutOfRange,
    rows_not_named_keep_their_bits: Untouched,
    the_same_step_gives_the_same_bits: Repeatable,
    other_rows_or_tables_change_no_bit_of_a_row: Invariant,
    two_steps_in_one_encoder_equal_two_submits: OneEncoder,
    an_empty_gradient_only_counts_and_none_does_not: Empty,
    entries_that_share_value_rows_equal_their_twin: SharedRows,
    rows_of_a_dense_gradient_count_once_each: DenseRows,
    the_entry_count_may_live_on_the_gpu: GpuCount,
    accumulated_gradients_are_one_gradient: Accumulated,
    a_promise_of_uniqueness_gives_the_same_bits: Promise,
    tables_that_have_one_index_list_equal_their_twins: SharedList,
    rows_that_move_or_begin_anew_equal_their_twins: Remapped,
    rows_round_by_numbers_of_the_callers: Numbered,
    a_state_that_is_saved_and_loaded_goes_on: StateDict,
}

#[test]
fn no_law_is_left_out() {
    assert_eq!(TESTED, Law::ALL);
}

#[test]
fn a_training_of_thousands_of_steps_ends_with_the_same_bits_everywhere() {
    assert_eq!(training_hash_of_twin(), TRAINING_HASH);
    for gpu in gpus() {
        let tuning = Tuning::for_adapter(&gpu.info);
        let hash = block_on(training_hash(gpu, tuning)).unwrap();
        let held = gpu.has_bits_of_twin(&tuning);
        assert!(!held || hash == TRAINING_HASH, "{}: {hash:016x}", gpu.describe());
    }
}
