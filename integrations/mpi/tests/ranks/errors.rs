//! What goes wrong on one rank is known to all, and changed nothing.

use super::harness::{core, gpu, optimizer, optimizer_on, ranks};
use sparse_adam::{AdamOptions, ClipGradNorm, ParamId, SparseAdam};
use sparse_adam_mpi::{
    Assign, Error, Gradient, Ranks, ShardedOptimizer, ShardedTable, Sums, Transport, World,
};
use sparse_adam_testkit::headless::Gpu;
use wgpu::Limits;

type Optimizer = ShardedOptimizer<World>;

fn table(name: &str) -> ShardedTable<'static> {
    ShardedTable::new(name, 10, &[2], |row, values| values.fill(row as f32))
}

/// The rank of `end` with one table.
fn single(end: World) -> (Optimizer, ParamId) {
    with_table(optimizer(end))
}

fn with_table(mut optimizer: Optimizer) -> (Optimizer, ParamId) {
    let group = optimizer.add_group(AdamOptions::default(), vec![table("t")]).unwrap();
    let id = optimizer.core().group_params(group).unwrap()[0];
    (optimizer, id)
}

const GOOD: Gradient<'_> = Gradient { ids: &[3, 4], values: &[1.0; 4] };

/// Three ranks make a step each in their own way, then all a good one; what they heard of the first.
fn heard(step: impl Fn(&mut Optimizer, ParamId) -> Result<(), Error> + Sync) -> Vec<Error> {
    heard_on(gpu(), step)
}

/// As [`heard`], with rank 1 on a device of its own.
fn heard_on(
    of_rank_1: &Gpu,
    step: impl Fn(&mut Optimizer, ParamId) -> Result<(), Error> + Sync,
) -> Vec<Error> {
    World::run(ranks(3), |end| {
        let device = if end.rank() == 1 { of_rank_1 } else { gpu() };
        let (mut optimizer, id) = with_table(optimizer_on(device, end));
        let error = step(&mut optimizer, id).unwrap_err();
        assert_eq!(optimizer.core().step_count(id), Ok(0), "nothing was counted");
        let start = optimizer.gather(id).unwrap();
        if let Some(whole) = start {
            let rows = (0..10).flat_map(|row| [row as f32; 2]);
            assert_eq!(whole.values, rows.collect::<Vec<_>>(), "nothing was written");
        }
        optimizer.step(&[(id, GOOD)]).unwrap();
        assert_eq!(optimizer.core().step_count(id), Ok(1));
        error
    })
}

#[test]
fn a_rank_that_fails_is_named_to_the_others() {
    let errors = heard(|optimizer, id| {
        let short = Gradient { values: &[1.0; 3], ..GOOD };
        optimizer.step(&[(id, if optimizer.rank() == 1 { short } else { GOOD })])
    });
    let own = Error::WrongLength { table: "t".into(), expected: 4, found: 3 };
    let peer = Error::Peer { rank: 1, reason: own.to_string() };
    assert_eq!(errors, [peer.clone(), own, peer]);
}

/// It fails when all ranks have sent what they have.
#[test]
fn a_device_that_cannot_take_what_it_is_sent_is_named() {
    let most = 8 << 20;
    let limits = Limits {
        max_buffer_size: most,
        max_storage_buffer_binding_size: most,
        ..Limits::downlevel_defaults()
    };
    let small = pollster::block_on(Gpu::open_with_limits(limits)).unwrap();
    // Row 1 is rank 1's.
    let ids = vec![1; most as usize / 8 + 1];
    let values = vec![0.5; 2 * ids.len()];
    for clip in [None, Some(ClipGradNorm::new(1.0))] {
        let errors = heard_on(&small, |optimizer, id| {
            optimizer.set_clip_grad_norm(clip).unwrap();
            let large = Gradient { ids: &ids, values: &values };
            optimizer.step(&[(id, if optimizer.rank() == 0 { large } else { GOOD })])
        });
        assert!(matches!(errors[1], Error::Core(_)), "{errors:?}");
        let peer = Error::Peer { rank: 1, reason: errors[1].to_string() };
        assert!(errors[0] == peer && errors[2] == peer, "{errors:?}");
    }
}

#[test]
fn ranks_that_give_a_table_another_number_of_gradients_are_told_so() {
    let errors = heard(|optimizer, id| match optimizer.rank() {
        0 => optimizer.step(&[(id, GOOD), (id, GOOD)]),
        _ => optimizer.step(&[(id, GOOD)]),
    });
    assert!(errors.iter().all(|error| matches!(error, Error::Disagree { .. })), "{errors:?}");
}

#[test]
fn ranks_that_step_other_tables_are_told_so() {
    let errors = heard(|optimizer, id| match optimizer.rank() {
        2 => optimizer.step(&[]),
        _ => optimizer.step(&[(id, GOOD)]),
    });
    let [Error::Disagree { rank: 2, here, there }, _, Error::Disagree { rank: 0, .. }] =
        &errors[..]
    else {
        panic!("{errors:?}")
    };
    assert!(here.starts_with("step 1 of [\"t\"]") && there.starts_with("step 1 of []"));
}

#[test]
fn ranks_with_other_options_are_told_so() {
    let errors = heard(|optimizer, id| {
        let group = optimizer.core().group_of(id).unwrap();
        let own = AdamOptions::default();
        let lr = if optimizer.rank() == 0 { own.lr(0.5) } else { own };
        optimizer.set_options(group, lr).unwrap();
        let stepped = optimizer.step(&[(id, GOOD)]);
        optimizer.set_options(group, own).unwrap();
        stepped
    });
    let named = |error: &Error| match error {
        Error::Disagree { rank, .. } => *rank,
        _ => panic!("{error}"),
    };
    assert_eq!(errors.iter().map(named).collect::<Vec<_>>(), [1, 0, 0]);
}

#[test]
fn ranks_whose_table_has_counted_other_steps_are_told_so() {
    World::run(ranks(3), |end| {
        let (mut optimizer, id) = with_table(optimizer(end));
        optimizer.set_step_count(id, 4 + u64::from(optimizer.rank() == 1)).unwrap();
        let stepped = optimizer.step(&[(id, GOOD)]);
        assert!(matches!(stepped, Err(Error::Disagree { .. })), "{stepped:?}");
        optimizer.set_step_count(id, 4).unwrap();
        optimizer.step(&[(id, GOOD)]).unwrap();
        assert_eq!(optimizer.core().step_count(id), Ok(5));
    });
}

#[test]
fn ranks_that_add_other_tables_are_told_so_and_add_none() {
    World::run(ranks(2), |end| {
        let mut optimizer = optimizer(end);
        let assign = [Assign::Cyclic, Assign::Block][optimizer.rank() as usize];
        let added = optimizer.add_group(AdamOptions::default(), vec![table("t").assign(assign)]);
        assert!(matches!(added, Err(Error::Disagree { .. })), "{added:?}");
        assert_eq!(optimizer.core().params().len(), 0);
        optimizer.add_group(AdamOptions::default(), vec![table("t")]).unwrap();
    });
}

#[test]
fn ranks_on_other_adapters_are_told_so_unless_that_is_allowed() {
    let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    for allowed in [false, true] {
        World::run(ranks(2), |end| {
            let mut optimizer = match end.rank() {
                0 => optimizer(end),
                _ => {
                    let core = SparseAdam::new(&device, &queue, AdamOptions::default()).unwrap();
                    ShardedOptimizer::new(end, (&device, &queue), core).unwrap()
                }
            };
            if allowed {
                optimizer = optimizer.mixed_adapters();
            }
            match optimizer.add_group(AdamOptions::default(), vec![table("t")]) {
                Ok(_) => assert!(allowed),
                Err(Error::Disagree { here, there, .. }) => {
                    let names = [gpu().info.name.clone(), device.adapter_info().name];
                    let told = names.iter().all(|name| here.contains(name) != there.contains(name));
                    assert!(!allowed && told, "{here}; {there}");
                }
                Err(error) => panic!("{error}"),
            }
        });
    }
}

#[test]
fn a_table_without_rows_or_values_is_refused() {
    World::run(ranks(2), |end| {
        let mut optimizer = optimizer(end);
        for (rows, row_shape) in [(0, &[2][..]), (5, &[2, 0][..])] {
            let table = ShardedTable::new("t", rows, row_shape, |_, _| ());
            let added = optimizer.add_group(AdamOptions::default(), vec![table]);
            let expected =
                matches!(added, Err(Error::Core(sparse_adam::Error::InvalidShape { .. })));
            assert!(expected, "{added:?}");
        }
    });
}

#[test]
fn a_rank_that_ends_is_lost_to_the_others_for_good() {
    World::run(ranks(3), |end| {
        let (mut optimizer, id) = single(end);
        if optimizer.rank() == 1 {
            return;
        }
        for _ in 0..2 {
            let stepped = optimizer.step(&[(id, GOOD)]);
            assert!(matches!(stepped, Err(Error::RankLost { .. })), "{stepped:?}");
        }
    });
}

#[test]
fn ids_of_another_optimizer_are_refused() {
    World::run(ranks(1), |end| {
        let (mut optimizer, _) = single(end);
        let (_, other) = single(World::threads(ranks(1)).remove(0));
        let unknown = |error| matches!(error, Error::Core(sparse_adam::Error::UnknownParam { .. }));
        assert!(unknown(optimizer.step(&[(other, GOOD)]).unwrap_err()));
        assert!(unknown(optimizer.gather(other).unwrap_err()));
        assert!(unknown(optimizer.out_of_range(other).unwrap_err()));
    });
}

#[test]
fn a_core_that_would_clip_by_its_own_norm_or_has_parameters_is_refused() {
    let given = |core: SparseAdam| {
        let end = World::threads(ranks(1)).remove(0);
        ShardedOptimizer::new(end, (&gpu().device, &gpu().queue), core).map(drop)
    };
    let mut clipping = core();
    clipping.set_clip_grad_norm(Some(ClipGradNorm::new(1.0))).unwrap();
    assert!(matches!(given(clipping), Err(Error::Unsupported { .. })));
    let mut full = core();
    let buffer = gpu().zeroed("p", 64);
    full.add_param(sparse_adam::Param::new("p", &buffer, [4, 4])).unwrap();
    assert!(matches!(given(full), Err(Error::Unsupported { .. })));
    assert_eq!(given(core()), Ok(()));
}

#[test]
fn numbers_of_ranks_have_an_end() {
    assert_eq!(Ranks::new(0), Err(Error::RankCount { found: 0 }));
    assert!(Ranks::new(Ranks::MOST).is_ok());
    assert!(Ranks::new(Ranks::MOST + 1).is_err());
}

#[test]
fn options_that_look_at_entries_do_not_go_with_sums_of_chunks() {
    use sparse_adam::{Clip, Reduction};
    let own = AdamOptions::default();
    for options in [own.clip(Clip::Entries(1.0)), own.duplicates(Reduction::Mean)] {
        World::run(ranks(2), |end| {
            let mut optimizer = optimizer(end).sums(Sums::Chunks);
            let group = optimizer.add_group(options, vec![table("t")]).unwrap();
            let id = optimizer.core().group_params(group).unwrap()[0];
            let stepped = optimizer.step(&[(id, GOOD)]);
            assert!(matches!(stepped, Err(Error::Unsupported { .. })), "{stepped:?}");
            optimizer.set_options(group, own).unwrap();
            assert_eq!(optimizer.step(&[(id, GOOD)]), Ok(()));
        });
    }
}
