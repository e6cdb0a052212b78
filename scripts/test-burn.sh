#!/usr/bin/env bash
# Lints and tests integrations/burn, with burn's kernel fusion and without it, on the adapter that
# burn chooses.
#
#   scripts/test-burn.sh
#
# burn takes minutes to build, so the crate is a workspace of its own with a target folder of its own. It is
# built twice, as burn's tensors are of another type with fusion; all but a dozen crates stay the same.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"

use_drivers
compile_less
export CARGO_TARGET_DIR="$target/burn"
cd "$repo/integrations/burn"

cargo fmt --check
# The lints of `cargo clippy --all-targets -- -D warnings`, which would check burn's crates once more, for
# minutes: here clippy compiles what is tested. These are all targets; with fusion, plain rustc compiles.
RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-Dwarnings cargo test --locked
env -u RUSTC_WORKSPACE_WRAPPER -u CLIPPY_ARGS cargo test --locked --features fusion --test suite
