//! What every reader must do, whatever it is given.

use sparse_adam::{Error, StateDict};

/// Reads `bytes` in bounded memory; what is read is whole, and is the same after it was saved.
pub fn check(
    size: usize,
    read: impl FnOnce() -> Result<StateDict, Error>,
) -> Result<StateDict, Error> {
    let mut result = None;
    let counted = allocation_counter::measure(|| result = Some(read()));
    let most = 3 * size.max(1 << 20) as u64 + (1 << 16);
    assert!(counted.bytes_max <= most, "{} bytes for {size}", counted.bytes_max);
    let result = result.expect("a result");
    match &result {
        Ok(dict) => whole(dict),
        Err(Error::InvalidFile { what, reason }) => {
            assert!(what.len() + reason.len() < 1_000, "{what}: {reason}");
        }
        Err(other) => panic!("{other}"),
    }
    result
}

fn whole(dict: &StateDict) {
    for state in dict.state.values() {
        let values = state.shape.iter().map(|&axis| axis as usize).product::<usize>();
        assert_eq!((state.exp_avg.len(), state.exp_avg_sq.len()), (values, values));
    }
    let Ok(saved) = dict.to_safetensors() else { return };
    let again = StateDict::from_safetensors(&saved).expect("what was saved");
    assert_eq!(again.to_safetensors(), Ok(saved));
    assert_eq!(again.param_groups, dict.param_groups);
}
