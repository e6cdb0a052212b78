//! The kernels under a compiler that may do with floats as it likes: what naga writes for Metal, compiled for
//! the CPU with `-ffast-math`, must give the twin's bits.

mod floats;
mod machine;
mod operations;
mod program;

use self::floats::{Floats, Kernels};
use self::machine::Buffers;
use super::demand::{Demand, Segment, TableDemand, ValueOrigin};
use super::kernel::Kernel;
use super::list::{Bind, Dispatch, list};
use super::plan::tests::{DEVICE, step};
use super::plan::{Plan, plan};
use super::shape::{DeviceShape, Window};
use crate::reference::{self, Gradient, Table};
use crate::rule::adam::ADAM;
use crate::{AdamOptions, Arithmetic, IndexDtype, Tuning};
use sparse_adam_testkit::{Rng, campaign};

const EXACT: Floats = Floats::Of(Arithmetic::Exact);
const FAST: Floats = Floats::Of(Arithmetic::Fast);
const STEPS: usize = 3;

/// A table: values per row, rows, entries per step, and whether these have weights.
#[derive(Clone, Copy, Debug)]
struct Case {
    dim: u32,
    rows: u32,
    nnz: u32,
    weighted: bool,
}

/// Each width; runs that take no level of sums, one, and two.
const CASES: [Case; 6] = [
    Case { dim: 3, rows: 900, nnz: 900, weighted: false },
    Case { dim: 3, rows: 3000, nnz: 11_000, weighted: true },
    Case { dim: 37, rows: 3000, nnz: 7000, weighted: false },
    Case { dim: 20, rows: 3000, nnz: 7000, weighted: false },
    Case { dim: 64, rows: 900, nnz: 1000, weighted: true },
    Case { dim: 64, rows: 3000, nnz: 7000, weighted: true },
];

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
        });
        demand.windows.push(Window { first_row: 0, rows: case.rows });
    }
    let device = DeviceShape { u64_rows, ..DEVICE };
    let plan = plan(&demand.tables, device, &tuning()).unwrap();
    let mut dispatches = Vec::new();
    list(&demand, &plan, (device, &tuning()), &ADAM, &mut dispatches);
    (plan, dispatches)
}

/// A number of any magnitude, so that a product that is not rounded shows in a sum; some are so small
/// that their square is subnormal.
fn number(rng: &mut Rng) -> f32 {
    let magnitude = if rng.below(50) == 0 { 130 } else { 30 };
    rng.signed() * 2f32.powi(10 - rng.below(magnitude) as i32)
}

/// Entries of a step, with their weights: a run of thousands, some of hundreds, many of a few and of one.
fn draw(rng: &mut Rng, case: Case) -> (Gradient<f32>, Vec<f32>) {
    let index = |rng: &mut Rng| match rng.below(10) {
        0..6 => 7,
        6..8 => 50 + rng.below(10) as i64,
        _ => rng.below(case.rows as usize) as i64,
    };
    let indices = (0..case.nnz).map(|_| index(rng)).collect();
    let values = (0..case.nnz * case.dim).map(|_| number(rng)).collect();
    let weights = (0..case.nnz).map(|_| number(rng)).collect();
    (Gradient { indices, values }, weights)
}

/// A table beside its twin.
struct Beside {
    case: Case,
    twin: Table<f32>,
}

impl Beside {
    fn new(rng: &mut Rng, case: Case) -> Self {
        let param = (0..case.rows * case.dim).map(|_| number(rng)).collect();
        Self { case, twin: Table::new(param, case.dim as usize) }
    }

    /// The twin's state as a binding has it: `[rows, fields, dim]`.
    fn state(&self) -> Vec<f32> {
        let dim = self.twin.dim;
        let fields = self.twin.exp_avg.chunks(dim).zip(self.twin.exp_avg_sq.chunks(dim));
        fields.flat_map(|(first, second)| [first, second].concat()).collect()
    }

    /// Draws a step's entries into `buffers`, and has the twin do the step.
    fn step(&mut self, rng: &mut Rng, table: u32, options: &AdamOptions, buffers: &mut Buffers) {
        let (mut grad, weights) = draw(rng, self.case);
        let values = Bind::Values { table, first_row: 0, rows: self.case.nnz };
        let indices = grad.indices.iter().map(|&index| index as u32).collect();
        buffers.set(Bind::Indices { table, segment: 0 }, indices);
        buffers.set(values, bits(&grad.values));
        if self.case.weighted {
            buffers.set(Bind::Weights { table, segment: 0 }, bits(&weights));
            let map: Vec<u32> = (0..self.case.nnz).collect();
            let dim = self.twin.dim;
            grad.values = reference::gather_values(&grad.values, dim, &map, Some(&weights));
        }
        reference::step(&mut self.twin, &grad, options);
    }

    /// Rows of which not all bits are the twin's.
    fn differing(&self, table: u32, buffers: &Buffers) -> usize {
        let dim = self.twin.dim;
        let param = buffers.of(Bind::Param { table, window: 0 });
        let state = buffers.of(Bind::State { table, window: 0 });
        let expected = (bits(&self.twin.param), bits(&self.state()));
        let rows = (0..self.case.rows as usize).filter(|row| {
            let same = |found: &[u32], expected: &[u32], width: usize| {
                let row = row * width..(row + 1) * width;
                found[row.clone()] == expected[row]
            };
            !(same(param, &expected.0, dim) && same(state, &expected.1, 2 * dim))
        });
        rows.count()
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    bytemuck::cast_slice(values).to_vec()
}

/// What a step binds, before the first.
fn buffers(plan: &Plan, dispatches: &[Dispatch], beside: &[Beside]) -> Buffers {
    let words = |bind| match bind {
        Bind::Param { table, .. } => bits(&beside[table as usize].twin.param),
        Bind::State { table, .. } => bits(&beside[table as usize].state()),
        Bind::Pairs => vec![0; 2 * plan.pairs as usize],
        Bind::Sorted => vec![0; plan.sorted_words as usize],
        Bind::Histogram => vec![0; plan.sort.histogram_words as usize],
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
        for (table, beside) in (0..).zip(&mut beside) {
            beside.step(&mut rng, table, &options, &mut buffers);
        }
        buffers.run((kernels, floats), &dispatches, |_| (ADAM.words)(&options, step));
    }
    std::array::from_fn(|table| beside[table].differing(table as u32, &buffers))
}

/// Kernels of all cases.
fn needed(u64_rows: bool, floats: &[Floats]) -> impl Iterator<Item = (Kernel, Floats)> {
    let dispatches = listed(u64_rows).1.into_iter();
    dispatches.flat_map(|dispatch| floats.iter().map(move |&floats| (dispatch.kernel, floats)))
}

/// Functions that the compilers at hand make something else of, where they are left to them.
const OPEN: [&str; 4] = ["multiply", "scale", "quotient_of", "root_of"];

fn try_compiler(compiler: &str) {
    let folder =
        std::env::temp_dir().join(format!("sparse-adam-{}-{compiler}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let wrong = operations::wrong(compiler, &folder, &mut Rng(campaign::fresh_seed()));
    assert_eq!(wrong, 0, "quotients and roots by {compiler}");
    let all = [EXACT, FAST].into_iter().chain(OPEN.map(Floats::But)).collect::<Vec<_>>();
    let needed = needed(false, &all).chain(needed(true, &[EXACT]));
    let kernels = Kernels::compile(compiler, &folder, &tuning(), needed);
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
    std::fs::remove_dir_all(&folder).unwrap();
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
