#!/usr/bin/env bash
# Lints and tests integrations/burn, with burn's kernel fusion and without it, on the adapter that
# burn chooses.
#
#   scripts/test-burn.sh
#
# burn takes minutes to build, so the crate is a workspace of its own with a target folder of its own.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"

use_drivers
export CARGO_TARGET_DIR="$target/burn"
cd "$repo/integrations/burn"

cargo fmt --check
cargo clippy --locked --all-targets -- -D warnings
cargo test --locked
cargo test --locked --features fusion --test suite
