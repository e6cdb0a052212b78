//! Every kernel as naga writes it for every target.

use super::modules::{has_u64, kernels, specialised};
use naga::valid::ModuleInfo;
use naga::{Module, ShaderStage};

/// A kernel's text for every target.
struct Written {
    spirv: Vec<u32>,
    metal: String,
    hlsl: String,
    /// None where the kernel needs what GL ES has not.
    glsl: Option<String>,
    wgsl: String,
}

fn write(module: &Module, info: &ModuleInfo, with_glsl: bool) -> Written {
    use naga::back::{hlsl, msl, spv, wgsl};
    let entry = || Some((ShaderStage::Compute, "main".to_string()));
    let spv_options =
        spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into() };
    let spirv = spv::write_vec(module, info, &spv::Options::default(), Some(&spv_options));
    let msl_options = msl::PipelineOptions { entry_point: entry(), ..Default::default() };
    let metal = msl::write_string(module, info, &msl::Options::default(), &msl_options);
    let (hlsl_options, mut hlsl) = (hlsl::Options::default(), String::new());
    let pipeline = hlsl::PipelineOptions { entry_point: entry() };
    hlsl::Writer::new(&mut hlsl, &hlsl_options, &pipeline).write(module, info, None).unwrap();
    let glsl = with_glsl.then(|| write_glsl(module, info));
    let wgsl = wgsl::write_string(module, info, wgsl::WriterFlags::empty()).unwrap();
    Written { spirv: spirv.unwrap(), metal: metal.unwrap().0, hlsl, glsl, wgsl }
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
        save("metal", self.metal.as_bytes());
        save("hlsl", self.hlsl.as_bytes());
        if let Some(glsl) = &self.glsl {
            save("comp", glsl.as_bytes());
        }
        save("wgsl", self.wgsl.as_bytes());
    }
}

/// Where `SPARSE_ADAM_SHADERS` names a folder, all that is written is left there.
#[test]
fn every_kernel_is_written_for_every_target() {
    let folder = std::env::var_os("SPARSE_ADAM_SHADERS").map(std::path::PathBuf::from);
    for (number, (kernel, tuning)) in kernels().into_iter().enumerate() {
        let (module, info) = specialised(kernel, &tuning);
        let written = write(&module, &info, !has_u64(kernel));
        if let Some(folder) = &folder {
            let stage = format!("{:?}", kernel.stage).replace([' ', ',', '(', ')'], "");
            written.save(folder, &format!("{number:03}-{stage}-{}", kernel.access.lanes));
        }
    }
}
