//! What can go wrong, each with what was expected, what was found, and the remedy.

use crate::Cause;
use wgpu::BufferUsages;

/// An error of this library. A call that returns one changed nothing, on host or device, but for
/// [`Error::AfterStep`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A hyperparameter outside its range.
    #[error("{field} is {found}, expected {expected}")]
    InvalidOption {
        /// The hyperparameter, such as `lr` or `betas.0`.
        field: &'static str,
        /// Its range.
        expected: &'static str,
        /// Its value.
        found: f64,
    },
    /// Two hyperparameters that contradict one another.
    #[error("{option} does not go with {with}: leave one of them out")]
    Conflict {
        /// The one.
        option: &'static str,
        /// The other.
        with: &'static str,
    },
    /// A parameter handle that another optimizer gave out.
    #[error(
        "this is the id of parameter {found} of another optimizer; this one has {expected} parameters: use the id that its own add_param returned"
    )]
    UnknownParam {
        /// How many parameters this optimizer has.
        expected: usize,
        /// The handle's index in its own.
        found: usize,
    },
    /// A parameter handle of a parameter that the optimizer has let go of.
    #[error("parameter {found} was removed from this optimizer; forget its id")]
    RemovedParam {
        /// The handle's index.
        found: usize,
    },
    /// A group handle that another optimizer gave out.
    #[error(
        "this is the id of group {found} of another optimizer; this one has {expected} groups: use the id that its own add_param_group returned"
    )]
    UnknownGroup {
        /// How many groups this optimizer has.
        expected: usize,
        /// The handle's index in its own.
        found: usize,
    },
    /// Two parameters share a name.
    #[error("a parameter named {name:?} exists already; names key the saved state, choose another")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A parameter group without parameters.
    #[error("a parameter group has no parameters; give it at least one")]
    EmptyGroup,
    /// A shape that this library cannot hold.
    #[error("{what}: shape {found:?}, expected {expected}")]
    InvalidShape {
        /// What the shape belongs to.
        what: String,
        /// What a valid shape looks like.
        expected: &'static str,
        /// The shape.
        found: Vec<u32>,
    },
    /// A region too small for what it should hold, or a buffer for a region.
    #[error("{what} holds {found} bytes, expected at least {expected}; give a larger one")]
    BufferTooSmall {
        /// The role of the region or buffer.
        what: String,
        /// Bytes needed.
        expected: u64,
        /// Bytes there.
        found: u64,
    },
    /// A region of exactly twice the bytes of the 32-bit indices that it should hold: most likely
    /// the indices are i64, of which every second word would be taken for an index.
    #[error(
        "{what}: the region holds {found} bytes, twice the {expected} of 32-bit indices; if they are i64, say index_dtype(IndexDtype::I64), else give a slice of the part that is used"
    )]
    MaybeI64 {
        /// The region's role.
        what: String,
        /// Bytes needed.
        expected: u64,
        /// Bytes there.
        found: u64,
    },
    /// A buffer created without a usage that is needed.
    #[error(
        "{what}: the buffer's usages are {found:?}, expected {expected:?} among them; create it with them"
    )]
    MissingUsage {
        /// The buffer's role.
        what: String,
        /// Usages needed.
        expected: BufferUsages,
        /// Usages there.
        found: BufferUsages,
    },
    /// A region's offset that the device cannot bind.
    #[error(
        "{what}: offset {found}, expected a multiple of {expected}; move the region (Limits::min_storage_buffer_offset_alignment)"
    )]
    Misaligned {
        /// The region's role.
        what: String,
        /// The alignment in bytes.
        expected: u64,
        /// The offset in bytes.
        found: u64,
    },
    /// Two regions that must be disjoint share bytes.
    #[error("{first} and {second} overlap in one buffer; give them disjoint regions")]
    Overlap {
        /// One region's role.
        first: String,
        /// The other's.
        second: String,
    },
    /// Something exceeds what the device or the library can address.
    #[error("{what}: {found}, at most {limit}; {remedy}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Its size.
        found: u64,
        /// The largest size.
        limit: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// A combination that this library does not do.
    #[error("{what} is not supported; {remedy}")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A hook that runs after a step failed. Unlike after any other error the step is recorded and
    /// counted.
    #[error(
        "a hook after the step failed: {source}; the step itself is recorded and counted, so submit it and do not repeat it"
    )]
    AfterStep {
        /// What the hook returned.
        source: Box<Error>,
    },
    /// The device has too few of a resource for this library.
    #[error(
        "the device's {limit} is {found}, expected at least {expected}; request it with the device (Limits::downlevel_defaults() has it)"
    )]
    DeviceLimit {
        /// The limit's name in `wgpu::Limits`.
        limit: &'static str,
        /// What is needed.
        expected: u64,
        /// What the device has.
        found: u64,
    },
    /// The device has no memory left for something of the library.
    #[error("out of memory: {what} needs {bytes} bytes ({reason})")]
    OutOfMemory {
        /// What was to be made.
        what: String,
        /// Its size, 0 where it has none of its own.
        bytes: u64,
        /// What the device said.
        reason: String,
        /// What the device said, as an error; none in a browser.
        source: Option<Cause>,
    },
    /// A buffer of the caller's that the device cannot use.
    #[error(
        "{what}: the device cannot use the buffer ({reason}); it was destroyed or belongs to another device, pass one that lives on the optimizer's own"
    )]
    InvalidBuffer {
        /// The buffer's role.
        what: String,
        /// What the device said.
        reason: String,
        /// What the device said, as an error; none in a browser.
        source: Option<Cause>,
    },
    /// Something that the device refused, though it has memory and is not lost.
    #[error(
        "the device refused {what}: {reason}; if all that it was given belongs to this device, report it as a defect"
    )]
    Refused {
        /// What it was asked for.
        what: String,
        /// What it said.
        reason: String,
        /// What it said, as an error; none in a browser.
        source: Option<Cause>,
    },
    /// The device stopped working.
    #[error("the device was lost ({reason}); open a new one and load a saved state")]
    DeviceLost {
        /// What was being done, and what the device said.
        reason: String,
    },
    /// No adapter fits what was asked for.
    #[error(
        "no adapter: {reason}; install a Vulkan, Metal, DX12 or GL driver (on Debian: mesa-vulkan-drivers) or change WGPU_BACKEND and WGPU_ADAPTER_NAME"
    )]
    NoAdapter {
        /// What was looked for.
        reason: String,
    },
    /// A file that is not what it should be.
    #[error("{what}: {reason}")]
    InvalidFile {
        /// Which part of which file.
        what: String,
        /// What is wrong with it, and that nothing was loaded or written.
        reason: String,
    },
    /// A file that could not be read or written.
    #[error("{path}: {reason}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
        /// The same as a `std::io::Error`.
        source: Option<Cause>,
    },
    /// A state dict that does not fit this optimizer.
    #[error("state dict: {what}: expected {expected}, found {found}; nothing was loaded")]
    StateMismatch {
        /// Which part.
        what: String,
        /// What this optimizer has.
        expected: String,
        /// What the state dict has.
        found: String,
    },
}

impl Error {
    /// What was refused because of `what`, a buffer of the caller's; other errors as they are.
    pub(crate) fn blamed_on(self, what: impl std::fmt::Display) -> Self {
        match self {
            Self::Refused { reason, source, .. } => {
                Self::InvalidBuffer { what: what.to_string(), reason, source }
            }
            other => other,
        }
    }
}
