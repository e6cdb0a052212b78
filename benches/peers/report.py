#!/usr/bin/env python3
"""Makes tables and charts of what headless_bench and its peers printed.

    report.py FOLDER ours.jsonl peers.jsonl [scaling.jsonl] [sorts.jsonl]

writes into FOLDER, with names that start with the adapter and the date:

    .csv          every measurement, as it was taken
    .md           a row a case: medians over the rounds, and ratios to torch
    -ratio.svg    whole step, torch's time over ours
    -copy.svg     share of the adapter's copy bandwidth
    -scaling.*    the curves, where there are any
    -sorts.csv    the sort alone, where it was measured

Exit status 1: a peer computed something else.
"""

import csv
import datetime
import json
import pathlib
import re
import statistics
import sys

import charts

COLUMNS = [
    "peer", "device", "driver", "version", "threads", "backend", "round", "case", "rows", "dim", "nnz", "unique",
    "tables", "distribution", "bag", "unique_promise", "steps", "step_ms_median", "step_ms_min",
    "step_ms_queued", "step_ms_batched", "gpu_ms_median", "ingest_ms", "sort_ms", "partial_ms", "update_ms",
    "record_us_median", "record_allocations", "dispatches", "floor_bytes", "gbps",
    "copy_gbps", "fraction_of_copy", "checked",
]
STAGES = ["ingest", "sort", "partial", "update"]
SORT_COLUMNS = [
    "peer", "version", "adapter", "backend", "n", "key_bits", "ms_median", "ms_min", "timer",
    "wall_ms_median", "wall_ms_min", "wall_of", "subgroups", "checked", "error",
]
CURVES = {
    "nnz": "entries",
    "rows": "rows of the table",
    "dim": "values a row",
    "tables": "tables that share rows and entries",
    "duplication": "entries a row",
}


def read(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines() if line]


def numbered(measurements):
    """Each measurement with its round: how often its case was measured before, from 1 on."""
    seen = {}
    for measurement in measurements:
        key = (measurement.get("peer"), measurement.get("device"), measurement["case"])
        seen[key] = seen.get(key, 0) + 1
        yield {"round": seen[key], **measurement}


def row_of(measurement):
    """The row of the CSV."""
    row = {"peer": "sparse-adam", "device": measurement.get("adapter"), **measurement}
    agreement = measurement.get("agreement")
    if agreement:
        verdict = "within" if agreement["within"] else "OUTSIDE"
        row["checked"] = f"{verdict} 2e-6 and 1e-6"
    return row


def write_csv(path, columns, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def median(measurements, key):
    found = [measurement[key] for measurement in measurements if measurement.get(key) is not None]
    return statistics.median(found) if found else None


class Case:
    """All measurements of one case."""

    def __init__(self, ours, peers, copy_gbps):
        self.first = ours[0]
        self.name = ours[0]["case"]
        self.ms = median(ours, "step_ms_median")
        self.gpu_ms = median(ours, "gpu_ms_median")
        self.record_us = median(ours, "record_us_median")
        self.stages = [median(ours, f"{stage}_ms") for stage in STAGES]
        self.copy_gbps = copy_gbps
        self.share = self.first["floor_bytes"] / (self.ms * 1e6) / copy_gbps
        sparse = [peer for peer in peers if peer["peer"] == "torch sparse-adam"]
        dense = [peer for peer in peers if peer["peer"] == "torch fused-adam"]
        self.cpu_ms = median([peer for peer in sparse if peer["device"] == "cpu"], "step_ms_median")
        self.cuda_ms = median([peer for peer in sparse if peer["device"] != "cpu"], "step_ms_median")
        on_gpu = [peer for peer in dense if peer["device"] != "cpu"]
        self.dense_ms = median(on_gpu or dense, "step_ms_median")

    @property
    def torch_ms(self):
        return self.cuda_ms or self.cpu_ms

    @property
    def gpu_share(self):
        """The share of the copy bandwidth by the GPU's own time, where that is not the wall's."""
        if self.gpu_ms is None or self.first["checked"] == "bit-equal":  # a CPU
            return None
        return self.share * self.ms / self.gpu_ms


def cell(value, digits):
    return "" if value is None else f"{value:.{digits}f}"


def over(value, ms):
    return None if value is None else value / ms


def markdown(cases, heading):
    lines = [
        heading, "",
        "| case | rows x dim | entries | rows named | step ms | torch ms | ratio | torch CUDA ms | ratio "
        "| torch dense Adam ms | share of copy | ingest, sort, partial, update ms | record us | dispatches |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for case in cases:
        first = case.first
        tables = f"{first['tables']} x " if first["tables"] > 1 else ""
        lines.append("| " + " | ".join([
            case.name, f"{tables}{first['rows']:,} x {first['dim']}", f"{first['nnz']:,}",
            f"{first['unique']:,}", cell(case.ms, 3),
            cell(case.cpu_ms, 3), cell(over(case.cpu_ms, case.ms), 2),
            cell(case.cuda_ms, 3), cell(over(case.cuda_ms, case.ms), 2),
            cell(case.dense_ms, 1), f"{100 * case.share:.1f}%",
            ", ".join(cell(stage, 2) for stage in case.stages), cell(case.record_us, 1),
            str(first["dispatches"]),
        ]) + " |")
    return "\n".join(lines) + "\n"


def write_charts(stem, cases, adapter, peers):
    compared = [case for case in cases if case.torch_ms]
    if compared:
        on_cuda = any(case.cuda_ms for case in compared)
        devices = [peer for peer in peers if (peer["device"] != "cpu") == on_cuda]
        torch = f"torch {devices[0]['version'].split('+')[0]}"
        where = devices[0]["device"] if on_cuda else f"CPU, {devices[0]['threads']} threads"
        bars = [(case.name, case.torch_ms / case.ms) for case in compared]
        subtitle = f"{torch} ({where}) over {adapter}; right of 1x: this library is faster"
        title = "One step: time of torch.optim.SparseAdam over ours"
        stem("-ratio.svg").write_text(charts.ratios(title, subtitle, bars))
    bars = [(case.name, case.share, case.gpu_share) for case in cases]
    subtitle = f"{adapter}, which copies {cases[0].copy_gbps:.0f} GB/s (read and written)"
    if any(mark for _, _, mark in bars):
        subtitle += "; dots: by the GPU's own clock"
    title = "Bytes that a step must move: share of the copy bandwidth"
    stem("-copy.svg").write_text(charts.shares(title, subtitle, bars))


def write_scaling(stem, scaling, adapter):
    write_csv(stem("-scaling.csv"), COLUMNS, map(row_of, numbered(scaling)))
    panels = []
    for curve, name in CURVES.items():
        points = [m for m in scaling if m["case"].rsplit("-", 1)[0] == curve]
        if len(points) < 2:
            continue
        largest = max(points, key=lambda point: point["floor_bytes"])
        ms_a_byte = largest["step_ms_median"] / largest["floor_bytes"]
        panels.append((name, [
            (int(m["case"].rsplit("-", 1)[1]), m["step_ms_median"], m["floor_bytes"] * ms_a_byte)
            for m in points
        ]))
    subtitle = f"{adapter}; dashed: in proportion to the bytes that a step must move"
    title = "One step: milliseconds"
    stem("-scaling.svg").write_text(charts.curves(title, subtitle, panels))


def widest_vectors():
    """The widest vectors of this processor, as its manufacturer calls them; nothing where it does not say."""
    try:
        flags = pathlib.Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split()
    except (OSError, IndexError):
        return None
    known = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX", "sse2": "SSE2"}
    return next((name for flag, name in known.items() if flag in flags), None)


def describe(measurement):
    """The adapter, and of one that is a CPU what decides how fast it is: driver, compiler, vectors."""
    name, _, inside = measurement["adapter"].partition("(")
    if measurement["checked"] != "bit-equal" or "LLVM" not in inside:
        return name.strip()
    driver = re.match(r"Mesa [0-9.]+", measurement.get("driver", ""))
    parts = [name.strip(), driver and driver[0], inside.rstrip(")"), widest_vectors()]
    return ", ".join(part for part in parts if part)


def main():
    folder, ours, peers = pathlib.Path(sys.argv[1]), read(sys.argv[2]), read(sys.argv[3])
    adapter = describe(ours[0])
    date = datetime.date.today().isoformat()
    slug = re.sub("[^a-z0-9]+", "-", adapter.lower()).strip("-")
    folder.mkdir(parents=True, exist_ok=True)

    def stem(end):
        return folder / f"{slug}-{date}{end}"

    # The limit is the best copy of the whole run.
    copy_gbps = max(measurement["copy_gbps"] for measurement in ours)
    names = list(dict.fromkeys(measurement["case"] for measurement in ours))
    cases = [
        Case([m for m in ours if m["case"] == name], [m for m in peers if m["case"] == name], copy_gbps)
        for name in names
    ]
    write_csv(stem(".csv"), COLUMNS, map(row_of, [*numbered(ours), *numbered(peers)]))
    rounds = max(measurement["round"] for measurement in numbered(ours))
    heading = f"{adapter}, {date}: medians over {rounds} {'round' if rounds == 1 else 'rounds'}."
    table = markdown(cases, heading)
    stem(".md").write_text(table)
    write_charts(stem, cases, adapter, peers)
    extras = {pathlib.Path(path).name: read(path) for path in sys.argv[4:]}
    if "scaling.jsonl" in extras:
        write_scaling(stem, extras["scaling.jsonl"], adapter)
    if "sorts.jsonl" in extras:
        write_csv(stem("-sorts.csv"), SORT_COLUMNS, extras["sorts.jsonl"])
    print(table)
    print(f"written: {stem('.csv').name} and what goes with it")
    apart = [peer for peer in peers if peer.get("agreement") and not peer["agreement"]["within"]]
    for peer in apart:
        print(f"{peer['peer']} ({peer['device']}) differs in {peer['case']}: {peer['agreement']}")
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
