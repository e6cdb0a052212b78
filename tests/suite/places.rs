//! Regions that share bytes, whichever comes first.

use super::errors::Noop;
use sparse_adam::{Error, Param, Region, SparseGrad};

#[test]
fn overlapping_parameters_are_refused() {
    let mut noop = Noop::new();
    let pool = noop.storage(1024);
    noop.optimizer.add_param(Param::new("a", pool.slice(..512), [128])).unwrap();
    let error = noop.optimizer.add_param(Param::new("b", pool.slice(256..), [10])).unwrap_err();
    assert!(matches!(error, Error::Overlap { .. }), "{error}");
    noop.optimizer.add_param(Param::new("b", pool.slice(512..), [10])).unwrap();
}

#[test]
fn a_gradient_that_overlaps_its_parameter_is_refused() {
    let mut noop = Noop::new();
    let pool = noop.storage(4096);
    let id = noop.optimizer.add_param(Param::new("p", pool.slice(1024..), [64, 4])).unwrap();
    let overlapping = [
        SparseGrad::new(pool.slice(..256), pool.slice(1024..1536), 16),
        SparseGrad::new(pool.slice(1024..1280), pool.slice(2048..), 16),
        SparseGrad::new(pool.slice(256..512), pool.slice(..512), 20),
    ];
    for grad in overlapping {
        let error = noop.optimizer.set_grad(id, grad).unwrap_err();
        assert!(matches!(error, Error::Overlap { .. }), "{error}");
    }
    let grad = SparseGrad::new(pool.slice(..256), pool.slice(2048..), 16);
    noop.optimizer.set_grad(id, grad).unwrap();
    noop.step().unwrap();
    assert_eq!(noop.optimizer.step_count(id), Ok(1));
}

#[test]
fn a_gradient_within_another_parameter_is_refused_whichever_comes_first() {
    let mut noop = Noop::new();
    let pool = noop.storage(1 << 14);
    let at = |number: u64| pool.slice(1024 * number..1024 * (number + 1));
    let a = noop.optimizer.add_param(Param::new("a", at(0), [64, 4])).unwrap();
    let b = noop.optimizer.add_param(Param::new("b", at(1), [64, 4])).unwrap();
    let good = SparseGrad::new(pool.slice(2048..2112), at(3), 16);
    let map = noop.storage(64);
    let within = [
        SparseGrad::new(pool.slice(1024..1088), at(3), 16),
        SparseGrad::new(pool.slice(2048..2112), at(1), 16),
        SparseGrad::new(&map, at(3), 16).value_map(pool.slice(1792..1856), 16),
        SparseGrad::new(&map, at(3), 16).weights(pool.slice(1792..)),
        SparseGrad::of_rows(&map, at(1), 16),
    ];
    for grad in within {
        for accumulated in [false, true] {
            let grad = grad.clone();
            let refused = match accumulated {
                false => noop.optimizer.set_grad(a, grad),
                true => noop.optimizer.accumulate_grad(a, grad),
            };
            let error = refused.unwrap_err();
            assert!(matches!(&error, Error::Overlap { first, .. } if first.contains("\"b\"")));
        }
    }
    noop.optimizer.set_grad(a, good).unwrap();
    let is_overlap = |refused| assert!(matches!(refused, Err(Error::Overlap { .. })));
    // A parameter cannot come to lie where a gradient is, nor another move there.
    for region in [pool.slice(2048..3072), at(3)] {
        is_overlap(noop.optimizer.replace_param(b, region));
        is_overlap(noop.optimizer.replace_param(a, region));
        is_overlap(noop.optimizer.add_param(Param::new("c", region, [64, 4])).map(drop));
    }
    is_overlap(noop.optimizer.replace_param(b, at(0)));
    is_overlap(noop.optimizer.replace_param(b, pool.slice(768..1792)));
    // Half over its own old place, it may; what it left is free, and what it took is not.
    noop.optimizer.replace_param(b, pool.slice(1280..2304)).unwrap_err();
    noop.optimizer.zero_grad(true);
    noop.optimizer.replace_param(b, pool.slice(1280..2304)).unwrap();
    is_overlap(noop.optimizer.add_param(Param::new("c", pool.slice(2048..), [64, 4])).map(drop));
    noop.optimizer.add_param(Param::new("c", pool.slice(1024..1280), [16, 4])).unwrap();
    noop.optimizer.set_grad(a, SparseGrad::new(&map, at(3), 16)).unwrap();
    noop.step().unwrap();
    assert_eq!(noop.optimizer.step_count(a), Ok(1));
}

#[test]
fn two_parts_in_the_same_bytes_are_refused() {
    let mut noop = Noop::new();
    let pool = noop.storage(1024);
    let parts = |second: Region| [(Region::from(pool.slice(..256)), 16), (second, 16)];
    for second in [pool.slice(..256), pool.slice(..), pool.slice(..512)] {
        let param = Param::in_parts("p", parts(second.into()), [32, 4]);
        let error = noop.optimizer.add_param(param).unwrap_err();
        assert!(matches!(error, Error::Overlap { .. }), "{error}");
    }
    let param = Param::in_parts("p", parts(pool.slice(256..).into()), [32, 4]);
    let id = noop.optimizer.add_param(param).unwrap();
    noop.assert_sound(id, 0);
}
