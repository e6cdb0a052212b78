//! Steps of tables, planned, and run beside the twins.

use super::beside::{Beside, Case, bits};
use super::floats::{Floats, Kernels};
use super::kinds::Kind;
use super::machine::Buffers;
use super::{EXACT, tuning};
use crate::optimizer::norm;
use crate::reference::{self, Gradient, Scalars};
use crate::step::demand::{Demand, NormDemand, Segment, TableDemand, ValueOrigin};
use crate::step::kernel::Kernel;
use crate::step::list::{Behind, Bind, Dispatch, flush, list};
use crate::step::plan::tests::{DEVICE, step};
use crate::step::plan::{Plan, plan};
use crate::step::shape::{DeviceShape, Window};
use crate::table::limit_of;
use crate::{IndexDtype, NormType};
use sparse_adam_testkit::{Rng, campaign};

const STEPS: u64 = 3;
const MOST_NORM: f32 = 100.0;

/// What is tried together: tables, moved as u64 where `u64_rows`.
#[derive(Debug)]
pub struct Trial {
    pub tables: Vec<(Case, Kind)>,
    pub u64_rows: bool,
    /// Whether the norm of all gradients is found too. No rule here takes it.
    pub normed: bool,
}

impl Trial {
    fn device(&self) -> DeviceShape {
        DeviceShape { u64_rows: self.u64_rows, ..DEVICE }
    }

    /// What the GPU knows of a step.
    fn known(&self) -> Scalars {
        match self.normed {
            true => Scalars::default(),
            false => Scalars { grad_scale: 0.7, lr_factor: 1.3, skip: false },
        }
    }

    /// A step of all tables.
    pub fn listed(&self) -> (Plan, Vec<Dispatch>) {
        let mut demand = Demand::default();
        for (table, (case, kind)) in (0..).zip(&self.tables) {
            let step = step(case.rows, case.dim, case.nnz);
            demand.tables.push(TableDemand {
                table,
                weighted: case.weighted,
                rule: kind.rule(),
                formats: kind.formats(),
                limit: limit_of(&kind.options),
                ..step
            });
            demand.segments.push(segment(*case));
            demand.windows.push(Window { first_row: 0, rows: case.rows });
        }
        let norm = NormDemand { norm_type: NormType::Two, most: MOST_NORM.to_bits() };
        demand.clip_by(self.normed.then_some(norm));
        let device = self.device();
        let plan = plan(&demand.tables, device, &tuning()).unwrap();
        let mut dispatches = Vec::new();
        list(&demand, &plan, (device, &tuning()), &mut dispatches);
        (plan, dispatches)
    }

    /// What brings rows up to date.
    fn flush(&self) -> Vec<Dispatch> {
        let late = (0..).zip(&self.tables).filter(|(_, (_, kind))| kind.rule().behind(0).is_some());
        let windows = late.map(|(table, (case, kind))| Behind {
            table,
            window: 0,
            rows: Window { first_row: 0, rows: case.rows },
            geometry: step(case.rows, case.dim, case.nnz).geometry,
            rule: kind.rule(),
            formats: kind.formats(),
        });
        let mut dispatches = Vec::new();
        flush(windows, (self.device(), &tuning()), &mut dispatches);
        dispatches
    }

    /// The kernels of all that, with each kind of arithmetic.
    pub fn needed(&self, floats: &[Floats]) -> impl Iterator<Item = (Kernel, Floats)> {
        let dispatches = self.listed().1.into_iter().chain(self.flush());
        dispatches.flat_map(|dispatch| floats.iter().map(move |&floats| (dispatch.kernel, floats)))
    }

    /// What is bound, before the first step.
    fn buffers<'a>(
        &self,
        plan: &Plan,
        dispatches: impl Iterator<Item = &'a Dispatch>,
        beside: &[Beside],
    ) -> Buffers {
        let Scalars { grad_scale, lr_factor, .. } = self.known();
        let words = |bind| match bind {
            Bind::Param { table, .. } => beside[table as usize].param(),
            Bind::State { table, .. } => beside[table as usize].state(),
            Bind::RowState { table, .. } => beside[table as usize].row_state(),
            Bind::Pairs => vec![0; 2 * plan.pairs as usize],
            Bind::Sorted => vec![0; plan.sorted_words as usize],
            Bind::Histogram => vec![0; plan.sort.histogram_words as usize],
            Bind::Norm => vec![0; norm::STATE_BYTES as usize / 4],
            Bind::Scalars => bits(&[grad_scale, lr_factor, 0.0, 0.0]),
            Bind::Status { .. } => vec![0; size_of::<crate::Status>() / 4],
            _ => Vec::new(),
        };
        let mut buffers = Buffers::default();
        for &bind in dispatches.flat_map(|dispatch| dispatch.bound.iter().flatten()) {
            if buffers.0.iter().all(|held| held.0 != bind) {
                buffers.0.push((bind, words(bind)));
            }
        }
        buffers
    }

    /// Of each table, how many rows differ from the twin's after some steps, of which every other is followed by a flush.
    pub fn differing(&self, kernels: &Kernels, floats: Floats) -> Vec<usize> {
        let mut rng = Rng(campaign::fresh_seed());
        let ((plan, dispatches), flush) = (self.listed(), self.flush());
        let tables = self.tables.iter();
        let mut beside: Vec<_> =
            tables.map(|&(case, kind)| Beside::new(&mut rng, case, kind)).collect();
        let mut buffers = self.buffers(&plan, dispatches.iter().chain(&flush), &beside);
        for step in 1..=STEPS {
            let mut grads = Vec::new();
            for (table, beside) in (0..).zip(&mut beside) {
                grads.push(beside.step(&mut rng, table, self.known(), &mut buffers));
            }
            buffers
                .run((kernels, floats), &dispatches, |table| beside[table as usize].step_of(step));
            if self.normed && floats == EXACT {
                assert_norm(&beside, &grads, &buffers);
            }
            if step % 2 == 1 {
                beside.iter_mut().for_each(|beside| beside.flush(self.known()));
                buffers
                    .run((kernels, floats), &flush, |table| beside[table as usize].behind_of(step));
            }
        }
        (0..).zip(&beside).map(|(table, beside)| beside.differing(table, &buffers)).collect()
    }
}

/// All entries of a case.
fn segment(case: Case) -> Segment {
    Segment {
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
    }
}

fn assert_norm(beside: &[Beside], grads: &[Gradient<f32>], buffers: &Buffers) {
    let tables = beside.iter().zip(grads);
    let asked: Vec<_> = tables.map(|(of, grad)| (&of.twin, grad, &of.kind.options)).collect();
    let norm = reference::grad_norm(&asked, Scalars::default(), NormType::Two);
    let factor = reference::clip_factor(norm, MOST_NORM.into());
    let expected = bits(&[factor, 1.0, 0.0, norm]);
    assert_eq!(buffers.of(Bind::Norm)[..4], expected, "factor and norm");
}
