#!/usr/bin/env python3
"""Makes a trace of each peer's run that the library's options can express, from the .npz files beside it.

    $(scripts/torch.sh) tests/golden/peers/make_traces.py            # writes them here, byte for byte
    $(scripts/torch.sh) tests/golden/peers/make_traces.py --check    # compares with those that are here

It needs numpy and safetensors alone. A peer tells its weights after the last step, no moments.
"""
import argparse
import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save

HERE = Path(__file__).resolve().parent
NUMBERS = {"lr": 0.1, "betas": [0.8, 0.9], "eps": 0.01}
# The peers compute in f32, each in an order of its own: 3.3e-7 at most from the rule in f64.
TOLERANCE = {"rtol": 0.0, "atol": 2e-6}
CORRECTED = {"epsilon": "corrected"}


def decay(kind, amount=0.05):
    return {"weight_decay": amount, "decay": kind}


TORCH = "torch 2.14.1 cpu, {}, a Parameter a row, its step {}"
BY_ROW = {"bias_correction": "row"}
TORCH_CASES = {
    f"torch_{kind}_{count}{'_amsgrad' if amsgrad else ''}{'_wd' if decays else ''}": (
        TORCH.format(kind, "its own" if by_row else "set to the run's"),
        {**CORRECTED, **by_row, **({"amsgrad": True} if amsgrad else {}),
         **(decay(how) if decays else {})})
    for kind, how in (("Adam", "l2"), ("AdamW", "decoupled"))
    for count, by_row in (("step", {}), ("row", BY_ROW))
    for amsgrad in (False, True) for decays in (False, True)
}
FBGEMM = "FBGEMM 71d6f8b, ADAM, text of its CUDA kernel compiled for the CPU"
FBGEMM_ROWWISE = FBGEMM.replace("ADAM", "PARTIAL_ROWWISE_ADAM")
BY_ROW_SECOND = {**CORRECTED, "second_moment": "row"}
DGL = "dgl 2.1.0 on torch 2.2.1 cpu, SparseAdam"
HUGECTR = "HugeCTR 2f2016f, Adam of update type Local, text of its CUDA kernel compiled for the CPU"
LAZY_GLOBAL = HUGECTR.replace("Local", "LazyGlobal")
MOMENTUM = {"catch_up": "momentum"}
MXNET = "mxnet 1.9.1 cpu, Adam of lazy_update"
OPTAX = "optax 0.2.8 cpu, {}, masked to the rows that a step names"
PADDLE = "paddle 3.3.1 cpu, Adam of lazy_mode"
TFA = "tensorflow-addons 0.23 on tensorflow 2.15.1 cpu, LazyAdam"
# Its CPU kernel corrects the bias of step t as that of step t + 1.
AHEAD = {"start_step": {"p0": 1}}
# A peer that does not count a step without entries has, in that step, no gradient.
UNCOUNTED = {"uncounted": True}
# .npz: source, keys of the group, and what of the run is its own.
CASES = {
    **TORCH_CASES,
    "fbgemm_adam_wd=0.0_per_row=False": (FBGEMM, CORRECTED),
    "fbgemm_adam_wd=0.05_per_row=False": (FBGEMM, {**CORRECTED, **decay("decoupled")}),
    "fbgemm_adam_wd=0.05_per_row=True": (
        FBGEMM + ", rowwise bias correction", {**CORRECTED, **BY_ROW, **decay("decoupled")}),
    "fbgemm_rowwise_wd=0.0_per_row=False": (FBGEMM_ROWWISE, BY_ROW_SECOND),
    "fbgemm_rowwise_wd=0.05_per_row=False": (
        FBGEMM_ROWWISE, {**BY_ROW_SECOND, **decay("decoupled")}),
    "dgl": (DGL, {**CORRECTED, **BY_ROW, "duplicates": "mean"}),
    "gsplat": ("gsplat 90d7b4b, SelectiveAdam, text of its CUDA kernel compiled for the CPU",
               {"bias_correction": "none"}),
    "hugectr_Local_1": (HUGECTR, {}),
    "hugectr_Local_8": (HUGECTR + ", scaler 8", {"grad_scale": 0.125}),
    "hugectr_LazyGlobal_1": (LAZY_GLOBAL, MOMENTUM),
    "hugectr_LazyGlobal_8": (LAZY_GLOBAL + ", scaler 8", {**MOMENTUM, "grad_scale": 0.125}),
    "mxnet_plain": (MXNET, {}),
    "mxnet_wd": (MXNET, decay("l2")),
    "optax_adam": (OPTAX.format("adam"), CORRECTED),
    "optax_adamw": (OPTAX.format("adamw"), {**CORRECTED, **decay("decoupled")}),
    "paddle_Adam_lazy": (PADDLE, CORRECTED, AHEAD),
    "paddle_Adam_lazy_amsgrad": (PADDLE, {**CORRECTED, "amsgrad": True}, AHEAD),
    "paddle_Adam_lazy_empty_step": (PADDLE, CORRECTED, AHEAD | UNCOUNTED),
    "paddle_clip_by_global_norm": (PADDLE + ", ClipGradByGlobalNorm", CORRECTED,
                                   AHEAD | {"clip_grad_norm": {"max": 0.3}}),
    "tfa_LazyAdam": (TFA, {}),
    "tfa_LazyAdam+decay": (TFA + " with decoupled weight decay", decay("plain")),
    "tfa_LazyAdam_clipvalue_before_sum": (TFA + " of clipvalue", {"clip_entries": 0.3}),
}
# These ran without an empty step.
WITHOUT_EMPTY = ("tfa_", "hugectr_", "paddle_", "gsplat")


def run_of(name, uncounted):
    short = name.startswith(WITHOUT_EMPTY) and not uncounted
    return np.load(HERE / ("trace_no_empty.npz" if short else "trace.npz"))


def trace(name, source, keys, run=None):
    run = dict(run or {})
    uncounted = run.pop("uncounted", False)
    went_in, came_out = run_of(name, uncounted), np.load(HERE / f"{name}.npz")["param"]
    count = sum(key.startswith("ids_") for key in went_in.files)
    tensors, steps = {"initial/p0": went_in["param"]}, []
    for k in range(count):
        indices, values = went_in[f"ids_{k}"], went_in[f"values_{k}"]
        if uncounted and not len(indices):
            steps.append({"grads": []})
            continue
        steps.append({"grads": ["p0"]})
        tensors |= {f"step/{k}/p0/indices": indices, f"step/{k}/p0/values": values}
    tensors[f"expected/{count - 1}/p0/param"] = came_out
    recipe = {
        "version": 1,
        "params": {"p0": list(went_in["param"].shape)},
        "groups": [{**NUMBERS, **keys, "params": ["p0"]}],
        "steps": steps,
        "expect": [count - 1],
        "tolerance": TOLERANCE,
        "source": source,
        **run,
    }
    return save(tensors, {"trace": json.dumps(recipe, separators=(",", ":"))})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the files, write none")
    check = parser.parse_args().check
    wrong = {path.stem for path in HERE.glob("*.safetensors")} - CASES.keys() if check else set()
    for name, case in CASES.items():
        path, made = HERE / f"{name}.safetensors", trace(name, *case)
        if not check:
            path.write_bytes(made)
        elif not path.is_file() or path.read_bytes() != made:
            wrong.add(name)
    if wrong:
        sys.exit(f"not what the .npz files give: {sorted(wrong)}")
    print(f"{len(CASES)} traces of peers {'are what their .npz files give' if check else 'written'}")


if __name__ == "__main__":
    main()
