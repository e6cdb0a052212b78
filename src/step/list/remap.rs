//! The dispatches that make a table of rows of an old one, and those that reset rows. Pure.

use super::{Bind, Dispatch, Second};
use crate::format::RowBytes;
use crate::row_map::RowMap;
use crate::step::kernel::Kernel;
use crate::step::layout::{CheckConfig, Config, RemapConfig, ResetConfig};
use crate::step::shape::{DeviceShape, Grid, Launch, Window};
use crate::step::stages::Stage;
use crate::timestamps::Timed;
use crate::{Error, Form, Tuning};

/// Counters of `shaders/shared/status.wgsl`.
const OUT_OF_RANGE: u32 = 0;
const BAD_MAP_ROW: u32 = 6;

/// A table whose rows move.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moving<'a> {
    pub table: u32,
    pub bytes: RowBytes,
    pub takes_param: bool,
    pub has_state: bool,
    pub old: &'a [Window],
    pub new: &'a [Window],
}

/// A table of which rows are reset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resetting<'a> {
    pub table: u32,
    pub bytes: RowBytes,
    pub has_state: bool,
    pub windows: &'a [Window],
}

/// What rows have.
#[derive(Clone, Copy)]
enum Part {
    Param,
    State,
    RowState,
}

impl Part {
    fn bytes(self, bytes: RowBytes) -> u64 {
        match self {
            Self::Param => bytes.param,
            Self::State => bytes.state,
            Self::RowState => bytes.rows,
        }
    }

    fn before(self, table: u32, window: u32) -> Bind {
        match self {
            Self::Param => Bind::Param { table, window },
            Self::State => Bind::State { table, window },
            Self::RowState => Bind::RowState { table, window },
        }
    }

    fn after(self, table: u32, window: u32) -> Bind {
        match self {
            Self::Param => Bind::NewParam { table, window },
            Self::State => Bind::NewState { table, window },
            Self::RowState => Bind::NewRowState { table, window },
        }
    }

    /// Those of rows that have so many bytes of each.
    fn there(bytes: RowBytes, param: bool, state: bool) -> impl Iterator<Item = Self> {
        let there = [(Self::Param, param), (Self::State, state), (Self::RowState, state)];
        let wanted = move |&(part, wanted): &(Self, bool)| wanted && part.bytes(bytes) > 0;
        there.into_iter().filter(wanted).map(|(part, _)| part)
    }
}

/// How the rows of a part are walked.
struct Walk {
    kernel: Kernel,
    columns: u32,
    strip: u32,
    /// Invocations for so many rows.
    invocations: u32,
}

impl Walk {
    /// Over `rows` rows of `bytes` bytes; `stage` moves whole words.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where there are more than a dispatch counts, as only lists name so many.
    fn over(
        rows: u32,
        bytes: u64,
        stage: Stage,
        (device, tuning): (DeviceShape, &Tuning),
    ) -> Result<Self, Error> {
        // What is next to an invocation's piece a GPU has its neighbour take, a CPU itself.
        let most = if tuning.form == Form::Serial { 8 } else { 1 };
        if !bytes.is_multiple_of(4) {
            let (columns, strip) = ((bytes / 2) as u32, most);
            let words = (u64::from(rows) * u64::from(columns)).div_ceil(2) as u32;
            let kernel = Kernel::of(Stage::RemapHalves);
            return Ok(Self { kernel, columns, strip, invocations: words.div_ceil(strip) });
        }
        let words = (bytes / 4) as u32;
        let width = device.width(words, tuning);
        let columns = width.columns(words);
        let strip = columns.min(most);
        let found = u64::from(rows) * u64::from(columns.div_ceil(strip));
        let limit = u64::from(u32::MAX - tuning.workgroup);
        if found > limit {
            let what = "pieces of the rows of a list".into();
            return Err(Error::TooLarge { what, found, limit, remedy: "name fewer rows at once" });
        }
        let kernel = Kernel::moving(stage, width);
        Ok(Self { kernel, columns, strip, invocations: found as u32 })
    }

    fn launch(&self, (device, tuning): (DeviceShape, &Tuning)) -> Launch {
        let grid = Grid::over(self.invocations.div_ceil(tuning.workgroup), device);
        Launch { grid, turns: self.strip + 1 }
    }
}

/// Row numbers of a map as one binding, and where the first that is wanted is in it.
fn bound_rows(first: u32, rows: u32, device: DeviceShape) -> Result<(Bind, u32), Error> {
    let aligned = (4 * u64::from(first) / device.alignment * device.alignment / 4) as u32;
    let behind = first - aligned;
    let (found, limit) = (4 * (u64::from(behind) + u64::from(rows)), device.max_binding);
    if found > limit {
        let what = "bytes of the map of rows of a window".into();
        let remedy = "request a larger max_storage_buffer_binding_size";
        return Err(Error::TooLarge { what, found, limit, remedy });
    }
    Ok((Bind::Rows { first: aligned, entries: behind + rows }, behind))
}

/// Lists what moves the rows of tables into `out`.
///
/// # Errors
/// [`Error::TooLarge`].
pub(crate) fn remap<'a>(
    tables: impl Iterator<Item = Moving<'a>>,
    on: (DeviceShape, &Tuning),
    out: &mut Vec<Dispatch>,
) -> Result<(), Error> {
    out.clear();
    for moving in tables {
        let Moving { table, bytes, takes_param, has_state, old, new } = moving;
        for (number, window) in (0..).zip(new) {
            let (list, first) = bound_rows(window.first_row, window.rows, on.0)?;
            let config = CheckConfig {
                capacity: window.rows,
                first,
                rows: rows_of(old),
                counter: BAD_MAP_ROW,
                none: RowMap::NONE,
                ..Default::default()
            };
            out.push(check(table, (list, config), Second::Entries(window.rows), on));
            for part in Part::there(bytes, takes_param, has_state) {
                let walk = Walk::over(window.rows, part.bytes(bytes), Stage::Remap, on)?;
                let dispatch = |(from, old): (u32, &Window)| {
                    let config = RemapConfig {
                        rows: window.rows,
                        map_first: first,
                        columns: walk.columns,
                        strip: walk.strip,
                        old_first: old.first_row,
                        old_rows: old.rows,
                        ..Default::default()
                    };
                    let bound = [list, part.before(table, from), part.after(table, number)];
                    dispatch(walk.kernel, (Config::Remap(config), None), bound, walk.launch(on))
                };
                out.extend((0..).zip(old).map(dispatch));
            }
        }
    }
    Ok(())
}

/// Lists what resets the first so many of `nnz` listed rows as `count` tells, into `out`.
///
/// # Errors
/// [`Error::TooLarge`].
pub(crate) fn reset<'a>(
    tables: impl Iterator<Item = Resetting<'a>>,
    (nnz, count): (u32, Second),
    on: (DeviceShape, &Tuning),
    out: &mut Vec<Dispatch>,
) -> Result<(), Error> {
    out.clear();
    let list = Bind::Rows { first: 0, entries: nnz };
    for Resetting { table, bytes, has_state, windows } in tables {
        let config = CheckConfig {
            capacity: nnz,
            rows: rows_of(windows),
            counter: OUT_OF_RANGE,
            ..Default::default()
        };
        out.push(check(table, (list, config), count, on));
        for part in Part::there(bytes, false, has_state) {
            let walk = Walk::over(nnz, part.bytes(bytes), Stage::ResetRows, on)?;
            let dispatch = |(number, window): (u32, &Window)| {
                let config = ResetConfig {
                    capacity: nnz,
                    columns: walk.columns,
                    strip: walk.strip,
                    first_row: window.first_row,
                    rows: window.rows,
                    ..Default::default()
                };
                let bound = [list, part.before(table, number)];
                dispatch(walk.kernel, (Config::Reset(config), Some(count)), bound, walk.launch(on))
            };
            out.extend((0..).zip(windows).map(dispatch));
        }
    }
    Ok(())
}

/// Rows of a table of these windows.
fn rows_of(windows: &[Window]) -> u32 {
    windows.last().map_or(0, |last| last.first_row + last.rows)
}

/// Counts which of the listed rows a table does not have.
fn check(
    table: u32,
    (list, config): (Bind, CheckConfig),
    count: Second,
    (device, tuning): (DeviceShape, &Tuning),
) -> Dispatch {
    let grid = Grid::over(config.capacity.div_ceil(tuning.workgroup), device);
    let uniforms = (Config::Check(config), Some(count));
    let bound = [list, Bind::Status { table }];
    dispatch(Kernel::of(Stage::CheckRows), uniforms, bound, Launch { grid, turns: 0 })
}

fn dispatch<const N: usize>(
    kernel: Kernel,
    (config, second): (Config, Option<Second>),
    bound: [Bind; N],
    launch: Launch,
) -> Dispatch {
    let mut bound = bound.into_iter();
    let bound = std::array::from_fn(|_| bound.next());
    let part = Timed::Update;
    let pools = Default::default();
    Dispatch { part, kernel, config, second, bound, pools, items: None, launch }
}

#[cfg(test)]
#[path = "remap_tests.rs"]
mod tests;
