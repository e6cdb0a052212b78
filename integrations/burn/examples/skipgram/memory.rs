//! How much memory is in use.

use sparse_adam_burn::Gpu;

/// Bytes of device memory that wgpu has handed out: burn's pools, staging, and the
/// optimizer's own buffers. 0 where the backend does not tell.
pub fn on_gpu(gpu: &Gpu) -> u64 {
    let report = gpu.wgpu().generate_allocator_report();
    report.map_or(0, |report| report.total_allocated_bytes)
}

/// The most memory the process has had, in bytes; on a CPU adapter the device's is in it.
/// None where the system does not tell.
pub fn peak_of_process() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(1024 * kib)
}
