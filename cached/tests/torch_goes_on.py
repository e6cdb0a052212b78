"""torch goes on from what a cached table has exported.

    SPARSE_ADAM_EXPORTS_TO=FOLDER cached-... --exact exports::writes_what_torch_goes_on_from --ignored
    python cached/tests/torch_goes_on.py FOLDER
"""

import pathlib
import sys

import torch
from safetensors.torch import load_file

golden = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
sys.path.insert(0, str(golden))
from round_trip import load_into_torch


def main():
    folder = pathlib.Path(sys.argv[1])
    items = torch.nn.Parameter(load_file(folder / "weights.safetensors")["items"])
    optimizer = torch.optim.SparseAdam([items], lr=0.5)
    load_into_torch(optimizer, folder / "state.safetensors")
    assert optimizer.param_groups[0]["lr"] == 0.01, "the options are those of the export"
    state = optimizer.state[items]
    assert state["exp_avg"].shape == items.shape and state["exp_avg_sq"].abs().sum() > 0
    first = int(state["step"])
    gradients = load_file(folder / "gradients.safetensors")
    steps = range(first, first + len(gradients) // 2)
    before = items.detach().clone()
    for step in steps:
        indices = gradients[f"ids.{step}"].unsqueeze(0)
        values = gradients[f"values.{step}"]
        items.grad = torch.sparse_coo_tensor(indices, values, items.shape, check_invariants=True)
        optimizer.step()
    after = load_file(folder / "after.safetensors")["items"]
    assert not torch.equal(before, after), "nothing was trained"
    # Rows are named twice, whose order of summing torch leaves open.
    torch.testing.assert_close(items.detach(), after, rtol=2e-5, atol=1e-6)
    print(f"torch went on from step {first}: {len(steps)} steps, {tuple(items.shape)}")


main()
