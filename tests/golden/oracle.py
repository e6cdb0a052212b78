#!/usr/bin/env python3
"""torch.optim.Adam and AdamW, made lazy, and SparseAdam behind clip_grad_norm_, against the `replay` example: fresh
runs each time, replayed at once.

    $(scripts/torch.sh) tests/golden/oracle.py target/release/examples/replay              # a seed of its own
    $(scripts/torch.sh) tests/golden/oracle.py target/release/examples/replay --seed 5     # one seen before
    $(scripts/torch.sh) tests/golden/oracle.py target/release/examples/replay --runs 40    # more, on the CPU twin

torch's Adam and AdamW refuse sparse gradients. Here each row of a table is a Parameter, and rows that a step does not
name have no gradient in it. Their state's `step` counts the row's own steps, or is set to the run's before each step.
"""

import argparse
import json
import pathlib
import secrets
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import save_file

# f32 both times: torch decays in an operation of its own, and divides both moments by their corrections.
TOLERANCE = {"rtol": 2e-6, "atol": 2e-6}
KINDS = {"Adam": "l2", "AdamW": "decoupled"}
RULES = [(kind, by_row, amsgrad, decays)
         for kind in KINDS for by_row in (False, True)
         for amsgrad in (False, True) for decays in (False, True)]
NORM_TYPES = ("1", "2", "inf")


class Draw:
    """Random numbers of one run."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def int(self, low, high):
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def float(self, low, high):
        return low + (high - low) * float(torch.rand((), generator=self.generator, dtype=torch.float64))

    def normal(self, *shape):
        return torch.randn(*shape, generator=self.generator)

    def rows(self, rows, count):
        """Any rows, some of them twice: the last entry names the first one's."""
        rows = torch.randint(0, rows, (count,), generator=self.generator)
        if count > 1:
            rows[-1] = rows[0]
        return rows


class Lazy:
    """A table whose rows are Parameters of one optimizer."""

    def __init__(self, table, kind, by_row, **options):
        self.by_row = by_row
        self.rows = [torch.nn.Parameter(row.clone()) for row in table]
        self.optimizer = getattr(torch.optim, kind)(self.rows, foreach=False, **options)
        self.names = ["exp_avg", "exp_avg_sq"]
        if options.get("amsgrad"):
            self.names.append("max_exp_avg_sq")
        self.count = 0
        # torch makes a row's state in its first step, with a step of 0: made before, it can be set.
        for row in self.rows:
            zeros = {name: torch.zeros_like(row.detach()) for name in self.names}
            self.optimizer.state[row] = {"step": torch.tensor(0.0), **zeros}

    def step(self, indices, values, lr):
        self.optimizer.param_groups[0]["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        for index in set(indices.tolist()):
            row = self.rows[index]
            # Entry after entry: the order in which they are summed everywhere here.
            row.grad = torch.zeros_like(row.detach())
            for value in values[indices == index]:
                row.grad += value
            if not self.by_row:
                self.optimizer.state[row]["step"].fill_(float(self.count))
        self.optimizer.step()
        self.count += 1

    def tensors(self):
        yield "param", torch.stack([row.detach() for row in self.rows])
        for name in self.names:
            yield name, torch.stack([self.optimizer.state[row][name] for row in self.rows])


def record(seed, kind, by_row, amsgrad, decays):
    """A run of torch, as the metadata and tensors of a trace."""
    draw = Draw(seed)
    rows, dim, steps = draw.int(5, 40), draw.int(1, 12), draw.int(6, 25)
    lr = draw.float(0.005, 0.1)
    betas = (draw.float(0.6, 0.95), draw.float(0.8, 0.999))
    # Large enough to be felt, so that its place is.
    eps = 10.0 ** draw.float(-3.0, -1.5)
    decay = draw.float(0.05, 0.5) if decays else 0.0
    maximize = draw.int(0, 3) == 0
    table = draw.normal(rows, dim)
    scale = 10.0 ** draw.normal(dim).clamp(-2, 0.5)
    oracle = Lazy(table, kind, by_row, lr=lr, betas=betas, eps=eps, amsgrad=amsgrad, weight_decay=decay,
                  maximize=maximize)
    recipe = {
        "version": 1,
        "params": {"p0": [rows, dim]},
        "groups": [{"lr": lr, "betas": betas, "eps": eps, "maximize": maximize,
                    "epsilon": "corrected", "amsgrad": amsgrad,
                    **({"bias_correction": "row"} if by_row else {}),
                    **({"weight_decay": decay, "decay": KINDS[kind]} if decays else {}),
                    "params": ["p0"]}],
        "steps": [], "expect": [steps // 2, steps - 1], "tolerance": TOLERANCE,
        "source": f"torch {torch.__version__.split('+')[0]} cpu, {kind}, a Parameter a row",
    }
    tensors = {"initial/p0": table}
    for k in range(steps):
        count = 0 if draw.int(0, 9) == 0 else draw.int(1, 30)
        indices = draw.rows(rows, count)
        values = draw.normal(count, dim) * scale
        step = {"grads": ["p0"]}
        if k and draw.int(0, 2) == 0:
            lr = draw.float(0.005, 0.1)
            step["set"] = [{"group": 0, "lr": lr}]
        recipe["steps"].append(step)
        oracle.step(indices, values, lr)
        tensors |= {f"step/{k}/p0/indices": indices, f"step/{k}/p0/values": values}
        if k in recipe["expect"]:
            tensors |= {f"expected/{k}/p0/{name}": held for name, held in oracle.tensors()}
    return recipe, tensors


def record_clipped(seed, norm_type):
    """A run of torch's SparseAdam over two parameters, whose gradients clip_grad_norm_ clips by the norm of both."""
    draw = Draw(seed)
    shapes = {"p0": [draw.int(5, 40), draw.int(1, 40)], "p1": [draw.int(1, 9), draw.int(1, 20)]}
    lr, betas, eps = draw.float(0.005, 0.1), (draw.float(0.6, 0.95), draw.float(0.8, 0.999)), 1e-2
    steps = draw.int(6, 25)
    params = {name: torch.nn.Parameter(draw.normal(*shape)) for name, shape in shapes.items()}
    optimizer = torch.optim.SparseAdam(params.values(), lr=lr, betas=betas, eps=eps)
    recipe = {
        "version": 1, "params": shapes,
        "groups": [{"lr": lr, "betas": betas, "eps": eps, "params": list(shapes)}],
        "steps": [], "expect": [steps // 2, steps - 1], "tolerance": TOLERANCE,
        "source": f"torch {torch.__version__.split('+')[0]} cpu, SparseAdam, clip_grad_norm_",
    }
    tensors = {f"initial/{name}": param.detach().clone() for name, param in params.items()}
    for k in range(steps):
        optimizer.zero_grad(set_to_none=True)
        named = [name for name in shapes if k == 0 or name == "p0" or draw.int(0, 3)]
        for name in named:
            rows, dim = shapes[name]
            count = draw.int(1, 30)
            indices, values = draw.rows(rows, count), draw.normal(count, dim)
            params[name].grad = torch.sparse_coo_tensor(
                indices[None], values, (rows, dim), check_invariants=True)
            tensors |= {f"step/{k}/{name}/indices": indices, f"step/{k}/{name}/values": values}
        if k == 0:
            # The first step is clipped, others perhaps.
            norm = torch.nn.utils.clip_grad_norm_(params.values(), torch.inf, norm_type=float(norm_type))
            max_norm = float(norm) * 10.0 ** draw.float(-0.5, -0.05)
            recipe["clip_grad_norm"] = {"max": max_norm, "norm_type": norm_type}
        torch.nn.utils.clip_grad_norm_(params.values(), max_norm, norm_type=float(norm_type))
        optimizer.step()
        recipe["steps"].append({"grads": named})
        if k in recipe["expect"]:
            for name, param in params.items():
                held = {"param": param.detach(), **optimizer.state[param]}
                tensors |= {f"expected/{k}/{name}/{of}": held[of].clone()
                            for of in ("param", "exp_avg", "exp_avg_sq")}
    return recipe, tensors


def replay(binary, path, *flags):
    done = subprocess.run([binary, str(path), *flags, "--json"], stdout=subprocess.PIPE)
    if done.returncode not in (0, 1) or not done.stdout:
        sys.exit(f"replay {path} failed with {done.returncode}")
    return json.loads(done.stdout)


def largest(tensors):
    """The largest difference of the parameter."""
    return max(tensor["max_abs"] for tensor in tensors if tensor["name"].endswith("/param"))


def runs(seed):
    """Runs by seeds from `seed` on: what each is, its trace, and a change of its recipe by which it must fail."""
    for number, (kind, by_row, amsgrad, decays) in enumerate(RULES):
        drawn = seed + number
        recipe, tensors = record(drawn, kind, by_row, amsgrad, decays)
        what = f"{drawn} {kind}{', by row' if by_row else ''}{', amsgrad' if amsgrad else ''}{', decay' if decays else ''}"
        yield what, recipe, tensors, {"groups": [{**recipe["groups"][0], "epsilon": "raw"}]}
    for number, norm_type in enumerate(NORM_TYPES, len(RULES)):
        recipe, tensors = record_clipped(seed + number, norm_type)
        yield f"{seed + number} SparseAdam, norm {norm_type}", recipe, tensors, {"clip_grad_norm": {"max": 1e9}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("replay", type=pathlib.Path, help="the built example")
    parser.add_argument("--seed", type=int, help="that of the first run; another each time without it")
    parser.add_argument("--runs", type=int, help="runs of each rule, on the CPU twin alone")
    args = parser.parse_args()
    binary = str(args.replay.resolve())
    torch.set_num_threads(1)
    seed = secrets.randbelow(1 << 30) if args.seed is None else args.seed
    print(f"seed {seed}")
    ways = [[], ["--reference"]] if args.runs is None else [["--reference"]]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "trace.safetensors"
        for run in range(args.runs or 1):
            for what, recipe, tensors, change in runs(seed + run * (len(RULES) + len(NORM_TYPES))):
                save_file(tensors, path, {"trace": json.dumps(recipe)})
                expected = sum(name.startswith("expected/") for name in tensors)
                for flags in ways:
                    report = replay(binary, path, *flags)
                    passed = report["ok"] and len(report["tensors"]) == expected
                    failed += not passed
                    verdict = "ok     " if passed else "FAILED "
                    print(f"{verdict} {what}, {report['adapter']}:"
                          f" at most {largest(report['tensors']):.1e} apart")
                # That the run can tell: with SparseAdam's epsilon, or without the norm, it fails.
                save_file(tensors, path, {"trace": json.dumps({**recipe, **change})})
                if replay(binary, path, "--reference")["ok"]:
                    failed += 1
                    print(f"FAILED  {what}: it also passes with {change}")
    sys.exit(f"{failed} failed" if failed else 0)


if __name__ == "__main__":
    main()
