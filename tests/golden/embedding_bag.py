"""Embedding bags whose backward torch does itself: nn.EmbeddingBag(sparse=True), then SparseAdam.

A file holds what the bags were (ids, the bag of each, weights), the gradient of the bags' output
that came from above, and the parameter and moments after some steps:

    initial                  f32 [rows, dim]
    step/<k>/ids             i64 [n]           word of each entry
    step/<k>/bags            u32 [n]           bag of each entry, in order; a bag may be empty
    step/<k>/weights         f32 [n]           1, 1 / length of the bag, or per sample
    step/<k>/bag_grads       f32 [bags, dim]
    expected/<k>/param, /exp_avg, /exp_avg_sq  f32 [rows, dim]

Metadata key `bags`, JSON: version, rows, dim, bags, weighted (false: every weight is 1), options
of the optimizer, steps, expect, tolerance, source. The same files, byte for byte, on every run:

    $(scripts/torch.sh) tests/golden/embedding_bag.py     # writes tests/golden/bags/
"""

import argparse
import json
import pathlib
import zlib

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent
TOLERANCE = {"rtol": 2e-6, "atol": 1e-7}
DEFAULTS = {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "maximize": False}

# `lengths`: smallest and largest of a bag. `hot`: the share of entries that name word 0.
CASES = {
    "sum": {"mode": "sum", "rows": 40, "dim": 8, "bags": 20, "lengths": (0, 8), "steps": 6},
    "mean": {"mode": "mean", "rows": 40, "dim": 5, "bags": 20, "lengths": (0, 8), "steps": 6},
    "per_sample_weights": {"mode": "sum", "per_sample": True, "rows": 30, "dim": 12, "bags": 16,
                           "lengths": (1, 9), "steps": 6, "lr": 0.02, "maximize": True},
    # Word 0 has several times 64 entries. What is added is exact in any order, so that torch's own
    # rounding hides no entry: lengths are powers of two (of these exponents), gradients sixteenths.
    "mean_of_a_stop_word": {"mode": "mean", "rows": 12, "dim": 3, "bags": 12, "lengths": (4, 6),
                            "steps": 4, "hot": 0.6, "exact": True},
}


def draw_bags(case):
    """Ids [n], and the length of each bag [bags]."""
    low, high = case["lengths"]
    lengths = torch.randint(low, high + 1, (case["bags"],))
    if "exact" in case:
        lengths = 2 ** lengths
    ids = torch.randint(0, case["rows"], (int(lengths.sum()),))
    ids[torch.rand(len(ids)) < case.get("hot", 0.0)] = 0
    return ids, lengths


def record(name, case):
    """Runs torch; returns metadata and tensors. Each case has a random stream of its own."""
    torch.manual_seed(zlib.crc32(name.encode()))
    mode, per_sample = case["mode"], case.get("per_sample", False)
    bag = torch.nn.EmbeddingBag(case["rows"], case["dim"], mode=mode, sparse=True)
    options = {option: case.get(option, value) for option, value in DEFAULTS.items()}
    optimizer = torch.optim.SparseAdam(bag.parameters(), **options)
    last = case["steps"] - 1
    expect = [0, last // 2, last]
    tensors = {"initial": bag.weight.detach().clone()}
    for k in range(case["steps"]):
        ids, lengths = draw_bags(case)
        offsets = lengths.cumsum(0) - lengths
        numbers = torch.repeat_interleave(torch.arange(case["bags"]), lengths)
        weights = torch.ones(len(ids))
        if mode == "mean":
            weights /= lengths[numbers]
        if per_sample:
            weights = torch.randn(len(ids))
        above = torch.randn(case["bags"], case["dim"])
        if "exact" in case:
            above = torch.round(above * 16) / 16
        optimizer.zero_grad()
        bag(ids, offsets, per_sample_weights=weights if per_sample else None).backward(above)
        assert bag.weight.grad.is_sparse and bag.weight.grad._nnz() == len(ids)
        optimizer.step()
        tensors |= {f"step/{k}/ids": ids, f"step/{k}/bags": numbers.to(torch.uint32),
                    f"step/{k}/weights": weights, f"step/{k}/bag_grads": above}
        if k in expect:
            state = optimizer.state[bag.weight]
            tensors |= {f"expected/{k}/param": bag.weight.detach().clone(),
                        f"expected/{k}/exp_avg": state["exp_avg"].clone(),
                        f"expected/{k}/exp_avg_sq": state["exp_avg_sq"].clone()}
    metadata = {"version": 1, "rows": case["rows"], "dim": case["dim"], "bags": case["bags"],
                "weighted": mode == "mean" or per_sample, "options": options,
                "steps": case["steps"], "expect": expect, "tolerance": TOLERANCE,
                "source": f"torch {torch.__version__.split('+')[0]} cpu"}
    return metadata, tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "bags",
                        help="folder of the files")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    for name, case in CASES.items():
        metadata, tensors = record(name, case)
        path = out / f"{name}.safetensors"
        save_file(tensors, path, {"bags": json.dumps(metadata, separators=(",", ":"))})
        path.chmod(0o644)
        print(f"{path.stat().st_size:>9} {path}")


if __name__ == "__main__":
    main()
