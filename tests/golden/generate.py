#!/usr/bin/env python3
"""Records torch.optim.SparseAdam into the trace files of this folder, and checks them.

    $(scripts/torch.sh) tests/golden/generate.py                     # write the traces
    $(scripts/torch.sh) tests/golden/generate.py --check             # hold them against numpy
    $(scripts/torch.sh) tests/golden/generate.py --seed 7 --out /tmp/traces

The default seed gives the committed files, byte for byte. Any other seed draws other values and
other shapes. A trace is a safetensors file: what went into the optimizer in every step, and what
came out of it after some of them.
"""

import argparse
import json
import math
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

DEFAULT_SEED = 0
# Entries that are summed one after another before their sum joins the next level's.
CHUNK = 64
DEFAULTS = {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "maximize": False}
# The atol is the rounding of a value near 1, which remains of terms that cancel.
TOLERANCE = {"rtol": 2e-6, "atol": 1e-7}


# ------------------------------------------------------------------ what goes in


@dataclass
class Trace:
    """The input of a run. A step maps a parameter's name to its gradient; one left out has none."""

    params: dict  # name -> initial values
    steps: list  # of {name: (indices, values)}
    groups: list = field(default_factory=list)  # empty: all parameters, default options
    set: dict = field(default_factory=dict)  # step -> [{"group": g, "lr": x}]
    tolerance: dict = field(default_factory=lambda: TOLERANCE)


class Sizes:
    """The sizes of a case: as written with the default seed, drawn around that with another."""

    def __init__(self, seed):
        self.fixed = seed == DEFAULT_SEED

    def __call__(self, usual, at_least=1):
        if self.fixed:
            return usual
        low, high = max(at_least, usual // 2), max(at_least, usual + usual // 2)
        return draw_int(low, high)


def draw_int(low, high):
    return int(torch.randint(low, high + 1, ()))


def normal(*shape):
    return torch.randn(*shape)


def positive(*shape):
    """From 0.5 to 1.5: whatever is summed of these keeps all its digits."""
    return torch.rand(*shape) + 0.5


def signs(*shape):
    return torch.randint(0, 2, shape) * 2.0 - 1.0


def unique(rows, nnz):
    """Distinct rows, in no order."""
    return torch.randperm(rows)[:nnz]


def repeated(rows, nnz):
    return torch.randint(0, rows, (nnz,))


def gradient(indices, param):
    return indices, normal(len(indices), *param.shape[1:])


def options(params, **overrides):
    return {**DEFAULTS, **overrides, "params": params}


def one_param(shape, count, steps, draw=repeated, **rest):
    """A parameter of this shape, `steps` gradients of `count` entries each."""
    p0 = normal(*shape)
    grads = [{"p0": gradient(draw(shape[0], count), p0)} for _ in range(steps)]
    return Trace({"p0": p0}, grads, **rest)


# ------------------------------------------------------------------ the cases


def default_options(size):
    return one_param([size(50, 2), size(8)], size(40), size(30, 3))


def odd_dims(size):
    dims = [1, 3, 37] if size.fixed else [1, 2 * draw_int(1, 15) + 1, 2 * draw_int(16, 40) + 1]
    params = {f"p{i}": normal(size(23 + 9 * i, 2), dim) for i, dim in enumerate(dims)}
    steps = [{name: gradient(repeated(len(p), size(20)), p) for name, p in params.items()}
             for _ in range(size(6, 3))]
    return Trace(params, steps)


def vector(size):
    return one_param([size(300, 2)], size(100), size(8, 3))


def wide_rows(size):
    return one_param([size(20, 2), size(128, 100)], size(16), size(5, 3))


def three_axes(size):
    return one_param([size(20, 2), size(4, 2), size(6, 2)], size(15), size(6, 3))


def unsorted_unique(size):
    rows = size(64, 4)
    return one_param([rows, size(16)], rows * 2 // 3, size(8, 3), draw=unique)


def heavy_duplicates(size):
    """Few rows, each named often, the first of them far more than CHUNK times.

    A column's values share their sign: a sum that cancels would leave rounding errors, of which
    the first step, m / sqrt(v), keeps nothing but the sign.
    """
    rows, dim, count = size(12, 3), size(5), size(600, 300)
    p0, sign = normal(rows, dim), signs(1, dim)
    steps = []
    for _ in range(size(6, 3)):
        indices = torch.where(torch.rand(count) < 0.4, torch.tensor(0), repeated(rows, count))
        steps.append({"p0": (indices, positive(count, dim) * sign)})
    return Trace({"p0": p0}, steps)


def row_of_70000_entries(size):
    """Past 65,535 entries of one row, among entries of others.

    Multiples of 1/16 add up exactly in any order: the tolerance can stay so tight that one entry
    more or less shows, where torch's own rounding would hide it otherwise.
    """
    rows, hot, others = size(40, 3), size(70_000, 65_600), size(1_000)
    p0, row = normal(rows, 1), rows // 3
    steps = []
    for mixed in (True, False):  # the larger sums last, to leave those of step 0 visible
        indices = torch.cat([torch.full((hot,), row), repeated(rows, others)])
        indices = indices[torch.randperm(len(indices))]
        values = torch.randint(8, 16, (len(indices), 1)) / 16.0
        steps.append({"p0": (indices, values * signs(*values.shape) if mixed else values)})
    return Trace({"p0": p0}, steps)


def explicit_zeros(size):
    """Rows named with zeros only, and with two values that add up to zero, are touched all the
    same: their moments decay and they move."""
    rows, dim = size(30, 6), size(6)
    p0 = normal(rows, dim)
    steps = []
    for _ in range(size(8, 3)):
        indices = unique(rows, rows // 2)
        values = normal(len(indices), dim)
        values[::3] = 0.0
        values[:, dim // 2] = 0.0
        opposite = indices[:2].repeat_interleave(2)
        pair = normal(2, dim)
        steps.append({"p0": (torch.cat([indices[2:], opposite]),
                             torch.cat([values[2:], torch.stack([pair, -pair], 1).flatten(0, 1)]))})
    return Trace({"p0": p0}, steps)


def empty_gradients(size):
    """A gradient without entries changes nothing, but its step counts."""
    p0 = normal(size(24, 2), size(7))
    counts = [0] + [size(10), 0, size(10)] * size(3)
    return Trace({"p0": p0}, [{"p0": gradient(repeated(len(p0), n), p0)} for n in counts])


def steps_without_gradient(size):
    """No gradient: the step does not count. p1 gets its first one, and so its state, late; p2
    never; and in one step nobody has any."""
    params = {f"p{i}": normal(size(16 + i, 2), size(5 + i)) for i in range(3)}
    present = [["p0"], ["p0"], [], ["p0", "p1"], ["p1"], ["p0"], ["p1"], ["p0", "p1"]]
    steps = [{name: gradient(repeated(len(params[name]), size(9)), params[name]) for name in names}
             for names in present]
    return Trace(params, steps)


def two_groups(size):
    params = {"p0": normal(size(30, 2), size(8)), "p1": normal(size(18, 2), size(4))}
    groups = [options(["p0"]),
              options(["p1"], lr=0.02, betas=[0.8, 0.95], eps=1e-5, maximize=True)]
    steps = [{name: gradient(repeated(len(p), size(14)), p) for name, p in params.items()}
             for _ in range(size(12, 3))]
    return Trace(params, steps, groups)


def maximize(size):
    return one_param([size(32, 2), size(8)], size(24), size(10, 3),
                     groups=[options(["p0"], maximize=True)])


def changing_lr(size):
    """As a scheduler does it: before every second step."""
    trace = one_param([size(25, 2), size(6)], size(12), size(12, 4),
                      groups=[options(["p0"], lr=0.01)])
    trace.set = {k: [{"group": 0, "lr": 0.01 * 0.7 ** (k // 2)}]
                 for k in range(2, len(trace.steps), 2)}
    return trace


def magnitudes(size):
    """Values from 1e-12 to 1e12, drawn anew for every element and step.

    No absolute tolerance fits moments from 1e-27 to 1e21, so the relative one decides alone. For
    that nothing may cancel: an element keeps its sign, and p starts away from zero.
    """
    rows, dim = size(40, 4), size(8)
    p0, sign = positive(rows, dim) * signs(rows, dim), signs(rows, dim)
    steps = []
    for _ in range(size(10, 3)):
        indices = unique(rows, rows // 2)
        exponents = torch.rand(len(indices), dim) * 24 - 12
        exponents[0, 0], exponents[-1, -1] = -12, 12
        steps.append({"p0": (indices, 10.0 ** exponents * sign[indices])})
    return Trace({"p0": p0}, steps, tolerance={"rtol": 2e-6, "atol": 0.0})


def many_steps(size):
    return one_param([size(12, 2), size(4)], size(8), size(400, 200))


CASES = [default_options, odd_dims, vector, wide_rows, three_axes, unsorted_unique,
         heavy_duplicates, row_of_70000_entries, explicit_zeros, empty_gradients,
         steps_without_gradient, two_groups, maximize, changing_lr, magnitudes, many_steps]


# ------------------------------------------------------------------ recording


def build(case, seed):
    """The case's input. Its random stream is its own, so cases do not affect each other."""
    # Hashed into 32 bits, as torch's generator drops the rest of a larger seed.
    torch.manual_seed(zlib.crc32(f"{case.__name__} {seed}".encode()))
    trace = case(Sizes(seed))
    trace.groups = trace.groups or [options(list(trace.params))]
    return trace


def sparse(indices, values, param):
    shape = [len(param), *values.shape[1:]]
    return torch.sparse_coo_tensor(indices[None], values, shape, check_invariants=True)


def record(trace):
    """Runs torch; returns the trace's metadata and tensors."""
    params = {name: torch.nn.Parameter(p.clone()) for name, p in trace.params.items()}
    optimizer = torch.optim.SparseAdam(
        [{**group, "params": [params[name] for name in group["params"]]} for group in trace.groups])
    last = len(trace.steps) - 1
    expect = sorted({0, last // 2, last})
    tensors = {f"initial/{name}": p for name, p in trace.params.items()}
    steps = []
    for k, grads in enumerate(trace.steps):
        step = {"grads": list(grads)}
        if k in trace.set:
            step["set"] = trace.set[k]
        steps.append(step)
        for change in step.get("set", []):
            optimizer.param_groups[change["group"]]["lr"] = change["lr"]
        for name, p in params.items():
            p.grad = sparse(*grads[name], p) if name in grads else None
        optimizer.step()
        for name, (indices, values) in grads.items():
            tensors[f"step/{k}/{name}/indices"] = indices
            tensors[f"step/{k}/{name}/values"] = values
        if k in expect:
            tensors |= snapshot(k, params, optimizer)
    metadata = {
        "version": 1,
        "params": {name: list(p.shape) for name, p in trace.params.items()},
        "groups": trace.groups,
        "steps": steps,
        "expect": expect,
        "tolerance": trace.tolerance,
        "source": f"torch {torch.__version__.split('+')[0]} cpu",
    }
    return metadata, {name: t.numpy() for name, t in tensors.items()}


def snapshot(k, params, optimizer):
    """Parameters and moments after step k; no moments where torch has no state yet."""
    tensors = {}
    for name, p in params.items():
        tensors[f"expected/{k}/{name}/param"] = p.detach().clone()
        for moment in ("exp_avg", "exp_avg_sq"):
            if moment in optimizer.state[p]:
                tensors[f"expected/{k}/{name}/{moment}"] = optimizer.state[p][moment].clone()
    return tensors


def write(folder, seed):
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    for case in CASES:
        metadata, tensors = record(build(case, seed))
        path = folder / f"{case.__name__}.safetensors"
        save_file(tensors, path, {"trace": json.dumps(metadata, separators=(",", ":"))})
        print(f"{path.stat().st_size:>9} {path}")


# ------------------------------------------------------------------ checking


def serial_sums(values):
    """Sums a run of value rows: CHUNK entries one after another, then those sums likewise."""
    while len(values) > 1:
        # Zeros fill up the last chunk: they change no sum.
        full = -len(values) % CHUNK
        values = np.concatenate([values, np.zeros((full, *values.shape[1:]), values.dtype)])
        chunks = values.reshape(-1, CHUNK, *values.shape[1:])
        values = chunks[:, 0]
        for j in range(1, CHUNK):
            values = values + chunks[:, j]
    return values[0]


def coalesce(indices, values):
    rows, row_of = np.unique(indices, return_inverse=True)
    sums = [serial_sums(values[row_of == i]) for i in range(len(rows))]
    return rows, np.array(sums, values.dtype).reshape(len(rows), *values.shape[1:])


def twin_step(p, m, v, t, rows, g, group):
    """torch's sparse_adam in torch's order, every operation rounded to the arrays' type."""
    real = p.dtype.type
    beta1, beta2 = group["betas"]
    m[rows] = m[rows] + (g - m[rows]) * real(1 - beta1)
    v[rows] = v[rows] + (g * g - v[rows]) * real(1 - beta2)
    step_size = group["lr"] * math.sqrt(1 - beta2**t) / (1 - beta1**t)
    p[rows] = p[rows] + real(-step_size) * (m[rows] / (np.sqrt(v[rows]) + real(group["eps"])))


def twin(trace, tensors, real):
    """Replays a trace in numpy; yields (name, array) for what it should have led to."""
    groups = [dict(group) for group in trace["groups"]]
    group_of = {name: group for group in groups for name in group["params"]}
    p = {name: tensors[f"initial/{name}"].astype(real) for name in trace["params"]}
    m, v, t = {}, {}, {}
    for k, step in enumerate(trace["steps"]):
        for change in step.get("set", []):
            groups[change["group"]]["lr"] = change["lr"]
        for name in step["grads"]:
            if name not in t:
                m[name], v[name], t[name] = np.zeros_like(p[name]), np.zeros_like(p[name]), 0
            t[name] += 1
            values = tensors[f"step/{k}/{name}/values"].astype(real)
            values = -values if group_of[name]["maximize"] else values
            rows, g = coalesce(tensors[f"step/{k}/{name}/indices"], values)
            twin_step(p[name], m[name], v[name], t[name], rows, g, group_of[name])
        if k in trace["expect"]:
            for kind, arrays in (("param", p), ("exp_avg", m), ("exp_avg_sq", v)):
                yield from ((f"expected/{k}/{name}/{kind}", a.copy()) for name, a in arrays.items())


def worst(actual, expected, tolerance):
    """The largest share of the tolerance that an element uses (1: at its edge)."""
    error = np.abs(actual.astype(np.float64) - expected)
    allowed = tolerance["atol"] + tolerance["rtol"] * np.abs(expected.astype(np.float64))
    return max(0.0, *np.where(error == 0, 0.0, error / np.maximum(allowed, 1e-300)).flat)


def check_file(path):
    """Prints how near the numpy twins come; returns whether the f32 one is within tolerance."""
    with safe_open(path, "np") as file:
        trace = json.loads(file.metadata()["trace"])
    tensors = load_file(path)
    expected = {name for name in tensors if name.startswith("expected/")}
    shares = {}
    for real in (np.float32, np.float64):
        found = dict(twin(trace, tensors, real))
        assert found.keys() == expected, f"{path}: {found.keys() ^ expected}"
        shares[real] = {
            kind: max(worst(array, tensors[name], trace["tolerance"])
                      for name, array in found.items() if name.endswith(f"/{kind}"))
            for kind in ("param", "exp_avg", "exp_avg_sq")}
    columns = "  ".join(" ".join(f"{share:8.4f}" for share in s.values()) for s in shares.values())
    print(f"{path.name:38} {columns}")
    return max(shares[np.float32].values()) <= 1


def check(folder):
    print("The largest share of the tolerance used (1: at its edge), of param, exp_avg, exp_avg_sq,")
    print(f"{'by numpy in f32 and in f64':38} {'f32':^26}  {'f64':^26}")
    paths = sorted(folder.glob("*.safetensors"))
    results = [check_file(path) for path in paths]
    assert results, f"no traces in {folder}"
    return all(results)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the traces")
    parser.add_argument("--check", action="store_true", help="check the folder's traces, write none")
    arguments = parser.parse_args()
    if not arguments.check:
        write(arguments.out, arguments.seed)
    elif not check(arguments.out):
        sys.exit("outside the tolerance")


if __name__ == "__main__":
    main()
