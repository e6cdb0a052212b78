#!/usr/bin/env bash
# Sets up what the tests need and runs all of them. Fails where something cannot run.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*" >&2; }

command -v cargo >/dev/null || {
    echo "cargo is missing: install Rust (https://rustup.rs) and run this again." >&2
    exit 1
}
step "drivers"
scripts/drivers.sh all
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"
target="${CARGO_TARGET_DIR:-target}"
swiftshader=/usr/lib/chromium/vk_swiftshader_icd.json
wanted=()
if [ "$(uname -s)" = Linux ] && command -v apt-get >/dev/null; then
    wanted=(llvmpipe SwiftShader)
    # Beside the machine's own drivers, so that one run sees all adapters.
    export VK_ADD_DRIVER_FILES="$swiftshader"
fi

step "formatting and lints"
cargo fmt --check
cargo clippy --release --all-targets -- -D warnings

step "tests without an adapter, examples, documentation"
cargo build --release --examples
cargo test --release --lib --bins --examples
cargo test --release --test suite -- suite::errors suite::files
cargo test --release --doc

step "the suite, on every adapter"
scripts/matrix.sh "${wanted[@]}"

step "PyTorch, both ways"
python=$(scripts/torch.sh | tail -n 1)
"$python" tests/golden/generate.py --check
"$python" tests/golden/round_trip.py "$target"/release/examples/replay

step "traces with other seeds and shapes, replayed once"
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"$python" tests/golden/generate.py --seed 20260 --out "$fresh" >/dev/null
for trace in "$fresh"/*.safetensors; do
    "$target"/release/examples/replay "$trace" | tail -n 1 | sed "s|^|$(basename "$trace"): |"
    "$target"/release/examples/replay "$trace" --reference | tail -n 1 | sed "s|^|$(basename "$trace"): |"
done

step "training that stops and resumes gives the same bits"
wordnet() { "$target"/release/examples/wordnet --dim 4 --batch 32768 "$@" | grep fnv1a; }
whole=$(wordnet --epochs 2)
wordnet --epochs 1 --save "$fresh/stopped.safetensors" >/dev/null
resumed=$(wordnet --epochs 2 --resume "$fresh/stopped.safetensors")
echo "not stopped: $whole; resumed: $resumed"
[ "$whole" = "$resumed" ]

step "shaders, judged by other validators"
scripts/test-shaders.sh --release

step "a real browser"
scripts/test-web.sh

step "burn"
# Of the software adapters, burn is tested on llvmpipe.
env -u VK_ADD_DRIVER_FILES scripts/test-burn.sh

step "the package"
cargo package --allow-dirty --no-verify --quiet
echo "all tests passed"
