//! What other libraries' lazy Adams made of one run, against the presets that are named after them: by the
//! formula in f64, on the twin, and on every adapter in every tuning.

use sparse_adam::reference::{Gradient, Table, grad_norm_f64, step_f64};
use sparse_adam::{
    AdamOptions, BiasCorrection, CatchUp, Clip, ClipGradNorm, Epsilon, Reduction, SecondMoment,
    WeightDecay,
};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::trace::{Comparison, Trace};
use sparse_adam_testkit::{Rng, other_variants, variants};
use std::path::Path;

/// Another rule is at least so far from what the peer made: 500 times the tolerance.
const FAR: f64 = 1e-3;

/// File, name of the preset, and the preset with what the peer was given in that run, beside its numbers.
fn presets() -> Vec<(&'static str, &'static str, AdamOptions)> {
    let (l2, decoupled) = (WeightDecay::L2(0.05), WeightDecay::Decoupled(0.05));
    let adam = AdamOptions::torch_adam();
    let adamw = AdamOptions::torch_adamw();
    let fbgemm = AdamOptions::fbgemm_adam();
    let hugectr = AdamOptions::hugectr_local();
    let mxnet = AdamOptions::mxnet_lazy();
    let paddle = AdamOptions::paddle_lazy();
    let tfa = AdamOptions::tfa_lazy_adam();
    let gsplat = AdamOptions::gsplat_selective_adam();
    let rowwise = AdamOptions::fbgemm_partial_rowwise_adam();
    let lazy_global = AdamOptions::hugectr_lazy_global();
    let by_row = |options: AdamOptions| options.bias_correction(BiasCorrection::Row);
    vec![
        ("torch_Adam_step", "torch_adam", adam),
        ("torch_Adam_step_wd", "torch_adam", adam.weight_decay(l2)),
        ("torch_Adam_step_amsgrad", "torch_adam", adam.amsgrad(true)),
        ("torch_Adam_step_amsgrad_wd", "torch_adam", adam.amsgrad(true).weight_decay(l2)),
        ("torch_AdamW_step", "torch_adamw", adamw.weight_decay(WeightDecay::None)),
        ("torch_AdamW_step_wd", "torch_adamw", with_amount(adamw)),
        (
            "torch_AdamW_step_amsgrad",
            "torch_adamw",
            adamw.amsgrad(true).weight_decay(WeightDecay::None),
        ),
        ("torch_AdamW_step_amsgrad_wd", "torch_adamw", with_amount(adamw).amsgrad(true)),
        ("torch_Adam_row", "torch_adam", by_row(adam)),
        ("torch_Adam_row_wd", "torch_adam", by_row(adam.weight_decay(l2))),
        ("torch_Adam_row_amsgrad", "torch_adam", by_row(adam.amsgrad(true))),
        ("torch_Adam_row_amsgrad_wd", "torch_adam", by_row(adam.amsgrad(true).weight_decay(l2))),
        ("torch_AdamW_row", "torch_adamw", by_row(adamw.weight_decay(WeightDecay::None))),
        ("torch_AdamW_row_wd", "torch_adamw", by_row(with_amount(adamw))),
        (
            "torch_AdamW_row_amsgrad",
            "torch_adamw",
            by_row(adamw.amsgrad(true).weight_decay(WeightDecay::None)),
        ),
        ("torch_AdamW_row_amsgrad_wd", "torch_adamw", by_row(with_amount(adamw).amsgrad(true))),
        ("dgl", "dgl", AdamOptions::dgl()),
        ("fbgemm_rowwise_wd=0.0_per_row=False", "fbgemm_partial_rowwise_adam", rowwise),
        (
            "fbgemm_rowwise_wd=0.05_per_row=False",
            "fbgemm_partial_rowwise_adam",
            rowwise.weight_decay(decoupled),
        ),
        ("fbgemm_adam_wd=0.05_per_row=True", "fbgemm_adam", by_row(fbgemm.weight_decay(decoupled))),
        ("hugectr_LazyGlobal_1", "hugectr_lazy_global", lazy_global),
        ("hugectr_LazyGlobal_8", "hugectr_lazy_global", lazy_global.grad_scale(1.0 / 8.0)),
        ("fbgemm_adam_wd=0.0_per_row=False", "fbgemm_adam", fbgemm),
        ("fbgemm_adam_wd=0.05_per_row=False", "fbgemm_adam", fbgemm.weight_decay(decoupled)),
        ("gsplat", "gsplat_selective_adam", gsplat),
        ("hugectr_Local_1", "hugectr_local", hugectr),
        ("hugectr_Local_8", "hugectr_local", hugectr.grad_scale(1.0 / 8.0)),
        ("mxnet_plain", "mxnet_lazy", mxnet),
        ("mxnet_wd", "mxnet_lazy", mxnet.weight_decay(l2)),
        // optax has torch's rules.
        ("optax_adam", "torch_adam", adam),
        ("optax_adamw", "torch_adamw", with_amount(adamw)),
        ("paddle_Adam_lazy", "paddle_lazy", paddle),
        ("paddle_Adam_lazy_amsgrad", "paddle_lazy", paddle.amsgrad(true)),
        ("paddle_Adam_lazy_empty_step", "paddle_lazy", paddle),
        ("paddle_clip_by_global_norm", "paddle_lazy", paddle),
        ("tfa_LazyAdam", "tfa_lazy_adam", tfa),
        ("tfa_LazyAdam+decay", "tfa_lazy_adam", tfa.weight_decay(WeightDecay::Plain(0.05))),
        ("tfa_LazyAdam_clipvalue_before_sum", "tfa_lazy_adam", tfa.clip(Clip::Entries(0.3))),
    ]
}

/// A preset that decays, with the runs' amount.
fn with_amount(preset: AdamOptions) -> AdamOptions {
    match preset.weight_decay {
        WeightDecay::Decoupled(_) => preset.weight_decay(WeightDecay::Decoupled(0.05)),
        other => panic!("AdamW decays by {other:?}"),
    }
}

/// The numbers of every run.
fn in_run(options: AdamOptions) -> AdamOptions {
    options.lr(0.1).betas((0.8, 0.9)).eps(1e-2)
}

/// A peer's run, with the preset of its optimizer.
struct Run {
    name: &'static str,
    preset: &'static str,
    options: AdamOptions,
    trace: Trace,
}

fn runs() -> Vec<Run> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/peers");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "safetensors"));
    assert_eq!(files.count(), presets().len(), "a trace without a preset, or the reverse");
    let run = |(name, preset, options)| {
        let file = std::fs::read(folder.join(format!("{name}.safetensors"))).unwrap();
        let trace = Trace::parse(&file).unwrap();
        Run { name, preset, options: in_run(options), trace }
    };
    presets().into_iter().map(run).collect()
}

impl Run {
    /// Steps counted before the first one.
    fn start(&self) -> u64 {
        self.trace.recipe.start_step.get("p0").copied().unwrap_or(0)
    }

    /// How far the formula in f64 ends from the peer, by these options.
    fn apart(&self, options: &AdamOptions, start: u64) -> f64 {
        let trace = &self.trace;
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect();
        let dim = trace.recipe.params["p0"][1] as usize;
        let mut table = Table::new(wide(trace.initial("p0").unwrap()), dim);
        table.step = start;
        for (k, step) in trace.recipe.steps.iter().enumerate() {
            for name in &step.grads {
                let (indices, values) = trace.grad(k, name).unwrap();
                let mut grad = Gradient { indices: indices.to_vec(), values: wide(values) };
                if let Some(clip) = trace.recipe.clip_grad_norm {
                    let clip = ClipGradNorm::from(clip);
                    let norm = grad_norm_f64(&[(&table, &grad, options)], clip.norm_type);
                    let factor = (clip.max_norm / (norm + 1e-6)).min(1.0);
                    grad.values.iter_mut().for_each(|value| *value *= factor);
                }
                step_f64(&mut table, &grad, options);
            }
        }
        let expected = trace.expected(trace.recipe.steps.len() - 1, "p0", "param").unwrap();
        assert_eq!(expected.len(), table.param.len());
        let apart =
            expected.iter().zip(&table.param).map(|(&e, found)| (f64::from(e) - found).abs());
        apart.fold(0.0, f64::max)
    }

    /// The largest difference, where all are within tolerance.
    fn within(&self, on: &str, compared: &[Comparison]) -> f64 {
        // A peer tells its weights alone.
        let [param] = compared else { panic!("{}: {compared:?}", self.name) };
        assert!(param.within, "{} on {on}: {param:?}", self.name);
        param.max_abs
    }
}

#[test]
fn presets_are_the_rules_that_the_peers_ran_by() {
    for run in runs() {
        let [group] = &run.trace.recipe.groups[..] else { panic!("{}", run.name) };
        assert_eq!(group.options, run.options, "{} by {}", run.name, run.preset);
        assert!(!run.trace.recipe.source.is_empty(), "{}", run.name);
    }
}

#[test]
fn the_formula_the_twin_and_every_adapter_agree_with_every_peer() {
    println!("{:36} {:22} {:>8} {:>8} {:>8}  recorded by", "run", "preset", "f64", "twin", "GPU");
    let mut rng = Rng(fresh_seed());
    let all: Vec<_> = variants().into_iter().chain(other_variants()).collect();
    let mut replayed = 0;
    for run in runs() {
        let tolerance = run.trace.recipe.tolerance;
        assert_eq!((tolerance.rtol, tolerance.atol), (0.0, 2e-6));
        let exact = run.apart(&run.options, run.start());
        assert!(exact <= tolerance.atol, "{} by the formula: {exact:e}", run.name);
        let twin = run.within("the twin", &run.trace.replay_reference(tolerance).unwrap());
        // Each run is another rule, with kernels of its own: a third of them each time, on one adapter in one
        // variant, as the twin has the bits of all.
        let on_gpu = (rng.below(3) == 0).then(|| {
            let (gpu, tuning) = all[rng.below(all.len())];
            let replay = run.trace.replay(gpu, Some(tuning), tolerance);
            run.within(&gpu.describe(), &pollster::block_on(replay).unwrap())
        });
        replayed += usize::from(on_gpu.is_some());
        let on_gpu = on_gpu.map_or_else(String::new, |apart| format!("{apart:.1e}"));
        let (name, preset, source) = (run.name, run.preset, &run.trace.recipe.source);
        println!("{name:36} {preset:22} {exact:8.1e} {twin:8.1e} {on_gpu:>8}  {source}");
    }
    assert!(replayed > 0, "no run was replayed on an adapter");
}

/// The options with one thing changed that makes another rule of them.
fn others(options: AdamOptions) -> Vec<AdamOptions> {
    let mut others = vec![options.amsgrad(!options.amsgrad)];
    let biases = [BiasCorrection::Step, BiasCorrection::Row, BiasCorrection::None];
    others.extend(biases.map(|bias| options.bias_correction(bias)));
    let seconds = [SecondMoment::Element, SecondMoment::Row];
    others.extend(seconds.map(|second| options.second_moment(second)));
    let catch_ups = [CatchUp::Never, CatchUp::Decay, CatchUp::Momentum];
    others.extend(catch_ups.map(|catch_up| options.catch_up(catch_up)));
    others.extend([Reduction::Sum, Reduction::Mean].map(|reduction| options.duplicates(reduction)));
    // Where nothing is corrected, both are one.
    if options.bias_correction != BiasCorrection::None {
        others.push(options.epsilon(match options.epsilon {
            Epsilon::Corrected => Epsilon::Raw,
            _ => Epsilon::Corrected,
        }));
    }
    let decays = [
        WeightDecay::None,
        WeightDecay::L2(0.05),
        WeightDecay::Decoupled(0.05),
        WeightDecay::Plain(0.05),
    ];
    others.extend(decays.map(|decay| options.weight_decay(decay)));
    others
        .extend([Clip::None, Clip::Entries(0.3), Clip::Value(0.3)].map(|clip| options.clip(clip)));
    others.extend([1.0, 0.125].map(|scale| options.grad_scale(scale)));
    others.push(options.maximize(true));
    others.push(in_run(AdamOptions::default()));
    others.retain(|other| *other != options && other.validate().is_ok());
    others
}

#[test]
fn any_other_rule_is_far_from_every_peer() {
    for run in runs() {
        let mut others = others(run.options);
        // Values of a gradient of so small a norm are no larger, whatever its scale was.
        let scale = run.options.grad_scale;
        others.retain(|other| {
            let same = other.clip == Clip::None && other.grad_scale == scale;
            run.trace.recipe.clip_grad_norm.is_none() || same
        });
        assert!(others.len() >= 8, "{}: {}", run.name, others.len());
        for other in others {
            let apart = run.apart(&other, run.start());
            assert!(apart > FAR, "{} is also {apart:e} from {other:?}", run.name);
        }
        if run.options.bias_correction == BiasCorrection::Step {
            let apart = run.apart(&run.options, 1 - run.start());
            assert!(apart > FAR, "{} is also {apart:e} from another start", run.name);
        }
    }
}

#[test]
fn a_replay_by_default_options_is_outside_the_tolerance() {
    let mut default = 0;
    for mut run in runs() {
        let tolerance = run.trace.recipe.tolerance;
        run.trace.recipe.groups[0].options = in_run(AdamOptions::default());
        let compared = run.trace.replay_reference(tolerance).unwrap();
        let is_default = run.options == in_run(AdamOptions::default());
        assert_eq!(compared.iter().all(|c| c.within), is_default, "{}", run.name);
        default += usize::from(is_default);
    }
    // HugeCTR's, MXNet's and TensorFlow Addons' plain ones.
    assert_eq!(default, 3);
}
