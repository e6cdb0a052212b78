"""Checkpoints that torch wrote, each with a trace that continues from it.

`<name>.pt` is `torch.save(optimizer.state_dict())` after some steps, and
`<name>.safetensors` the trace of further steps, whose initial values are the parameters at
that point. Written by the version of torch in requirements.txt:

    python tests/golden/checkpoints.py            # writes tests/golden/checkpoints/
"""

import argparse
import collections
import json
import pathlib

import torch
from safetensors.torch import save_file

# Tensors of a state, in the order of a trace.
MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
HERE = pathlib.Path(__file__).resolve().parent
TOLERANCE = {"rtol": 2e-6, "atol": 1e-7}
# Adam and AdamW round where SparseAdam does not.
TOLERANCE_OF_ADAM = {"rtol": 2e-6, "atol": 1e-6}


def is_sparse(optimizer):
    return isinstance(optimizer, torch.optim.SparseAdam)


def give_gradients(params, optimizer, generator, share):
    """Gives each parameter a gradient of a share of its rows: of all to an optimizer of dense ones, as a lazy one does
    the same where every row is named. Returns them, sparse."""
    grads = {}
    for name, p in params.items():
        rows = p.shape[0]
        grads[name] = gradient(p, generator, 1 + rows // share if is_sparse(optimizer) else rows)
        p.grad = grads[name] if is_sparse(optimizer) else grads[name].to_dense()
    return grads


def rule(optimizer, group):
    """A group's keys in a trace that SparseAdam has not."""
    if is_sparse(optimizer):
        return {}
    decay = "decoupled" if group["decoupled_weight_decay"] else "l2"
    decay = {"weight_decay": group["weight_decay"], "decay": decay} if group["weight_decay"] else {}
    return {"epsilon": "corrected", "amsgrad": group["amsgrad"], **decay}


def gradient(param, generator, nnz):
    """A sparse gradient without repeated rows, so that torch's sums have one order."""
    rows = torch.randperm(param.shape[0], generator=generator)[:nnz]
    values = torch.randn(nnz, *param.shape[1:], generator=generator)
    return torch.sparse_coo_tensor(rows[None], values, param.shape)


def make(shapes, groups, named, generator, kind=torch.optim.SparseAdam):
    params = {f"p{i}": torch.nn.Parameter(torch.randn(*shape, generator=generator))
              for i, shape in enumerate(shapes)}
    members = []
    for options, names in groups:
        held = [(name, params[name]) if named else params[name] for name in names]
        members.append({**options, "params": held})
    return params, kind(members)


def age(state_dict):
    """The state dict as older versions of torch wrote it."""
    for group in state_dict["param_groups"]:
        del group["maximize"]
    for state in state_dict["state"].values():
        state["step"] = torch.tensor(float(state["step"]))
    return state_dict


def continue_trace(params, optimizer, groups, generator, steps):
    tensors = {f"initial/{name}": p.detach().clone() for name, p in params.items()}
    recipe = {"version": 1,
              "params": {name: list(p.shape) for name, p in params.items()},
              "groups": [{"lr": g["lr"], "betas": list(g["betas"]), "eps": g["eps"],
                          "maximize": g["maximize"], **rule(optimizer, g), "params": names}
                         for g, (_, names) in zip(optimizer.param_groups, groups)],
              "steps": [], "expect": [0, steps - 1], "tolerance": TOLERANCE if is_sparse(optimizer) else TOLERANCE_OF_ADAM,
              "source": f"torch {torch.__version__.split('+')[0]} cpu"}
    for k in range(steps):
        for name, grad in give_gradients(params, optimizer, generator, 3).items():
            tensors[f"step/{k}/{name}/indices"] = grad._indices()[0].clone()
            tensors[f"step/{k}/{name}/values"] = grad._values().clone()
        recipe["steps"].append({"grads": list(params)})
        optimizer.step()
        if k in recipe["expect"]:
            for name, p in params.items():
                state = optimizer.state[p]
                tensors[f"expected/{k}/{name}/param"] = p.detach().clone()
                for moment in filter(state.__contains__, MOMENTS):
                    tensors[f"expected/{k}/{name}/{moment}"] = state[moment].clone()
    return tensors, recipe


CASES = {
    # name: shapes, groups (options, params), named, aged
    "plain": ([(40, 8)], [({}, ["p0"])], False, False),
    "old": ([(30, 5), (7,)], [({"lr": 0.01}, ["p0", "p1"])], False, True),
    "named_groups": ([(40, 8), (25, 3), (12, 2, 3)],
                     [({"lr": 0.02, "maximize": True}, ["p1"]),
                      ({"betas": (0.8, 0.95)}, ["p0", "p2"])], True, False),
}


# Of torch.optim.Adam and AdamW, whose gradients name every row. Epsilon is large enough to be felt.
FELT = {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-2}
ADAMS = {
    # name: optimizer, shapes, groups (options, params)
    "adam": (torch.optim.Adam, [(12, 4)], [({**FELT}, ["p0"])]),
    "adamw": (torch.optim.AdamW, [(12, 4)], [({**FELT}, ["p0"])]),
    "adam_amsgrad": (torch.optim.Adam, [(9, 3), (5,)],
                     [({**FELT, "amsgrad": True, "weight_decay": 0.1}, ["p1"]), ({**FELT}, ["p0"])]),
    "adamw_amsgrad": (torch.optim.AdamW, [(9, 3), (5,)],
                      [({**FELT, "amsgrad": True, "weight_decay": 0.1, "maximize": True}, ["p0"]),
                       ({**FELT, "weight_decay": 0.0}, ["p1"])]),
}


def start(name, generator):
    """Parameters and optimizer of a case, its groups, and whether its file is of an older torch."""
    if name in ADAMS:
        kind, shapes, groups = ADAMS[name]
        return *make(shapes, groups, False, generator, kind), groups, False
    shapes, groups, named, aged = CASES[name]
    return *make(shapes, groups, named, generator), groups, aged


def write(name, out, seed, steps=6):
    generator = torch.Generator().manual_seed(seed)
    params, optimizer, groups, aged = start(name, generator)
    for _ in range(steps):
        give_gradients(params, optimizer, generator, 2)
        optimizer.step()
    saved = optimizer.state_dict()
    torch.save(age(saved) if aged else saved, out / f"{name}.pt")
    if aged:  # aging replaced the counters, which the optimizer shares
        for state in optimizer.state.values():
            state["step"] = int(state["step"])
        for group in optimizer.param_groups:
            group.setdefault("maximize", False)
    tensors, recipe = continue_trace(params, optimizer, groups, generator, steps)
    save_file(tensors, out / f"{name}.safetensors", {"trace": json.dumps(recipe)})


def write_ways(out):
    """The state of plain.pt, saved in other ways."""
    plain = torch.load(out / "plain.pt")
    table = torch.nn.Embedding(40, 8, sparse=True)

    def grouped(**more):
        return {"state": plain["state"], "param_groups": [{**plain["param_groups"][0], **more}]}

    torch.save({"epoch": 3, "model": table.state_dict(), "optimizer": plain,
                "rng": torch.get_rng_state()}, out / "under_a_key.pt")
    torch.save({"optimizer_states": [plain], "epoch": 3}, out / "lightning.pt")
    torch.save(plain, out / "before_1_6.pt", _use_new_zipfile_serialization=False)
    torch.save(plain, out / "protocol_4.pt", pickle_protocol=4)
    torch.save({"state": collections.defaultdict(dict, plain["state"]),
                "param_groups": plain["param_groups"]}, out / "defaultdict.pt")
    torch.save(grouped(lr=torch.tensor(plain["param_groups"][0]["lr"], dtype=torch.float64)),
               out / "tensor_lr.pt")
    # The second moment as a transposed view, the first at an offset of a larger storage.
    state = plain["state"][0]
    larger = torch.cat([torch.full((3,), torch.nan), state["exp_avg"].flatten()])
    viewed = {**state, "exp_avg": larger[3:].view(40, 8),
              "exp_avg_sq": state["exp_avg_sq"].t().contiguous().t()}
    torch.save({**plain, "state": {0: viewed}}, out / "views.pt")
    torch.serialization.set_crc32_options(False)
    torch.save(plain, out / "no_crc.pt")
    torch.serialization.set_crc32_options(True)

    # What schedulers leave in a group: OneCycleLR's keys, then CyclicLR's and SWALR's.
    optimizer = torch.optim.SparseAdam([torch.nn.Parameter(torch.zeros(40, 8))])
    optimizer.load_state_dict(plain)
    torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=10)
    torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.05)
    torch.save(optimizer.state_dict(), out / "one_cycle.pt")


def write_refused(out):
    """What is refused, each for a reason of its own."""
    # A pickle that names a function to call, and one that is no optimizer's state.
    class Hostile:
        def __reduce__(self):
            return (print, ("called",))
    torch.save({"state": {}, "param_groups": Hostile()}, out / "hostile.pt")
    torch.save({"weight": torch.zeros(3)}, out / "not_a_state.pt")
    # Another optimizer, one of before it told its decay, and an optimizer itself.
    param = torch.nn.Parameter(torch.zeros(3, 2))
    param.grad = torch.ones(3, 2)
    optimizer = torch.optim.NAdam([param])
    optimizer.step()
    torch.save(optimizer.state_dict(), out / "nadam.pt")
    optimizer = torch.optim.Adam([param], weight_decay=0.1)
    optimizer.step()
    saved = optimizer.state_dict()
    del saved["param_groups"][0]["decoupled_weight_decay"]
    torch.save(saved, out / "adam_before_2_7.pt")
    param = torch.nn.Parameter(torch.zeros(3, 2))
    optimizer = torch.optim.SparseAdam([param])
    param.grad = torch.sparse_coo_tensor([[1]], torch.ones(1, 2), (3, 2))
    optimizer.step()
    torch.save(optimizer, out / "whole_optimizer.pt")
    torch.save({"state": optimizer.state, "param_groups": optimizer.state_dict()["param_groups"]},
               out / "keyed_by_tensors.pt")
    # Moments that are one number, expanded.
    saved = optimizer.state_dict()
    saved["state"][0]["exp_avg"] = torch.zeros(1).expand(1 << 15, 1 << 15)
    torch.save(saved, out / "expanded.pt")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "checkpoints")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(exist_ok=True)
    for name in [*CASES, *ADAMS]:
        write(name, args.out, args.seed)
    write_ways(args.out)
    write_refused(args.out)


if __name__ == "__main__":
    main()
