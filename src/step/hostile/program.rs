//! Compute shaders as naga writes them for Metal, compiled for the CPU.

use crate::step::kernel::tests::written::write_metal;
use naga::valid::ModuleInfo;
use naga::{Binding, BuiltIn, Module};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// All that WGSL and Metal allow, and more: products fused into sums, sums reordered, quotients and roots
/// approximated, also where the processor at hand would be as fast with exact ones.
const FREEDOMS: [&str; 4] = ["-O3", "-ffast-math", "-march=native", "-mtune=generic"];

/// A program that runs the shaders it was made of, known by their numbers.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
}

impl Program {
    /// Leaves all that it makes in `folder`.
    pub fn compile(compiler: &str, folder: &Path, shaders: &[(Module, ModuleInfo)]) -> Self {
        let source = folder.join("shaders.cpp");
        std::fs::write(&source, text(shaders)).unwrap();
        let (object, path) = (folder.join("shaders.o"), folder.join("shaders"));
        let recip = super::APPROXIMATES.then_some("-mrecip=all");
        let others = ["-std=c++17", "-w", "-fno-strict-aliasing", "-c", "-o"];
        let mut compile = Command::new(compiler);
        run(compile.args(FREEDOMS).args(recip).args(others).args([&object, &source]));
        // Linked without those flags, which would have the CPU flush subnormal numbers.
        run(Command::new(compiler).arg("-o").args([&path, &object]));
        Self { path }
    }

    /// What it answers to `input`: words, as `driver.cpp` reads and writes them.
    pub fn answer(&self, input: &[u32]) -> Vec<u32> {
        let mut command = Command::new(&self.path);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // It reads all before it writes anything.
        child.stdin.take().unwrap().write_all(bytemuck::cast_slice(input)).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", output.status);
        bytemuck::pod_collect_to_vec(&output.stdout)
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

fn text(shaders: &[(Module, ModuleInfo)]) -> String {
    let mut text = include_str!("metal.h").to_string();
    let mut table = "static const Kernel KERNELS[] = {\n".to_string();
    for (number, (module, info)) in shaders.iter().enumerate() {
        write!(text, "namespace kernel_{number} {{\n{}}}\n", metal(module, info)).unwrap();
        let size = module.entry_points[0].workgroup_size[0];
        writeln!(table, "    {{kernel_{number}::invoke, {size}}},").unwrap();
    }
    text + &table + "};\n" + include_str!("driver.cpp")
}

/// A shader's Metal, with a function that invokes it.
fn metal(module: &Module, info: &ModuleInfo) -> String {
    let written = write_metal(module, info);
    let mut text = String::new();
    for line in written.lines().filter(|line| !line.starts_with("#include")) {
        // Of an array without an end Metal gets one item.
        let endless = line.starts_with("typedef") && line.ends_with("[1];");
        text += &if endless { line.replace("[1];", "[];") } else { line.to_string() };
        text.push('\n');
    }
    let mut arguments: Vec<String> =
        module.entry_points[0].function.arguments.iter().map(built_in).collect();
    let main = info.get_entry_point(0);
    let used = module.global_variables.iter().filter(|&(global, _)| !main[global].is_empty());
    let numbers = used.filter_map(|(_, held)| held.binding.as_ref());
    arguments.extend(numbers.map(|bound| format!("bound[{}]", bound.binding)));
    if written.contains("_buffer_sizes [[") {
        // Only lengths of arrays and checks of bounds would read it.
        text += "static const _mslBufferSizes sizes = {};\n";
        arguments.push("sizes".into());
    }
    let arguments = arguments.join(", ");
    let head = "static void invoke(Invocation const& at, Any const* bound)";
    writeln!(text, "{head} {{ main_({arguments}); }}").unwrap();
    text
}

fn built_in(argument: &naga::FunctionArgument) -> String {
    let field = match argument.binding {
        Some(Binding::BuiltIn(BuiltIn::WorkGroupId)) => "workgroup",
        Some(Binding::BuiltIn(BuiltIn::NumWorkGroups)) => "grid",
        Some(Binding::BuiltIn(BuiltIn::LocalInvocationIndex)) => "local",
        Some(Binding::BuiltIn(BuiltIn::GlobalInvocationId)) => "id",
        ref other => panic!("{other:?} is no built-in that the driver has"),
    };
    format!("at.{field}")
}
