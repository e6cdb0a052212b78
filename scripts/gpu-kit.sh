#!/usr/bin/env bash
# Measures a GPU: its dispatches, barriers, caches and loops, then steps of the optimizer beside a cost
# model that is fed with these, what the tuner tries, and the laws. Prints a summary and what follows from it; writes one JSON.
#
#   scripts/gpu-kit.sh                   # target/gpu-kit.json
#   scripts/gpu-kit.sh --out kit.json    # elsewhere
#   scripts/gpu-kit.sh --quick           # fewer sizes and cases
#   scripts/gpu-kit.sh --only P2,P7,S    # some of it
#
# WGPU_BACKEND and WGPU_ADAPTER_NAME choose the adapter. Leave the machine alone meanwhile.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"

out=(--out "$target/gpu-kit.json")
for argument in "$@"; do
    case "$argument" in
        --out | --out=*) out=() ;;
    esac
done

need_cargo
use_drivers
cargo build --release --quiet --manifest-path "$repo/Cargo.toml" --example gpu_kit
"$target/release/examples/gpu_kit" ${out[@]+"${out[@]}"} "$@"
