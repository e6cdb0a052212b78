//! Every rule of the family, drawn at random, against the twin; and what is refused.

use sparse_adam::reference::{self, Gradient, Table};
use sparse_adam::{
    AdamOptions, Clip, Error, IndexDtype, Param, ParamGroup, SparseAdam, WeightDecay,
};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::{Pair, Rng, drawn_variants, variants};

/// Any rule; of entries clipped too.
fn rule(rng: &mut Rng) -> AdamOptions {
    let options = AdamOptions::default().lr(0.01).maximize(rng.below(2) == 1);
    let options = rng.rule(options);
    if rng.below(3) == 0 {
        options.clip(Clip::Entries(0.2 + 0.5 * rng.fraction()))
    } else {
        options
    }
}

/// Shapes of four tables, of every width.
const SHAPES: [[(usize, usize); 4]; 2] =
    [[(300, 8), (90, 3), (40, 16), (1, 1)], [(60, 33), (500, 4), (70, 50), (9, 64)]];

#[test]
fn any_rules_of_many_tables_equal_their_twins() {
    let mut rng = Rng(fresh_seed());
    for on in drawn_variants(&mut rng) {
        let (shapes, options) = (SHAPES[rng.below(2)], [(); 4].map(|()| rule(&mut rng)));
        let mut pair = Pair::new(on, &shapes, &options, &mut rng);
        for _ in 0..3 {
            let grads = shapes.map(|(rows, dim)| {
                let nnz = [1, 60, 700][rng.below(3)];
                (rng.below(5) > 0).then(|| rng.gradient(rows, dim, nnz))
            });
            pair.step(&grads);
        }
        pair.assert_equal(&format!("{options:?}"));
    }
}

#[test]
fn entries_are_clipped_before_their_weights() {
    for on in variants() {
        for dim in [3, 8] {
            let mut rng = Rng(fresh_seed());
            let options = AdamOptions::default().clip(Clip::Entries(0.25)).grad_scale(0.5);
            let mut pair = Pair::new(on, &[(50, dim)], &[options], &mut rng);
            let (grad, map) = rng.bags(50, dim, 40);
            let weights = rng.floats(map.len());
            let maps = (pair.hold(&map), pair.hold(&weights));
            let set =
                pair.sparse_grad(&grad, IndexDtype::U32).value_map(maps.0, 40).weights(maps.1);
            // Clipped to 0.25 once they are scaled: to 0.5 before.
            let values: Vec<f32> = grad.values.iter().map(|value| value.clamp(-0.5, 0.5)).collect();
            let values = reference::gather_values(&values, dim, &map, Some(&weights));
            pair.options[0] = AdamOptions::default().grad_scale(0.5);
            pair.step_as(0, set, &Gradient { indices: grad.indices, values });
            pair.assert_equal("weighted");
        }
    }
}

#[test]
fn the_twin_of_any_rule_is_near_the_formula_in_f64() {
    let mut rng = Rng(fresh_seed());
    for _ in 0..2000 {
        // Where sums cancel, a smaller epsilon makes much of what rounding leaves of them.
        let options = rule(&mut rng).eps([1e-3, 1e-2][rng.below(2)]);
        let (rows, dim) = (20, 3);
        let start = rng.floats(rows * dim);
        let mut exact = Table::new(start.iter().map(|&value| f64::from(value)).collect(), dim);
        let mut twin = Table::new(start, dim);
        for _ in 0..12 {
            let grad = rng.gradient(rows, dim, 30);
            let values = grad.values.iter().map(|&value| value.into()).collect();
            reference::step(&mut twin, &grad, &options);
            let wide = Gradient { indices: grad.indices, values };
            reference::step_f64(&mut exact, &wide, &options);
        }
        for (found, expected) in twin.param.iter().zip(&exact.param) {
            let near = (f64::from(*found) - expected).abs() <= 2e-5 * expected.abs().max(1.0);
            assert!(near, "{found} for {expected}: {options:?}");
        }
    }
}

#[test]
fn a_default_rule_says_nothing_of_others() {
    let dict = serde_json::to_value(sparse_adam::GroupState::new(AdamOptions::default(), vec![0]));
    let keys: Vec<_> = dict.unwrap().as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["betas", "eps", "lr", "maximize", "params"]);
}

#[test]
fn any_rule_comes_back_from_its_group() {
    let mut rng = Rng(fresh_seed());
    for _ in 0..500 {
        let group = sparse_adam::GroupState::new(rule(&mut rng), vec![3]);
        let text = serde_json::to_string(&group).unwrap();
        assert_eq!(
            serde_json::from_str::<sparse_adam::GroupState>(&text).unwrap(),
            group,
            "{text}"
        );
    }
}

#[test]
fn numbers_out_of_range_are_named() {
    let base = AdamOptions::default();
    let wrong = [
        ("grad_scale", base.grad_scale(-1.0)),
        ("grad_scale", base.grad_scale(f64::NAN)),
        ("weight_decay", base.weight_decay(WeightDecay::L2(-0.1))),
        ("weight_decay", base.weight_decay(WeightDecay::L2(f64::INFINITY))),
        ("weight_decay", base.weight_decay(WeightDecay::Plain(1.0))),
        ("weight_decay", base.lr(0.5).weight_decay(WeightDecay::Decoupled(2.0))),
        ("clip", base.clip(Clip::Value(0.0))),
        ("clip", base.clip(Clip::Entries(-1.0))),
        ("clip", base.clip(Clip::Value(f64::NAN))),
    ];
    for (expected, options) in wrong {
        let error = options.validate().unwrap_err();
        assert!(
            matches!(error, Error::InvalidOption { field, .. } if field == expected),
            "{options:?}: {error}"
        );
    }
}

#[test]
fn amsgrad_stays_what_it_was_for_a_group_and_its_state() {
    let (gpu, tuning) = variants()[0];
    let buffer = gpu.upload("table", &[1.0f32; 8]);
    let with = |options: AdamOptions| -> (SparseAdam, _) {
        let mut optimizer = gpu.optimizer(AdamOptions::default(), tuning).unwrap();
        let group = ParamGroup::new([Param::new("table", &buffer, [4, 2])]).options(options);
        let group = optimizer.add_param_group(group).unwrap();
        (optimizer, group)
    };
    let (mut plain, group) = with(AdamOptions::default());
    let error = plain.set_options(group, AdamOptions::default().amsgrad(true)).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    let (other, _) = with(AdamOptions::torch_adam().amsgrad(true));
    let state = pollster::block_on(other.state_dict()).unwrap();
    let error = plain.load_state_dict(&state).unwrap_err().to_string();
    assert!(error.contains("epsilon") && error.contains("Raw"), "{error}");
    let (mut same, _) = with(AdamOptions::torch_adam());
    let error = same.load_state_dict(&state).unwrap_err().to_string();
    assert!(error.contains("amsgrad"), "{error}");
}
