//! Where a table lies, and with how many rows.

use super::{Table, TableWindow};
use crate::format::RowBytes;
use crate::param::{Geometry, ParamPlace};
use crate::region::in_words;
use crate::step::shape::{DeviceShape, windows};
use crate::{Error, Param, Region};

/// How many rows a table has, and where they lie.
#[derive(Clone, Debug)]
pub(crate) struct Lain {
    pub shape: Vec<u32>,
    pub geometry: Geometry,
    pub in_parts: bool,
    pub windows: Vec<TableWindow>,
}

impl Lain {
    /// The regions that hold the parameter.
    pub fn regions(&self) -> impl Iterator<Item = &Region> + Clone {
        self.windows.iter().map(|window| &window.region)
    }
}

impl Table {
    /// Its windows if it lay in `region`.
    pub fn moved_to(&self, region: Region, device: DeviceShape) -> Result<Vec<TableWindow>, Error> {
        if self.in_parts {
            return Err(Error::Unsupported {
                what: "replacing a parameter of several parts by one region",
                remedy: "save the state, add the parameter anew and load the state",
            });
        }
        let whole = Param::new(&*self.name, region, [self.geometry.rows, self.geometry.dim]);
        cut_windows(&whole, self.geometry, self.row_bytes, device)
    }

    /// How it would lie in `place` with `rows` rows.
    ///
    /// # Errors
    /// Those of [`SparseAdam::add_param`](crate::SparseAdam::add_param) for a shape and a region; [`Error::Unsupported`]
    /// where several axes make its rows.
    pub fn lain_in(
        &self,
        place: ParamPlace,
        rows: u32,
        device: DeviceShape,
    ) -> Result<Lain, Error> {
        if self.geometry.sparse_dim != 1 {
            return Err(Error::Unsupported {
                what: "remapping a parameter of several sparse axes, whose rows have no one number",
                remedy: "add it with its sparse axes flattened into one",
            });
        }
        let shape: Vec<u32> = [rows].into_iter().chain(self.shape[1..].iter().copied()).collect();
        let param = Param::at(self.name.clone(), place, &shape);
        let geometry = param.geometry()?;
        let windows = cut_windows(&param, geometry, self.row_bytes, device)?;
        let in_parts = param.parts(geometry)?.len() > 1;
        Ok(Lain { shape, geometry, in_parts, windows })
    }

    /// How it lies.
    pub fn lain(&self) -> Lain {
        let (shape, windows) = (self.shape.clone(), self.windows.clone());
        Lain { shape, geometry: self.geometry, in_parts: self.in_parts, windows }
    }

    /// Lies elsewhere from now on.
    pub fn lie(&mut self, lain: Lain) {
        let Lain { shape, geometry, in_parts, windows } = lain;
        (self.shape, self.geometry) = (shape, geometry);
        (self.in_parts, self.windows) = (in_parts, windows);
    }
}

/// Checks a parameter's parts and cuts each into windows.
pub(super) fn cut_windows(
    param: &Param,
    geometry: Geometry,
    row_bytes: RowBytes,
    device: DeviceShape,
) -> Result<Vec<TableWindow>, Error> {
    let mut cut: Vec<TableWindow> = Vec::new();
    let mut part_start = 0;
    for (region, rows) in param.parts(geometry)? {
        let what = format!("parameter {:?}", param.name);
        let bytes = in_words(u64::from(rows) * row_bytes.param);
        let region = region.storage(&what, bytes, device.alignment)?;
        if cut.iter().any(|earlier| earlier.region.overlaps(&region)) {
            let [first, second] =
                ["a part", "another part"].map(|part| format!("{part} of {what}"));
            return Err(Error::Overlap { first, second });
        }
        for window in windows(rows, row_bytes, device)? {
            let offset = u64::from(window.first_row) * row_bytes.param;
            cut.push(TableWindow {
                first_row: part_start + window.first_row,
                rows: window.rows,
                region: region.part(offset, in_words(u64::from(window.rows) * row_bytes.param)),
            });
        }
        part_start += rows;
    }
    Ok(cut)
}
