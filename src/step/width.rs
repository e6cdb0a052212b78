//! How many values of a row are handled at a time.

/// How many f32 of a row are handled at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    Scalar,
    Vec4,
    /// Eight, moved as four u64; needs `Features::SHADER_INT64`.
    Vec8,
}

impl Width {
    /// The widest that divides rows of `dim` f32; `Vec8` only where `u64_rows` allows it.
    pub fn of(dim: u32, u64_rows: bool) -> Self {
        match dim {
            dim if dim.is_multiple_of(8) && u64_rows => Self::Vec8,
            dim if dim.is_multiple_of(4) => Self::Vec4,
            _ => Self::Scalar,
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
            Self::Vec4 => 4,
            Self::Vec8 => 8,
        }
    }
}
