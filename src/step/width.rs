//! How many values of a row are handled at a time.

/// How many f32 of a row are handled at a time, and by what they are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    Scalar,
    Vec2,
    /// Two, moved as one u64; as all that are, it needs `Features::SHADER_INT64`.
    Vec2U64,
    Vec4,
    /// Four, moved as two u64.
    Vec4U64,
    /// Eight, moved as four u64.
    Vec8,
}

impl Width {
    /// The widest that divides rows of `dim` f32; moved as u64 only where `u64_rows` allows it.
    pub fn of(dim: u32, u64_rows: bool) -> Self {
        match (dim.trailing_zeros(), u64_rows) {
            (0, _) => Self::Scalar,
            (1, false) => Self::Vec2,
            (1, true) => Self::Vec2U64,
            (_, false) => Self::Vec4,
            (2, true) => Self::Vec4U64,
            (_, true) => Self::Vec8,
        }
    }

    /// Lanes per row of `dim` f32.
    pub fn columns(self, dim: u32) -> u32 {
        dim / self.lane_width()
    }

    /// f32 per lane.
    pub fn lane_width(self) -> u32 {
        match self {
            Self::Scalar => 1,
            Self::Vec2 | Self::Vec2U64 => 2,
            Self::Vec4 | Self::Vec4U64 => 4,
            Self::Vec8 => 8,
        }
    }

    #[cfg(test)]
    pub const ALL: [Self; 6] =
        [Self::Scalar, Self::Vec2, Self::Vec2U64, Self::Vec4, Self::Vec4U64, Self::Vec8];
}
