#!/usr/bin/env bash
# Sets up what is missing and runs the main job: an embedding of WordNet's nouns, trained on
# this machine's GPU or, where there is none, on a software driver. Arguments go to the example.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v cargo >/dev/null || {
    echo "cargo is missing: install Rust (https://rustup.rs) and run this again." >&2
    exit 1
}
scripts/drivers.sh
# An empty runtime folder is all that EGL asks of it.
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"
cargo run --release --example wordnet -- "$@"
