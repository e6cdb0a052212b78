//! Every shader in every variant, without a GPU: valid with minimal capabilities, within the
//! smallest limits, and laid out as the host believes.

use super::*;
use crate::step::layout;
use crate::step::plan::tests::ADAM_RULE;
use crate::step::stages::VALUE_WINDOWS;
use crate::{CHUNK, Tuning};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, TypeInner};
use std::mem::offset_of;

const SIMPLE: [Stage; 12] = [
    Stage::Ingest,
    Stage::IngestSmallSerial,
    Stage::IngestSmallParallel,
    Stage::Weigh,
    Stage::SortSerialHistogram,
    Stage::SortSerialScan,
    Stage::SortSerialScatter,
    Stage::SortParallelHistogram,
    Stage::SortParallelScan,
    Stage::SortParallelScatter,
    Stage::Heads,
    Stage::Repeats,
];

/// Every kernel that any table could need, with both tunings' overrides and in both arithmetics.
fn kernels() -> Vec<(Kernel, Tuning)> {
    let mut kernels = SIMPLE.map(Kernel::of).to_vec();
    for width in [Width::Scalar, Width::Vec4, Width::Vec8] {
        for values in [Values::One, Values::Windows] {
            for (lanes, weighted) in [(1, false), (1, true), (8, false), (32, true)] {
                let access = RowAccess { width, values, lanes, weighted, limited: weighted };
                kernels.push(Kernel::inspect(access));
                kernels.push(Kernel::update(Stage::UpdateSerial, access, ADAM_RULE));
                kernels.push(Kernel::update(Stage::UpdateParallel, access, ADAM_RULE));
                kernels.push(Kernel::partial(access, true));
                kernels.push(Kernel::partial(access, false));
            }
        }
    }
    for stage in [Stage::Ingest, Stage::IngestSmallSerial, Stage::IngestSmallParallel] {
        kernels.push(Kernel::ingest(stage, true));
    }
    let tunings = [Tuning::CPU, Tuning::GPU].into_iter().flat_map(|tuning| {
        [Arithmetic::Exact, Arithmetic::Fast].map(|arithmetic| Tuning { arithmetic, ..tuning })
    });
    let each = |kernel: Kernel| {
        // A kernel's lanes never exceed its workgroup.
        let fits = move |tuning: &Tuning| kernel.access.lanes <= tuning.max_lanes;
        tunings.clone().filter(fits).map(move |tuning| (kernel, tuning))
    };
    kernels.into_iter().flat_map(each).collect()
}

/// Whether the kernel needs 64-bit integers, which GL ES has not.
fn has_u64(kernel: Kernel) -> bool {
    kernel.access.width == Width::Vec8
}

fn validate(module: &Module, kernel: Kernel, tuning: &Tuning) -> ModuleInfo {
    let capabilities = match has_u64(kernel) {
        true => Capabilities::SHADER_INT64,
        false => Capabilities::empty(),
    };
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    validator.validate(module).unwrap_or_else(|error| {
        panic!("{kernel:?}: {}", error.emit_to_string(&kernel.wgsl(tuning)))
    })
}

fn parse(kernel: Kernel, tuning: &Tuning) -> Module {
    let source = kernel.wgsl(tuning);
    naga::front::wgsl::parse_str(&source)
        .unwrap_or_else(|error| panic!("{kernel:?}: {}", error.emit_to_string(&source)))
}

/// The kernel's module with its overrides filled in.
fn specialised(kernel: Kernel, tuning: &Tuning) -> (Module, ModuleInfo) {
    let module = parse(kernel, tuning);
    let info = validate(&module, kernel, tuning);
    let constants = kernel.constants(tuning);
    for (name, _) in &constants {
        // wgpu ignores a name that the shader does not have; browsers refuse it.
        let has = |held: &naga::Override| held.name.as_deref() == Some(name);
        assert!(module.overrides.iter().any(|(_, held)| has(held)), "{kernel:?}: {name}");
    }
    let constants = constants.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    let entry = Some((ShaderStage::Compute, "main"));
    let (module, info) =
        naga::back::pipeline_constants::process_overrides(&module, &info, entry, &constants)
            .unwrap();
    (module.into_owned(), info.into_owned())
}

#[test]
fn every_kernel_fits_the_smallest_device() {
    let limits = wgpu::Limits::downlevel_defaults();
    for (kernel, tuning) in kernels() {
        let (module, _) = specialised(kernel, &tuning);
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let size = |space| {
            let held = module.global_variables.iter().filter(move |(_, held)| held.space == space);
            held.map(|(_, held)| layouter[held.ty].size).sum::<u32>()
        };
        assert!(size(AddressSpace::WorkGroup) <= limits.max_compute_workgroup_storage_size);
        let storage = |space| matches!(space, AddressSpace::Storage { .. });
        let bound = module.global_variables.iter().filter(|(_, held)| storage(held.space)).count();
        let windows = kernel.access.values == Values::Windows;
        assert!(bound <= if windows { 3 + VALUE_WINDOWS } else { 4 }, "{kernel:?}: {bound}");
        let workgroup = module.entry_points[0].workgroup_size;
        let invocations: u32 = workgroup.iter().product();
        assert!(invocations <= limits.max_compute_invocations_per_workgroup);
        assert!(workgroup[0] <= limits.max_compute_workgroup_size_x);
    }
}

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

/// Names and byte offsets of a WGSL struct's members, and its size.
fn members(kernel: Kernel, name: &str) -> (Vec<(String, u32)>, u32) {
    let module = parse(kernel, &Tuning::GPU);
    let found = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name));
    let Some((_, naga::Type { inner: TypeInner::Struct { members, span }, .. })) = found else {
        panic!("{name} is not a struct of {kernel:?}");
    };
    let named = members.iter().map(|m| (m.name.clone().unwrap_or_default(), m.offset));
    (named.collect(), *span)
}

macro_rules! assert_layout {
    ($stage:expr, $name:ident { $($field:ident),* $(,)? }) => {{
        let host = vec![
            $((stringify!($field).to_string(), offset_of!(layout::$name, $field) as u32)),*
        ];
        let (device, span) = members($stage, stringify!($name));
        assert_eq!(host, device, stringify!($name));
        assert_eq!(size_of::<layout::$name>() as u32, span, stringify!($name));
    }};
}

/// Of a stage that reads rows, the simplest.
fn simplest(stage: Stage) -> Kernel {
    match stage {
        Stage::Inspect => Kernel::inspect(NO_ROWS),
        Stage::Partial => Kernel::partial(NO_ROWS, true),
        stage => Kernel::update(stage, NO_ROWS, ADAM_RULE),
    }
}

#[test]
fn host_structs_lie_as_the_shaders_read_them() {
    let update = simplest(Stage::UpdateSerial);
    let ingest = Kernel::of(Stage::Ingest);
    assert_layout!(
        ingest,
        EntriesConfig {
            first,
            capacity,
            key_base,
            sentinel,
            index_format,
            axes,
            axis_size_0,
            axis_size_1,
            axis_size_2,
            value_origin,
            value_base,
            value_rows,
            weighted,
            entry_base,
            terms,
            padding_row,
            has_weights,
            key_bits,
            block,
            lists,
        }
    );
    assert_layout!(ingest, EntryCount { entries, pad0, pad1, pad2 });
    assert_layout!(
        simplest(Stage::Inspect),
        InspectConfig { entries, columns, rows_per_window, skip, pad0 }
    );
    assert_layout!(
        Kernel::of(Stage::SortSerialScan),
        SortConfig { count, shift, radix, tiles, tile_size, pad0, pad1, pad2 }
    );
    assert_layout!(Kernel::of(Stage::Heads), HeadLists { count, block, first, pad0 });
    assert_layout!(Kernel::of(Stage::Repeats), Keys { first, end, base, sentinel });
    assert_layout!(
        simplest(Stage::Partial),
        PartialConfig { keys, values, blocks, stride, sums, sums_below, zero, limit, pad0, pad1 }
    );
    assert_layout!(update, ValueLayout { columns, rows_per_window, terms, slice });
    assert_layout!(
        update,
        UpdateConfig {
            sums,
            keys,
            values,
            lists,
            window_key,
            window_rows,
            levels,
            first_wins,
            unique,
            zero,
            limit,
            pad0,
        }
    );
}

#[test]
fn a_rule_has_as_many_words_as_its_uniform_and_as_many_fields_as_its_state() {
    for stage in [Stage::UpdateSerial, Stage::UpdateParallel] {
        let (_, span) = members(simplest(stage), "Rule");
        assert_eq!(span as usize, size_of::<crate::rule::Words>());
        assert_eq!(constant(simplest(stage), "FIELDS") as usize, ADAM_RULE.state().len());
    }
}

#[test]
fn status_lies_as_the_shaders_count_it() {
    let counters = [
        ("OUT_OF_RANGE", offset_of!(crate::Status, out_of_range)),
        ("BAD_VALUE_ROW", offset_of!(crate::Status, bad_value_row)),
        ("NON_FINITE", offset_of!(crate::Status, non_finite)),
        ("REPEATED", offset_of!(crate::Status, repeated)),
        ("PADDING", offset_of!(crate::Status, padding)),
        ("OVER_CAPACITY", offset_of!(crate::Status, over_capacity)),
    ];
    for (name, offset) in counters {
        assert_eq!(4 * constant(Kernel::of(Stage::Ingest), name), offset as u32, "{name}");
    }
    let (device, span) = members(Kernel::of(Stage::Ingest), "Status");
    assert_eq!(device, [("counts".to_string(), 0)]);
    assert_eq!(size_of::<crate::Status>() as u32, span);
    assert_eq!(constant(Kernel::of(Stage::Ingest), "FULL"), crate::Status::FULL);
}

#[test]
fn rows_are_handled_as_wide_as_they_divide() {
    let widths = |u64_rows| [1, 6, 12, 24].map(|dim| Width::of(dim, u64_rows));
    assert_eq!(widths(true), [Width::Scalar, Width::Scalar, Width::Vec4, Width::Vec8]);
    assert_eq!(widths(false), [Width::Scalar, Width::Scalar, Width::Vec4, Width::Vec4]);
}

/// The value of a u32 constant of a stage.
fn constant(kernel: Kernel, name: &str) -> u32 {
    let module = parse(kernel, &Tuning::GPU);
    let found = module.constants.iter().find(|(_, held)| held.name.as_deref() == Some(name));
    let (_, found) = found.unwrap_or_else(|| panic!("no constant {name}"));
    match module.global_expressions[found.init] {
        naga::Expression::Literal(naga::Literal::U32(value)) => value,
        ref other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn shared_constants_agree() {
    let value = |name| constant(simplest(Stage::UpdateParallel), name);
    assert_eq!(value("CHUNK"), CHUNK);
    assert!(Tuning::GPU.update_tile <= value("MAX_TILE"));
    assert!(Tuning::GPU.small <= constant(Kernel::of(Stage::IngestSmallParallel), "SMALL"));
    let serial = |name| constant(simplest(Stage::UpdateSerial), name);
    assert!(CHUNK < 1 << serial("ENTRIES_BITS"));
    // Of the largest block, every position may be a run of one entry, every other of several.
    assert!(Tuning::MOST_TILE < 1 << serial("SINGLE_BITS"));
    assert!(Tuning::MOST_TILE / 2 < 1 << serial("SEVERAL_BITS"));
    let many_bits = u32::BITS - serial("SINGLE_BITS") - serial("SEVERAL_BITS");
    assert!(Tuning::MOST_TILE / CHUNK + 1 < 1 << many_bits);
    let partial = constant(simplest(Stage::Partial), "MOST_AT_ONCE");
    assert!(Tuning::CPU.sums_at_once <= partial);
}
