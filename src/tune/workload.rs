//! The steps that are timed.

use crate::{Error, Form};
use std::fmt;

/// A step of one table by one gradient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    pub rows: u32,
    /// Values of a row.
    pub dim: u32,
    /// Entries of the gradient.
    pub nnz: u32,
    /// Whether some rows are named often, as words are in texts; else all are named alike.
    pub skewed: bool,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, dim, nnz, skewed } = self;
        let named = if *skewed { "skewed" } else { "uniform" };
        write!(f, "{rows} x {dim}, {nnz} {named}")
    }
}

/// Most bytes of all buffers at once.
const MOST_BYTES: u64 = 256 << 20;

/// The bytes that a device allows: a quarter of its largest binding, 256 MiB at most.
pub fn allowed(limits: &wgpu::Limits) -> u64 {
    (limits.max_storage_buffer_binding_size / 4).min(limits.max_buffer_size / 4).min(MOST_BYTES)
}

/// What stands for other workloads, where nobody says which count: one for each way that a step goes.
pub fn standard(form: Form, bytes: u64) -> Vec<Workload> {
    let sizes = match form {
        Form::Parallel => [[131_072, 64, 1_024], [65_536, 128, 4_096], [131_072, 64, 65_536]],
        Form::Serial => [[16_384, 64, 1_024], [8_192, 128, 4_096], [16_384, 64, 16_384]],
    };
    let [tiny, small, large] = sizes.map(|shape| fitted(shape, bytes));
    let workload = |[rows, dim, nnz]: [u32; 3], skewed| Workload { rows, dim, nnz, skewed };
    vec![
        workload(tiny, false),
        workload(small, true),
        workload(large, false),
        workload(large, true),
    ]
}

/// Each shape `[rows, dim, nnz]`, named alike and skewed.
///
/// # Errors
/// [`Error::InvalidShape`] where one has a 0.
pub fn of_shapes(shapes: &[[u32; 3]], bytes: u64) -> Result<Vec<Workload>, Error> {
    if let Some(found) = shapes.iter().find(|shape| shape.contains(&0)) {
        let (what, expected) = ("a shape to tune for".into(), "[rows, dim, nnz], all above 0");
        return Err(Error::InvalidShape { what, expected, found: found.to_vec() });
    }
    let both = |&shape: &[u32; 3]| {
        let [rows, dim, nnz] = fitted(shape, bytes);
        [false, true].map(|skewed| Workload { rows, dim, nnz, skewed })
    };
    Ok(shapes.iter().flat_map(both).collect())
}

/// Fewer rows and entries, where they would take too much. Of the bytes, an eighth each is the parameter's, its
/// initial values', the first moment's, the second's, the values' of the gradient, two eighths are for reading moments
/// back, and one is scratch.
fn fitted([rows, dim, nnz]: [u32; 3], bytes: u64) -> [u32; 3] {
    let most = (bytes / 8 / (4 * u64::from(dim))).clamp(1, u64::from(u32::MAX)) as u32;
    [rows.min(most), dim, nnz.min(most)]
}

impl Workload {
    /// The rows that its entries name: the same on every machine.
    pub fn ids(&self) -> Vec<u32> {
        let mut drawn = numbers(u64::from(self.nnz));
        let mut id = || {
            let at = (drawn.next().unwrap_or_default() >> 11) as f64 / (1u64 << 53) as f64;
            // The fourth power names an eighth of all entries in a 4,096th of the rows.
            let at = if self.skewed { at * at * at * at } else { at };
            (at * f64::from(self.rows)) as u32
        };
        (0..self.nnz).map(|_| id().min(self.rows - 1)).collect()
    }
}

/// `count` numbers in `[-1, 1)`, the same on every machine.
pub fn floats(count: u64) -> Vec<f32> {
    let signed = |number: u64| (number >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
    numbers(count).take(count as usize).map(signed).collect()
}

/// SplitMix64 (Steele, Lea and Flood 2014), started with `seed`.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    (1u64..).map(move |count| {
        let state = seed.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^ (state >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CHUNK;

    #[test]
    fn shapes_fit_and_keep_what_they_can() {
        assert_eq!(fitted([1 << 20, 64, 65_536], 256 << 20), [131_072, 64, 65_536]);
        assert_eq!(fitted([300, 8, 500], 256 << 20), [300, 8, 500]);
        assert_eq!(fitted([300, 8, 500], 0), [1, 8, 1]);
        let refused = of_shapes(&[[1, 2, 3], [4, 0, 5]], 1 << 20);
        assert!(matches!(refused, Err(Error::InvalidShape { .. })), "{refused:?}");
        let smallest = wgpu::Limits::downlevel_defaults();
        assert_eq!(allowed(&smallest), smallest.max_storage_buffer_binding_size / 4);
    }

    #[test]
    fn ids_are_in_the_table_and_skewed_ones_make_long_runs() {
        for form in [Form::Serial, Form::Parallel] {
            for workload in standard(form, MOST_BYTES) {
                let mut ids = workload.ids();
                assert_eq!(ids.len(), workload.nnz as usize);
                ids.sort_unstable();
                assert!(ids.last().is_some_and(|last| *last < workload.rows));
                let longest = ids.chunk_by(|a, b| a == b).map(<[u32]>::len).max();
                let is_long = longest.is_some_and(|longest| longest > CHUNK as usize);
                assert_eq!(is_long, workload.skewed, "{workload}: {longest:?}");
            }
        }
    }
}
