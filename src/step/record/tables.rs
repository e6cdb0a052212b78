//! What the recorder knows of tables.

use crate::Region;
use crate::region::Spot;
use crate::step::demand::Demand;
use crate::step::list::Bind;
use crate::step::shape::DeviceShape;
use wgpu::{Buffer, CommandEncoder};

/// Who has the bytes that dispatches name.
pub trait Binds {
    /// The bytes that a dispatch binds; None where there are none of that name.
    fn bytes_of(&self, bind: Bind) -> Option<Spot<'_>>;
    /// The uniform buffer that a segment's number of entries is copied to.
    fn count(&self, table: u32, segment: u32) -> Region;
}

/// What a step is recorded of.
pub trait Tables: Binds {
    /// Adds what a step of them does.
    fn ask(&self, device: DeviceShape, demand: &mut Demand);
    /// Copies what must be copied before the pass.
    fn copy_inputs(&self, encoder: &mut CommandEncoder);
    /// Copies the numbers that a table's rows draw by, to a buffer at an offset in bytes.
    fn copy_numbers(&self, table: u32, encoder: &mut CommandEncoder, to: (&Buffer, u64));
}
