//! The kernels under a compiler that may do with floats as it likes: what naga writes for Metal, compiled for
//! the CPU with `-ffast-math`, must give the twin's bits.

mod beside;
mod floats;
mod kinds;
mod machine;
mod probed;
mod program;
mod trial;

use self::beside::{CASES, Case};
use self::floats::{Floats, Kernels};
use self::kinds::Kind;
use self::trial::Trial;
use super::width::Width::{Scalar, Vec2, Vec2U64, Vec4, Vec4U64, Vec8};
use crate::probe::Findings;
use crate::{Arithmetic, Probe, Tuning};
use sparse_adam_testkit::{Rng, campaign};
use std::path::Path;

const EXACT: Floats = Floats::Of(Arithmetic::Exact);
const FAST: Floats = Floats::Of(Arithmetic::Fast);

/// Every step in full.
const fn tuning() -> Tuning {
    Tuning { small: 0, arithmetic: Arithmetic::Exact, ..Tuning::CPU }
}

/// The cases, by torch's rule.
fn plain(u64_rows: bool) -> Trial {
    let tables = CASES.map(|case| (case, Kind::default())).to_vec();
    Trial { tables, u64_rows, normed: true }
}

/// Tables of these kinds, in rows of each width by turns.
fn ruled(kinds: Vec<Kind>, u64_rows: bool) -> Trial {
    let dims = [3, 20, 38, 64].into_iter().cycle();
    let case = |dim| Case { dim, rows: 300, nnz: 900, weighted: false };
    Trial { tables: dims.map(case).zip(kinds).collect(), u64_rows, normed: false }
}

/// Whether the compilers have instructions to approximate quotients and roots with.
const APPROXIMATES: bool = cfg!(target_arch = "x86_64");

/// Functions that the compilers make something else of, where they are left to them.
const OPEN: &[&str] = match APPROXIMATES {
    true => &["multiply", "scale", "quotient_of", "root_of"],
    false => &["multiply", "scale"],
};

fn try_compiler(compiler: &str) {
    let folder =
        std::env::temp_dir().join(format!("sparse-adam-{}-{compiler}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    try_operations(compiler, &folder);
    try_kernels(compiler, &folder);
    try_rules(compiler, &folder);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn try_operations(compiler: &str, folder: &Path) {
    let Probe { plain, fenced } = probed::probe(compiler, folder, campaign::fresh_seed());
    println!("{compiler}: {plain}; fenced: {fenced}");
    assert!(fenced.is_exact() && fenced.keeps_subnormals(), "{compiler}: {fenced}");
    let Findings { fused, reordered, folded, quotient_ulp, root_ulp, .. } = plain;
    let seen = [reordered, folded, quotient_ulp, root_ulp];
    let must = if APPROXIMATES { seen.len() } else { 2 };
    #[cfg(target_arch = "x86_64")]
    assert!(fused > 0 || !is_x86_feature_detected!("fma"), "the test sees nothing: {plain}");
    #[cfg(not(target_arch = "x86_64"))]
    let _ = fused;
    assert!(seen[..must].iter().all(|&found| found > 0), "the test sees nothing: {plain}");
}

fn try_kernels(compiler: &str, folder: &Path) {
    let all =
        [EXACT, FAST].into_iter().chain(OPEN.iter().copied().map(Floats::But)).collect::<Vec<_>>();
    let [narrow, wide] = [false, true].map(plain);
    let needed = narrow.needed(&all).chain(wide.needed(&[EXACT]));
    let kernels = Kernels::compile(compiler, folder, &tuning(), needed);
    for trial in [&narrow, &wide] {
        let found = trial.differing(&kernels, EXACT);
        assert_eq!(found, [0; CASES.len()], "rows by {compiler}, {}", trial.u64_rows);
    }
    for floats in &all[1..] {
        let found = narrow.differing(&kernels, *floats);
        println!("{compiler}: {found:?} rows differ with {floats:?}");
        let must = if *floats == FAST { found.len() } else { 1 };
        assert!(found.iter().filter(|&&rows| rows > 0).count() >= must, "the test sees nothing");
    }
}

/// Every option and format, and some of all that go together.
fn try_rules(compiler: &str, folder: &Path) {
    let mut rng = Rng(campaign::fresh_seed());
    let drawn = (0..4).map(|_| Kind::any(&mut rng)).collect();
    let (each, drawn) = (ruled(Kind::each(), false), ruled(drawn, true));
    let needed = each.needed(&[EXACT, FAST]).chain(drawn.needed(&[EXACT]));
    let kernels = Kernels::compile(compiler, folder, &tuning(), needed);
    for trial in [&each, &drawn] {
        let found = trial.differing(&kernels, EXACT);
        let wrong: Vec<_> =
            found.iter().zip(&trial.tables).filter(|(rows, _)| **rows > 0).collect();
        assert!(wrong.is_empty(), "rows by {compiler}: {wrong:?}");
    }
    let found = each.differing(&kernels, FAST);
    println!("{compiler}: {found:?} rows of each kind differ with {FAST:?}");
    // Of 16 bits, few are so near to a border that another last bit shows.
    let differs = |narrow| {
        let of = each.tables.iter().map(move |(_, kind)| kind.storage.param.is_narrow() == narrow);
        found.iter().zip(of).filter(|(_, of)| *of).map(|(rows, _)| *rows > 0)
    };
    assert!(
        differs(false).all(|seen| seen) && differs(true).any(|seen| seen),
        "the test sees nothing"
    );
}

#[test]
fn the_cases_are_of_each_kind() {
    let widths =
        |u64_rows| plain(u64_rows).listed().0.tables.iter().map(|at| at.access.width).collect();
    let (narrow, wide): (Vec<_>, Vec<_>) = (widths(false), widths(true));
    assert_eq!(narrow, [Scalar, Vec2, Scalar, Vec4, Vec4, Vec4]);
    assert_eq!(wide, [Scalar, Vec2U64, Scalar, Vec4U64, Vec8, Vec8]);
    let levels =
        plain(false).listed().0.tables.iter().map(|at| at.levels.len()).collect::<Vec<_>>();
    assert_eq!(levels, [0, 2, 2, 2, 0, 2]);
}

#[test]
#[ignore = "needs C++ compilers, which scripts/test-shaders.sh names"]
fn no_compiler_changes_a_bit() {
    let compilers = std::env::var("SPARSE_ADAM_CXX").unwrap_or_else(|_| "clang++".into());
    std::thread::scope(|scope| {
        for compiler in compilers.split_whitespace() {
            scope.spawn(|| try_compiler(compiler));
        }
    });
}
