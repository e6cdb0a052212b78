//! In what lazy Adams differ, beside their numbers.

use serde::{Deserialize, Serialize};

/// Which root of the second moment `eps` is added to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Epsilon {
    /// The uncorrected one: `sqrt(v) + eps`, as torch's SparseAdam, TensorFlow Addons and MXNet do. It acts
    /// `1 / sqrt(1 - beta2^t)` times stronger in early steps.
    #[default]
    Raw,
    /// The corrected one: `sqrt(v / (1 - beta2^t)) + eps`, as the paper, torch's Adam, FBGEMM, DGL and Paddle do.
    Corrected,
}

/// What corrects the moments for their start at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BiasCorrection {
    /// `1 - beta^t`, with `t` the steps that the parameter has counted.
    #[default]
    Step,
    /// `1 - beta^n`, with `n` the steps that named the row, this one included (DGL, FBGEMM's rowwise bias correction). The
    /// GPU counts them: a state per row, `row_counter`, u32; of more than 16,777,215 they count as so many.
    Row,
    /// Nothing (gsplat's SelectiveAdam).
    None,
}

/// What has a second moment of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SecondMoment {
    /// Each value.
    #[default]
    Element,
    /// Each row: of the mean of its gradient's squares (FBGEMM's PARTIAL_ROWWISE_ADAM). `exp_avg_sq` is `[rows]`
    /// then, which saves nearly half of the state.
    Row,
}

/// What becomes of the steps that did not name a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CatchUp {
    /// Nothing: they leave no trace, as in torch's SparseAdam.
    #[default]
    Never,
    /// The weight decay of those since the row was last named is made up for, at the present learning rate, when
    /// it is named again (as FBGEMM's EXACT_ROWWISE_ADAGRAD does in its mode COUNTER); a row that was never named does not decay.
    /// With [`WeightDecay::Decoupled`] or [`WeightDecay::Plain`]. A state per row, `prev_iter`, u32.
    Decay,
    /// The moments go on moving the row: all steps since it was last named are made up for when it is named
    /// again, by the state as it was, and then the moments take the gradient (HugeCTR's LazyGlobal). So a
    /// gradient moves its row only later. A state per row, `prev_iter`, u32.
    Momentum,
}

/// What the entries of a row that is named several times add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reduction {
    /// Their sum, as `coalesce` of a sparse gradient does in torch.
    #[default]
    Sum,
    /// Their sum divided by how many they are, whatever their weights (DGL).
    Mean,
}

/// What draws the rows that a step names to zero. No other row decays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WeightDecay {
    /// Nothing.
    #[default]
    None,
    /// `w * p` is added to the clipped gradient (torch's Adam, MXNet).
    L2(f64),
    /// `p` is multiplied by `1 - lr * w` before the step (Loshchilov and Hutter 2019; torch's AdamW, FBGEMM).
    Decoupled(f64),
    /// `p` is multiplied by `1 - w` before the step, whatever the learning rate (TensorFlow Addons).
    Plain(f64),
}

/// What of the gradient is cut off: each value is brought into `[-c, c]`. A NaN stays one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Clip {
    /// Nothing.
    #[default]
    None,
    /// Of each entry, before its weight and the sum over repeated rows (FBGEMM, TensorFlow Addons).
    Entries(f64),
    /// Of the sum of a row's entries (MXNet 2).
    Value(f64),
}

impl WeightDecay {
    /// How much; 0 where nothing decays.
    pub(crate) fn amount(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::L2(amount) | Self::Decoupled(amount) | Self::Plain(amount) => amount,
        }
    }
}

impl Clip {
    /// Where; None where nothing is cut off.
    pub(crate) fn limit(self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Entries(limit) | Self::Value(limit) => Some(limit),
        }
    }
}
