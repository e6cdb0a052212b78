//! The WGSL that depends on a norm's type.

use crate::{Form, NormType};

/// What is added up of a gradient, and how.
pub(super) fn measured(norm: NormType) -> &'static str {
    match norm {
        NormType::One => include_str!("../../../shaders/shared/norm_one.wgsl"),
        NormType::Two => include_str!("../../../shaders/shared/norm_two.wgsl"),
        NormType::Infinity => include_str!("../../../shaders/shared/norm_largest.wgsl"),
    }
}

/// How blocks are added up to a total.
pub(super) fn added(norm: NormType, form: Form) -> &'static str {
    match (norm, form) {
        (NormType::One | NormType::Two, Form::Serial) => concat!(
            include_str!("../../../shaders/shared/exact_total.wgsl"),
            include_str!("../../../shaders/shared/exact_total_serial.wgsl")
        ),
        (NormType::One | NormType::Two, Form::Parallel) => concat!(
            include_str!("../../../shaders/shared/exact_total.wgsl"),
            include_str!("../../../shaders/shared/exact_total_parallel.wgsl")
        ),
        (NormType::Infinity, _) => include_str!("../../../shaders/shared/largest_total.wgsl"),
    }
}

/// What the norm is of the total.
pub(super) fn taken(norm: NormType) -> &'static str {
    match norm {
        NormType::One => concat!(
            include_str!("../../../shaders/shared/take_exact_total.wgsl"),
            include_str!("../../../shaders/shared/total_as_it_is.wgsl")
        ),
        NormType::Two => concat!(
            include_str!("../../../shaders/shared/take_exact_total.wgsl"),
            include_str!("../../../shaders/shared/root_of_total.wgsl")
        ),
        NormType::Infinity => concat!(
            include_str!("../../../shaders/shared/take_largest_total.wgsl"),
            include_str!("../../../shaders/shared/total_as_it_is.wgsl")
        ),
    }
}
