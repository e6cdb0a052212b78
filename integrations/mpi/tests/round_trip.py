"""From ranks to torch: what ranks saved is exported, torch loads it and goes on as if it had never stopped.

    python integrations/mpi/tests/round_trip.py target/release/examples/sharded_replay

As `back` of tests/golden/round_trip.py, whose snippet loads the file.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors import safe_open
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tests" / "golden"))

import checkpoints  # noqa: E402
from round_trip import hyperparameters, load_into_torch, same_state  # noqa: E402


def sharded(binary, *arguments):
    done = subprocess.run([binary, *map(str, arguments), "--threads", "--json"], stdout=subprocess.PIPE)
    if done.returncode or not done.stdout:
        sys.exit(f"sharded_replay {arguments} failed with {done.returncode}")
    return json.loads(done.stdout)


def case(binary, folder, name, ranks, seed):
    generator = torch.Generator().manual_seed(seed)
    params, optimizer, groups, _ = checkpoints.start(name, generator)
    named = "param_names" in optimizer.param_groups[0]
    tensors, recipe = checkpoints.continue_trace(params, optimizer, groups, generator, 6)
    trace, saved, out = folder / f"{name}.safetensors", folder / name, folder / f"{name}-out"
    save_file(tensors, trace, {"trace": json.dumps(recipe)})
    report = sharded(binary, trace, "--ranks", ranks, "--save", saved, "--export", out)
    with safe_open(out / "weights.safetensors", "pt") as file:
        weights = {key: file.get_tensor(key) for key in file.keys()}
    near = all(torch.allclose(weights[n], p, **recipe["tolerance"]) for n, p in params.items())
    resumed = {n: torch.nn.Parameter(weights[n].clone()) for n in params}
    other = type(optimizer)([{"params": [(n, resumed[n]) if named else resumed[n] for n in names]}
                             for _, names in groups])
    load_into_torch(other, out / "optimizer.safetensors")
    for _ in range(6):
        checkpoints.give_gradients(params, optimizer, generator, 3)
        for n, p in params.items():
            resumed[n].grad = p.grad.clone()
        optimizer.step()
        other.step()
    same = all(same_state(other.state[resumed[n]], optimizer.state[p]) for n, p in params.items())
    pairs = zip(other.param_groups, optimizer.param_groups, strict=True)
    groups_same = all(hyperparameters(a) == hyperparameters(b) for a, b in pairs)
    close = all(torch.allclose(resumed[n], p, **recipe["tolerance"]) for n, p in params.items())
    return report["ok"] and report["bits"] == "same" and near and same and groups_same and close


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    torch.set_num_threads(1)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate([*checkpoints.CASES, "adam_amsgrad"]):
            passed = case(binary, pathlib.Path(folder), name, 2 + number % 3, 21)
            failed += not passed
            print(("ok      " if passed else "FAILED  ") + f"{2 + number % 3} ranks to torch: {name}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
