#!/usr/bin/env bash
# Sets up what is missing and runs the main job: an embedding of WordNet's nouns, trained on
# this machine's GPU or, where there is none, on a software driver. Arguments go to the example.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"

need_cargo
use_drivers
cargo run --release --manifest-path "$repo/Cargo.toml" --example wordnet -- "$@"
