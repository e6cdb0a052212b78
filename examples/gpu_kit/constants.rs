//! What the model knows of a device, from what the probes measured.

use crate::finding::Findings;
use serde::Serialize;

/// Times in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Constants {
    /// GB/s of a copy of a large buffer.
    pub bandwidth: f64,
    /// A dispatch that waits for the one before it.
    pub dispatch: f64,
    /// A load from the first cache, from the second, from memory.
    pub l1: f64,
    pub l2: f64,
    pub dram: f64,
    /// A barrier of a workgroup of 256.
    pub barrier: f64,
    /// Loads of 32 lanes from workgroup memory.
    pub wavefront: f64,
    /// Groups that issue side by side, and groups of 256 with 10 KiB that each of these holds.
    pub cores: f64,
    pub resident: f64,
    /// Shares of the bandwidth in a row that random rows of so many bytes reach, by bytes.
    pub gather: Vec<(f64, f64)>,
}

impl Constants {
    /// None where a probe that is needed came to nothing.
    pub fn of(findings: &Findings<'_>) -> Option<Self> {
        let us = |probe, name| findings.get(probe, name).map(|ns| (ns / 1e3).max(1e-6));
        let largest = |way: &str| {
            let mib = (0..=9).rev().map(|power| format!("{way}_{}_mib", 1 << power));
            mib.into_iter().find_map(|name| findings.get("P4", &name))
        };
        let read = largest("read")?;
        let share = |bytes: u32| {
            let found = findings.get("P5", &format!("random_{bytes}_b"))?;
            Some((f64::from(bytes), (found / read).min(1.0)))
        };
        let cores = findings.get("P10", "cores")?.max(1.0);
        let gather: Vec<_> = (4..=10).filter_map(|power| share(1 << power)).collect();
        Some(Self {
            bandwidth: largest("copy")?,
            dispatch: findings.get("P2", "same_buffer")?.max(0.0),
            l1: us("P7", "4_kib")?,
            l2: us("P7", "1_mib")?,
            dram: us("P7", "largest")?,
            barrier: us("P8", "barrier_256").or_else(|| us("P8", "barrier_128"))?,
            wavefront: us("P8", "loads_stride_1")?,
            cores,
            resident: (findings.get("P10", "resident_256_lanes_10_kib")? / cores).max(1.0),
            gather: (!gather.is_empty()).then_some(gather)?,
        })
    }

    /// Microseconds of so many bytes in a row.
    pub fn streamed(&self, bytes: f64) -> f64 {
        bytes / self.bandwidth / 1e3
    }

    /// Microseconds of so many bytes of rows from anywhere.
    pub fn gathered(&self, bytes: f64, row_bytes: f64) -> f64 {
        let reached = self.gather.iter().rev().find(|(least, _)| *least <= row_bytes);
        let share = reached.or(self.gather.first()).map_or(1.0, |(_, share)| *share);
        self.streamed(bytes) / share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Finding;

    fn finding(probe: &'static str, numbers: &[(&str, f64)]) -> Finding {
        let mut finding = Finding::new(probe, "", "");
        numbers.iter().for_each(|(name, number)| finding.add(*name, *number));
        finding
    }

    fn findings() -> Vec<Finding> {
        vec![
            finding("P2", &[("same_buffer", 3.0)]),
            finding("P4", &[("copy_1_mib", 9.0), ("copy_64_mib", 2.0), ("read_64_mib", 4.0)]),
            finding("P5", &[("random_64_b", 1.0), ("random_256_b", 5.0)]),
            finding("P7", &[("4_kib", 24.0), ("1_mib", 155.0), ("largest", 420.0)]),
            finding("P8", &[("barrier_256", 25.0), ("loads_stride_1", 0.6)]),
            finding("P10", &[("cores", 132.0), ("resident_256_lanes_10_kib", 660.0)]),
        ]
    }

    #[test]
    fn constants_are_those_of_the_largest_sizes_in_microseconds() {
        let constants = Constants::of(&Findings(&findings())).unwrap();
        assert_eq!((constants.bandwidth, constants.dram, constants.resident), (2.0, 0.42, 5.0));
        // More than a row after another is not believed.
        assert_eq!(constants.gather, [(64.0, 0.25), (256.0, 1.0)]);
        // 1,000 bytes at 2 GB/s; rows between two sizes, and below the smallest, as the smaller one.
        assert_eq!(constants.streamed(1000.0), 0.5);
        assert_eq!(
            [16.0, 128.0, 512.0].map(|row| constants.gathered(1000.0, row)),
            [2.0, 2.0, 0.5]
        );
    }

    #[test]
    fn without_one_of_the_probes_there_are_none() {
        for left_out in 0..findings().len() {
            let mut findings = findings();
            findings.remove(left_out);
            assert!(Constants::of(&Findings(&findings)).is_none(), "{left_out}");
        }
    }
}
