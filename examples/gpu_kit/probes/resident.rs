//! P10: how many cores a device has, and how many groups run on it side by side.

use crate::finding::{Failure, Finding};
use crate::kernel::{Kernel, Work};
use crate::lab::Lab;
use wgpu::Buffer;

const SOURCE: &str = include_str!("../wgsl/resident.wgsl");
/// One group too many takes twice as long; so many times as long counts as that.
const LONGER: f64 = 1.5;
/// Lanes of a group that issues.
const LANES: u32 = 256;
/// Most groups.
const MOST: u32 = 8192;

/// What a dispatch writes, and the wrapping sum of it.
pub struct Expected {
    pub buffer: Buffer,
    pub sum: u32,
}

/// Groups of a kind.
struct Kind<'a> {
    lab: &'a Lab,
    kernel: Kernel,
    lanes: u32,
    /// Words of workgroup memory that are gone through less one.
    mask: u32,
    turns: u32,
}

impl<'a> Kind<'a> {
    /// `words` are those of workgroup memory.
    fn new(lab: &'a Lab, entry: &str, lanes: u32, words: u32, turns: u32) -> Self {
        let source = SOURCE.replace("MEMORY", &words.to_string());
        let kernel = lab.kernel(&source, entry, &[("LANES", f64::from(lanes))]);
        Self { lab, kernel, lanes, mask: (1 << words.ilog2()) - 1, turns }
    }

    fn work(&self, groups: u32) -> (Work, Buffer) {
        let buffer = self.lab.zeroed(4 * u64::from(groups * self.lanes));
        let config = [self.turns, self.mask, 0, 0];
        (self.lab.work(&self.kernel, groups, config, &[(1, &buffer)]), buffer)
    }

    /// What a group of `wait` leaves, summed.
    fn chased(&self) -> u32 {
        let next = |at: u32, _| at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) & self.mask;
        let end = (0..self.turns).fold(0, next);
        end.wrapping_mul(self.lanes).wrapping_add(self.lanes * (self.lanes - 1) / 2)
    }

    /// The most groups that take hardly longer than one.
    fn most(&self) -> Result<u32, Failure> {
        let take = |groups: u32| -> Result<f64, Failure> {
            Ok(self.lab.time(&self.work(groups).0)?.seconds)
        };
        let most = self.lab.sized(MOST, 64);
        let one = take(1)?;
        let (mut fits, mut too_many) = (1, 2);
        while too_many <= most && take(too_many)? < LONGER * one {
            (fits, too_many) = (too_many, 2 * too_many);
        }
        // To within a thirty-second.
        while too_many - fits > (fits / 32).max(1) && too_many <= most {
            let middle = u32::midpoint(fits, too_many);
            match take(middle)? < LONGER * one {
                true => fits = middle,
                false => too_many = middle,
            }
        }
        Ok(fits)
    }
}

/// `groups` groups that issue without a pause: integer chains of `turns` turns.
pub fn issue(lab: &Lab, groups: u32, turns: u32) -> (Work, Expected) {
    let of_lane = |lane: u32| {
        let mut chains = [lane, lane + 1, lane + 2, lane + 3];
        for chain in &mut chains {
            for _ in 0..2 * turns {
                *chain = chain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *chain ^= *chain >> 7;
            }
        }
        chains.into_iter().fold(0, |all, chain| all ^ chain)
    };
    let of_group = (0..LANES).map(of_lane).fold(0, u32::wrapping_add);
    let (work, buffer) = Kind::new(lab, "issue", LANES, 64, turns).work(groups);
    (work, Expected { buffer, sum: of_group.wrapping_mul(groups) })
}

pub fn resident_groups(lab: &Lab) -> Result<Finding, Failure> {
    let mut found = Finding::new("P10", "groups that take hardly longer than one", "groups");
    let (work, result) = issue(lab, 3, 64);
    lab.run(&work)?;
    found.check("chains", lab.sum(&result.buffer)?, result.sum);
    let cores = Kind::new(lab, "issue", LANES, 64, lab.sized(4096, 512)).most()?;
    found.add("cores", cores.into());
    let all_lanes: &[u32] = if lab.quick { &[256] } else { &[64, 128, 256] };
    let limit = lab.gpu.device.limits().max_compute_workgroup_storage_size / 1024;
    let memory: &[u32] = if lab.quick { &[10] } else { &[0, 10, 16, 32] };
    for &lanes in all_lanes {
        for &kib in memory.iter().filter(|kib| **kib <= limit) {
            let words = (256 * kib).max(64);
            let kind = Kind::new(lab, "wait", lanes, words, lab.sized(8192, 2048));
            let groups = kind.most()?;
            found.add(format!("resident_{lanes}_lanes_{kib}_kib"), groups.into());
            let (work, buffer) = kind.work(groups);
            lab.run(&work)?;
            found.check("chases", lab.sum(&buffer)?, kind.chased().wrapping_mul(groups));
        }
    }
    Ok(found)
}
