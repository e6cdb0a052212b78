"""Repeats a run of the example in torch, with autograd and torch.optim.SparseAdam, and compares the PSNR.

    splats --no-densify --record run.safetensors
    python check.py run.safetensors

Same start, same target, same tiles and learning rates in each step. Ends with an error where the curves are further
apart than 0.3 dB anywhere.
"""

import math
import sys

import torch
from safetensors.torch import load_file

NAMES = ["position", "scale", "rotation", "colour", "opacity"]
TILE, END, REACH, GREY_WEIGHT, GREY = 16, 9.0, 100.0, 1e-3, 0.5
MOST_DB = 0.3


def boxes(splats):
    """Half of each splat's box, [rows, 2]."""
    deviations, angle = splats["scale"].exp(), splats["rotation"]
    cos, sin = angle.cos(), angle.sin()
    across = ((cos * deviations[:, :1]) ** 2 + (sin * deviations[:, 1:]) ** 2).sqrt()
    down = ((sin * deviations[:, :1]) ** 2 + (cos * deviations[:, 1:]) ** 2).sqrt()
    return (math.sqrt(END) * torch.cat([across, down], 1)).clamp(max=REACH)


def draw(splats, places):
    """The colours at places [pixels, 2]."""
    offset = places[:, None] - splats["position"]
    cos, sin = splats["rotation"].cos().T, splats["rotation"].sin().T
    dx, dy = offset.unbind(2)
    along = torch.stack([cos * dx + sin * dy, cos * dy - sin * dx], 2) / splats["scale"].exp()
    q = along.square().sum(2)
    inside = (q < END) & (offset.abs() <= boxes(splats).detach()).all(2)
    weight = splats["opacity"].sigmoid().T * ((-q / 2).exp() - math.exp(-END / 2)) * inside
    total = weight.sum(1, keepdim=True) + GREY_WEIGHT
    return (weight @ splats["colour"] + GREY_WEIGHT * GREY) / total


class Tiles:
    def __init__(self, target):
        self.height, self.width, _ = target.shape
        self.across, self.down = -(-self.width // TILE), -(-self.height // TILE)
        y, x = torch.meshgrid(torch.arange(self.height), torch.arange(self.width), indexing="ij")
        self.tile = (y // TILE * self.across + x // TILE).flatten()
        self.places = torch.stack([x, y], 2).reshape(-1, 2) + 0.5

    def seen(self, splats, chosen):
        """The rows whose boxes meet any of these tiles."""
        half = boxes(splats)
        most = torch.tensor([self.across - 1, self.down - 1])
        first = ((splats["position"] - half) / TILE).floor().clamp(min=torch.zeros(2), max=most)
        last = ((splats["position"] + half) / TILE).floor().clamp(min=torch.zeros(2), max=most)
        tiles = torch.stack([chosen % self.across, chosen // self.across], 1)[:, None]
        return ((tiles >= first) & (tiles <= last)).all(2).any(0).nonzero()[:, 0]


def psnr(splats, tiles, target):
    with torch.no_grad():
        drawn = torch.cat([draw(splats, part) for part in tiles.places.split(4096)]).clamp(0, 1)
        return -10 * math.log10((drawn.double() - target.reshape(-1, 3).double()).square().mean().item())


def main(path):
    run = load_file(path)
    target, tiles = run["target"], Tiles(run["target"])
    splats = {name: run[name].clone().requires_grad_() for name in NAMES}
    optimizer = torch.optim.SparseAdam([{"params": [splats[name]]} for name in NAMES], betas=(0.9, 0.99))
    curve = run["curve"].tolist()
    wanted, apart = {int(step): db for step, db in curve[4::5] + curve[-1:]}, []
    for step, (chosen, rates) in enumerate(zip(run["tiles"], run["rates"].tolist()), 1):
        chosen = chosen[chosen >= 0]
        here = torch.isin(tiles.tile, chosen)
        loss = (draw(splats, tiles.places[here]) - target.reshape(-1, 3)[here]).square().sum() / 2
        seen = tiles.seen({name: value.detach() for name, value in splats.items()}, chosen)
        gradients = torch.autograd.grad(loss, list(splats.values()))
        for group, rate, value, gradient in zip(optimizer.param_groups, rates, splats.values(), gradients):
            group["lr"] = rate
            value.grad = torch.sparse_coo_tensor(seen[None], gradient[seen], value.shape, check_invariants=True)
        optimizer.step()
        if step in wanted:
            here, there = psnr(splats, tiles, target), wanted[step]
            apart.append(abs(here - there))
            print(f"step {step:>5}  torch {here:.3f} dB, here {there:.3f} dB")
    print(f"{len(apart)} looks at {len(splats['position'])} splats: at most {max(apart):.4f} dB apart")
    # Of what is no number, max would tell nothing.
    return all(distance <= MOST_DB for distance in apart)


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1]) else "further apart than the curves may be")
