//! Lazy Adams by the names that people know them by.

#[cfg(doc)]
use super::Clip;
use super::{AdamOptions, BiasCorrection, CatchUp, Epsilon, Reduction, SecondMoment, WeightDecay};

/// Rules of other optimizers. Their defaults are those of the peer, where it has any.
impl AdamOptions {
    /// All presets, by their names.
    pub const PRESETS: &[(&str, Self)] = &[
        ("torch_sparse_adam", Self::torch_sparse_adam()),
        ("torch_adam", Self::torch_adam()),
        ("torch_adamw", Self::torch_adamw()),
        ("fbgemm_adam", Self::fbgemm_adam()),
        ("fbgemm_partial_rowwise_adam", Self::fbgemm_partial_rowwise_adam()),
        ("dgl", Self::dgl()),
        ("tfa_lazy_adam", Self::tfa_lazy_adam()),
        ("mxnet_lazy", Self::mxnet_lazy()),
        ("paddle_lazy", Self::paddle_lazy()),
        ("gsplat_selective_adam", Self::gsplat_selective_adam()),
        ("hugectr_local", Self::hugectr_local()),
        ("hugectr_lazy_global", Self::hugectr_lazy_global()),
    ];

    /// The preset of a name.
    ///
    /// ```
    /// use sparse_adam::{AdamOptions, Epsilon};
    /// let options = AdamOptions::preset("torch_adamw").map(|options| options.lr(0.01));
    /// assert_eq!(options.map(|options| options.epsilon), Some(Epsilon::Corrected));
    /// ```
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        Self::PRESETS.iter().find(|(known, _)| *known == name).map(|(_, options)| *options)
    }

    /// `torch.optim.SparseAdam` (torch/optim/_functional.py): the default.
    #[must_use]
    pub const fn torch_sparse_adam() -> Self {
        Self::new()
    }

    /// `torch.optim.Adam` (torch/optim/adam.py) on the rows that a gradient names: epsilon on the corrected root,
    /// weight decay as L2 (0 by default: [`WeightDecay::None`]).
    #[must_use]
    pub const fn torch_adam() -> Self {
        Self::new().epsilon(Epsilon::Corrected)
    }

    /// `torch.optim.AdamW` (torch/optim/adamw.py) on the rows that a gradient names: decoupled weight decay of 0.01.
    #[must_use]
    pub const fn torch_adamw() -> Self {
        Self::torch_adam().weight_decay(WeightDecay::Decoupled(0.01))
    }

    /// FBGEMM's `ADAM` (fbgemm_gpu/codegen/genscript/optimizers.py), the table-batched embeddings' one: lr 0.01.
    /// Its clipping is [`Clip::Entries`], its decay [`WeightDecay::Decoupled`]; both are off by default. Not copied:
    /// a count of steps that rises at each forward pass; powers in f32; the stochastic rounding of other weights
    /// than f32.
    #[must_use]
    pub const fn fbgemm_adam() -> Self {
        Self::torch_adam().lr(0.01)
    }

    /// FBGEMM's `PARTIAL_ROWWISE_ADAM` (fbgemm_gpu/codegen/genscript/optimizers.py): as
    /// [`AdamOptions::fbgemm_adam`], with a second moment per row. FBGEMM's row counter is
    /// [`BiasCorrection::Row`], which it has for `ADAM` alone.
    #[must_use]
    pub const fn fbgemm_partial_rowwise_adam() -> Self {
        Self::fbgemm_adam().second_moment(SecondMoment::Row)
    }

    /// DGL's `SparseAdam` (python/dgl/optim/pytorch/sparse_optim.py): epsilon on the corrected root, bias corrected by
    /// the steps that named the row, entries of a row averaged. Not copied: powers in f32; moments in f16, rounded to
    /// nearest.
    #[must_use]
    pub const fn dgl() -> Self {
        Self::torch_adam().bias_correction(BiasCorrection::Row).duplicates(Reduction::Mean)
    }

    /// TensorFlow Addons' `LazyAdam` (tensorflow_addons/optimizers/lazy_adam.py): eps 1e-7. Its decay is
    /// [`WeightDecay::Plain`], its clipping by value [`Clip::Entries`]. Not copied: `amsgrad`, which it takes and ignores.
    #[must_use]
    pub const fn tfa_lazy_adam() -> Self {
        Self::new().eps(1e-7)
    }

    /// MXNet's `Adam` with `lazy_update` (src/operator/optimizer_op-inl.h of 2.0): decay is [`WeightDecay::L2`], clipping
    /// [`Clip::Value`], `rescale_grad` [`AdamOptions::grad_scale`](AdamOptions#structfield.grad_scale). Not copied: clipping
    /// after the decay was added, as 1.x did.
    #[must_use]
    pub const fn mxnet_lazy() -> Self {
        Self::new()
    }

    /// Paddle's `Adam` with `lazy_mode` (paddle/phi/kernels/selected_rows): epsilon on the corrected root; amsgrad of
    /// named rows. Not copied: a step without rows is not counted there, and its CPU kernel corrects by the step
    /// after.
    #[must_use]
    pub const fn paddle_lazy() -> Self {
        Self::torch_adam()
    }

    /// gsplat's `SelectiveAdam` (gsplat/cuda/csrc/AdamCUDA.cu) and Inria's `SparseGaussianAdam`: no bias correction. 3D Gaussian
    /// splatting takes an eps of 1e-15, which a device that flushes subnormal numbers does not bear
    /// ([`AdamOptions::eps`](AdamOptions#structfield.eps)).
    #[must_use]
    pub const fn gsplat_selective_adam() -> Self {
        Self::new().bias_correction(BiasCorrection::None)
    }

    /// HugeCTR's `Adam` with update type Local (HugeCTR/src/optimizers/sparse_optimizer.cu): eps 1e-7; its `scaler` is
    /// `1 / `[`grad_scale`](AdamOptions#structfield.grad_scale).
    #[must_use]
    pub const fn hugectr_local() -> Self {
        Self::new().eps(1e-7)
    }

    /// HugeCTR's `Adam` with update type LazyGlobal (HugeCTR/src/optimizers/sparse_optimizer.cu): as
    /// [`AdamOptions::hugectr_local`], with [`CatchUp::Momentum`]. Not copied: that a run ends without what the last steps
    /// owe their rows ([`SparseAdam::flush`](crate::SparseAdam::flush)); a step per value where one per row says the same.
    #[must_use]
    pub const fn hugectr_lazy_global() -> Self {
        Self::hugectr_local().catch_up(CatchUp::Momentum)
    }
}
