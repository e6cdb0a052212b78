//! Tables in 16 bits where users keep, save and describe them: states that go on, and what is refused.

use super::rows::flush;
use sparse_adam::reference::{self, Scalars as Known};
use sparse_adam::{
    AdamOptions, Error, Format, Param, ParamState, Rounding, Scalars, SparseAdam, SparseGrad,
    StateDict, StateStorage,
};
use sparse_adam_testkit::campaign::fresh_seed;
use sparse_adam_testkit::{Pair, Rng, Stored, rounded, variants};

const DRAWN: Rounding = Rounding::Stochastic { seed: 5 };

/// A table of 16 bits throughout.
fn narrow(seed: u32) -> Stored {
    let format = Format::Bf16;
    let rounding = Rounding::Stochastic { seed };
    Stored { param: format, moments: format, rounding, values: format }
}

fn state_dict(optimizer: &SparseAdam) -> StateDict {
    pollster::block_on(optimizer.state_dict()).unwrap()
}

#[test]
fn a_saved_state_goes_on_as_if_nothing_had_been() {
    let mut rng = Rng(fresh_seed());
    for (number, on) in variants().into_iter().enumerate() {
        let options = AdamOptions::default().lr(0.01);
        let late = AdamOptions::hugectr_lazy_global().lr(0.01);
        let tables = [((60, 8), options, narrow(4)), ((33, 3), late, narrow(9))];
        let mut pair = Pair::stored(on, &tables, &mut rng);
        let mut step = |pair: &mut Pair<'_>| {
            let grads = [(60, 8), (33, 3)].map(|(rows, dim)| Some(rng.gradient(rows, dim, 90)));
            pair.step(&grads);
        };
        (0..3).for_each(|_| step(&mut pair));
        let saved = state_dict(&pair.optimizer).to_safetensors().unwrap();
        // Where the parameter was made with another seed, the state's goes on.
        pair.stored.iter_mut().for_each(|stored| stored.rounding = DRAWN);
        let dict = StateDict::from_safetensors(&saved).unwrap();
        assert_eq!(dict.storage[&0].rounding, Rounding::Stochastic { seed: 4 });
        assert_eq!(dict.storage[&1].moments, Format::Bf16);
        let tuning = variants()[(number + 1) % variants().len()].1;
        pollster::block_on(async { pair.try_restart(tuning, &dict) }).unwrap();
        assert_eq!(state_dict(&pair.optimizer), dict);
        (0..3).for_each(|_| step(&mut pair));
        flush(&mut pair);
        pair.assert_equal("after a restart");
    }
}

#[test]
fn a_state_in_f32_says_nothing_of_formats() {
    let (gpu, tuning) = variants()[0];
    let mut pair = Pair::single((gpu, tuning), 5, 2, &mut Rng(1));
    pair.step(&[Some(Rng(2).gradient(5, 2, 4))]);
    let dict = state_dict(&pair.optimizer);
    let text = serde_json::to_string(&dict).unwrap();
    assert!(!text.contains("storage"), "{text}");
    let file = String::from_utf8_lossy(&dict.to_safetensors().unwrap()).into_owned();
    assert!(file.contains(r#"{\"0\":{\"step\":1}}"#), "{file}");
}

/// An optimizer with a table of 4 x 2, and what became of adding it.
fn added(
    describe: impl Fn(Param) -> Param,
    options: AdamOptions,
) -> (SparseAdam, Result<(), Error>) {
    let (gpu, tuning) = variants()[0];
    let mut optimizer = gpu.optimizer(options, tuning).unwrap();
    let buffer = gpu.zeroed("table", 32);
    let added = optimizer.add_param(describe(Param::new("table", &buffer, [4, 2])));
    (optimizer, added.map(drop))
}

#[test]
fn a_state_of_another_format_is_refused_with_both_names() {
    let bf16 = |param: Param| param.moments(Format::Bf16).rounding(DRAWN);
    let (mut narrow, added_narrow) = added(bf16, AdamOptions::default());
    let (mut plain, added_plain) = added(|param| param, AdamOptions::default());
    added_narrow.and(added_plain).unwrap();
    let with = |optimizer: &SparseAdam, (state, storage): (ParamState, StateStorage)| {
        let mut dict = state_dict(optimizer);
        dict.state.insert(0, state);
        if storage != StateStorage::default() {
            dict.storage.insert(0, storage);
        }
        dict
    };
    let state = || ParamState::new(3, vec![4, 2], vec![0.1; 8], vec![0.5; 8]);
    let in_bf16 = StateStorage::new(Format::Bf16, DRAWN);
    let rounded = || (state().rounded(Format::Bf16), in_bf16);
    let dict = with(&narrow, (state(), StateStorage::default()));
    let error = narrow.load_state_dict(&dict).unwrap_err().to_string();
    assert!(error.contains("Bf16") && error.contains("F32"), "{error}");
    let dict = with(&plain, rounded());
    let error = plain.load_state_dict(&dict).unwrap_err().to_string();
    assert!(error.contains("Bf16") && error.contains("F32"), "{error}");
    // Numbers that bf16 does not have would not be what is loaded.
    let mut odd = rounded();
    odd.0.exp_avg[3] = 0.1;
    let dict = with(&narrow, odd);
    let error = narrow.load_state_dict(&dict).unwrap_err().to_string();
    assert!(error.contains("exp_avg") && error.contains("0.1"), "{error}");
    let dict = with(&narrow, rounded());
    narrow.load_state_dict(&dict).unwrap();
    assert_eq!(state_dict(&narrow), dict);
}

#[test]
fn formats_that_train_wrongly_are_refused() {
    let plain = AdamOptions::default();
    let refused = |describe: &dyn Fn(Param) -> Param, options, part: &str| {
        let error = added(describe, options).1.unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(&|param| param.moments(Format::F16).rounding(DRAWN), plain, "f16");
    refused(&|param| param.moments(Format::Bf16), plain, "Nearest");
    let amsgrad = plain.amsgrad(true);
    refused(&|param| param.moments(Format::Bf16).rounding(DRAWN), amsgrad, "amsgrad");
    refused(&|param| param.rounding(DRAWN), plain, "where parameter and moments are f32");
    added(|param| param.format(Format::F16), amsgrad).1.unwrap();
    added(|param| param.format(Format::F16).rounding(DRAWN), amsgrad).1.unwrap();
}

#[test]
fn regions_hold_whole_words_and_gradients_of_a_step_one_format() {
    let (gpu, tuning) = variants()[0];
    let mut optimizer = gpu.optimizer(AdamOptions::default(), tuning).unwrap();
    let table = gpu.zeroed("table", 32);
    let param = |bytes| Param::new("table", table.slice(..bytes), [5, 3]).format(Format::F16);
    let error = optimizer.add_param(param(30)).unwrap_err();
    assert!(matches!(error, Error::BufferTooSmall { expected: 32, found: 30, .. }), "{error}");
    let id = optimizer.add_param(param(32)).unwrap();
    let (rows, values) = (gpu.upload("rows", &[1u32]), gpu.zeroed("values", 12));
    let grad = |format, bytes| SparseGrad::new(&rows, values.slice(..bytes), 1).format(format);
    let error = optimizer.set_grad(id, grad(Format::Bf16, 6)).unwrap_err();
    assert!(matches!(error, Error::BufferTooSmall { expected: 8, found: 6, .. }), "{error}");
    let error = optimizer.set_grad(id, grad(Format::F32, 8)).unwrap_err();
    assert!(matches!(error, Error::BufferTooSmall { expected: 12, found: 8, .. }), "{error}");
    optimizer.set_grad(id, grad(Format::Bf16, 8)).unwrap();
    let others = (gpu.upload("rows", &[2u32]), gpu.zeroed("values", 8));
    let other = |format| SparseGrad::new(&others.0, &others.1, 1).format(format);
    let error = optimizer.accumulate_grad(id, other(Format::F16)).unwrap_err();
    assert!(matches!(error, Error::Unsupported { what, .. } if what.contains("format")), "{error}");
    optimizer.accumulate_grad(id, other(Format::Bf16)).unwrap();
}

#[test]
fn what_the_gpu_knows_of_a_step_holds_in_16_bits() {
    let mut rng = Rng(fresh_seed());
    for on in variants() {
        let tables = [((70, 8), AdamOptions::default(), narrow(3))];
        let mut pair = Pair::stored(on, &tables, &mut rng);
        let words = pair.gpu.upload("scale and skip", &[0.5f32.to_bits(), 0]);
        let scalars = Scalars::new().grad_scale(words.slice(..4)).skip(words.slice(4..));
        pair.optimizer.set_scalars(scalars).unwrap();
        for skip in [false, true, false] {
            pair.gpu.queue.write_buffer(&words, 4, &u32::from(skip).to_le_bytes());
            let mut grad = rng.gradient(70, 8, 200);
            grad.values = rounded(Format::Bf16, &grad.values);
            pair.set_grad(0, &grad);
            let known = Known { grad_scale: 0.5, skip, ..Known::default() };
            reference::step_with_scalars(&mut pair.twins[0], &grad, known, &pair.options[0]);
            pair.submit_step();
            pair.assert_equal(&format!("skipped: {skip}"));
        }
    }
}

#[test]
fn moments_in_16_bits_take_half_the_memory() {
    let mut rng = Rng(1);
    for (stored, bytes) in [(Stored::default(), 8), (narrow(1), 4)] {
        let tables = [((40, 5), AdamOptions::default(), stored)];
        let mut pair = Pair::stored(variants()[0], &tables, &mut rng);
        pair.step(&[Some(rng.gradient(40, 5, 10))]);
        assert_eq!(pair.optimizer.resources().state_bytes, bytes * 40 * 5);
        let moments = pair.optimizer.moments(pair.ids[0]).unwrap();
        let words: Vec<u32> =
            pollster::block_on(pair.gpu.read(moments[0].region.buffer())).unwrap();
        let table = pair.table(0);
        let at = 3 * 5 + 2;
        let found = match bytes {
            4 => Format::Bf16.unpack(&words[at..=at], 2),
            _ => [words[3 * 10 + 2], words[3 * 10 + 7]].map(f32::from_bits).to_vec(),
        };
        assert_eq!(found, [table.exp_avg[at], table.exp_avg_sq[at]]);
    }
}
