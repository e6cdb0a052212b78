//! The optimizer's state beside a burn record.

use super::harness::{ids, rows, single};
use sparse_adam::StateDict;
use sparse_adam_burn::SparseGrads;

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
