//! The WGSL of how numbers are stored: the fragments of a kernel's formats, and the constants that they name.

use super::access::RowAccess;
use super::width::Width;
use crate::Format;

macro_rules! shared {
    ($name:literal) => {
        include_str!(concat!("../../shaders/shared/", $name, ".wgsl"))
    };
}

/// What a kernel has to do with numbers that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uses {
    /// It reads values.
    Values,
    /// And the parameter, by the words of a rule.
    Param,
    /// It updates rows.
    All,
}

/// Of a kernel's formats.
pub fn wgsl(access: RowAccess, uses: Uses) -> String {
    let formats = match uses {
        Uses::Values => access.formats.of_values(),
        Uses::Param | Uses::All => access.formats,
    };
    let narrow =
        [formats.param, formats.moments, formats.values].into_iter().any(Format::is_narrow);
    let values =
        if formats.values.is_narrow() { shared!("values_narrow") } else { shared!("values_f32") };
    let mut texts = vec![values];
    if narrow {
        texts.extend([halves(access.width), shared!("f16"), shared!("bf16")]);
    }
    if uses == Uses::All {
        texts.push(match formats.moments.is_narrow() {
            true => shared!("moments_bf16"),
            false => shared!("moments_f32"),
        });
    }
    if uses != Uses::Values {
        texts.extend(param(access));
        texts.push(match formats.is_stochastic {
            true => shared!("drawn_words"),
            false => shared!("rule_words"),
        });
    }
    let constants = [
        ("VALUES_F16", formats.values == Format::F16),
        ("PARAM_F16", formats.param == Format::F16),
        ("STOCHASTIC", formats.is_stochastic),
    ];
    let constants = constants.map(|(name, holds)| format!("const {name} = {holds};\n"));
    if narrow { constants.concat() + &texts.concat() } else { texts.concat() }
}

fn param(access: RowAccess) -> Vec<&'static str> {
    if !access.formats.param.is_narrow() {
        return vec![shared!("param_f32")];
    }
    let stored = match access.width {
        Width::Scalar => shared!("param_shared"),
        Width::Vec4 | Width::Vec8 => shared!("param_narrow"),
    };
    let mut texts = vec![shared!("param_bits"), stored];
    if !access.formats.is_stochastic {
        texts.push(shared!("no_random"));
    }
    texts
}

fn halves(width: Width) -> &'static str {
    match width {
        Width::Scalar => shared!("halves_scalar"),
        Width::Vec4 => shared!("halves_vec4"),
        Width::Vec8 => shared!("halves_vec8"),
    }
}
