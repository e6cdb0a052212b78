//! Rules and formats that are tried.

use crate::format::{Formats, Storage};
use crate::rule::Rule;
use crate::rule::adam::ADAM;
use crate::{
    AdamOptions, BiasCorrection, CatchUp, Clip, Epsilon, Format, Reduction, Rounding, SecondMoment,
    WeightDecay,
};
use sparse_adam_testkit::Rng;

/// What a table is trained by, and how it is stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind {
    pub options: AdamOptions,
    pub storage: Storage,
    /// Of its gradients' values.
    pub values: Format,
    /// Whether its rule reads what the GPU knows of a step.
    pub scalars: bool,
}

const DRAWN: Rounding = Rounding::Stochastic { seed: 4_000_000_007 };

impl Kind {
    pub fn rule(&self) -> Rule {
        Rule::of(&ADAM, &self.options, self.scalars)
    }

    pub fn formats(&self) -> Formats {
        Formats::of(self.storage, self.values)
    }

    fn of(options: AdamOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Of torch's rule, in these formats.
    fn stored(param: Format, moments: Format, rounding: Rounding, values: Format) -> Self {
        Self { storage: Storage { param, moments, rounding }, values, ..Self::default() }
    }

    /// Each option and each format once, that of catching up also in 16 bits.
    pub fn each() -> Vec<Self> {
        use Format::{Bf16, F16, F32};
        let base = AdamOptions::default();
        let decay = base.weight_decay(WeightDecay::Decoupled(0.3)).catch_up(CatchUp::Decay);
        let momentum = base.catch_up(CatchUp::Momentum);
        let in_16_bits = Self::stored(Bf16, Bf16, DRAWN, F32);
        let mut each = [
            base.bias_correction(BiasCorrection::Row).epsilon(Epsilon::Corrected),
            base.weight_decay(WeightDecay::L2(0.3)),
            base.weight_decay(WeightDecay::Plain(0.3)),
            base.amsgrad(true),
            base.clip(Clip::Entries(0.3)),
            base.clip(Clip::Value(0.3)),
            base.grad_scale(0.7),
            base.second_moment(SecondMoment::Row),
            base.duplicates(Reduction::Mean),
            decay,
            momentum.epsilon(Epsilon::Corrected),
        ]
        .map(Self::of)
        .to_vec();
        each.extend([
            Self { scalars: true, ..Self::of(decay.catch_up(CatchUp::Never)) },
            Self::stored(F16, F32, Rounding::Nearest, F16),
            Self::stored(Bf16, F32, DRAWN, Bf16),
            in_16_bits,
            Self {
                options: decay,
                storage: Storage { param: F16, ..in_16_bits.storage },
                ..in_16_bits
            },
            Self { options: momentum, scalars: true, ..in_16_bits },
        ]);
        each
    }

    /// Any that go together.
    pub fn any(rng: &mut Rng) -> Self {
        loop {
            let kind = Self::drawn(rng);
            if kind.options.validate().is_ok() && kind.storage.check(&kind.options).is_ok() {
                return kind;
            }
        }
    }

    fn drawn(rng: &mut Rng) -> Self {
        let amount = 0.3 * rng.fraction();
        let decays = [
            WeightDecay::None,
            WeightDecay::L2(amount),
            WeightDecay::Decoupled(amount),
            WeightDecay::Plain(amount),
        ];
        let clips = [Clip::None, Clip::Value(0.4), Clip::Entries(0.4)];
        let late = [CatchUp::Never, CatchUp::Decay, CatchUp::Momentum];
        let biases = [BiasCorrection::Step, BiasCorrection::None, BiasCorrection::Row];
        let options = AdamOptions::default()
            .epsilon([Epsilon::Raw, Epsilon::Corrected][rng.below(2)])
            .bias_correction(biases[rng.below(3)])
            .weight_decay(decays[rng.below(4)])
            .amsgrad(rng.below(2) == 1)
            .clip(clips[rng.below(3)])
            .grad_scale([1.0, 0.25 + rng.fraction()][rng.below(2)])
            .second_moment([SecondMoment::Element, SecondMoment::Row][rng.below(2)])
            .catch_up(late[rng.below(3)])
            .duplicates([Reduction::Sum, Reduction::Mean][rng.below(2)]);
        let all = [Format::F32, Format::F16, Format::Bf16];
        let storage = Storage {
            param: all[rng.below(3)],
            moments: [Format::F32, Format::Bf16][rng.below(2)],
            rounding: [Rounding::Nearest, DRAWN][rng.below(2)],
        };
        Self { options, storage, values: all[rng.below(3)], scalars: rng.below(2) == 1 }
    }
}
