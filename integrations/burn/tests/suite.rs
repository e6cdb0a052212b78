//! The tests: on the adapter that burn chooses, which must be there.

mod suite {
    mod embedding;
    mod errors;
    mod golden;
    mod growing;
    mod harness;
    mod order;
    mod state;
}
