//! The optimizer's state beside a burn record.

use super::harness::{Rng, Tables, assert_same, draw_ids, ids, rows, single, weight};
use burn::module::Module;
use sparse_adam::StateDict;
use sparse_adam_burn::{Error, SparseAdam, SparseGrads};

/// A step by ids and values that only `seed` decides.
fn step(module: Tables, optimizer: &mut SparseAdam, seed: u64) -> Tables {
    let mut rng = Rng(seed);
    let (names, values) = (draw_ids(&mut rng, 30, 50), rng.floats(50 * 4));
    let mut grads = SparseGrads::new();
    grads.push(&module.tables[0].weight, ids(&names), rows(&values, 4));
    optimizer.step_rows(module, grads).unwrap()
}

#[test]
fn record_and_state_go_on_where_they_were_saved() {
    let (module, mut optimizer) = single(30, 4, 41);
    let module = step(module, &mut optimizer, 1);
    let state = pollster::block_on(optimizer.state_dict()).unwrap();
    // Read before the next step, which works in the weight's own buffer.
    let saved = weight(&module.tables[0]);
    let module = step(module, &mut optimizer, 2);

    let (fresh, _) = single(30, 4, 99);
    let record = Tables {
        tables: vec![super::harness::embedding(saved, 4)],
    }
    .into_record();
    let loaded = fresh.load_record(record);
    let mut again = SparseAdam::new(super::harness::gpu(), Default::default()).unwrap();
    again.add("t", &loaded.tables[0].weight).unwrap();
    again.load_state_dict(&state).unwrap();
    let loaded = step(loaded, &mut again, 2);
    assert_same(
        "the weight",
        &weight(&loaded.tables[0]),
        &weight(&module.tables[0]),
    );
    let states = [&optimizer, &again].map(|adam| pollster::block_on(adam.state_dict()).unwrap());
    assert_eq!(states[0], states[1]);
}

#[test]
fn a_state_of_another_shape_is_refused() {
    let (module, mut optimizer) = single(30, 4, 42);
    step(module, &mut optimizer, 1);
    let state = pollster::block_on(optimizer.state_dict()).unwrap();
    let (module, mut other) = single(30, 2, 43);
    assert!(matches!(other.load_state_dict(&state), Err(Error::Core(_))));
    let before = weight(&module.tables[0]);
    let mut grads = SparseGrads::new();
    grads.push(&module.tables[0].weight, ids(&[3]), rows(&[1.0, -2.0], 2));
    let module = other.step_rows(module, grads).unwrap();
    assert_ne!(weight(&module.tables[0]), before);
}

#[test]
fn the_state_is_torchs_and_survives_a_file() {
    let (module, mut optimizer) = single(4, 2, 40);
    let mut grads = SparseGrads::new();
    grads.push(&module.tables[0].weight, ids(&[3]), rows(&[1.0, -2.0], 2));
    optimizer.step_rows(module, grads).unwrap();
    let dict = pollster::block_on(optimizer.state_dict()).unwrap();
    let state = &dict.state[&0];
    assert_eq!((state.step, &*state.shape), (1, &[4, 2][..]));
    assert_eq!(state.exp_avg[..6], [0.0; 6]);
    assert!(state.exp_avg[6] > 0.0 && state.exp_avg[7] < 0.0);
    let names = dict.param_groups[0].param_names.as_ref();
    assert_eq!(names.unwrap(), &["t"]);
    let text = serde_json::to_string(&dict).unwrap();
    let again: StateDict = serde_json::from_str(&text).unwrap();
    assert_eq!(again, dict);
}
