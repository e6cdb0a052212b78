//! Every kernel as naga writes it for every target.

use super::modules::{has_u64, kernels, specialised};
use crate::step::kernel::Kernel;
use naga::valid::ModuleInfo;
use naga::{Module, ShaderStage};

/// A kernel's text for every target.
struct Written {
    spirv: Vec<u32>,
    /// None where the kernel has binding arrays, which it has through Vulkan only.
    others: Option<Others>,
}

/// Other targets than Vulkan's.
struct Others {
    metal: String,
    hlsl: String,
    /// None where the kernel needs what GL ES has not.
    glsl: Option<String>,
    /// None where it needs what browsers have not.
    wgsl: Option<String>,
}

fn write(module: &Module, info: &ModuleInfo, kernel: Kernel) -> Written {
    let others = || {
        let has_subgroups = kernel.sort.ballots;
        let glsl = (!has_u64(kernel) && !has_subgroups).then(|| write_glsl(module, info));
        let flags = naga::back::wgsl::WriterFlags::empty();
        let wgsl = || naga::back::wgsl::write_string(module, info, flags).unwrap();
        let wgsl = (!has_subgroups).then(wgsl);
        Others { metal: write_metal(module, info), hlsl: write_hlsl(module, info), glsl, wgsl }
    };
    Written { spirv: write_spirv(module, info), others: (!kernel.in_arrays).then(others) }
}

fn entry() -> Option<(ShaderStage, String)> {
    Some((ShaderStage::Compute, "main".to_string()))
}

/// With the names of functions.
pub fn write_spirv(module: &Module, info: &ModuleInfo) -> Vec<u32> {
    use naga::back::spv;
    let pipeline =
        spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into() };
    // As wgpu has it written for a device of Vulkan 1.1, without which there are no subgroups.
    let mut options = spv::Options { lang_version: (1, 3), ..Default::default() };
    options.flags |= spv::WriterFlags::DEBUG;
    spv::write_vec(module, info, &options, Some(&pipeline)).unwrap()
}

pub fn write_metal(module: &Module, info: &ModuleInfo) -> String {
    use naga::back::msl;
    let pipeline = msl::PipelineOptions { entry_point: entry(), ..Default::default() };
    msl::write_string(module, info, &msl::Options::default(), &pipeline).unwrap().0
}

pub fn write_hlsl(module: &Module, info: &ModuleInfo) -> String {
    use naga::back::hlsl;
    let (options, mut text) = (hlsl::Options::default(), String::new());
    let pipeline = hlsl::PipelineOptions { entry_point: entry() };
    hlsl::Writer::new(&mut text, &options, &pipeline).write(module, info, None).unwrap();
    text
}

fn write_glsl(module: &Module, info: &ModuleInfo) -> String {
    use naga::back::glsl;
    // GLSL ES 3.10 has four storage blocks at least; wide gathers need a larger device.
    let (glsl_options, mut glsl) = (glsl::Options::default(), String::new());
    let pipeline = glsl::PipelineOptions {
        shader_stage: ShaderStage::Compute,
        entry_point: "main".into(),
        multiview: None,
    };
    let policies = naga::proc::BoundsCheckPolicies::default();
    glsl::Writer::new(&mut glsl, module, info, &glsl_options, &pipeline, policies)
        .unwrap()
        .write()
        .unwrap();
    glsl
}

impl Written {
    /// For other validators than naga's to read.
    fn save(&self, folder: &std::path::Path, name: &str) {
        let save = |end: &str, contents: &[u8]| {
            std::fs::write(folder.join(format!("{name}.{end}")), contents).unwrap();
        };
        save("spv", bytemuck::cast_slice(&self.spirv));
        let Some(Others { metal, hlsl, glsl, wgsl }) = &self.others else { return };
        save("metal", metal.as_bytes());
        save("hlsl", hlsl.as_bytes());
        if let Some(glsl) = glsl {
            save("comp", glsl.as_bytes());
        }
        if let Some(wgsl) = wgsl {
            save("wgsl", wgsl.as_bytes());
        }
    }
}

/// Where `SPARSE_ADAM_SHADERS` names a folder, all that is written is left there.
#[test]
fn every_kernel_is_written_for_every_target() {
    let folder = std::env::var_os("SPARSE_ADAM_SHADERS").map(std::path::PathBuf::from);
    for (number, (kernel, tuning)) in kernels().into_iter().enumerate() {
        let (module, info) = specialised(kernel, &tuning);
        let written = write(&module, &info, kernel);
        if let Some(folder) = &folder {
            written.save(folder, &format!("{number:03}-{:?}", kernel.stage));
        }
    }
}
