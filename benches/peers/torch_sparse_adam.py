#!/usr/bin/env python3
"""Times one step of torch.optim.SparseAdam and prints one line of JSON.

    python="$(scripts/torch.sh)"
    $python benches/peers/torch_sparse_adam.py --nnz 65536 --distribution zipf
    $python benches/peers/torch_sparse_adam.py --case target/bench/medium-zipf

With --case, a folder that headless_bench --dump-ids wrote, the ids, values and tables are those
that headless_bench used, and the results of the first steps are compared with its own; exit
status 1 says that they differ.

Only optimizer.step() is timed: coalescing and updating, as in a training loop. Every step gets a
new uncoalesced gradient, since torch remembers that a tensor is coalesced.

With --optimizer fused-adam, the same tables get torch's fused dense Adam and a dense gradient,
which is there already: what training without sparse gradients costs a step.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

import numpy as np
import torch

ZIPF_EXPONENT = 1.05
# Untimed steps first: the first one creates the moments, and the table's pages are touched.
WARM_UP = 3
# Seconds that a GPU steps before it is timed: one that rests runs its cores at a fifth of their clock.
CLOCK_RISES = 0.6
# Timed steps where --steps is not given: STEPS, but after PATIENCE seconds at least LEAST.
STEPS = 15
LEAST = 5
PATIENCE = 4.0
RTOL = 2e-6
ATOL = 1e-6


def mix(bits):
    """The finalizer of MurmurHash3, on u32."""
    bits = (bits ^ (bits >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    bits = (bits ^ (bits >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return bits ^ (bits >> np.uint32(16))


def elements(stream, rows, dim):
    """The array [rows, dim] of a stream, in [-1, 1), bit for bit as headless_bench makes it."""
    salt = mix(np.array([(stream + 0x9E3779B9) % 2**32], np.uint32))
    made = np.empty(rows * dim, np.float32)
    for start in range(0, len(made), 1 << 20):
        end = min(start + (1 << 20), len(made))
        bits = mix(np.arange(start, end, dtype=np.uint32) + salt) >> np.uint32(8)
        made[start:end] = bits.astype(np.float32) / np.float32(8388608) - np.float32(1)
    return made.reshape(rows, dim)


def draw_ids(seed, distribution, rows, nnz):
    rng = np.random.default_rng(seed)
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


class Table:
    """A parameter, and what its gradients are made of."""

    def __init__(self, case, number, ids, device, dense):
        rows, dim, bag = case["rows"], case["dim"], case["bag"]
        self.unique = np.unique(ids)
        self.shape = (rows, dim)
        initial = torch.from_numpy(elements(2 * number, rows, dim)).to(device)
        self.parameter = torch.nn.Parameter(initial)
        self.dense = torch.randn_like(initial) if dense else None
        # The entries of a bag share a row of values. torch has no gradient of that form:
        # nn.EmbeddingBag's backward makes a row an entry too.
        values = elements(2 * number + 1, -(-len(ids) // bag), dim)
        values = values[np.arange(len(ids)) // bag] if bag > 1 else values
        self.indices = torch.from_numpy(ids.astype(np.int64)).to(device)[None]
        self.values = torch.from_numpy(values).to(device)

    def set_gradient(self):
        if self.dense is not None:
            self.parameter.grad = self.dense
            return
        self.parameter.grad = torch.sparse_coo_tensor(
            self.indices, self.values, self.shape, check_invariants=False)


def time_steps(optimizer, tables, steps, device):
    """Milliseconds of each timed step."""
    wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    times, begin = [], time.perf_counter()
    while len(times) < (steps or STEPS):
        if not steps and len(times) >= LEAST and time.perf_counter() - begin > PATIENCE:
            break
        for table in tables:
            table.set_gradient()
        wait()
        start = time.perf_counter()
        optimizer.step()
        wait()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def compare(folder, tables):
    """The largest difference to headless_bench's rows, and whether all are within tolerance."""
    largest, within = 0.0, True
    for number, table in enumerate(tables):
        expected = np.fromfile(folder / f"{number}.rows", np.float32).reshape(-1, table.shape[1])
        rows = torch.from_numpy(table.unique[:len(expected)].astype(np.int64))
        found = table.parameter.detach()[rows.to(table.parameter.device)].cpu().numpy()
        apart = np.abs(found - expected)
        largest = max(largest, float(apart.max()))
        within &= bool((apart <= ATOL + RTOL * np.abs(expected)).all())
    return {"max_abs": largest, "within": within}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--case", type=pathlib.Path, help="folder written by headless_bench --dump-ids")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--nnz", type=int, default=65_536)
    parser.add_argument("--distribution", default="uniform",
                        choices=["unique", "uniform", "zipf", "hot"])
    parser.add_argument("--steps", type=int, help=f"timed steps (default {STEPS}, fewer if slow)")
    parser.add_argument("--seed", type=int, default=0, help="not with --case")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--optimizer", default="sparse-adam", choices=["sparse-adam", "fused-adam"])
    return parser.parse_args()


def load(arguments):
    """The case, and the ids of each of its tables."""
    if arguments.case is None:
        case = {"case": "custom", "tables": 1, "bag": 1}
        case |= {key: getattr(arguments, key) for key in ("rows", "dim", "nnz", "distribution")}
        return case, [draw_ids(arguments.seed, case["distribution"], case["rows"], case["nnz"])]
    case = json.loads((arguments.case / "case.json").read_text())
    files = [arguments.case / f"{number}.ids" for number in range(case["tables"])]
    return case, [np.fromfile(file, np.uint32) for file in files]


def warm_up(optimizer, tables, device):
    start = time.perf_counter()
    time_steps(optimizer, tables, WARM_UP, device)
    while device != "cpu" and time.perf_counter() - start < CLOCK_RISES:
        time_steps(optimizer, tables, 1, device)


def main():
    arguments = parse()
    dense = arguments.optimizer == "fused-adam"
    case, ids = load(arguments)
    tables = [Table(case, number, ids, arguments.device, dense) for number, ids in enumerate(ids)]
    parameters = [table.parameter for table in tables]
    make = torch.optim.SparseAdam if not dense else lambda p: torch.optim.Adam(p, fused=True)
    optimizer = make(parameters)
    agreement = None
    if arguments.case and not dense:
        time_steps(optimizer, tables, case["steps"], arguments.device)
        agreement = compare(arguments.case, tables)
    warm_up(optimizer, tables, arguments.device)
    times = time_steps(optimizer, tables, arguments.steps, arguments.device)
    print(json.dumps({
        "peer": f"torch {arguments.optimizer}",
        "version": torch.__version__,
        "device": torch.cuda.get_device_name() if arguments.device != "cpu" else "cpu",
        "threads": torch.get_num_threads(),
        "case": case["case"],
        "rows": case["rows"],
        "dim": case["dim"],
        "nnz": case["nnz"],
        "unique": sum(len(table.unique) for table in tables),
        "tables": case["tables"],
        "distribution": case["distribution"],
        "steps": len(times),
        "step_ms_median": round(statistics.median(times), 4),
        "step_ms_min": round(min(times), 4),
        "agreement": agreement,
    }))
    return 0 if agreement is None or agreement["within"] else 1


if __name__ == "__main__":
    sys.exit(main())
