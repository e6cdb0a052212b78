#!/usr/bin/env python3
"""Makes traces in 16 bits, by a naive model in numpy: parameters, moments and values as they are stored.

    $(scripts/torch.sh) tests/golden/formats.py             # writes tests/golden/formats/, byte for byte
    $(scripts/torch.sh) tests/golden/formats.py --check     # compares with the files, and the model with torch
    $(scripts/torch.sh) tests/golden/formats.py --check target/release/examples/replay     # and replays them

torch has no such run to record. Its SparseAdam takes parameters in f16 and bf16, but keeps their moments in the same
format and rounds each operation to it; here arithmetic and moments are f32, and what is written is rounded once. So
this computes each step in f32, by generate.py's twin, and then rounds what was written:

- to the nearest, ties to even: by torch's and numpy's own conversions;
- by random bits: pcg4d (Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020) of row, column, step
  and seed. Its first word is the parameter's, the second exp_avg's, the third exp_avg_sq's. As many of its low bits as
  are cut off are added to the magnitude, which is then cut.

--check also holds the runs that round to the nearest against torch.optim.SparseAdam on an f32 parameter that is rounded
after every step: moments within generate.py's tolerance, and of 1,000 values of a parameter at most 5 in the
neighbouring number, where torch's last bit decides. A run whose parameter is f32 must be within that tolerance
altogether.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch
from generate import DEFAULTS, TOLERANCE, coalesce, sparse, twin_step, worst
from safetensors.numpy import load_file, save

HERE = Path(__file__).resolve().parent / "formats"
EXACT = {"rtol": 0.0, "atol": 0.0}
# The spacings of numbers from 1 to 2.
SPACING = {"f32": 2.0**-23, "f16": 2.0**-10, "bf16": 2.0**-7}
# Parameters with shapes, formats and the keys of their groups; entries per gradient; which have one in each step.
BOTH = ["p0", "p1"]
CASES = {
    "bf16": {
        "params": {"p0": ([30, 8], {"param": "bf16", "values": "bf16"}, {"lr": 0.02})},
        "count": 40, "steps": [["p0"]] * 12},
    # Rows of seven: two of them share a word.
    "f16": {
        "params": {"p0": ([25, 7], {"param": "f16", "values": "f16"}, {"lr": 0.01})},
        "count": 30, "steps": [["p0"]] * 12},
    "values": {
        "params": {"p0": ([20, 6], {"values": "bf16"}, {}),
                   "p1": ([18, 3, 2], {"values": "f16"}, {"maximize": True, "lr": 0.02})},
        "count": 25, "steps": [BOTH] * 8},
    # p1 is not named in the formats; steps without a gradient and with one that is empty.
    "mixed": {
        "params": {"p0": ([21, 5], {"param": "f16", "values": "bf16"}, {"lr": 0.02, "betas": [0.8, 0.95]}),
                   "p1": ([16, 4], {}, {}),
                   "p2": ([300], {"param": "bf16"}, {"lr": 0.05, "eps": 1e-5, "maximize": True})},
        "count": 60, "empty": 4,
        "steps": [["p0", "p2"], ["p0", "p1", "p2"], [], ["p1"], ["p0", "p2"], ["p0", "p1", "p2"], ["p2"],
                  ["p0", "p1"]]},
    "random_bits": {
        "params": {"p0": ([24, 8], {"param": "bf16", "rounding": {"stochastic": 4000000007}}, {"lr": 0.003}),
                   "p1": ([19, 5], {"param": "f16", "rounding": {"stochastic": 3}}, {"lr": 0.0004})},
        "count": 40, "steps": [BOTH] * 12},
    # p0 names no rounding: seed 0.
    "moments": {
        "params": {"p0": ([24, 8], {"state": "bf16"}, {"lr": 0.01}),
                   "p1": ([19, 5], {"param": "bf16", "state": "bf16", "values": "f16",
                                    "rounding": {"stochastic": 77}}, {"lr": 0.01, "betas": [0.7, 0.9]})},
        "count": 40, "steps": [BOTH] * 12},
}


# ------------------------------------------------------------------ rounding


def nearest(kind, x):
    """The numbers of a format next to f32 ones, as f32."""
    if kind == "f16":
        return x.astype(np.float16).astype(np.float32)
    if kind == "bf16":
        return torch.from_numpy(x).to(torch.bfloat16).float().numpy()
    return x


def pcg4d(rows, columns, step, seed):
    """Four words of 32 bits for each row and column."""
    shape = np.broadcast_shapes(rows.shape, columns.shape)
    of = lambda word: np.broadcast_to(np.asarray(word % 2**32, np.uint32), shape).copy()
    x, y, z, w = (of(word) * np.uint32(1664525) + np.uint32(1013904223)
                  for word in (rows, columns, step, seed))
    x, y, z, w = mixed(x, y, z, w)
    return mixed(*(word ^ (word >> np.uint32(16)) for word in (x, y, z, w)))


def mixed(x, y, z, w):
    x = x + y * w
    y = y + z * x
    z = z + x * y
    w = w + y * z
    return x, y, z, w


def drawn(kind, x, words):
    """One of the two numbers of a format next to f32 ones, by random words."""
    if kind == "f32":
        return x
    bits = x.view(np.uint32)
    magnitude = bits & np.uint32(0x7FFFFFFF)
    # f16's numbers below 2^-14 are rounded by another rule, which is not modelled.
    assert kind == "bf16" or not np.any((magnitude > 0) & (np.abs(x) < 2.0**-14))
    assert np.all(np.abs(x) < 6e4)
    cut = np.uint32(0xFFFF if kind == "bf16" else 0x1FFF)
    up = (magnitude + (words & cut)) & ~cut
    # A magnitude of 0 stays: what is added lies below the cut.
    return (bits & np.uint32(0x80000000) | up).view(np.float32)


def rounder(formats, step, rows, columns):
    """A function of number of random word, format and values."""
    rounding = formats.get("rounding")
    if rounding is None and formats.get("state") == "bf16":
        rounding = {"stochastic": 0}
    if rounding is None:
        return lambda number, kind, x: nearest(kind, x)
    words = pcg4d(rows[:, None], columns[None], step, rounding["stochastic"])
    return lambda number, kind, x: drawn(kind, x, words[number])


# ------------------------------------------------------------------ the model


class Table:
    """A parameter with its moments; every array is [rows, dim] of f32."""

    def __init__(self, param, formats, group):
        self.p, self.formats, self.group = param.reshape(len(param), -1).copy(), formats, group
        self.m, self.v, self.t = np.zeros_like(self.p), np.zeros_like(self.p), 0

    def step(self, indices, values):
        self.t += 1
        values = values.reshape(len(indices), self.p.shape[1])
        rows, g = coalesce(indices, -values if self.group["maximize"] else values)
        # All arithmetic is f32, and what is written is what is rounded.
        twin_step(self.p, self.m, self.v, self.t, rows, g, self.group)
        of = rounder(self.formats, self.t, rows, np.arange(self.p.shape[1]))
        self.p[rows] = of(0, self.formats.get("param", "f32"), self.p[rows])
        state = self.formats.get("state", "f32")
        self.m[rows] = of(1, state, self.m[rows])
        self.v[rows] = of(2, state, self.v[rows])


def draw(name, case):
    """First values, and gradients by step: indices and values, each in their format."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    params, steps = {}, []
    for param, (shape, formats, _) in case["params"].items():
        # Away from zero, so that no f16 is subnormal.
        values = random.uniform(0.5, 1.5, shape) * random.choice([-1.0, 1.0], shape)
        params[param] = nearest(formats.get("param", "f32"), values.astype(np.float32))
    for k, names in enumerate(case["steps"]):
        grads = {}
        for param in names:
            shape, formats, _ = case["params"][param]
            count = 0 if case.get("empty") == k else case["count"]
            values = random.standard_normal([count, *shape[1:]]).astype(np.float32)
            indices = random.integers(0, shape[0], count)
            grads[param] = (indices, nearest(formats.get("values", "f32"), values))
        steps.append(grads)
    return params, steps


def trace(name, case):
    """A trace: its bytes, its recipe and its tensors."""
    params, steps = draw(name, case)
    groups = [{**DEFAULTS, **keys, "params": [param]} for param, (_, _, keys) in case["params"].items()]
    tables = {group["params"][0]: Table(params[group["params"][0]], case["params"][group["params"][0]][1], group)
              for group in groups}
    expect = [0, len(steps) // 2, len(steps) - 1]
    tensors = {f"initial/{param}": values for param, values in params.items()}
    for k, grads in enumerate(steps):
        for param, (indices, values) in grads.items():
            tensors |= {f"step/{k}/{param}/indices": indices, f"step/{k}/{param}/values": values}
            tables[param].step(indices, values)
        if k in expect:
            for param, table in tables.items():
                shape = params[param].shape
                tensors[f"expected/{k}/{param}/param"] = table.p.reshape(shape).copy()
                if table.t:
                    tensors[f"expected/{k}/{param}/exp_avg"] = table.m.reshape(shape).copy()
                    tensors[f"expected/{k}/{param}/exp_avg_sq"] = table.v.reshape(shape).copy()
    recipe = {
        "version": 1,
        "params": {param: list(values.shape) for param, values in params.items()},
        "groups": groups,
        "steps": [{"grads": list(grads)} for grads in steps],
        "expect": expect,
        "tolerance": EXACT,
        "source": f"a model in numpy {np.__version__} (tests/golden/formats.py), not recorded from torch",
        "formats": {param: formats for param, (_, formats, _) in case["params"].items() if formats},
    }
    return save(tensors, {"trace": json.dumps(recipe, separators=(",", ":"))}), recipe, tensors


# ------------------------------------------------------------------ torch


def torchs(recipe, tensors):
    """The expected tensors by torch.optim.SparseAdam in f32, its parameters rounded after every step."""
    params = {name: torch.nn.Parameter(torch.from_numpy(tensors[f"initial/{name}"].copy()))
              for name in recipe["params"]}
    optimizer = torch.optim.SparseAdam(
        [{**group, "params": [params[name] for name in group["params"]]} for group in recipe["groups"]])
    for k, step in enumerate(recipe["steps"]):
        for name, p in params.items():
            grad = (torch.from_numpy(tensors[f"step/{k}/{name}/{part}"]) for part in ("indices", "values"))
            p.grad = sparse(*grad, p) if name in step["grads"] else None
        optimizer.step()
        for name, p in params.items():
            kind = recipe["formats"].get(name, {}).get("param", "f32")
            dtype = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[kind]
            p.data.copy_(p.data.to(dtype))
            if k in recipe["expect"]:
                yield f"expected/{k}/{name}/param", kind, p.detach().numpy().copy()
                for moment, values in optimizer.state[p].items():
                    if moment != "step":
                        yield f"expected/{k}/{name}/{moment}", "f32", values.numpy().copy()


def agrees_with_torch(name, recipe, tensors):
    """Prints how many numbers are torch's neighbours."""
    neighbours, numbers, good = 0, 0, True
    for tensor, kind, found in torchs(recipe, tensors):
        expected = tensors[tensor]
        if kind == "f32":
            good &= worst(found, expected, TOLERANCE) <= 1
            continue
        apart = np.abs(found - expected)
        neighbours, numbers = neighbours + np.count_nonzero(apart), numbers + apart.size
        good &= bool(np.all(apart <= SPACING[kind] * np.maximum(np.abs(found), np.abs(expected))))
    good &= neighbours * 1000 <= 5 * numbers
    print(f"{'ok     ' if good else 'FAILED '} {name}: {neighbours} of {numbers} numbers of 16 bits"
          " are torch's neighbours, the others torch's")
    return good


# ------------------------------------------------------------------ the example


def replayed(binary, path, *flags):
    """Whether a run was within its tolerance, and the tensors that it dumped."""
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "dump.safetensors"
        done = subprocess.run([binary, path, *flags, "--json", "--dump", dump], stdout=subprocess.PIPE)
        if done.returncode not in (0, 1) or not done.stdout:
            sys.exit(f"replay {path} {flags} failed with {done.returncode}")
        return json.loads(done.stdout)["ok"], load_file(dump)


def same(found, expected):
    return found.keys() == expected.keys() and all(
        found[name].dtype == np.float32 and np.array_equal(found[name], values)
        for name, values in expected.items())


def replays(binary, path, tensors):
    """Whether an adapter and the twin dump what is expected, and go on alike from the state that either saves."""
    expected = {name: values for name, values in tensors.items() if name.startswith("expected/")}
    with tempfile.TemporaryDirectory() as folder:
        states = [Path(folder) / "adapter.safetensors", Path(folder) / "twin.safetensors"]
        runs = [replayed(binary, path, "--save", states[0]),
                replayed(binary, path, "--reference", "--save", states[1])]
        after = [replayed(binary, path, "--load", states[1])[1],
                 replayed(binary, path, "--reference", "--load", states[0])[1]]
    good = all(ok and same(found, expected) for ok, found in runs)
    return good and same(*after) and not same(after[0], expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the files and torch, write none")
    parser.add_argument("replay", nargs="?", type=Path, help="the built example, which replays the files then")
    arguments = parser.parse_args()
    check, binary = arguments.check, arguments.replay
    torch.set_num_threads(1)
    HERE.mkdir(exist_ok=True)
    wrong = {path.stem for path in HERE.glob("*.safetensors")} - CASES.keys() if check else set()
    for name, case in CASES.items():
        path, (made, recipe, tensors) = HERE / f"{name}.safetensors", trace(name, case)
        if not check:
            path.write_bytes(made)
            print(f"{len(made):>9} {path}")
        elif not path.is_file() or path.read_bytes() != made:
            wrong.add(name)
        draws = any("rounding" in formats or "state" in formats for formats in recipe["formats"].values())
        if check and not draws and not agrees_with_torch(name, recipe, tensors):
            wrong.add(name)
        if check and binary and not replays(binary.resolve(), path, tensors):
            wrong.add(name)
    if wrong:
        sys.exit(f"not what the model gives, not torch's, or not what replay gives: {sorted(wrong)}")


if __name__ == "__main__":
    main()
