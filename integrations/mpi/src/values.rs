//! Value rows of a gradient in buffers of the rank's device.

use sparse_adam::Region;

/// The gradient of rows that were looked up, in buffers of this rank's device with usage `COPY_SRC`: a value row for each id,
/// or for each bag of ids. Regions may be larger than what is read of them; their offsets are multiples of 4.
#[derive(Clone, Debug)]
#[must_use = "values do nothing before they are given to an optimizer"]
pub struct Values {
    pub(crate) rows: Region,
    pub(crate) bags: Option<(Region, u32)>,
    pub(crate) weights: Option<Region>,
}

impl Values {
    /// `rows`: f32 `[ids, dim]`, row-major, in the order of the ids that were asked for.
    pub fn rows(rows: impl Into<Region>) -> Self {
        Self { rows: rows.into(), bags: None, weights: None }
    }

    /// `rows`: f32 `[bags, dim]`; id `e` has row `map[e]` of them. `map`: u32 `[ids]`. A bag's row travels to each rank
    /// that has rows of it once.
    pub fn bags(rows: impl Into<Region>, map: impl Into<Region>, bags: u32) -> Self {
        Self { rows: rows.into(), bags: Some((map.into(), bags)), weights: None }
    }

    /// Id `e` contributes `weights[e]` times its value row. `weights`: f32 `[ids]`.
    pub fn weighted(self, weights: impl Into<Region>) -> Self {
        Self { weights: Some(weights.into()), ..self }
    }
}
