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
