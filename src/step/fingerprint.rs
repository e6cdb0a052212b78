//! A hash of the WGSL of all kernels: what is tuned for some is not for others.

use super::access::{RowAccess, Values};
use super::kernel::Kernel;
use super::kernel::items::Together;
use super::plan::SortWay;
use super::stages::Stage;
use super::width::Width;
use crate::format::Formats;
use crate::rule::Rule;
use crate::rule::adam::ADAM;
use crate::{AdamOptions, Format, NormType, Tuning};
use std::sync::LazyLock;

static HASH: LazyLock<String> =
    LazyLock::new(|| format!("fnv1a:{:016x}", fnv1a(texts().flat_map(String::into_bytes))));

/// `fnv1a:` and 16 hexadecimal digits, the same on every machine.
pub fn of_kernels() -> &'static str {
    &HASH
}

/// FNV-1a of 64 bits (Fowler, Noll and Vo).
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The WGSL of each stage, of kernels that have all fragments between them.
fn texts() -> impl Iterator<Item = String> {
    accesses().into_iter().flat_map(|access| {
        Stage::all().flat_map(move |stage| {
            let norms = [Some(NormType::Two), Some(NormType::One), Some(NormType::Infinity), None];
            norms.into_iter().flat_map(move |norm| {
                let rule = Some(Rule::of(&ADAM, &AdamOptions::default(), norm.is_none()));
                let kernel = Kernel { access, rule, norm, ..Kernel::of(stage) };
                let sort = SortWay { ballots: true, reorder: true, ahead: true };
                let kernels =
                    [kernel, Kernel { sort, ..kernel }].into_iter().chain(of_items(kernel));
                kernels.flat_map(|kernel| {
                    [Tuning::CPU, Tuning::GPU].map(|tuning| kernel.wgsl(&tuning))
                })
            })
        })
    })
}

/// The kernels that take several items in the place of one.
fn of_items(kernel: Kernel) -> impl Iterator<Item = Kernel> {
    let kernel = Kernel { plain: true, ..kernel };
    let ways = kernel
        .poolings()
        .iter()
        .flat_map(|&pooled| [false, true].map(|in_arrays| Together { most: 2, pooled, in_arrays }));
    ways.map(move |way| kernel.with_items(way))
}

/// One with each way to read rows.
fn accesses() -> [RowAccess; 10] {
    let narrow = Formats {
        param: Format::F16,
        moments: Format::Bf16,
        values: Format::F16,
        is_stochastic: true,
        is_numbered: false,
    };
    let (plain, nearest) = (Formats::default(), Formats { is_stochastic: false, ..narrow });
    [
        (Width::Scalar, Values::One, plain),
        (Width::Vec2, Values::One, plain),
        (Width::Vec2U64, Values::One, plain),
        (Width::Vec4, Values::Windows, plain),
        (Width::Vec4U64, Values::One, plain),
        (Width::Vec8, Values::One, plain),
        (Width::Scalar, Values::One, narrow),
        (Width::Vec2, Values::One, narrow),
        (Width::Vec4, Values::One, narrow.numbered(true)),
        (Width::Vec8, Values::One, nearest),
    ]
    .map(|(width, values, formats)| RowAccess {
        width,
        values,
        weighted: false,
        limited: false,
        formats,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_hash_is_fnv1a() {
        // From the authors' test vectors.
        assert_eq!(fnv1a(b"foobar".iter().copied()), 0x8594_4171_f739_67e8);
    }

    /// Every file of a kernel is in some text, so that a change of any changes the hash.
    #[test]
    fn every_shader_is_hashed() {
        let texts: Vec<_> = texts().collect();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
        let mut found = 0;
        for folder in [root.clone(), root.join("shared"), root.join("rules")] {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let is_kernel = path.extension().is_some_and(|end| end == "wgsl")
                    && !path.ends_with("probe.wgsl");
                if is_kernel {
                    let text = std::fs::read_to_string(&path).unwrap();
                    assert!(texts.iter().any(|held| held.contains(&text)), "{}", path.display());
                    found += 1;
                }
            }
        }
        assert!(found > 60, "{found}");
    }
}
