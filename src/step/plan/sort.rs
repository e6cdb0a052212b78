//! The radix sort of a step: tiles, digits, passes.

use crate::step::budget::TURNS;
use crate::step::demand::key_bits;
use crate::step::shape::{DeviceShape, Grid, Launch};
use crate::step::turns;
use crate::{Form, Tuning};

/// Pairs per tile of the parallel sort: a round of its workgroup at least; at most so many.
const ROUND: u32 = 256;
const PARALLEL_TILE: u32 = 2048;
/// Most tiles of the parallel sort whose counts scatter adds up by itself: a workgroup then reads all of them, which
/// takes as long as the dispatch of a scan where there are more.
const FUSED_TILES: u32 = 64;
/// Most pairs of a tile of the serial sort, such that a walk over them and over the digits, of 12
/// bits at most, is within the turns of an invocation.
const SERIAL_TILE: u32 = TURNS - (1 << 12) - 4;
/// Tiles of the serial sort: at least enough for a SIMD group, at most so many; between them as
/// many as have FULL_TILE pairs, so that counts of digits do not outweigh pairs.
const FEWEST_TILES: u32 = 8;
const MOST_TILES: u32 = 64;
const FULL_TILE: u32 = 2048;

/// Workgroup memory that a scatter is given which puts its tile in order: masks, places, sums, offsets and PARALLEL_TILE pairs, and
/// what ballots are checked by, each rounded up as WebGPU counts.
pub(crate) const REORDER_BYTES: u32 = 28 << 10;

/// How the parallel form's scatter works; none of it changes a bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SortWay {
    /// It ranks by ballots, not by masks.
    pub ballots: bool,
    /// It puts its tile in order before it writes it.
    pub reorder: bool,
    /// It counts the digits of the next pass.
    pub ahead: bool,
}

/// The radix sort of the pairs that are to be sorted: the first `count`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SortPlan {
    pub count: u32,
    pub tiles: u32,
    pub tile_size: u32,
    /// Whether scatter adds up the tiles' counts, so that there is no scan.
    pub fused: bool,
    pub passes: Vec<Pass>,
    pub way: SortWay,
    /// Word of the histogram from which on the serial form tells which tiles are out of order.
    pub order: u32,
    /// Words of the histogram, digit totals and what is told of tiles.
    pub histogram_words: u64,
}

/// One pass over one digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    pub shift: u32,
    pub radix: u32,
    /// Its first word of the histogram.
    pub first: u32,
    /// The histogram and scatter dispatches.
    pub tiles: Launch,
    /// None where scatter does without.
    pub scan: Option<Launch>,
}

pub(super) fn sort(count: u32, keys: u64, device: DeviceShape, tuning: &Tuning) -> SortPlan {
    let tile_size = match tuning.form {
        // As many tiles as can be without a scan, so that their workgroups fill the device.
        Form::Parallel => {
            count.div_ceil(FUSED_TILES).next_multiple_of(ROUND).clamp(ROUND, PARALLEL_TILE)
        }
        Form::Serial => {
            let tiles = (count / FULL_TILE).clamp(FEWEST_TILES, MOST_TILES);
            count.div_ceil(tiles).clamp(1, SERIAL_TILE)
        }
    };
    let tiles = count.div_ceil(tile_size);
    let fused = tuning.form == Form::Parallel && tiles <= FUSED_TILES;
    let digits = if count > 1 { digits(keys, tuning.digit_bits) } else { Vec::new() };
    let way = way(count, digits.len(), device, tuning);
    let radix = digits.iter().map(|&(_, radix)| radix).max().unwrap_or(0);
    let counts = u64::from(radix) * (u64::from(tiles) + 1);
    let passes: Vec<_> = (0..)
        .zip(digits)
        .map(|(number, digit)| {
            // Where it would be cut short, no binding holds the histogram.
            let first = if way.ahead { number * counts as u32 } else { 0 };
            pass(digit, first, (tiles, tile_size, fused), device, tuning)
        })
        .collect();
    let counts = if way.ahead { counts * passes.len() as u64 } else { counts };
    let of_order = if tuning.form == Form::Serial { u64::from(tiles) + 1 } else { 0 };
    SortPlan {
        count,
        tiles,
        tile_size,
        fused,
        passes,
        way,
        order: u32::try_from(counts).unwrap_or(u32::MAX),
        histogram_words: counts + of_order,
    }
}

/// What a tuning asks for and a device can do.
fn way(count: u32, passes: usize, device: DeviceShape, tuning: &Tuning) -> SortWay {
    if tuning.form == Form::Serial {
        return SortWay::default();
    }
    SortWay {
        ballots: tuning.ballots && device.subgroups,
        reorder: count >= tuning.reorder_from && device.reorders(),
        ahead: tuning.count_ahead && passes > 1,
    }
}

/// Splits the bits that `keys` keys need into digits of nearly equal width, lowest first: the
/// lowest bit and the radix of each.
pub(super) fn digits(keys: u64, most_bits: u32) -> Vec<(u32, u32)> {
    let bits = key_bits(keys);
    let count = bits.div_ceil(most_bits);
    let mut shift = 0;
    let mut digits = Vec::with_capacity(count as usize);
    for pass in 0..count {
        let digit_bits = (bits - shift).div_ceil(count - pass);
        digits.push((shift, 1 << digit_bits));
        shift += digit_bits;
    }
    digits
}

fn pass(
    (shift, radix): (u32, u32),
    first: u32,
    (tiles, tile_size, fused): (u32, u32, bool),
    device: DeviceShape,
    tuning: &Tuning,
) -> Pass {
    let launch = |workgroups, turns| Launch { grid: Grid::over(workgroups, device), turns };
    let (tiles, scan) = match tuning.form {
        Form::Parallel => (
            launch(tiles, turns::sort_parallel(tile_size, if fused { tiles } else { 0 })),
            (!fused).then(|| launch(radix, turns::sort_parallel_scan(tiles))),
        ),
        Form::Serial => (
            launch(tiles.div_ceil(tuning.workgroup), turns::sort_serial(radix, tile_size)),
            Some(launch(radix.div_ceil(tuning.workgroup), turns::sort_serial_scan(tiles))),
        ),
    };
    Pass { shift, radix, first, tiles, scan }
}
