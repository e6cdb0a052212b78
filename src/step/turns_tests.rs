//! Turns as planned, beside those that a simulated driver takes.

use super::*;
use crate::Tuning;
use crate::step::budget::MOST_COLUMNS;
use crate::step::plan::norm::MOST_POSITIONS;

#[test]
fn slices_cover_a_row_within_the_budget() {
    let all = [
        Turns { fixed: 0, each: 1, unit: 1 },
        Turns { fixed: 500, each: 1300, unit: 1 },
        Turns { fixed: 90, each: 5_400, unit: 8 },
        Turns { fixed: 1000, each: 31_768, unit: 32 },
    ];
    for turns in all {
        for columns in [1, 2, 31, 32, 33, 75, 300, 1024, 65_535, MOST_COLUMNS] {
            let slice = turns.slice(columns);
            assert!((1..=columns).contains(&slice), "{turns:?} {columns}");
            assert!(turns.of(slice) <= TURNS, "{turns:?} {columns}: {slice}");
            // No more slices than are needed.
            let slices = columns.div_ceil(slice);
            let longer = columns.div_ceil((slices - 1).max(1));
            assert!(slices == 1 || turns.of(longer) > TURNS, "{turns:?} {columns}: {slice}");
        }
    }
}

#[test]
fn even_the_least_slice_of_the_largest_tuning_stays_within_the_budget() {
    let (serial, parallel) = (Tuning::MOST_TILE, 256);
    for (nnz, levels) in [(1, 0), (63, 0), (1024, 0), (4096, 1), (1 << 18, 2), (1 << 30, 4)] {
        for first_wins in [false, true] {
            let runs = Runs { nnz, levels, first_wins, counted: true };
            for block in [1, 16, 1024, serial] {
                assert!(update_serial(block, runs).of(1) <= TURNS);
            }
            for tile in [1, 64, parallel] {
                assert!(update_parallel(tile, 1, runs).of(1) <= TURNS);
            }
            for width in Width::ALL {
                assert!(squares_serial(MOST_POSITIONS, runs, width).of(1) <= TURNS);
                // On GPUs chunks are summed before, wherever there are several.
                let summed = levels > 0 || nnz <= CHUNK;
                assert!(!summed || squares_parallel(parallel, 1, runs, width).of(1) <= TURNS);
            }
        }
    }
    // A workgroup of update sums the chunks of a run of so many by itself.
    let long = Runs { nnz: CHUNK * CHUNK, levels: 0, first_wins: false, counted: true };
    assert!(
        [1, 64, parallel].into_iter().all(|tile| update_parallel(tile, 1, long).of(1) <= TURNS)
    );
    let walks = [Some(Walk::Once), Some(Walk::OfWindows)];
    for (entries, at_once) in [(walks[0], 1), (walks[0], 8), (walks[1], 8), (None, 1)] {
        assert!(partial(entries, Width::Vec8, 1, at_once).of(1) <= TURNS);
    }
    assert_eq!(inspect(MOST_COLUMNS), TURNS - 1);
    assert!(ingest_small_serial(4096, 32, 16) <= TURNS);
    assert!(ingest_small_serial(4096, 32, serial) <= TURNS);
    assert!(ingest_small_parallel(1024) <= TURNS);
    assert!(ingest_radix_parallel(26) <= TURNS && sort_parallel(2048, 64) <= TURNS);
    for blocks in [1, 48, MOST_COLUMNS / BLOCK, 4 * MOST_COLUMNS / BLOCK] {
        let positions = norm_sum_positions(blocks);
        assert!(positions > 0 && norm_sum(positions, blocks) <= TURNS, "{blocks}");
        assert!(positions * blocks <= MOST_ADDED && rows(blocks) <= TURNS, "{blocks}");
    }
    assert!(heads(serial) <= TURNS && ingest(1024) <= TURNS);
}

/// Of a tile of runs of one entry, dealt out value by value, a turn runs through the loops that others need.
#[test]
fn rows_named_once_take_no_more_turns_than_planned() {
    for (tile, workgroup, lanes) in [(64, 256, 32), (256, 256, 256), (256, 8, 1), (1, 64, 64)] {
        for columns in [1u32, 3, 37, 192, 4096] {
            let runs = Runs { nnz: 1 << 20, levels: 3, first_wins: false, counted: true };
            let found = (1 + 4 + MASKED) * (tile * columns).div_ceil(workgroup) + tile;
            let planned = update_parallel(tile, lanes, runs).of(columns);
            assert!(found <= planned, "{tile}, {workgroup}, {columns}: {found}, {planned}");
        }
    }
}

/// Turns of `update_serial`, of a driver that runs through what no lane takes: of runs of so many entries, whose chunks are
/// summed here, or in `levels`. A loop ends at a turn of its own.
fn simulated(lengths: &[u32], columns: u32, levels: u32) -> u32 {
    let chunks = |longest: u32| {
        let further = if levels == 0 { longest.div_ceil(CHUNK) - 1 } else { 0 };
        // Of the first its length is looked through, and its entries are added; of the others both are counted; behind the
        // last both are looked through.
        let first = 1 + (1 + 1) + longest.min(CHUNK);
        first + further * (1 + CHUNK + CHUNK + 1) + (1 + 1 + 1)
    };
    let in_levels = |longest: u32| {
        let taken = (1..=levels).filter(|level| longest > CHUNK.pow(*level)).count() as u32;
        taken * (1 + CHUNK + 1 + CHUNK) + 3
    };
    let column = |longest: u32| match longest {
        1 => 1,
        _ => 1 + chunks(longest) + in_levels(longest),
    };
    let group = |group: &[u32]| {
        let longest = group.iter().copied().max().unwrap_or(1);
        // The loop's own turn, touch, and the end of the loop over columns.
        1 + (columns + 1) + columns * column(longest) + 1
    };
    let of = |kind: std::ops::Range<u32>| {
        lengths.iter().copied().filter(|length| kind.contains(length)).collect::<Vec<_>>()
    };
    let longer = [of(2..CHUNK), of(CHUNK..u32::MAX)].concat();
    [of(1..2), longer].iter().map(|list| list.chunks(8).map(group).sum::<u32>() + 1).sum()
}

#[test]
fn no_block_takes_more_turns_than_planned() {
    let mut state = 1u32;
    let mut below = |limit: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % limit
    };
    for case in 0..4000 {
        let block = 16 << below(9);
        let levels = case % 2;
        let long = below(2) == 1;
        let most = 1 + below(if long { 2000 } else { 80 });
        let mut lengths = Vec::new();
        while lengths.iter().sum::<u32>() < block {
            // Groups that wait for one run; runs of two alone; any.
            let ragged = if lengths.len() % 8 == 0 { 63 } else { 2 };
            lengths.push(match case % 3 {
                0 => ragged,
                1 => 2,
                _ => 1 + below(most),
            });
        }
        // The last run may go on behind the block.
        let nnz = if levels == 0 { lengths.iter().sum() } else { CHUNK * CHUNK };
        let runs = Runs { nnz, levels, first_wins: false, counted: false };
        let columns = 1 + below(40);
        let planned = update_serial(block, runs).of(columns);
        let found = simulated(&lengths, columns, levels);
        assert!(found <= planned, "{lengths:?} x {columns}: {found} of {planned}");
    }
}

/// Turns of `partial_serial` in a group of chunks, whose entries' values are in these windows, for columns at once: those of the loop
/// over rounds, and of each window's until the last of the group comes to an entry whose values are elsewhere, which is a turn too.
fn walked(chunks: &[Vec<u32>], at_once: u32) -> u32 {
    let entry = 1 + (at_once + 1);
    let mut next = vec![0; chunks.len()];
    let mut turns = 1;
    while next.iter().zip(chunks).any(|(&next, chunk)| next < chunk.len()) {
        turns += 1;
        for window in 0..VALUE_WINDOWS as u32 {
            let stretches = next.iter_mut().zip(chunks).map(|(next, chunk)| {
                let stretch = chunk[*next..].iter().take_while(|&&of| of == window).count();
                *next += stretch;
                stretch as u32
            });
            turns += stretches.max().unwrap_or(0) * entry + entry;
        }
    }
    turns
}

#[test]
fn no_group_of_chunks_over_several_bindings_takes_more_turns_than_planned() {
    let of = |window: u32, entries: usize| vec![window; entries];
    // Those in the last window before, so that what is left waits for a round of its own.
    let late = |window: u32| [of(4, 1), of(window, 63)].concat();
    let mut groups = vec![
        [of(0, 64), of(1, 64), of(2, 64), of(3, 64), of(4, 64), late(0), late(1), late(2)],
        std::array::from_fn(|_| (0..64).map(|entry| 4 - entry % 5).collect()),
    ];
    let mut state = 1u32;
    let mut below = |limit: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % limit
    };
    for _ in 0..400 {
        groups.push(std::array::from_fn(|_| {
            let stretch = 1 + below(64) as usize;
            let stretches = std::iter::repeat_with(|| of(below(5), stretch));
            stretches.take(64).flatten().take(64).collect()
        }));
    }
    for group in &groups {
        for at_once in [1, 2, 4, 8] {
            let planned = partial(Some(Walk::OfWindows), Width::Scalar, 1, at_once).each;
            let found = walked(group, at_once);
            assert!(found <= planned, "{found} turns, {planned} planned: {group:?}");
        }
    }
}
