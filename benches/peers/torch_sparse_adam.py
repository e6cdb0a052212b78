#!/usr/bin/env python3
"""Times one step of torch.optim.SparseAdam and prints one line of JSON.

    $(scripts/torch.sh) benches/peers/torch_sparse_adam.py --nnz 65536 --distribution zipf

Only optimizer.step() is timed: coalescing and updating, as in a training loop. Every step gets a
new uncoalesced gradient, since torch remembers that a tensor is coalesced.
"""

import argparse
import json
import statistics
import time

import numpy as np
import torch

ZIPF_EXPONENT = 1.05
# Untimed steps first: the first one creates the moments, and the table's pages are touched.
WARM_UP = 3


def draw_indices(rng, distribution, rows, nnz):
    if distribution == "unique":
        if nnz > rows:
            raise SystemExit(f"--distribution unique needs --nnz <= --rows, got {nnz} > {rows}")
        return rng.permutation(rows)[:nnz]
    if distribution == "uniform":
        return rng.integers(0, rows, nnz)
    if distribution == "zipf":
        # The ranks' cumulative weights, inverted; then ids scattered by a fixed permutation.
        weights = np.cumsum(np.arange(1, rows + 1, dtype=np.float64) ** -ZIPF_EXPONENT)
        ranks = np.searchsorted(weights, rng.random(nnz) * weights[-1], side="right")
        return np.random.default_rng(0).permutation(rows)[np.minimum(ranks, rows - 1)]
    return np.full(nnz, rows // 2)  # hot: every entry names one row


def time_steps(arguments, indices):
    """Milliseconds of each timed step."""
    on_gpu = arguments.device.startswith("cuda")
    shape = (arguments.rows, arguments.dim)
    generator = torch.Generator().manual_seed(arguments.seed)
    table = torch.randn(shape, generator=generator).to(arguments.device)
    values = torch.randn(arguments.nnz, arguments.dim, generator=generator).to(arguments.device)
    indices = torch.from_numpy(indices).to(arguments.device)[None]
    parameter = torch.nn.Parameter(table)
    optimizer = torch.optim.SparseAdam([parameter])
    times = []
    for _ in range(WARM_UP + arguments.steps):
        parameter.grad = torch.sparse_coo_tensor(indices, values, shape, check_invariants=False)
        if on_gpu:
            torch.cuda.synchronize()
        start = time.perf_counter()
        optimizer.step()
        if on_gpu:
            torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return times[WARM_UP:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--nnz", type=int, default=65_536)
    parser.add_argument("--distribution", default="uniform",
                        choices=["unique", "uniform", "zipf", "hot"])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    indices = draw_indices(rng, arguments.distribution, arguments.rows, arguments.nnz)
    times = time_steps(arguments, indices)
    print(json.dumps({
        "peer": "torch",
        "version": torch.__version__,
        "device": torch.cuda.get_device_name() if arguments.device != "cpu" else "cpu",
        "threads": torch.get_num_threads(),
        "rows": arguments.rows,
        "dim": arguments.dim,
        "nnz": arguments.nnz,
        "unique": len(np.unique(indices)),
        "distribution": arguments.distribution,
        "step_ms_median": round(statistics.median(times), 4),
        "step_ms_min": round(min(times), 4),
    }))


if __name__ == "__main__":
    main()
