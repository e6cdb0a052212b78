//! The WGSL of how numbers are stored: the fragments of a kernel's formats, and the constants that they name.

use super::access::RowAccess;
use super::width::Width;
use crate::Format;

/// What a kernel has to do with numbers that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uses {
    /// It reads values.
    Values,
    /// And the parameter, by the words of a rule.
    Param,
    /// It updates rows.
    All,
    /// It brings rows up to date, without values.
    Rows,
}

/// Of a kernel's formats. One that takes several items has bindings of each, and rules in an array, written for it.
pub fn wgsl(access: RowAccess, uses: Uses, items: u32) -> String {
    let formats = match uses {
        Uses::Values => access.formats.of_values(),
        Uses::Param | Uses::All | Uses::Rows => access.formats,
    };
    let narrow =
        [formats.param, formats.moments, formats.values].into_iter().any(Format::is_narrow);
    let mut texts = vec![match (uses, formats.values.is_narrow()) {
        (Uses::Rows, _) => "",
        (_, true) => shared!("values_narrow"),
        (_, false) => shared!("values_f32"),
    }];
    if narrow {
        texts.extend([halves(access.width), shared!("f16"), shared!("bf16")]);
    }
    if matches!(uses, Uses::All | Uses::Rows) {
        texts.push(match formats.moments.is_narrow() {
            true => shared!("moments_bf16"),
            false => shared!("moments_f32"),
        });
    }
    if uses != Uses::Values {
        texts.extend(param(access, items));
        texts.extend(match (uses, formats.is_stochastic) {
            _ if items > 1 => ["", "", ""],
            (Uses::Rows, true) => [shared!("random"), shared!("drawn_rows"), ""],
            (Uses::Rows, false) => ["", "", ""],
            (_, true) if formats.is_numbered => {
                [shared!("random"), shared!("drawn_words"), shared!("rows_by_numbers")]
            }
            (_, true) => [shared!("random"), shared!("drawn_words"), shared!("rows_by_place")],
            (_, false) => ["", "", shared!("rule_words")],
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

fn param(access: RowAccess, items: u32) -> Vec<&'static str> {
    let of_one = if items > 1 { "" } else { shared!("param_of_one") };
    if !access.formats.param.is_narrow() {
        return vec![of_one, shared!("param_f32")];
    }
    let mut texts = match shares_words(access) {
        true => vec![shared!("param_bits"), shared!("param_shared")],
        false => vec![of_one, shared!("param_bits"), shared!("param_narrow")],
    };
    if !access.formats.is_stochastic {
        texts.push(shared!("no_random"));
    }
    texts
}

/// Whether two invocations may share a word of the parameter.
pub fn shares_words(access: RowAccess) -> bool {
    access.formats.param.is_narrow() && access.width == Width::Scalar
}

fn halves(width: Width) -> &'static str {
    match width {
        Width::Scalar => shared!("halves_scalar", "halves_one_part"),
        Width::Vec2 | Width::Vec2U64 => shared!("halves_vec2", "halves_one_part"),
        Width::Vec4 | Width::Vec4U64 => shared!("halves_vec4", "halves_one_part"),
        Width::Vec8 => shared!("halves_vec8"),
    }
}
