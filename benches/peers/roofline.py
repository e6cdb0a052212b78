#!/usr/bin/env python3
"""Draws each case's time on the GPU, alone or among others of a submission, against the bytes that it must move.

    roofline.py RESULTS.jsonl CHART.svg              # what `headless_bench --json` printed on a GPU
    roofline.py RESULTS.jsonl CHART.svg CASE,CASE    # these as rings: the GPU's clock was low
"""

import json
import pathlib
import statistics
import sys

import charts


def main():
    lines = pathlib.Path(sys.argv[1]).read_text().splitlines()
    ours = [line for line in map(json.loads, filter(None, lines)) if line.get("gpu_ms_median")]
    names = list(dict.fromkeys(line["case"] for line in ours))
    points = []
    for name in names:
        case = [line for line in ours if line["case"] == name]
        us = 1e3 * statistics.median(min(line["gpu_ms_median"], line["step_ms_batched"]) for line in case)
        points.append((name, case[0]["floor_bytes"], us))
    gbps = max(line["copy_gbps"] for line in ours)
    title = "One step: time on the GPU against the bytes that it must move"
    hollow = sys.argv[3].split(",") if len(sys.argv) > 3 else []
    subtitle = f"{ours[0]['adapter']}; dashed: its copy, {gbps:.0f} GB/s read and written"
    if hollow:
        subtitle += "; rings: its clock was low"
    pathlib.Path(sys.argv[2]).write_text(charts.roofline(title, subtitle, points, gbps, hollow))


if __name__ == "__main__":
    main()
