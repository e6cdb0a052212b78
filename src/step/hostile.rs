//! The kernels under a compiler that may do with floats as it likes: what naga writes for Metal, compiled for
//! the CPU with `-ffast-math`, must give the twin's bits.

mod beside;
mod floats;
mod machine;
mod probed;
mod program;

use self::beside::{Beside, CASES, bits};
use self::floats::{Floats, Kernels};
use self::machine::Buffers;
use super::demand::{Demand, NormDemand, Segment, TableDemand, ValueOrigin};
use super::kernel::Kernel;
use super::list::{Bind, Dispatch, list};
use super::plan::tests::{DEVICE, step};
use super::plan::{Plan, plan};
use super::shape::{DeviceShape, Window};
use super::width::Width::{Scalar, Vec4, Vec8};
use crate::optimizer::norm;
use crate::probe::Findings;
use crate::reference::{self, Scalars};
use crate::rule::adam::ADAM;
use crate::{AdamOptions, Arithmetic, IndexDtype, NormType, Probe, Tuning};
use sparse_adam_testkit::{Rng, campaign};
use std::path::Path;

const EXACT: Floats = Floats::Of(Arithmetic::Exact);
const FAST: Floats = Floats::Of(Arithmetic::Fast);
const STEPS: usize = 3;
const MOST_NORM: f32 = 100.0;

/// Every step in full.
const fn tuning() -> Tuning {
    Tuning { small: 0, arithmetic: Arithmetic::Exact, ..Tuning::CPU }
}

/// A step of all cases: those of eight values at once where `u64_rows`.
fn listed(u64_rows: bool) -> (Plan, Vec<Dispatch>) {
    let mut demand = Demand::default();
    for (table, case) in (0..).zip(CASES) {
        let step = step(case.rows, case.dim, case.nnz);
        demand.tables.push(TableDemand { table, weighted: case.weighted, ..step });
        demand.segments.push(Segment {
            nnz: case.nnz,
            entry_base: 0,
            value_base: 0,
            value_rows: case.nnz,
            index_dtype: IndexDtype::U32,
            origin: ValueOrigin::Entry,
            plain: true,
            has_weights: case.weighted,
            counted: false,
            inspect: None,
            padding_row: None,
            indices: None,
        });
        demand.windows.push(Window { first_row: 0, rows: case.rows });
    }
    // The updates, which read no scalars, do not take it.
    demand.clip_by(Some(NormDemand { norm_type: NormType::Two, most: MOST_NORM.to_bits() }));
    let device = DeviceShape { u64_rows, ..DEVICE };
    let plan = plan(&demand.tables, device, &tuning()).unwrap();
    let mut dispatches = Vec::new();
    list(&demand, &plan, (device, &tuning()), &mut dispatches);
    (plan, dispatches)
}

/// What a step binds, before the first.
fn buffers(plan: &Plan, dispatches: &[Dispatch], beside: &[Beside]) -> Buffers {
    let words = |bind| match bind {
        Bind::Param { table, .. } => bits(&beside[table as usize].twin.param),
        Bind::State { table, .. } => bits(&beside[table as usize].state()),
        Bind::Pairs => vec![0; 2 * plan.pairs as usize],
        Bind::Sorted => vec![0; plan.sorted_words as usize],
        Bind::Histogram => vec![0; plan.sort.histogram_words as usize],
        Bind::Norm => vec![0; norm::STATE_BYTES as usize / 4],
        Bind::Scalars => bits(&[1.0, 1.0, 0.0, 0.0]),
        Bind::Status { .. } => vec![0; size_of::<crate::Status>() / 4],
        _ => Vec::new(),
    };
    let mut buffers = Buffers::default();
    for &bind in dispatches.iter().flat_map(|dispatch| dispatch.bound.iter().flatten()) {
        if buffers.0.iter().all(|held| held.0 != bind) {
            buffers.0.push((bind, words(bind)));
        }
    }
    buffers
}

/// Of each case, how many rows differ from the twin's after [`STEPS`] steps.
fn differing(kernels: &Kernels, floats: Floats, u64_rows: bool) -> [usize; CASES.len()] {
    let mut rng = Rng(campaign::fresh_seed());
    let (plan, dispatches) = listed(u64_rows);
    let mut beside = CASES.map(|case| Beside::new(&mut rng, case));
    let mut buffers = buffers(&plan, &dispatches, &beside);
    let options = AdamOptions::default().lr(0.01).maximize(rng.below(2) == 1);
    for step in 1..=STEPS as u64 {
        let mut grads = Vec::new();
        for (table, beside) in (0..).zip(&mut beside) {
            grads.push(beside.step(&mut rng, table, &options, &mut buffers));
        }
        buffers.run((kernels, floats), &dispatches, |_| (ADAM.words)(0, &options, step));
        if floats == EXACT {
            let tables = beside.iter().zip(&grads);
            let asked: Vec<_> = tables.map(|(of, grad)| (&of.twin, grad, &options)).collect();
            let norm = reference::grad_norm(&asked, Scalars::default(), NormType::Two);
            let factor = reference::clip_factor(norm, MOST_NORM.into());
            let expected = bits(&[factor, 1.0, 0.0, norm]);
            assert_eq!(buffers.of(Bind::Norm)[..4], expected, "factor and norm");
        }
    }
    std::array::from_fn(|table| beside[table].differing(table as u32, &buffers))
}

/// Kernels of all cases.
fn needed(u64_rows: bool, floats: &[Floats]) -> impl Iterator<Item = (Kernel, Floats)> {
    let dispatches = listed(u64_rows).1.into_iter();
    dispatches.flat_map(|dispatch| floats.iter().map(move |&floats| (dispatch.kernel, floats)))
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
    let needed = needed(false, &all).chain(needed(true, &[EXACT]));
    let kernels = Kernels::compile(compiler, folder, &tuning(), needed);
    for u64_rows in [false, true] {
        let found = differing(&kernels, EXACT, u64_rows);
        assert_eq!(found, [0; CASES.len()], "rows by {compiler}, in 64 bits: {u64_rows}");
    }
    for floats in &all[1..] {
        let found = differing(&kernels, *floats, false);
        println!("{compiler}: {found:?} rows differ with {floats:?}");
        let must = if *floats == FAST { found.len() } else { 1 };
        assert!(found.iter().filter(|&&rows| rows > 0).count() >= must, "the test sees nothing");
    }
}

#[test]
fn the_cases_are_of_each_kind() {
    let widths = |u64_rows| listed(u64_rows).0.tables.iter().map(|at| at.access.width).collect();
    let (narrow, wide): (Vec<_>, Vec<_>) = (widths(false), widths(true));
    assert_eq!(narrow, [Scalar, Scalar, Scalar, Vec4, Vec4, Vec4]);
    assert_eq!(wide, [Scalar, Scalar, Scalar, Vec4, Vec8, Vec8]);
    let levels = listed(false).0.tables.iter().map(|at| at.levels.len()).collect::<Vec<_>>();
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
