//! Tables in 16 bits.

use crate::Rng;
use crate::trace::FormatKeys;
use serde::{Deserialize, Serialize};
use sparse_adam::reference::Gradient;
use sparse_adam::{Format, Rounding};

/// How a table is stored, and the values of its gradients; in JSON as in a trace's `formats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "FormatKeys", into = "FormatKeys")]
pub struct Stored {
    /// The parameter.
    pub param: Format,
    /// Its moments.
    pub moments: Format,
    /// How both are rounded.
    pub rounding: Rounding,
    /// The values of its gradients, which are rounded to the nearest.
    pub values: Format,
}

impl Stored {
    /// Any that an optimizer takes, of options without amsgrad.
    pub fn any(rng: &mut Rng) -> Self {
        let formats = [Format::F32, Format::F16, Format::Bf16];
        let (param, values) = (formats[rng.below(3)], formats[rng.below(3)]);
        let moments = [Format::F32, Format::Bf16][rng.below(2)];
        let seed = rng.next() as u32;
        let must_draw = moments != Format::F32;
        let draws = must_draw || (param != Format::F32 && rng.below(2) == 1);
        let rounding = if draws { Rounding::Stochastic { seed } } else { Rounding::Nearest };
        Self { param, moments, rounding, values }
    }
}

impl Stored {
    /// A gradient as its values are stored.
    pub fn rounded(&self, grad: &Gradient<f32>) -> Gradient<f32> {
        Gradient { indices: grad.indices.clone(), values: rounded(self.values, &grad.values) }
    }
}

/// What lies in the half of a last word that is nobody's.
const NOBODYS: u32 = 0x7e11 << 16;

/// The words of `values`, with [`NOBODYS`] in a half that is left.
pub(crate) fn packed(format: Format, values: &[f32]) -> Vec<u32> {
    let mut words = format.pack(values);
    if format != Format::F32 && values.len() % 2 == 1 {
        words.iter_mut().last().into_iter().for_each(|last| *last |= NOBODYS);
    }
    words
}

/// Whether that half is as it was.
pub(crate) fn last_is_whole(words: &[u32], count: usize, format: Format) -> bool {
    let shared = format != Format::F32 && count % 2 == 1;
    !shared || words.last().is_some_and(|last| last & 0xffff_0000 == NOBODYS)
}

/// `values` as numbers of a format.
pub fn rounded(format: Format, values: &[f32]) -> Vec<f32> {
    format.unpack(&format.pack(values), values.len())
}
