"""Both ways between torch and the `replay` example, run for real.

    python tests/golden/round_trip.py target/release/examples/replay

There: torch trains, saves; `replay --load` continues and compares with torch continuing.
Back: `replay --save` trains from nothing; torch loads the file, continues, and is compared
with torch that never stopped.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors import safe_open
from safetensors.torch import save_file

import checkpoints


# The snippet that README.md documents.
def load_into_torch(optimizer, path):
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        state = {int(i): {"step": counted["step"]}
                 for i, counted in json.loads(metadata["state"]).items()}
        for name in file.keys():
            _, i, moment = name.split(".")
            state[int(i)][moment] = file.get_tensor(name)
        param_groups = json.loads(metadata["param_groups"])
    # What is not written is off. Keys that torch does not have, such as epsilon's, are not handed on.
    off = {"amsgrad": False, "weight_decay": 0.0, "decoupled_weight_decay": False}
    known = {"params", "param_names", "initial_lr", *optimizer.defaults}
    param_groups = [{key: held for key, held in {**optimizer.defaults, **off, **group}.items()
                     if key in known} for group in param_groups]
    optimizer.load_state_dict({"state": state, "param_groups": param_groups})


def replay(binary, *arguments):
    done = subprocess.run([binary, *map(str, arguments), "--json"], stdout=subprocess.PIPE)
    if done.returncode not in (0, 1) or not done.stdout:
        sys.exit(f"replay {arguments} failed with {done.returncode}")
    return json.loads(done.stdout)


def there(binary, folder, seed, reference):
    for name in [*checkpoints.CASES, *checkpoints.ADAMS]:
        checkpoints.write(name, folder, seed)
        flags = ["--reference"] if reference else []
        report = replay(binary, folder / f"{name}.safetensors",
                        "--load", folder / f"{name}.pt", *flags)
        yield f"torch to {report['adapter']}: {name}", report["ok"]


def back(binary, folder, seed, reference):
    for name in [*checkpoints.CASES, *checkpoints.ADAMS]:
        generator = torch.Generator().manual_seed(seed)
        params, optimizer, groups, _ = checkpoints.start(name, generator)
        named = "param_names" in optimizer.param_groups[0]
        tensors, recipe = checkpoints.continue_trace(params, optimizer, groups, generator, 6)
        trace, state = folder / f"{name}-first.safetensors", folder / f"{name}-state.safetensors"
        save_file(tensors, trace, {"trace": json.dumps(recipe)})
        flags = ["--reference"] if reference else []
        report = replay(binary, trace, "--save", state, *flags)
        # A second torch optimizer over the same parameters continues from our file.
        resumed = {n: torch.nn.Parameter(p.detach().clone()) for n, p in params.items()}
        members = [{"params": [(n, resumed[n]) if named else resumed[n] for n in names]}
                   for _, names in groups]
        other = type(optimizer)(members)
        load_into_torch(other, state)
        for _ in range(6):
            checkpoints.give_gradients(params, optimizer, generator, 3)
            for n, p in params.items():
                resumed[n].grad = p.grad.clone()
            optimizer.step()
            other.step()
        same = (same_state(other.state[resumed[n]], optimizer.state[p]) for n, p in params.items())
        groups = zip(other.param_groups, optimizer.param_groups, strict=True)
        same_groups = all(hyperparameters(a) == hyperparameters(b) for a, b in groups)
        close = all(torch.allclose(resumed[n], p, **recipe["tolerance"]) for n, p in params.items())
        yield (f"{report['adapter']} to torch: {name}",
               report["ok"] and close and all(same) and same_groups)


def hyperparameters(group):
    kept = {key: held for key, held in group.items() if key not in ("params", "param_names")}
    return {**kept, "betas": tuple(group["betas"])}


def same_state(found, expected):
    moments = expected.keys() - {"step"}
    return (found.keys() == expected.keys() and found["step"] == expected["step"]
            and all(torch.allclose(found[m], expected[m], rtol=2e-6, atol=1e-6) for m in moments))


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    torch.set_num_threads(1)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for seed in (11, 12):
            for reference in (False, True):
                results += there(binary, folder, seed, reference)
                results += back(binary, folder, seed, reference)
    for what, passed in results:
        print(("ok      " if passed else "FAILED  ") + what)
    failed = sum(not passed for _, passed in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
