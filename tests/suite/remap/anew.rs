//! Rows that begin anew, parameters that are let go of, and such that come with a state of their own.

use super::{map, remap, step_all};
use crate::suite::formats::rule;
use sparse_adam::{Error, Format, Status};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::{Pair, Rng, Stored, drawn_variants};

/// Tables of any format and rule, and few enough kernels.
fn pair<'a>(
    on: (&'a sparse_adam_testkit::headless::Gpu, sparse_adam::Tuning),
    shapes: &[(usize, usize)],
    rng: &mut Rng,
) -> Pair<'a> {
    let tables: Vec<_> = shapes
        .iter()
        .map(|&shape| {
            let stored = Stored::any(rng);
            (shape, rule(rng, stored), stored)
        })
        .collect();
    Pair::stored(on, &tables, rng)
}

#[test]
fn rows_that_are_reset_between_steps_begin_anew() {
    let mut rng = Rng(fresh_seed());
    for on in drawn_variants(&mut rng) {
        let shapes = [(60, 8), (60, 5), (80, 3)];
        let mut pair = pair(on, &shapes, &mut rng);
        let mut expected = [Status::default(); 3];
        for room in [0, 20] {
            let mut encoder = on.0.device.create_command_encoder(&Default::default());
            for turn in 0..2 {
                for (table, &(rows, dim)) in shapes.iter().enumerate() {
                    let grad = rng.gradient(rows, dim, 60);
                    pair.set_grad(table, &grad);
                    pair.step_twin(table, &grad);
                }
                pair.optimizer.step(&mut encoder).unwrap();
                let rows: Vec<u32> = (0..1 + rng.below(30)).map(|_| rng.below(70) as u32).collect();
                let tables = [&[0, 1, 2][..], &[1]][turn];
                let counted = pair.try_reset(&mut encoder, tables, &rows, room).unwrap();
                for (&table, counted) in tables.iter().zip(counted) {
                    expected[table].out_of_range += counted.out_of_range;
                }
            }
            on.0.queue.submit([encoder.finish()]);
        }
        step_all(&mut pair, &mut rng);
        for (table, expected) in expected.into_iter().enumerate() {
            assert_eq!(pair.status(table), expected);
        }
        pair.assert_equal(&format!("{:?}, {:?}", pair.stored, pair.options));
        pair.assert_inputs_whole("lists of rows");
    }
}

#[test]
fn lists_longer_than_their_room_reset_what_fits_and_are_counted() {
    let mut rng = Rng(fresh_seed());
    for on in drawn_variants(&mut rng) {
        let mut pair = pair(on, &[(40, 4)], &mut rng);
        step_all(&mut pair, &mut rng);
        let list = sparse_adam::RowList::new(pair.hold(&[3u32, 5, 7]), 3).count(pair.hold(&[9u32]));
        let (id, gpu) = (pair.ids[0], pair.gpu);
        let optimizer = &mut pair.optimizer;
        gpu.submit(|encoder| optimizer.reset_rows(encoder, [id], list)).unwrap();
        sparse_adam::reference::reset_rows(&mut pair.twins[0], &[3, 5, 7]);
        let status = pair.status(0);
        assert_eq!((status.over_capacity, status.out_of_range), (1, 0));
        pair.assert_equal("a list of nine in the room of three");
    }
}

#[test]
fn the_others_step_on_where_a_parameter_is_removed() {
    let mut rng = Rng(fresh_seed());
    for on in drawn_variants(&mut rng) {
        let mut pair = pair(on, &[(50, 8), (70, 3), (30, 12)], &mut rng);
        step_all(&mut pair, &mut rng);
        let id = pair.ids.remove(1);
        pair.optimizer.remove_param(id).unwrap();
        pair.twins.remove(1);
        pair.stored.remove(1);
        pair.options.remove(1);
        let left = pair.params.remove(1);
        let before: Vec<u32> = left.read(pair.gpu);
        step_all(&mut pair, &mut rng);
        let from = map(&mut rng, 30, 44);
        remap(&mut pair, &[1], &from, &mut rng);
        step_all(&mut pair, &mut rng);
        pair.assert_equal("two of three");
        assert_eq!(left.read::<u32>(pair.gpu), before);
    }
}

#[test]
fn a_state_of_its_own_goes_on_in_another_optimizer() {
    let mut rng = Rng(fresh_seed());
    for on in drawn_variants(&mut rng) {
        let mut from = pair(on, &[(50, 8), (33, 5)], &mut rng);
        step_all(&mut from, &mut rng);
        step_all(&mut from, &mut rng);
        let shapes = [(50, 8), (33, 5)];
        let of = |table: usize| (shapes[table], from.options[table], from.stored[table]);
        let tables = [of(0), of(1)];
        let mut to = Pair::stored(on, &tables, &mut rng);
        // The second has stepped by itself; the first takes over what the other optimizer knew.
        let grad = rng.gradient(33, 5, 40);
        to.step_table(1, &grad);
        let state = pollster::block_on(from.optimizer.state_of(from.ids[0])).unwrap().unwrap();
        to.optimizer.load_state_of(to.ids[0], &state).unwrap();
        let found = pollster::block_on(to.optimizer.state_of(to.ids[0])).unwrap().unwrap();
        assert_eq!(found, state);
        let param = std::mem::take(&mut to.twins[0].param);
        to.twins[0] = from.twins[0].clone();
        to.twins[0].param = param;
        step_all(&mut to, &mut rng);
        to.assert_equal(&format!("{tables:?}"));
        // What does not fit is refused, and changes nothing.
        let before = pollster::block_on(to.optimizer.state_dict()).unwrap();
        let refused = to.optimizer.load_state_of(to.ids[1], &state);
        assert!(matches!(refused, Err(Error::StateMismatch { .. })), "{refused:?}");
        if to.stored[0].moments == Format::Bf16 {
            let mut odd = state.clone();
            odd.exp_avg[0] = 1.001;
            let refused = to.optimizer.load_state_of(to.ids[0], &odd);
            assert!(matches!(refused, Err(Error::StateMismatch { .. })), "{refused:?}");
        }
        assert_eq!(pollster::block_on(to.optimizer.state_dict()).unwrap(), before);
    }
}
