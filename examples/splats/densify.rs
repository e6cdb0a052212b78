//! Which splats are cloned, split and pruned, after Kerbl et al., "3D Gaussian Splatting for Real-Time Radiance Field
//! Rendering" (2023); where gradients are large is told as by Ye et al., "AbsGS" (2024). Pure: no GPU.

use super::scene::{POSITION, ROTATION, SCALE, Splats};
use sparse_adam::RowMap;
use sparse_adam_testkit::Rng;

/// The share of splats that become two each time.
const SHARE: f64 = 0.2;
/// Below this opacity a splat is pruned.
const FAINT: f32 = 0.02;
/// Below this standard deviation in pixels, of both axes, it falls between pixels and is pruned.
const TINY: f32 = 0.15;
/// Up to this standard deviation, of the longer axis in pixels, it is cloned; beyond, split.
const SMALL: f32 = 1.5;
/// What the longer axis of a split splat is divided by.
const SHRUNK: f32 = 1.6;

/// What a table of splats becomes.
pub struct Growth {
    /// Per row of the new table, the old row whose moments it takes, or [`RowMap::NONE`]: survivors, then clones, then
    /// halves of what was split.
    pub from: Vec<u32>,
    /// The values of the clones and halves, which stand behind the survivors.
    pub new: Splats,
    pub pruned: usize,
    pub cloned: usize,
    pub split: usize,
}

/// Decides, for splats with these statistics (`[rows]`, of the summed gradients and the steps that saw them), what
/// becomes of each: up to `most` splats.
pub fn plan(splats: &Splats, statistics: &[[f32; 2]], most: usize, random: &mut Rng) -> Growth {
    let lives = |&row: &usize| {
        let scale = splats.row(SCALE, row);
        splats.opacity(row) >= FAINT && scale[0].max(scale[1]) >= TINY.ln()
    };
    let alive: Vec<usize> = (0..splats.len()).filter(lives).collect();
    let mut grown = alive.clone();
    let score = |row: usize| statistics[row][0] / statistics[row][1].max(1.0);
    grown.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
    let room = most.saturating_sub(alive.len());
    grown.truncate(room.min((SHARE * alive.len() as f64).ceil() as usize));
    let is_small = |&row: &usize| {
        let scale = splats.row(SCALE, row);
        scale[0].max(scale[1]) <= SMALL.ln()
    };
    let (cloned, split): (Vec<usize>, Vec<usize>) = grown.into_iter().partition(is_small);
    let mut is_split = vec![false; splats.len()];
    split.iter().for_each(|&row| is_split[row] = true);

    let mut from: Vec<u32> =
        alive.iter().filter(|&&row| !is_split[row]).map(|&row| row as u32).collect();
    let mut new = Splats::default();
    for &row in &cloned {
        from.push(row as u32);
        clone_of(splats, row, &mut new, random);
    }
    for &row in &split {
        from.extend([RowMap::NONE; 2]);
        halves_of(splats, row, &mut new);
    }
    Growth {
        from,
        new,
        pruned: splats.len() - alive.len(),
        cloned: cloned.len(),
        split: split.len(),
    }
}

/// A copy, put half a standard deviation aside: two in one place would have the same gradients for ever.
fn clone_of(splats: &Splats, row: usize, new: &mut Splats, random: &mut Rng) {
    let at = new.push(splats, row);
    let deviation = splats.row(SCALE, row)[0].max(splats.row(SCALE, row)[1]).exp();
    let angle = std::f32::consts::PI * random.signed();
    shift(new, at, angle, 0.5 * deviation);
}

/// Two halves along the longer axis.
fn halves_of(splats: &Splats, row: usize, new: &mut Splats) {
    let scale = splats.row(SCALE, row);
    let longer = usize::from(scale[1] > scale[0]);
    let deviation = scale[longer].exp();
    let angle = splats.row(ROTATION, row)[0] + longer as f32 * std::f32::consts::FRAC_PI_2;
    for side in [-0.7, 0.7] {
        let at = new.push(splats, row);
        new.tensors[SCALE][2 * at + longer] -= SHRUNK.ln();
        shift(new, at, angle, side * deviation);
    }
}

fn shift(splats: &mut Splats, row: usize, angle: f32, by: f32) {
    splats.tensors[POSITION][2 * row] += by * angle.cos();
    splats.tensors[POSITION][2 * row + 1] += by * angle.sin();
}
