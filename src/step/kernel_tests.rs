//! Every shader in every variant, without a GPU: valid with minimal capabilities, within the
//! smallest limits, and laid out as the host believes.

#[path = "kernel_tests/constants.rs"]
mod constants;
#[path = "kernel_tests/fences.rs"]
mod fences;
#[path = "kernel_tests/modules.rs"]
pub(crate) mod modules;
#[path = "kernel_tests/spirv.rs"]
mod spirv;
#[path = "kernel_tests/texts.rs"]
mod texts;
#[path = "kernel_tests/written.rs"]
pub(crate) mod written;

use self::constants::constant;
use self::modules::{behind_rules, kernels, parse, specialised};
use super::*;
use crate::rule::adam::ADAM;
use crate::rule::{ROW_NUMBERS, ROW_SEED};
use crate::step::kernel::items::{MOST_BUFFERS, Together};
use crate::step::layout;
use crate::step::plan::sort::REORDER_BYTES;
use crate::step::plan::tests::ADAM_RULE;
use crate::step::stages::{Bound, VALUE_WINDOWS};
use crate::{
    AdamOptions, BiasCorrection, CHUNK, CatchUp, NormType, SecondMoment, Tuning, WeightDecay,
};
use naga::{AddressSpace, TypeInner};
use std::mem::offset_of;

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
        // Tiles are put in order on devices that have room alone.
        let room = match kernel.sort.reorder {
            true => REORDER_BYTES,
            false => limits.max_compute_workgroup_storage_size,
        };
        assert!(size(AddressSpace::WorkGroup) <= room, "{kernel:?}");
        let storage = |space| matches!(space, AddressSpace::Storage { .. });
        let is_array = |ty| matches!(module.types[ty].inner, TypeInner::BindingArray { .. });
        let buffers = module.global_variables.iter().filter(|(_, held)| storage(held.space));
        let bound = buffers.filter(|(_, held)| !is_array(held.ty)).count();
        let windows = kernel.access.values == Values::Windows;
        let most = match kernel.items {
            1 if windows => 3 + VALUE_WINDOWS,
            1 => 4,
            _ => kernel.items_bound().iter().filter(|(_, bound)| *bound != Bound::Uniform).count(),
        };
        assert!(bound <= most.min(MOST_BUFFERS), "{kernel:?}: {bound}");
        let workgroup = module.entry_points[0].workgroup_size;
        let invocations: u32 = workgroup.iter().product();
        assert!(invocations <= limits.max_compute_invocations_per_workgroup);
        assert!(workgroup[0] <= limits.max_compute_workgroup_size_x);
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
        Stage::PartialSerial | Stage::PartialParallel => Kernel::partial(stage, NO_ROWS, true, 1),
        Stage::SquaresSerial | Stage::SquaresParallel => {
            Kernel::squares(stage, NO_ROWS, NormType::Two)
        }
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
    let two = |kernel: Kernel| {
        let pooled = kernel.poolings()[0];
        kernel.with_items(Together { most: 2, pooled, in_arrays: false })
    };
    assert_layout!(
        two(Kernel::ingest(Stage::Ingest, true)),
        EntriesItem { config, first_workgroup, entries, index_first, status_first }
    );
    assert_layout!(
        two(simplest(Stage::PartialSerial)),
        PartialItem { config, first_workgroup, value_first, pad0, pad1 }
    );
    assert_layout!(
        two(simplest(Stage::UpdateParallel)),
        UpdateItem { config, first_workgroup, param_first, state_first, value_first }
    );
    assert_layout!(
        simplest(Stage::Inspect),
        InspectConfig { entries, columns, rows_per_window, skip, pad0 }
    );
    assert_layout!(
        Kernel::of(Stage::SortSerialScan),
        SortConfig {
            count,
            shift,
            radix,
            tiles,
            tile_size,
            fused,
            order,
            pass_kind,
            first,
            next_first,
            next_shift,
            next_radix,
            clear_words,
            pad0,
            pad1,
            pad2,
        }
    );
    assert_layout!(Kernel::of(Stage::Heads), HeadLists { count, block, first, pad0 });
    assert_layout!(Kernel::of(Stage::Repeats), Keys { first, end, base, sentinel });
    assert_layout!(Kernel::of(Stage::Tally), TallyConfig { tables, is_last, pad0, pad1 });
    assert_layout!(
        Kernel::moving(Stage::Remap, Width::Scalar),
        RemapConfig { rows, map_first, columns, strip, old_first, old_rows, pad0, pad1 }
    );
    assert_layout!(
        Kernel::of(Stage::CheckRows),
        CheckConfig { capacity, first, rows, counter, none, pad0, pad1, pad2 }
    );
    assert_layout!(
        Kernel::moving(Stage::ResetRows, Width::Scalar),
        ResetConfig { capacity, columns, strip, first_row, rows, pad0, pad1, pad2 }
    );
    assert_layout!(
        simplest(Stage::PartialSerial),
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
            numbers,
        }
    );
    let flush = Kernel::flush(behind_rules()[0], NO_ROWS.formats);
    assert_layout!(flush, FlushValues { columns, strip, pad0, pad1 });
    assert_layout!(flush, FlushConfig { values, rows, first_row, zero, pad0 });
    assert_layout!(
        Kernel::rows(Stage::Rows, row_rules()[0]),
        RowsConfig { keys, window_key, window_rows, unique, zero, numbers, squares, blocks, dim }
    );
}

#[test]
fn structs_of_a_norm_lie_as_the_shaders_read_them() {
    let squares = simplest(Stage::SquaresParallel);
    assert_layout!(
        squares,
        SquaresConfig {
            sums,
            keys,
            values,
            lists,
            squares,
            blocks,
            levels,
            first_wins,
            unique,
            zero,
            limit,
            grad_scale,
            window_key,
            window_rows,
            mean,
            pad0,
        }
    );
    let sum = Kernel::norm_sum(NormType::Two);
    assert_layout!(sum, NormSumConfig { keys, squares, blocks, unique, tile });
    let factor = Kernel::norm_factor(NormType::Two);
    assert_layout!(factor, NormFactorConfig { most, zero, pad0, pad1 });
    let (state, span) = members(factor, "NormState");
    let scalars = members(simplest(Stage::SquaresParallel), "Scalars").0;
    let offsets = |held: &[(String, u32)]| held.iter().map(|held| held.1).collect::<Vec<_>>();
    assert_eq!(offsets(&state[..4]), offsets(&scalars), "the update reads its first words");
    assert_eq!((state[3].0.as_str(), state[3].1 as u64), ("norm", crate::optimizer::norm::NORM_AT));
    let total = crate::optimizer::norm::TOTAL_AT;
    assert_eq!((state[4].0.as_str(), u64::from(state[4].1)), ("digits", total));
    assert_eq!(u64::from(span), crate::optimizer::norm::STATE_BYTES);
    assert_eq!(constant(squares, "BLOCK"), crate::step::plan::norm::BLOCK);
}

#[test]
fn a_rule_has_as_many_words_as_its_uniform_and_as_many_fields_as_its_state() {
    for stage in [Stage::UpdateSerial, Stage::UpdateParallel] {
        let (_, span) = members(simplest(stage), "Rule");
        assert_eq!(span as usize, size_of::<crate::rule::Words>());
        assert_eq!(constant(simplest(stage), "FIELDS") as usize, ADAM_RULE.state().len());
    }
}

/// Every rule whose rows have something of their own, but for what has nothing to do with them.
fn row_rules() -> Vec<Rule> {
    let mut rules = Vec::new();
    for bias in [BiasCorrection::Step, BiasCorrection::Row] {
        for second in [SecondMoment::Element, SecondMoment::Row] {
            for catch_up in [CatchUp::Never, CatchUp::Decay, CatchUp::Momentum] {
                for amsgrad in [false, true] {
                    let options = AdamOptions::torch_adamw().bias_correction(bias);
                    let options = options.second_moment(second).catch_up(catch_up).amsgrad(amsgrad);
                    let decay = match catch_up {
                        CatchUp::Momentum => WeightDecay::None,
                        _ => options.weight_decay,
                    };
                    let options = options.weight_decay(decay);
                    let valid =
                        options.validate().is_ok().then(|| Rule::of(&ADAM, &options, false));
                    rules.extend(valid.filter(|rule| rule.row_numbers() > 0));
                }
            }
        }
    }
    rules
}

#[test]
fn the_rows_of_a_rule_have_as_many_words_fields_and_numbers_as_the_shader_reads() {
    let rules = row_rules();
    assert_eq!(rules.len(), 15);
    for rule in rules {
        let (words, span) = members(Kernel::rows(Stage::Rows, rule), "RowRule");
        assert_eq!(span as usize, size_of::<crate::rule::RowWords>());
        assert!(words.contains(&("seed".to_string(), 4 * ROW_SEED as u32)));
        let (fields, numbers) = (rule.row_state().len() as u32, rule.row_numbers());
        assert!(numbers as usize <= ROW_NUMBERS);
        assert_eq!(constant(Kernel::rows(Stage::Rows, rule), "ROW_FIELDS"), fields.max(1));
        assert_eq!(constant(Kernel::rows(Stage::Rows, rule), "ROW_NUMBERS"), numbers);
        let update = Kernel::update(Stage::UpdateSerial, NO_ROWS, rule);
        assert_eq!(constant(update, "ROW_NUMBERS"), numbers);
        assert_eq!(constant(update, "FIELDS") as usize, rule.state().len());
        assert_eq!(rule.most_steps() < 1 << 53, rule.row_state().contains(&"prev_iter"));
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
        ("BAD_MAP_ROW", offset_of!(crate::Status, bad_map_row)),
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
    use Width::{Scalar, Vec2, Vec2U64, Vec4, Vec4U64, Vec8};
    let widths = |u64_rows| [1, 3, 6, 12, 24].map(|dim| Width::of(dim, u64_rows));
    assert_eq!(widths(true), [Scalar, Scalar, Vec2U64, Vec4U64, Vec8]);
    assert_eq!(widths(false), [Scalar, Scalar, Vec2, Vec4, Vec4]);
}
