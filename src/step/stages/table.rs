//! What is known of each stage.

use super::Bound::{Read, ReadWrite, Uniform};
use super::Fragment::{
    Arithmetic, CatchUp, Counting, Counts, DealtOut, Item, Lane, Operations, Piece, Putting,
    Ranking, RowRule, Rule, Scalars, Stored, Touch, Values,
};
use super::Override::{
    AtOnce, Interleave, Limited, MaxLanes, OfEntries, Plain, Strip, Tile, Weighted, Workgroup,
};
use super::{
    Bound, COUNTED, Fragment, GRID, HEADS, ONE_BY_ONE, RUN_SUMS, RUNS, SUMMING_PARALLEL,
    SUMMING_SERIAL, Spec, Stage, TILES, WINDOW_HEADS, norm, plain_spec,
};

const SORT: Fragment = shared!("sort");
const ORDER: Fragment = shared!("order");
const SCAN: Fragment = shared!("scan");
const CHUNK: Fragment = shared!("chunk");
const LIST_HEADS: Fragment = shared!("list_heads");
const ROW_STATE: Fragment = shared!("row_state");
const FLUSH_CONFIG: Fragment = shared!("flush_config");
const UPDATE_ROW: Fragment = shared!("update_row");
const ENTRIES: Fragment = shared!("entries");
const ENTRY_COUNT: Fragment = shared!("entry_count");
const TAKE_ENTRY: Fragment = shared!("take_entry");
const REMAP_CONFIG: Fragment = shared!("remap_config");
const STATUS: Fragment = shared!("status");
const COUNTERS: Fragment = of_one!("status_of_one");
const ENTRIES_OF_ONE: Fragment = of_one!("entries_of_one");
const SUMS_OF_ONE: Fragment = of_one!("sums_of_one");
const ROWS_OF_ONE: Fragment = of_one!("rows_of_one");

const INGEST: &[Bound] = &[Uniform, Uniform, ReadWrite, ReadWrite, ReadWrite, ReadWrite];
const HISTOGRAM: &[Bound] = &[Uniform, Read, ReadWrite];
const SCATTER: &[Bound] = &[Uniform, Read, ReadWrite, ReadWrite];
const REMAP: &[Bound] = &[Uniform, ReadWrite, ReadWrite, ReadWrite];
const LISTED: &[Bound] = &[Uniform, Uniform, ReadWrite, ReadWrite];
const UPDATE: &[Bound] = &[Uniform, Uniform, ReadWrite, ReadWrite, Read];

/// Of the stages by which a workgroup takes a table's entries and sorts them.
const SORTED_ENTRIES: &[Fragment] =
    &[ENTRIES, STATUS, COUNTERS, Counts, ENTRY_COUNT, TAKE_ENTRY, ENTRIES_OF_ONE, Item];

pub(super) static STAGES: [Spec; 32] = [
    Spec {
        fragments: &[
            GRID,
            ENTRIES,
            STATUS,
            COUNTERS,
            Counts,
            ENTRY_COUNT,
            TAKE_ENTRY,
            ENTRIES_OF_ONE,
            Item,
        ],
        bound: INGEST,
        overrides: &[Workgroup, Plain, Strip],
        ..plain_spec(Stage::Ingest, "sparse_adam::ingest", file!("ingest"))
    },
    Spec {
        fragments: &[
            ENTRIES,
            STATUS,
            COUNTERS,
            Counts,
            ENTRY_COUNT,
            TAKE_ENTRY,
            ENTRIES_OF_ONE,
            RUNS,
            ONE_BY_ONE,
            HEADS,
            LIST_HEADS,
        ],
        bound: INGEST,
        overrides: &[Plain],
        ..plain_spec(
            Stage::IngestSmallSerial,
            "sparse_adam::ingest_small_serial",
            file!("ingest_small_serial"),
        )
    },
    Spec {
        fragments: SORTED_ENTRIES,
        bound: INGEST,
        overrides: &[Plain],
        ..plain_spec(
            Stage::IngestSmallParallel,
            "sparse_adam::ingest_small_parallel",
            file!("ingest_small_parallel"),
        )
    },
    Spec {
        fragments: SORTED_ENTRIES,
        bound: INGEST,
        overrides: &[Plain],
        ..plain_spec(
            Stage::IngestRadixParallel,
            "sparse_adam::ingest_radix_parallel",
            file!("ingest_radix_parallel"),
        )
    },
    Spec {
        fragments: &[GRID, ENTRIES],
        bound: &[Uniform, ReadWrite, ReadWrite, ReadWrite],
        overrides: &[Workgroup],
        ..plain_spec(Stage::Weigh, "sparse_adam::weigh", file!("weigh"))
    },
    Spec {
        fragments: &[Lane, Stored, Values, GRID, ENTRIES, STATUS, COUNTERS, Counts],
        bound: &[Uniform, ReadWrite, ReadWrite, ReadWrite],
        reads_values: true,
        overrides: &[Workgroup],
        ..plain_spec(Stage::Inspect, "sparse_adam::inspect", file!("inspect"))
    },
    Spec {
        fragments: &[SORT, ORDER],
        bound: HISTOGRAM,
        overrides: &[Workgroup],
        ..plain_spec(
            Stage::SortSerialHistogram,
            "sparse_adam::sort_serial_histogram",
            file!("sort_serial_histogram"),
        )
    },
    Spec {
        fragments: &[SORT, ORDER],
        bound: &[Uniform, ReadWrite],
        overrides: &[Workgroup],
        ..plain_spec(
            Stage::SortSerialScan,
            "sparse_adam::sort_serial_scan",
            file!("sort_serial_scan"),
        )
    },
    Spec {
        fragments: &[SORT, ORDER],
        bound: SCATTER,
        overrides: &[Workgroup],
        ..plain_spec(
            Stage::SortSerialScatter,
            "sparse_adam::sort_serial_scatter",
            file!("sort_serial_scatter"),
        )
    },
    Spec {
        fragments: &[GRID, SORT],
        bound: HISTOGRAM,
        ..plain_spec(
            Stage::SortParallelHistogram,
            "sparse_adam::sort_parallel_histogram",
            file!("sort_parallel_histogram"),
        )
    },
    Spec {
        fragments: &[SORT, SCAN],
        bound: &[Uniform, ReadWrite],
        ..plain_spec(
            Stage::SortParallelScan,
            "sparse_adam::sort_parallel_scan",
            file!("sort_parallel_scan"),
        )
    },
    Spec {
        fragments: &[GRID, SORT, SCAN, shared!("masks"), Ranking, Counting, Putting],
        bound: SCATTER,
        ..plain_spec(
            Stage::SortParallelScatter,
            "sparse_adam::sort_parallel_scatter",
            file!("sort_parallel_scatter"),
        )
    },
    Spec {
        fragments: &[GRID, RUNS, ONE_BY_ONE, HEADS, LIST_HEADS],
        bound: &[Uniform, ReadWrite],
        overrides: &[Workgroup],
        ..plain_spec(Stage::Heads, "sparse_adam::heads", file!("heads"))
    },
    Spec {
        fragments: &[GRID, STATUS, COUNTERS, Counts, RUNS],
        bound: &[Uniform, Read, ReadWrite],
        overrides: &[Workgroup],
        ..plain_spec(Stage::Repeats, "sparse_adam::repeats", file!("repeats"))
    },
    Spec {
        fragments: &[STATUS, COUNTERS],
        bound: &[Uniform, ReadWrite, ReadWrite, ReadWrite, ReadWrite],
        ..plain_spec(Stage::Tally, "sparse_adam::tally", file!("tally"))
    },
    Spec {
        begins: SUMMING_SERIAL,
        fragments: &[TILES, CHUNK, SUMS_OF_ONE, Item, DealtOut],
        bound: &[Uniform, ReadWrite],
        reads_values: true,
        overrides: &[Workgroup, Weighted, Limited, OfEntries, AtOnce, Interleave],
        ..plain_spec(Stage::PartialSerial, "sparse_adam::partial_serial", file!("partial_serial"))
    },
    Spec {
        begins: SUMMING_PARALLEL,
        fragments: &[TILES, CHUNK, SUMS_OF_ONE, Item, DealtOut],
        bound: &[Uniform, ReadWrite],
        reads_values: true,
        overrides: &[Workgroup, MaxLanes, Weighted, Limited, OfEntries, Interleave],
        ..plain_spec(
            Stage::PartialParallel,
            "sparse_adam::partial_parallel",
            file!("partial_parallel"),
        )
    },
    norm::SQUARES_SERIAL,
    norm::SQUARES_PARALLEL,
    norm::NORM_SUM,
    norm::NORM_FACTOR,
    norm::ROW_SQUARES_SERIAL,
    norm::ROW_SQUARES_PARALLEL,
    Spec {
        fragments: &[
            Lane,
            Operations,
            Arithmetic,
            GRID,
            RUNS,
            WINDOW_HEADS,
            COUNTED,
            Scalars,
            RowRule,
            ROW_STATE,
        ],
        bound: &[Uniform, Uniform, ReadWrite, ReadWrite],
        overrides: &[Workgroup],
        ..plain_spec(Stage::Rows, "sparse_adam::rows", file!("rows"))
    },
    Spec {
        begins: SUMMING_SERIAL,
        fragments: &[
            TILES,
            RUN_SUMS,
            HEADS,
            COUNTED,
            Scalars,
            Rule,
            UPDATE_ROW,
            ROWS_OF_ONE,
            Item,
            DealtOut,
            Touch,
        ],
        bound: UPDATE,
        reads_values: true,
        overrides: &[Workgroup, Weighted, Limited, Interleave],
        ..plain_spec(Stage::UpdateSerial, "sparse_adam::update_serial", file!("update_serial"))
    },
    Spec {
        begins: SUMMING_PARALLEL,
        fragments: &[
            RUN_SUMS,
            HEADS,
            WINDOW_HEADS,
            COUNTED,
            Scalars,
            Rule,
            UPDATE_ROW,
            ROWS_OF_ONE,
            Item,
        ],
        bound: UPDATE,
        reads_values: true,
        overrides: &[Workgroup, MaxLanes, Weighted, Limited, Tile],
        ..plain_spec(
            Stage::UpdateParallel,
            "sparse_adam::update_parallel",
            file!("update_parallel"),
        )
    },
    Spec {
        fragments: &[
            Lane,
            Operations,
            Arithmetic,
            Stored,
            GRID,
            Scalars,
            RowRule,
            ROW_STATE,
            FLUSH_CONFIG,
            CatchUp,
        ],
        bound: &[Uniform, Uniform, ReadWrite, ReadWrite, ReadWrite],
        overrides: &[Workgroup],
        ..plain_spec(Stage::Flush, "sparse_adam::flush", file!("flush"))
    },
    Spec {
        fragments: &[Lane, Operations, Arithmetic, GRID, Scalars, RowRule, ROW_STATE, FLUSH_CONFIG],
        bound: &[Uniform, Uniform, ReadWrite],
        overrides: &[Workgroup],
        ..plain_spec(Stage::FlushRows, "sparse_adam::flush_rows", file!("flush_rows"))
    },
    Spec {
        fragments: &[Piece, GRID, REMAP_CONFIG],
        bound: REMAP,
        overrides: &[Workgroup],
        ..plain_spec(Stage::Remap, "sparse_adam::remap", file!("remap"))
    },
    Spec {
        fragments: &[GRID, REMAP_CONFIG],
        bound: REMAP,
        overrides: &[Workgroup],
        ..plain_spec(Stage::RemapHalves, "sparse_adam::remap_halves", file!("remap_halves"))
    },
    Spec {
        fragments: &[GRID, STATUS, COUNTERS, Counts, ENTRY_COUNT],
        bound: LISTED,
        overrides: &[Workgroup],
        ..plain_spec(Stage::CheckRows, "sparse_adam::check_rows", file!("check_rows"))
    },
    Spec {
        fragments: &[Piece, GRID, ENTRY_COUNT],
        bound: LISTED,
        overrides: &[Workgroup],
        ..plain_spec(Stage::ResetRows, "sparse_adam::reset_rows", file!("reset_rows"))
    },
];
