#!/usr/bin/env bash
# Times this library and torch on the same ids and values, in turns, checks that both computed the
# same, and writes tables and charts to benches/results.
#
#   scripts/bench.sh                        # the standard table, three rounds
#   scripts/bench.sh --case tiny,medium     # some of it
#   scripts/bench.sh --rounds 1 --steps 5   # a quick look
#   scripts/bench.sh --scaling              # the scaling curves too
#   scripts/bench.sh --sorts                # the sort alone too, beside lampshade's
#   scripts/bench.sh --out DIR              # elsewhere than benches/results
#   SPARSE_ADAM_TORCH_CUDA=1 scripts/bench.sh   # torch on the CUDA device as well
#
# WGPU_BACKEND and WGPU_ADAPTER_NAME choose the adapter; of software ones, the newest Mesa is taken, and files and charts name
# its version, its compiler's and the processor's widest vectors. Leave the machine alone meanwhile.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"
rounds=3
cases=""
scaling=0
sorts=0
out="$repo/benches/results"
steps=()

while [ $# -gt 0 ]; do
    case "$1" in
        --case) cases="$2"; shift 2 ;;
        --rounds) rounds="$2"; shift 2 ;;
        --steps) steps=(--steps "$2"); shift 2 ;;
        --out) out="$2"; shift 2 ;;
        --scaling) scaling=1; shift ;;
        --sorts) sorts=1; shift ;;
        *) die "unknown option $1; see the head of this file" ;;
    esac
done

python="$("$repo/scripts/torch.sh" | tail -n 1)"
devices=(cpu)
if [ "${SPARSE_ADAM_TORCH_CUDA:-0}" = 1 ]; then devices+=(cuda); fi
use_drivers

cargo build --release --quiet --manifest-path "$repo/Cargo.toml" --example headless_bench
bench="$target/release/examples/headless_bench"
[ "$sorts" = 0 ] ||
    cargo build --release --quiet --locked --manifest-path "$repo/benches/peers/lampshade/Cargo.toml"

work="$target/bench"
rm -rf "$work"
mkdir -p "$work"
ours="$work/ours.jsonl"
peers="$work/peers.jsonl"
: > "$ours"
: > "$peers"

ours() { "$bench" --json --dump-ids "$work" ${steps[@]+"${steps[@]}"} "$@"; }

# A peer's exit status 1 says that its results differ; report.py says so at the end.
peer() {
    local result
    result="$("$python" -B "$repo/benches/peers/torch_sparse_adam.py" ${steps[@]+"${steps[@]}"} "$@")" || [ -n "$result" ]
    echo "$result" >> "$peers"
}

names=()
while IFS= read -r name; do names+=("$name"); done < <("$bench" ${cases:+--case "$cases"} --list)
[ "${#names[@]}" -gt 0 ] || die "no case is named '$cases'"
for round in $(seq "$rounds"); do
    for name in "${names[@]}"; do
        say "round $round of $rounds: $name"
        ours --case "$name" >> "$ours" 2> "$work/log" || { cat "$work/log" >&2; exit 1; }
        for device in "${devices[@]}"; do
            peer --case "$work/$name" --device "$device"
            # Dense Adam does not care which rows a gradient names.
            case "$name" in
                *-uniform) peer --case "$work/$name" --device "$device" --optimizer fused-adam ;;
            esac
        done
    done
done

extras=()
if [ "$scaling" = 1 ]; then
    extras+=("$work/scaling.jsonl")
    for curve in nnz rows dim tables duplication; do
        say "time against $curve"
        "$bench" --json --scaling "$curve" ${steps[@]+"${steps[@]}"} >> "$work/scaling.jsonl" 2> "$work/log" ||
            { cat "$work/log" >&2; exit 1; }
    done
fi

if [ "$sorts" = 1 ]; then
    extras+=("$work/sorts.jsonl")
    say "the sort alone"
    "$target/release/sparse-adam-sorts" >> "$work/sorts.jsonl" 2> "$work/log" ||
        { cat "$work/log" >&2; exit 1; }
fi

"$python" -B "$repo/benches/peers/report.py" "$out" "$ours" "$peers" ${extras[@]+"${extras[@]}"}
