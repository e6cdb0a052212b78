//! A parameter of an optimizer, with its state and its gradient.

use crate::entries::{Entries, ValueSource, check_value_bytes};
use crate::guard::Guard;
use crate::param::Geometry;
use crate::step::pipelines::Gather;
use crate::step::plan::TableStep;
use crate::step::shaders::Reach;
use crate::step::shape::{DeviceShape, rows_a_window, windows};
use crate::step::witness::Given;
use crate::{Duplicates, Error, NonFinite, Param, Region, Status, Tuning};
use wgpu::{Buffer, BufferUsages};

/// First and second moments of a table, and its step count.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub step: u64,
    /// A window each: f32 `[rows, 2, dim]`, exp_avg then exp_avg_sq of each row.
    pub moments: Vec<Buffer>,
}

impl State {
    /// Zeroed moments for each window, at step 0.
    ///
    /// # Errors
    /// As [`Guard::buffer`].
    pub fn new(guard: &Guard, table: &Table) -> Result<Self, Error> {
        let moments = table.windows.iter().map(|window| {
            let bytes = 2 * u64::from(window.rows) * table.geometry.row_bytes();
            guard.storage("sparse_adam::moments", bytes)
        });
        Ok(Self { step: 0, moments: moments.collect::<Result<_, _>>()? })
    }
}

/// A run of rows that is bound at once.
#[derive(Clone, Debug)]
pub(crate) struct TableWindow {
    pub first_row: u32,
    pub rows: u32,
    /// The parameter's bytes.
    pub region: Region,
}

/// What a table's steps need beside its state; made when a gradient first needs it.
/// A clone is another handle to the same buffers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    /// Entry counts that the GPU wrote, one a gradient: uniform buffers.
    pub counts: Vec<Buffer>,
    /// The value rows of several gradients, one behind the other.
    pub gathered: Option<Buffer>,
}

/// A parameter of an optimizer.
#[derive(Debug)]
pub(crate) struct Table {
    pub name: String,
    pub shape: Vec<u32>,
    pub geometry: Geometry,
    /// Whether the caller keeps its rows in several regions.
    pub in_parts: bool,
    pub windows: Vec<TableWindow>,
    /// Number of its parameter group.
    pub group: usize,
    pub status: Buffer,
    /// None until its first gradient, as in torch.
    pub state: Option<State>,
    /// Whether it has a gradient: a step counts, even where no gradient has entries.
    pub has_grad: bool,
    /// Its gradients that have entries, in order; empty where it has none.
    pub grads: Vec<Entries>,
    pub extras: Extras,
}

impl Table {
    /// Checks a parameter and makes it a table of group `group`.
    pub fn new(
        guard: &Guard,
        shape: DeviceShape,
        param: Param,
        group: usize,
    ) -> Result<Self, Error> {
        let geometry = param.geometry()?;
        let windows = cut_windows(&param, geometry, shape)?;
        let in_parts = param.parts(geometry)?.len() > 1;
        let status_bytes = size_of::<Status>() as u64;
        Ok(Self {
            name: param.name,
            shape: param.shape,
            geometry,
            in_parts,
            windows,
            group,
            status: guard.storage("sparse_adam::status", status_bytes)?,
            state: None,
            has_grad: false,
            grads: Vec::new(),
            extras: Extras::default(),
        })
    }

    /// Its windows if it lay in `region`.
    pub fn moved_to(&self, region: Region, device: DeviceShape) -> Result<Vec<TableWindow>, Error> {
        if self.in_parts {
            return Err(Error::Unsupported {
                what: "replacing a parameter of several parts by one region",
                remedy: "save the state, add the parameter anew and load the state",
            });
        }
        let whole = Param::new(&*self.name, region, [self.geometry.rows, self.geometry.dim]);
        cut_windows(&whole, self.geometry, device)
    }

    /// The regions that hold the parameter.
    pub fn regions(&self) -> impl Iterator<Item = &Region> + Clone {
        self.windows.iter().map(|window| &window.region)
    }

    /// Whether the parameter has bytes of one of `others`.
    pub fn shares_bytes<'a>(&self, mut others: impl Iterator<Item = &'a Region>) -> bool {
        others.any(|other| self.regions().any(|region| region.overlaps(other)))
    }

    /// The regions that hold the parameter, each with the parameter's name and its role.
    pub fn placed(&self) -> impl Iterator<Item = Given<'_>> + Clone {
        self.windows.iter().map(|window| (self.name.as_str(), "parameter", &window.region))
    }

    /// Value rows of all its gradients.
    pub fn value_rows(&self) -> u64 {
        let rows = self.grads.iter().map(|grad| u64::from(grad.value_rows(self.geometry)));
        rows.sum()
    }

    fn weighted(&self) -> bool {
        self.grads.iter().any(|grad| grad.weights.is_some())
    }

    /// What a step does for it; None where it has no entries.
    pub fn table_step(&self) -> Option<TableStep> {
        let (first, _) = self.grads.split_first()?;
        let promised = first.duplicates == Duplicates::None;
        Some(TableStep {
            geometry: self.geometry,
            // Checked when the gradients were set.
            nnz: self.grads.iter().map(|grad| grad.nnz).sum(),
            promised,
            once: promised || matches!(first.source, ValueSource::Row),
            weighted: self.weighted(),
            direct: self.grads.len() == 1 && first.non_finite == NonFinite::Applied,
        })
    }

    /// How its gradients are read.
    pub fn gather(&self, device: DeviceShape, tuning: &Tuning) -> Gather {
        let narrow = u64::from(self.rows_a_value_window(device)) >= self.value_rows();
        let width = device.width(self.geometry.dim, tuning);
        Gather {
            width,
            reach: if narrow { Reach::Narrow } else { Reach::Wide },
            lanes: tuning.lanes(width.columns(self.geometry.dim)),
            weighted: self.weighted(),
        }
    }

    /// Value rows that one binding holds.
    pub fn rows_a_value_window(&self, device: DeviceShape) -> u32 {
        let row_bytes = self.geometry.row_bytes();
        rows_a_window(self.value_rows() as u32, row_bytes, row_bytes, device)
    }

    /// Checks that `grad` can be added to those that are set.
    pub fn check_added(&self, grad: &Entries, device: DeviceShape) -> Result<(), Error> {
        let set = &self.grads;
        if set.is_empty() {
            return Ok(());
        }
        if grad.stands_alone() || set.iter().any(Entries::stands_alone) {
            return Err(Error::Unsupported {
                what: "accumulating a gradient of rows, or one with a promise of uniqueness",
                remedy: "use SparseGrad::new with Duplicates::Summed, or set_grad",
            });
        }
        let rows = self.value_rows() + u64::from(grad.value_rows(self.geometry));
        let entries: u64 = set.iter().chain([grad]).map(|grad| u64::from(grad.nnz)).sum();
        let what = format!("accumulated gradients of {:?}", self.name);
        let limit = i32::MAX as u64;
        if rows.max(entries) > limit {
            let remedy = "step before accumulating more";
            return Err(Error::TooLarge { what, found: rows.max(entries), limit, remedy });
        }
        check_value_bytes(&what, rows as u32, self.geometry.row_bytes(), device)?;
        let expected = wgpu::BufferUsages::COPY_SRC;
        for grad in set.iter().chain([grad]) {
            let found = grad.values.buffer().usage();
            if !found.contains(expected) {
                return Err(Error::MissingUsage { what, expected, found });
            }
        }
        Ok(())
    }

    /// Its extras with room for what its gradients need beside the shared scratch; None where it is
    /// there.
    ///
    /// # Errors
    /// As [`Guard::buffer`].
    pub fn more_extras(&self, guard: &Guard) -> Result<Option<Extras>, Error> {
        let grads = &self.grads;
        let counted = grads.iter().any(|grad| grad.count.is_some());
        let counts = if counted { grads.len() } else { 0 };
        let bytes = match grads.len() {
            0 | 1 => 0,
            _ => self.value_rows() * self.geometry.row_bytes(),
        };
        let held = self.extras.gathered.as_ref().map_or(0, Buffer::size);
        if self.extras.counts.len() >= counts && held >= bytes {
            return Ok(None);
        }
        let mut extras = self.extras.clone();
        while extras.counts.len() < counts {
            let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
            extras.counts.push(guard.buffer("sparse_adam::count", 16, usage)?);
        }
        if held < bytes {
            extras.gathered = Some(guard.storage("sparse_adam::gathered", bytes)?);
        }
        Ok(Some(extras))
    }

    /// What the caller gave that a step of it uses: nothing, where it has no entries.
    pub fn given(&self) -> impl Iterator<Item = Given<'_>> + Clone {
        let placed = self.placed().filter(|_| !self.grads.is_empty());
        let roles = self.grads.iter().flat_map(Entries::given);
        placed.chain(roles.map(|(role, region)| (self.name.as_str(), role, region)))
    }

    /// The value rows: where the caller has them, or gathered from several gradients.
    pub fn values(&self) -> Option<Region> {
        match (&*self.grads, &self.extras.gathered) {
            ([grad], _) => Some(grad.values.clone()),
            ([_, ..], Some(gathered)) => {
                let bytes = self.value_rows() * self.geometry.row_bytes();
                Some(Region::from(gathered.slice(..bytes)))
            }
            _ => None,
        }
    }
}

/// Checks a parameter's parts and cuts each into windows.
fn cut_windows(
    param: &Param,
    geometry: Geometry,
    device: DeviceShape,
) -> Result<Vec<TableWindow>, Error> {
    let row_bytes = geometry.row_bytes();
    let mut cut: Vec<TableWindow> = Vec::new();
    let mut part_start = 0;
    for (region, rows) in param.parts(geometry)? {
        let what = format!("parameter {:?}", param.name);
        let region = region.storage(&what, u64::from(rows) * row_bytes, device.alignment)?;
        if cut.iter().any(|earlier| earlier.region.overlaps(&region)) {
            let [first, second] =
                ["a part", "another part"].map(|part| format!("{part} of {what}"));
            return Err(Error::Overlap { first, second });
        }
        for window in windows(rows, row_bytes, device)? {
            let offset = u64::from(window.first_row) * row_bytes;
            cut.push(TableWindow {
                first_row: part_start + window.first_row,
                rows: window.rows,
                region: region.part(offset, u64::from(window.rows) * row_bytes),
            });
        }
        part_start += rows;
    }
    Ok(cut)
}
