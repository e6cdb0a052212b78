//! Kernels as naga's modules.

use crate::format::Formats;
use crate::rule::adam::{ADAM, ALL_FLAGS};
use crate::rule::{Rule, SCALARS, Variant};
use crate::step::access::{RowAccess, Values};
use crate::step::kernel::{Kernel, NO_ROWS};
use crate::step::plan::SortWay;
use crate::step::plan::tests::{ADAM_RULE, DEVICE};
use crate::step::shape::DeviceShape;
use crate::step::stages::{Fragment, Stage};
use crate::step::width::Width;
use crate::{AdamOptions, Arithmetic, CatchUp, Form, Format, NormType, Tuning};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, ShaderStage};
use std::collections::HashSet;

const SIMPLE: [Stage; 14] = [
    Stage::Ingest,
    Stage::IngestSmallSerial,
    Stage::IngestSmallParallel,
    Stage::IngestRadixParallel,
    Stage::Weigh,
    Stage::SortSerialHistogram,
    Stage::SortSerialScan,
    Stage::SortSerialScatter,
    Stage::SortParallelHistogram,
    Stage::SortParallelScan,
    Stage::SortParallelScatter,
    Stage::Heads,
    Stage::Repeats,
    Stage::Tally,
];

const INGEST: [Stage; 4] = [
    Stage::Ingest,
    Stage::IngestSmallSerial,
    Stage::IngestSmallParallel,
    Stage::IngestRadixParallel,
];

/// Of a family, the members with one or two flags, and all.
fn variants() -> impl Iterator<Item = Variant> {
    let flags = (1..=ALL_FLAGS).filter(|variant| variant.count_ones() <= 2);
    flags.chain([ALL_FLAGS, SCALARS, SCALARS | ALL_FLAGS])
}
/// Each form, and each type of norm.
const SQUARES: [(Stage, NormType); 4] = [
    (Stage::SquaresSerial, NormType::Two),
    (Stage::SquaresParallel, NormType::Two),
    (Stage::SquaresSerial, NormType::Infinity),
    (Stage::SquaresParallel, NormType::One),
];

/// A kernel of each kind that a table could need, with both tunings' overrides and in both arithmetics.
pub fn kernels() -> Vec<(Kernel, Tuning)> {
    let mut kernels = SIMPLE.map(Kernel::of).to_vec();
    for (width, values, weighted) in accesses() {
        let access = RowAccess { width, values, weighted, limited: weighted, ..NO_ROWS };
        kernels.push(Kernel::inspect(access));
        kernels.push(Kernel::update(Stage::UpdateSerial, access, ADAM_RULE));
        kernels.push(Kernel::update(Stage::UpdateParallel, access, ADAM_RULE));
        for form in [Form::Serial, Form::Parallel] {
            let partial = |lowest| Kernel::partial(Stage::partial(form), access, lowest, 8);
            kernels.extend([true, false].map(partial));
        }
        for (stage, norm) in SQUARES {
            kernels.push(Kernel::squares(stage, access, norm));
        }
    }
    for variant in variants() {
        let rule = Rule { family: &ADAM, variant };
        if rule.row_numbers() > 0 {
            kernels.push(Kernel::rows(Stage::Rows, rule));
        }
        if rule.needs_squares() {
            for (stage, width) in [
                (Stage::RowSquaresSerial, Width::Vec8),
                (Stage::RowSquaresParallel, Width::Scalar),
                (Stage::RowSquaresParallel, Width::Vec4),
            ] {
                let access = RowAccess { width, ..crate::step::kernel::NO_ROWS };
                kernels.push(Kernel::row_squares(stage, access, rule));
            }
        }
        if rule.behind(0).is_some() {
            kernels.push(Kernel::flush(rule, NO_ROWS.formats));
            kernels.push(Kernel::rows(Stage::FlushRows, rule));
        }
        for width in [Width::Scalar, Width::Vec4] {
            let access = RowAccess { width, ..NO_ROWS };
            kernels.push(Kernel::update(Stage::UpdateParallel, access, rule));
        }
    }
    for norm in [NormType::One, NormType::Two, NormType::Infinity] {
        kernels.extend([Kernel::norm_sum(norm), Kernel::norm_factor(norm)]);
    }
    for width in Width::ALL {
        let moving = [Stage::Remap, Stage::ResetRows];
        kernels.extend(moving.map(|stage| Kernel::moving(stage, width)));
    }
    kernels.extend([Stage::RemapHalves, Stage::CheckRows].map(Kernel::of));
    kernels.extend(narrow());
    kernels.extend(sort_ways().map(|way| Kernel::sorting(Stage::SortParallelScatter, way)));
    kernels.extend(INGEST.map(|stage| Kernel::ingest(stage, true)));
    kernels.extend(of_items());
    let tunings = [Tuning::CPU, Tuning::GPU].into_iter().flat_map(|tuning| {
        [Arithmetic::Exact, Arithmetic::Fast].map(|arithmetic| Tuning { arithmetic, ..tuning })
    });
    let each = |kernel: Kernel| tunings.clone().map(move |tuning| (kernel, tuning));
    kernels.into_iter().flat_map(each).collect()
}

/// Every way of the parallel sort but its default.
pub fn sort_ways() -> impl Iterator<Item = SortWay> {
    (1..8u8).map(|bits| SortWay {
        ballots: bits & 1 > 0,
        reorder: bits & 2 > 0,
        ahead: bits & 4 > 0,
    })
}

/// Of each width, with its values and weights: in all ways of three, in two of those between, which take minutes otherwise.
fn accesses() -> Vec<(Width, Values, bool)> {
    let all = [
        (Values::One, false),
        (Values::Windows, true),
        (Values::One, true),
        (Values::Windows, false),
    ];
    let ways = |width| match width {
        Width::Scalar | Width::Vec4 | Width::Vec8 => &all[..],
        Width::Vec2 | Width::Vec2U64 | Width::Vec4U64 => &all[..2],
    };
    let of = |width| ways(width).iter().map(move |&(values, weighted)| (width, values, weighted));
    Width::ALL.into_iter().flat_map(of).collect()
}

/// Those that take several items, with the bindings of common devices, in every way to bind what these have.
fn of_items() -> Vec<Kernel> {
    let of = |variant| Rule { family: &ADAM, variant };
    let vec4 = RowAccess { width: Width::Vec4, ..NO_ROWS };
    let weighted = RowAccess { weighted: true, limited: true, ..NO_ROWS };
    let formats = Formats { param: Format::F16, values: Format::Bf16, ..NO_ROWS.formats };
    let narrow = RowAccess { formats, ..vec4 };
    let of_width = |width| RowAccess { width, ..NO_ROWS };
    let vec8 = of_width(Width::Vec8);
    let update = Kernel::update;
    let all = [
        Kernel::ingest(Stage::Ingest, true),
        Kernel::ingest(Stage::IngestSmallParallel, true),
        Kernel::ingest(Stage::IngestRadixParallel, true),
        Kernel::partial(Stage::PartialSerial, vec8, true, 8),
        Kernel::partial(Stage::PartialSerial, weighted, true, 8),
        Kernel::partial(Stage::PartialParallel, narrow, true, 8),
        update(Stage::UpdateParallel, vec4, ADAM_RULE),
        update(Stage::UpdateParallel, weighted, of(SCALARS | ALL_FLAGS)),
        update(Stage::UpdateParallel, narrow, of(SCALARS)),
        update(Stage::UpdateSerial, weighted, of(SCALARS | ALL_FLAGS)),
        update(Stage::UpdateSerial, narrow, ADAM_RULE),
        update(Stage::UpdateSerial, vec8, ADAM_RULE),
        update(Stage::UpdateSerial, of_width(Width::Vec2U64), ADAM_RULE),
        update(Stage::UpdateSerial, of_width(Width::Vec4U64), ADAM_RULE),
        update(Stage::UpdateParallel, of_width(Width::Vec2), ADAM_RULE),
    ];
    let device = DeviceShape { storage_buffers: 13, ..DEVICE };
    let with_arrays = DeviceShape { array_elements: 1000, ..device };
    let ways = |kernel: Kernel| kernel.ways(device).chain(kernel.ways(with_arrays));
    let mut kernels: Vec<_> = all
        .into_iter()
        .flat_map(|kernel| ways(kernel).map(move |way| kernel.with_items(way)))
        .collect();
    let mut seen = HashSet::new();
    kernels.retain(|&kernel| seen.insert(kernel));
    kernels
}

/// Rules whose rows may be behind.
pub fn behind_rules() -> [Rule; 2] {
    let plain = AdamOptions::torch_adamw().catch_up(CatchUp::Decay);
    let momentum = AdamOptions::hugectr_lazy_global();
    [plain, momentum].map(|options| Rule::of(&ADAM, &options, true))
}

/// Of numbers in 16 bits: each format in each place, with both ways of rounding, in rows of each width.
fn narrow() -> Vec<Kernel> {
    use Format::{Bf16, F16, F32};
    let all = [
        (F16, F32, F16, false),
        (Bf16, F32, F32, false),
        (F16, F32, Bf16, true),
        (F32, Bf16, F32, true),
        (Bf16, Bf16, Bf16, true),
    ];
    let mut kernels = Vec::new();
    for (number, (param, moments, values, is_stochastic)) in all.into_iter().enumerate() {
        let formats = Formats { param, moments, values, is_stochastic, is_numbered: false };
        kernels.extend(behind_rules().map(|rule| Kernel::flush(rule, formats)));
        let formats = formats.numbered(number > 2);
        for width in Width::ALL {
            let bound = [Values::One, Values::Windows][number % 2];
            let access = RowAccess { width, values: bound, formats, ..NO_ROWS };
            kernels.push(Kernel::inspect(access));
            kernels.push(Kernel::update(Stage::UpdateSerial, access, ADAM_RULE));
            // Halves are as in rows by as many that are not moved as u64.
            if matches!(width, Width::Vec2U64 | Width::Vec4U64) {
                continue;
            }
            let rule = Rule { family: &ADAM, variant: SCALARS | ALL_FLAGS };
            kernels.push(Kernel::update(Stage::UpdateParallel, access, rule));
            for form in [Form::Serial, Form::Parallel] {
                kernels.push(Kernel::partial(Stage::partial(form), access, true, 2));
                kernels.push(Kernel::squares(Stage::squares(form), access, NormType::Two));
                kernels.push(Kernel::row_squares(Stage::row_squares(form), access, rule));
            }
        }
    }
    kernels
}

/// Whether the kernel needs 64-bit integers, which GL ES has not.
pub fn has_u64(kernel: Kernel) -> bool {
    matches!(kernel.access.width, Width::Vec2U64 | Width::Vec4U64 | Width::Vec8)
}

/// Whether the kernel computes with floats.
pub fn computes(kernel: Kernel) -> bool {
    let mut fragments = kernel.stage.spec().all_fragments();
    // That stage has the words of a rule that computes, and takes a step's number from them.
    kernel.stage != Stage::FlushRows && fragments.any(|held| matches!(held, Fragment::Arithmetic))
}

/// What a kernel needs beyond the least.
fn capabilities(kernel: Kernel) -> Capabilities {
    let with = |needs, what| if needs { what } else { Capabilities::empty() };
    with(has_u64(kernel), Capabilities::SHADER_INT64)
        | with(kernel.in_arrays, ARRAYS)
        | with(kernel.sort.ballots, Capabilities::SUBGROUP)
}

/// What wgpu allows with the features that binding arrays need.
const ARRAYS: Capabilities = Capabilities::BUFFER_BINDING_ARRAY
    .union(Capabilities::STORAGE_BUFFER_BINDING_ARRAY)
    .union(Capabilities::STORAGE_BUFFER_BINDING_ARRAY_NON_UNIFORM_INDEXING);

pub fn validated(module: &Module, capabilities: Capabilities, source: &str) -> ModuleInfo {
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    validator.validate(module).unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)))
}

pub fn parse(kernel: Kernel, tuning: &Tuning) -> Module {
    parsed(&kernel.wgsl(tuning))
}

pub fn parsed(source: &str) -> Module {
    naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)))
}

/// The kernel's module with its overrides filled in.
pub fn specialised(kernel: Kernel, tuning: &Tuning) -> (Module, ModuleInfo) {
    specialised_from(parse(kernel, tuning), kernel, tuning)
}

/// As [`specialised`], from a module that is nearly the kernel's.
pub fn specialised_from(module: Module, kernel: Kernel, tuning: &Tuning) -> (Module, ModuleInfo) {
    let info = validated(&module, capabilities(kernel), &kernel.wgsl(tuning));
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

/// The functions of exact arithmetic that round.
pub const OPERATIONS: [&str; 7] =
    ["add", "subtract", "multiply", "offset", "scale", "quotient_of", "root_of"];

/// Those that a kernel calls.
fn operations(kernel: Kernel) -> &'static [&'static str] {
    match kernel.stage {
        Stage::SquaresSerial | Stage::SquaresParallel => &["add", "multiply", "scale", "together"],
        Stage::NormFactor => &["offset", "scale", "quotient_of", "root_of"],
        _ => &OPERATIONS,
    }
}

/// A kernel's exact WGSL with one of [`operations`] left to the compiler, by turns.
pub fn opened(kernel: Kernel, source: String, turn: usize) -> (&'static str, String) {
    let operations = operations(kernel);
    let function = operations[turn % operations.len()];
    (function, left_open(source, function))
}

/// A kernel's exact WGSL with one of [`operations`], where it has it, left to the compiler.
pub fn left_open(mut source: String, function: &str) -> String {
    let Some(start) = source.find(&format!("\nfn {function}(")) else { return source };
    let body = start + source[start..].find('{').unwrap() + 1;
    let end = body + source[body..].find("\n}").unwrap();
    let open = match function {
        "quotient_of" => "return x / y;".into(),
        "root_of" => "return sqrt(x);".into(),
        _ => source[body..end].replace("settled(", "("),
    };
    source.replace_range(body..end, &open);
    source
}
