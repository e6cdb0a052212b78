//! The whole suite, one binary. Every test that needs an adapter runs on every one present and
//! fails where there is none.

mod suite {
    mod api;
    mod bags;
    mod behind_in_16_bits;
    mod calls;
    mod campaign;
    mod devices;
    mod drawn_traces;
    mod embedding;
    mod errors;
    mod files;
    mod formats;
    mod formats_in_use;
    mod golden;
    mod hooks;
    mod index_lists;
    mod kit;
    mod laws;
    mod limits;
    mod links;
    mod many_tables;
    mod norms;
    mod not_finite;
    mod numbered;
    mod orders;
    mod peers;
    mod places;
    mod rates;
    mod remap;
    mod rows;
    mod rules;
    mod rules_in_use;
    mod scalars;
    mod shapes;
    mod sharing;
    mod sorts;
    mod state;
    mod status;
    mod steps;
    mod traces_in_16_bits;
    mod tune;
}
