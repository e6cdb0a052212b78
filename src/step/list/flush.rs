//! The dispatches that bring rows up to date.

use super::{Bind, Dispatch, Second};
use crate::Tuning;
use crate::format::Formats;
use crate::param::Geometry;
use crate::rule::Rule;
use crate::step::kernel::Kernel;
use crate::step::layout::{Config, FlushConfig, FlushValues};
use crate::step::shape::{DeviceShape, Grid, Launch, Window};
use crate::step::stages::Stage;
use crate::timestamps::Timed;

/// Values of a row that an invocation takes: it finds out once for all of them what the row has missed.
const STRIP: u32 = 16;

/// A window of a table, some of whose rows may be behind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behind {
    pub table: u32,
    pub window: u32,
    pub rows: Window,
    pub geometry: Geometry,
    pub rule: Rule,
    pub formats: Formats,
}

/// Lists what brings the rows of windows up to date into `out`.
pub(crate) fn flush(
    windows: impl Iterator<Item = Behind>,
    (device, tuning): (DeviceShape, &Tuning),
    out: &mut Vec<Dispatch>,
) {
    out.clear();
    for Behind { table, window, rows, geometry, rule, formats } in windows {
        let (Window { rows, first_row }, columns) = (rows, geometry.dim);
        let values = FlushValues { columns, strip: STRIP, ..Default::default() };
        let config = Config::Flush(FlushConfig { values, rows, first_row, ..Default::default() });
        let kernels = [
            (Kernel::flush(rule, formats), rows * columns.div_ceil(STRIP)),
            (Kernel::rows(Stage::FlushRows, rule), rows),
        ];
        for (kernel, invocations) in kernels {
            let stage = kernel.stage;
            let bound = [
                Some(Bind::RowState { table, window }),
                (stage == Stage::Flush).then_some(Bind::Param { table, window }),
                (stage == Stage::Flush).then_some(Bind::State { table, window }),
                kernel.reads_scalars().then_some(Bind::Scalars),
            ];
            let mut bound = bound.into_iter().flatten();
            out.push(Dispatch {
                part: Timed::Update,
                kernel,
                config,
                second: Some(Second::RowRule { table }),
                bound: std::array::from_fn(|_| bound.next()),
                pools: Default::default(),
                items: None,
                launch: Launch {
                    grid: Grid::over(invocations.div_ceil(tuning.workgroup), device),
                    turns: 4 * (24 + 1) + STRIP + 1,
                },
            });
        }
    }
}
