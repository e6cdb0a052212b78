#!/usr/bin/env bash
# Lints and tests integrations/burn, with burn's kernel fusion and without it, on the adapter that
# burn chooses.
#
#   scripts/test-burn.sh
#
# burn takes minutes to build, so the crate is a workspace of its own with a target folder of its own.
set -euo pipefail

repo="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
target="${CARGO_TARGET_DIR:-$repo/target}"
mkdir -p "$target"
CARGO_TARGET_DIR="$(cd "$target" && pwd)/burn"
export CARGO_TARGET_DIR
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"
cd "$repo/integrations/burn"

cargo fmt --check
cargo clippy --locked --all-targets -- -D warnings
cargo test --locked
cargo test --locked --features fusion --test suite
