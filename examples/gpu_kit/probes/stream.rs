//! P4: bytes in a row, by the size of the buffer.

use crate::finding::{Failure, Finding};
use crate::kernel::Kernel;
use crate::lab::Lab;
use wgpu::Buffer;

const SOURCE: &str = include_str!("../wgsl/stream.wgsl");
const GROUP: u32 = 256;
/// Added to the words' numbers.
const SALT: u32 = 77;

/// A way through a buffer: the beginning of its entry point's name, and the bytes that it moves of each vec4.
const WAYS: [(&str, u64); 4] = [("write", 16), ("read", 16), ("copy", 32), ("modify", 32)];

/// A buffer's size, and how it is gone through.
struct Shape {
    /// vec4s of the buffer.
    count: u32,
    groups: u32,
    turns: u32,
}

impl Shape {
    fn new(lab: &Lab, bytes: u64) -> Self {
        let count = (bytes / 16) as u32;
        let groups = (count / GROUP).min(lab.sized(4096, 64));
        // So many times through it that a dispatch is long beside what it costs.
        let times = (lab.sized(256 << 20, 4 << 20) / bytes).max(1) as u32;
        Self { count, groups, turns: count / (groups * GROUP) * times }
    }

    fn moved(&self) -> u64 {
        u64::from(self.groups * GROUP) * u64::from(self.turns)
    }

    /// The sum of `0..4 count` and `4 count salt`, as many times as the buffer is gone through.
    fn sum(&self, salt: u32) -> u32 {
        let words = 4 * u64::from(self.count);
        let once = (words * (words - 1) / 2) as u32;
        let once = once.wrapping_add((words as u32).wrapping_mul(salt));
        once.wrapping_mul((self.moved() / u64::from(self.count)) as u32)
    }
}

pub fn streams(lab: &Lab) -> Result<Finding, Failure> {
    let mut found =
        Finding::new("P4", "words in a row, by buffer size: read, written, both", "GB/s");
    let kernels = WAYS.map(|(entry, _)| lab.kernel(SOURCE, &format!("{entry}_words"), &[]));
    let mut bytes = 1 << 20;
    while bytes <= lab.most_bytes() {
        of_size(lab, &kernels, bytes, &mut found)?;
        bytes *= if lab.quick { 16 } else { 4 };
    }
    Ok(found)
}

fn of_size(
    lab: &Lab,
    kernels: &[Kernel; 4],
    bytes: u64,
    found: &mut Finding,
) -> Result<(), Failure> {
    let shape = Shape::new(lab, bytes);
    let (first, second) = (lab.zeroed(bytes), lab.zeroed(bytes));
    let sums = lab.zeroed(u64::from(4 * shape.groups * GROUP));
    for (kernel, (way, each)) in kernels.iter().zip(WAYS) {
        // The same words would come from the cache of a core; `modify` must meet its own.
        let skip = if way == "modify" { 0 } else { shape.count / 2 + 8192 };
        let skip = if shape.groups * GROUP == shape.count { skip } else { 0 };
        let config = [shape.count - 1, shape.turns, skip, SALT];
        let buffers: &[(u32, &Buffer)] = match way {
            "write" => &[(2, &first)],
            "read" => &[(1, &first), (3, &sums)],
            "copy" => &[(1, &first), (2, &second)],
            _ => &[(2, &second)],
        };
        let timed = lab.time(&lab.work(kernel, shape.groups, config, buffers))?;
        let gbps = (each * shape.moved()) as f64 / timed.seconds / 1e9;
        found.add(format!("{way}_{}_mib", bytes >> 20), gbps);
        // What was read, or what lies in the buffer, read once more.
        let (from, salt) = match way {
            "write" | "read" => (&first, SALT),
            "copy" => (&second, SALT),
            _ => {
                let times = timed.ran * (shape.moved() / u64::from(shape.count));
                (&second, SALT.wrapping_add(times as u32))
            }
        };
        let read = [shape.count - 1, shape.turns, 0, 0];
        let read = lab.work(&kernels[1], shape.groups, read, &[(1, from), (3, &sums)]);
        if way != "read" {
            lab.run(&read)?;
        }
        found.check(&format!("{way} of {bytes} bytes"), lab.sum(&sums)?, shape.sum(salt));
    }
    Ok(())
}
