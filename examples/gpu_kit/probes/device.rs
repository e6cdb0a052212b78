//! P0: the device's limits, subgroup sizes and compile times. Its name and driver are beside the findings.

use crate::finding::{Failure, Finding};
use crate::lab::Lab;

pub fn device(lab: &Lab) -> Result<Finding, Failure> {
    let mut found =
        Finding::new("P0", "limits, and what compiling a pipeline of a probe took", "ms");
    let limits = lab.gpu.device.limits();
    let told = [
        ("max_buffer_size", limits.max_buffer_size as f64),
        ("max_storage_buffer_binding_size", limits.max_storage_buffer_binding_size as f64),
        (
            "max_storage_buffers_per_shader_stage",
            limits.max_storage_buffers_per_shader_stage.into(),
        ),
        ("max_compute_workgroup_storage_size", limits.max_compute_workgroup_storage_size.into()),
        (
            "max_compute_invocations_per_workgroup",
            limits.max_compute_invocations_per_workgroup.into(),
        ),
        (
            "max_compute_workgroups_per_dimension",
            limits.max_compute_workgroups_per_dimension.into(),
        ),
        ("subgroup_min_size", lab.gpu.info.subgroup_min_size.into()),
        ("subgroup_max_size", lab.gpu.info.subgroup_max_size.into()),
    ];
    told.into_iter().for_each(|(name, value)| found.add(name, value));
    let compiled = lab.compiled();
    let all: f64 = compiled.iter().map(|(_, ms)| ms).sum();
    found.add("pipelines", compiled.len() as f64);
    found.add("compile_mean", all / compiled.len().max(1) as f64);
    found.add("compile_longest", compiled.iter().map(|(_, ms)| *ms).fold(0.0, f64::max));
    found.check("pipelines were made", compiled.is_empty(), false);
    Ok(found)
}
