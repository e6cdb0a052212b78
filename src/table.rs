//! A parameter of an optimizer, with its state and its gradient.

use crate::param::Geometry;
use crate::step::plan::{DeviceShape, Window, windows};
use crate::step::scratch::try_create;
use crate::step::shaders::Width;
use crate::{Error, Param, Region, SparseGrad, Status};
use wgpu::{Buffer, Device};

/// What a parameter's gradient is, where it has one.
#[derive(Clone, Debug)]
pub(crate) enum Grad {
    /// No entries: the step counts and writes nothing.
    Empty,
    Entries(SparseGrad),
}

/// First and second moments of a table, and its step count.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub step: u64,
    /// A window each: f32 `[rows, 2, dim]`, exp_avg then exp_avg_sq of each row.
    pub moments: Vec<Buffer>,
}

impl State {
    /// Zeroed moments for each window, at step 0.
    pub fn new(device: &Device, table: &Table) -> Result<Self, Error> {
        let moments = table.windows.iter().map(|window| {
            let bytes = 2 * u64::from(window.rows) * table.geometry.row_bytes();
            try_create(device, "sparse_adam::moments", bytes)
        });
        Ok(Self { step: 0, moments: moments.collect::<Result<_, _>>()? })
    }
}

/// A parameter of an optimizer.
#[derive(Debug)]
pub(crate) struct Table {
    pub name: String,
    pub shape: Vec<u32>,
    pub region: Region,
    pub geometry: Geometry,
    pub windows: Vec<Window>,
    /// Number of its parameter group.
    pub group: usize,
    pub status: Buffer,
    /// None until its first gradient, as in torch.
    pub state: Option<State>,
    pub grad: Option<Grad>,
}

impl Table {
    /// Checks a parameter and makes it a table of group `group`.
    pub fn new(
        device: &Device,
        shape: DeviceShape,
        param: Param,
        group: usize,
    ) -> Result<Self, Error> {
        let geometry = param.geometry()?;
        let what = format!("parameter {:?}", param.name);
        let region = param.region.storage(&what, geometry.bytes(), shape.alignment)?;
        let windows = windows(geometry, shape)?;
        let status_bytes = size_of::<Status>() as u64;
        Ok(Self {
            name: param.name,
            shape: param.shape,
            region,
            geometry,
            windows,
            group,
            status: try_create(device, "sparse_adam::status", status_bytes)?,
            state: None,
            grad: None,
        })
    }

    pub fn width(&self) -> Width {
        Width::of(self.geometry.dim)
    }

    /// The parameter bytes of a window.
    pub fn window_region(&self, window: Window) -> Region {
        let row_bytes = self.geometry.row_bytes();
        self.region.part(
            u64::from(window.first_row) * row_bytes,
            u64::from(window.rows) * row_bytes,
        )
    }

    /// The gradient's entries, where it has any.
    pub fn entries(&self) -> Option<&SparseGrad> {
        match &self.grad {
            Some(Grad::Entries(grad)) => Some(grad),
            _ => None,
        }
    }
}
