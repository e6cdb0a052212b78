//! The loss from its definition, in f64: every splat in every pixel; its gradients by differences.

use super::model::{Shape, TILE};
use super::picture::Picture;
use super::scene::{COLOUR, OPACITY, POSITION, ROTATION, SCALE, Splats, TENSORS};

/// The values of the five tensors in f64.
pub type Values = [Vec<f64>; 5];

pub fn values(splats: &Splats) -> Values {
    std::array::from_fn(|tensor| splats.tensors[tensor].iter().map(|&value| value.into()).collect())
}

/// The colour at a place of the picture.
pub fn colour(splats: &Values, x: f64, y: f64) -> [f64; 3] {
    let (mut total, mut sum) = (1e-3, [0.5e-3; 3]);
    for row in 0..splats[ROTATION].len() {
        let deviation = |axis: usize| splats[SCALE][2 * row + axis].exp();
        let (sin, cos) = splats[ROTATION][row].sin_cos();
        // The covariance, R diag(s^2) R^T, and its inverse.
        let (a, b) = (deviation(0).powi(2), deviation(1).powi(2));
        let [xx, xy, yy] =
            [a * cos * cos + b * sin * sin, (a - b) * sin * cos, a * sin * sin + b * cos * cos];
        let (dx, dy) = (x - splats[POSITION][2 * row], y - splats[POSITION][2 * row + 1]);
        let q = (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / (xx * yy - xy * xy);
        let inside =
            dx.abs() <= (3.0 * xx.sqrt()).min(100.0) && dy.abs() <= (3.0 * yy.sqrt()).min(100.0);
        if q < 9.0 && inside {
            let opacity = 1.0 / (1.0 + (-splats[OPACITY][row]).exp());
            let weight = opacity * ((-q / 2.0).exp() - (-4.5f64).exp());
            total += weight;
            (0..3).for_each(|c| sum[c] += weight * splats[COLOUR][3 * row + c]);
        }
    }
    sum.map(|sum| sum / total)
}

/// Half the squared distance from the target, over the pixels of these tiles.
pub fn loss(splats: &Values, target: &Picture, tiles: &[u32]) -> f64 {
    let across = target.width.div_ceil(TILE);
    let mut loss = 0.0;
    for (at, pixel) in (0..).zip(&target.pixels) {
        let (x, y) = (at % target.width, at / target.width);
        if tiles.contains(&(y / TILE * across + x / TILE)) {
            let drawn = colour(splats, f64::from(x) + 0.5, f64::from(y) + 0.5);
            loss += (0..3).map(|c| (drawn[c] - f64::from(pixel[c])).powi(2) / 2.0).sum::<f64>();
        }
    }
    loss
}

/// Differences of the loss to both sides, for every value of every tensor: where a splat ends the loss has a kink, and the
/// derivative is that of one side.
pub fn gradients(splats: &Splats, target: &Picture, tiles: &[u32]) -> [Values; 2] {
    const H: f64 = 1e-6;
    let mut values = values(splats);
    let here = loss(&values, target, tiles);
    let mut sides = [values.clone(), values.clone()];
    for tensor in 0..TENSORS.len() {
        for at in 0..values[tensor].len() {
            let held = values[tensor][at];
            for (side, h) in sides.iter_mut().zip([-H, H]) {
                values[tensor][at] = held + h;
                side[tensor][at] = (loss(&values, target, tiles) - here) / h;
            }
            values[tensor][at] = held;
        }
    }
    sides
}

/// Whether any of these tiles meets so large a part of a splat's box, from its centre.
pub fn is_seen(splats: &Splats, row: usize, shape: Shape, tiles: &[u32], part: f64) -> bool {
    let (across, down) = (shape.width.div_ceil(TILE), shape.height.div_ceil(TILE));
    let (sin, cos) = f64::from(splats.tensors[ROTATION][row]).sin_cos();
    let [a, b] = [0, 1].map(|axis| (2.0 * f64::from(splats.row(SCALE, row)[axis])).exp());
    let half = [(a * cos * cos + b * sin * sin), (a * sin * sin + b * cos * cos)];
    let meets = |axis: usize, tile: u32, count: u32| {
        let (centre, half) = (
            f64::from(splats.row(POSITION, row)[axis]),
            part * (3.0 * half[axis].sqrt()).min(100.0),
        );
        let of = |at: f64| ((at / f64::from(TILE)).floor() as i64).clamp(0, i64::from(count) - 1);
        (of(centre - half)..=of(centre + half)).contains(&tile.into())
    };
    tiles.iter().any(|&tile| meets(0, tile % across, across) && meets(1, tile / across, down))
}
