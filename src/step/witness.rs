//! Whether the caller's buffers can still be used, asked before anything is recorded or counted.
//!
//! A kept bind group tells nothing about a buffer that was destroyed since; only the engine's submit
//! would. A fresh bind group over the buffers is refused where one of them was destroyed or belongs
//! to another device. That costs several microseconds, so buffers that have passed before are only
//! asked for something that needs none: their bytes on the host, which one that lives says are
//! not mapped. Whoever says anything else has to pass again.
//!
//! (In a browser no bind group is refused: there the engine's submit tells.)

use crate::guard::Guard;
use crate::{Error, Region};
use foldhash::HashSet;
use foldhash::fast::FixedState;
use std::fmt::Write;
use std::hash::BuildHasher;
use wgpu::{
    BindGroupDescriptor, BindGroupEntry, BindGroupLayout, BindGroupLayoutDescriptor,
    BindGroupLayoutEntry, BindingResource, BindingType, Buffer, BufferBinding, BufferBindingType,
    BufferSize, BufferUsages, CommandEncoderDescriptor, Device, MapRangeError, ShaderStages,
};

/// Most buffers asked about at once: every device binds so many.
const AT_ONCE: usize = 4;
const LABEL: &str = "sparse_adam::witness";

/// A region of the caller's: its parameter's name, its role, and where it is.
pub type Given<'a> = (&'a str, &'a str, &'a Region);

/// Most buffers that are remembered to have passed.
const KNOWN: usize = 4096;

/// Asks a device about buffers.
#[derive(Debug)]
pub struct Witness {
    /// Layouts of one buffer, of two, ...; made at their first use.
    layouts: [Option<BindGroupLayout>; AT_ONCE],
    /// Buffers that have passed; by hash, so that they are not held.
    known: HashSet<u64>,
    /// What a buffer says that lives and is not mapped.
    living: String,
}

impl Witness {
    /// `living` is any buffer that lives.
    pub fn new(living: &Buffer) -> Self {
        let living = answer(living).map_or_else(String::new, |answer| answer.to_string());
        Self { layouts: Default::default(), known: HashSet::default(), living }
    }

    /// Checks the buffers of `regions`.
    ///
    /// # Errors
    /// [`Error::InvalidBuffer`] for the first that cannot be used; as [`Guard::make`].
    pub fn check<'a>(
        &mut self,
        guard: &Guard,
        regions: impl Iterator<Item = Given<'a>> + Clone,
    ) -> Result<(), Error> {
        if cfg!(target_arch = "wasm32") {
            return Ok(());
        }
        // What has another usage (a count that is copied) cannot be bound.
        let bindable =
            |(_, _, region): &Given<'a>| region.buffer().usage().contains(BufferUsages::STORAGE);
        let named = regions.filter(bindable);
        let Some((_, _, first)) = named.clone().next() else { return Ok(()) };
        // Engines hand out slices of few buffers.
        let (mut seen, mut next) = ([None; AT_ONCE], 0);
        let (mut batch, mut count) = ([first.buffer(); AT_ONCE], 0);
        for (_, _, region) in named.clone() {
            let buffer = region.buffer();
            if seen.contains(&Some(buffer)) {
                continue;
            }
            seen[next % AT_ONCE] = Some(buffer);
            next += 1;
            if self.has_passed(buffer) {
                continue;
            }
            if count == AT_ONCE {
                self.ask(guard, &batch, named.clone())?;
                count = 0;
            }
            batch[count] = buffer;
            count += 1;
        }
        if count == 0 { Ok(()) } else { self.ask(guard, &batch[..count], named) }
    }

    /// Whether a buffer has passed before, and lives.
    fn has_passed(&self, buffer: &Buffer) -> bool {
        self.known.contains(&hash(buffer))
            && answer(buffer).is_some_and(|answer| reads(&answer, &self.living))
    }

    /// Asks about `buffers`; where they are refused, about each of `named` by itself.
    fn ask<'a>(
        &mut self,
        guard: &Guard,
        buffers: &[&Buffer],
        named: impl Iterator<Item = Given<'a>>,
    ) -> Result<(), Error> {
        let refused = match self.bind(guard, buffers) {
            Err(refused @ Error::Refused { .. }) => refused,
            Err(other) => return Err(other),
            Ok(()) => {
                if self.known.len() >= KNOWN {
                    self.known.clear();
                }
                self.known.extend(buffers.iter().map(|buffer| hash(buffer)));
                return Ok(());
            }
        };
        for (name, role, region) in named {
            if let Err(error @ Error::Refused { .. }) = self.bind(guard, &[region.buffer()]) {
                return Err(error.blamed_on(format_args!("{role} of {name:?}")));
            }
        }
        Err(refused)
    }

    fn bind(&mut self, guard: &Guard, buffers: &[&Buffer]) -> Result<(), Error> {
        let layout = match &mut self.layouts[buffers.len() - 1] {
            Some(layout) => layout,
            place => place.insert(guard.make(LABEL, 0, |device| layout(device, buffers.len()))?),
        };
        guard.make(LABEL, 0, |device| drop(bind_group(device, layout, buffers)))
    }
}

/// What a buffer says to the question for its bytes on the host; None where it has some. It needs no
/// error scope.
fn answer(buffer: &Buffer) -> Option<MapRangeError> {
    buffer.get_mapped_range(..4).err()
}

/// Whether an answer is this text, found out without a copy of it.
fn reads(answer: &MapRangeError, text: &str) -> bool {
    struct Rest<'a>(&'a str);
    impl std::fmt::Write for Rest<'_> {
        fn write_str(&mut self, piece: &str) -> std::fmt::Result {
            self.0 = self.0.strip_prefix(piece).ok_or(std::fmt::Error)?;
            Ok(())
        }
    }
    let mut rest = Rest(text);
    write!(rest, "{answer}").is_ok() && rest.0.is_empty()
}

/// A number for a buffer: another one for each that a device ever had.
fn hash(buffer: &Buffer) -> u64 {
    FixedState::default().hash_one(buffer)
}

/// Checks the buffer of a count, which is copied from and need not be bindable: a copy into
/// `target`, never submitted, is refused where it belongs to another device. (Of one that was
/// destroyed only a submit tells.)
///
/// # Errors
/// [`Error::InvalidBuffer`]; as [`Guard::make`].
pub fn check_copied(
    guard: &Guard,
    name: &str,
    count: &Region,
    target: &Buffer,
) -> Result<(), Error> {
    let copied = guard.make(LABEL, 0, |device| {
        let label = Some(LABEL);
        let mut encoder = device.create_command_encoder(&CommandEncoderDescriptor { label });
        encoder.copy_buffer_to_buffer(count.buffer(), count.offset(), target, 0, 4);
        drop(encoder.finish());
    });
    copied.map_err(|error| error.blamed_on(name))
}

fn layout(device: &Device, buffers: usize) -> BindGroupLayout {
    let ty = BufferBindingType::Storage { read_only: false };
    let entries = [0, 1, 2, 3].map(|binding| BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    });
    let entries = &entries[..buffers];
    device.create_bind_group_layout(&BindGroupLayoutDescriptor { label: Some(LABEL), entries })
}

fn bind_group(device: &Device, layout: &BindGroupLayout, buffers: &[&Buffer]) -> wgpu::BindGroup {
    // Four bytes can be bound of every buffer, whatever the limits.
    let size = BufferSize::new(4);
    let entries: [_; AT_ONCE] = std::array::from_fn(|number| BindGroupEntry {
        binding: number as u32,
        resource: BindingResource::Buffer(BufferBinding {
            buffer: buffers[number.min(buffers.len() - 1)],
            offset: 0,
            size,
        }),
    });
    let entries = &entries[..buffers.len()];
    device.create_bind_group(&BindGroupDescriptor { label: Some(LABEL), layout, entries })
}
