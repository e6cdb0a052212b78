#!/usr/bin/env bash
# Sets up what is missing and runs the main job: an embedding of WordNet's nouns, trained on
# this machine's GPU or, where there is none, on a software driver. Arguments go to the example.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"

need_cargo
use_drivers
# Paths among the arguments mean the caller's folder, so this stays there.
out=(--out "$target/wordnet")
for argument in "$@"; do
    case "$argument" in --out | --out=*) out=() ;; esac
done
cargo run --release --manifest-path "$repo/Cargo.toml" --example wordnet -- ${out[@]+"${out[@]}"} "$@"
