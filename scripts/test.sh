#!/usr/bin/env bash
# Sets up what the tests need and runs all of them. Fails where something cannot run. Tells at its
# end how long each step took.
#
#   scripts/test.sh
#   scripts/test.sh --quick    # lints, unit tests, and the suite on one adapter; lints of no more than these
set -euo pipefail
case "$*" in
    "") export SPARSE_ADAM_WITH_MPI=1 ;;
    --quick) ;;
    *) echo "expected nothing or --quick; found '$*'" >&2; exit 1 ;;
esac
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"
cd "$repo"

# --- Steps, and their times -----------------------------------------------------------------------

steps=()
seconds=()
current=""
fresh=""
beside=()

step() { # NAME; without one, only ends the last
    if [ -n "$current" ]; then
        steps+=("$current")
        seconds+=("$((SECONDS - began))")
    fi
    current="$*"
    began=$SECONDS
    if [ -n "$current" ]; then printf '\n== %s\n' "$current" >&2; fi
}

report() {
    local status=$? i
    if [ -n "$fresh" ]; then rm -rf "$fresh"; fi
    if [ "$status" != 0 ]; then
        current="$current: FAILED"
        for i in ${beside[@]+"${beside[@]}"}; do kill -- "-$i" 2>/dev/null || true; done
    fi
    step
    printf '\n%8s  %s\n' seconds step
    for i in "${!steps[@]}"; do printf '%8d  %s\n' "${seconds[$i]}" "${steps[$i]}"; done
    printf '%8d  %s\n' "$SECONDS" "all"
    if [ "$status" = 0 ]; then echo "all tests passed"; fi
}

# begin_beside NAME COMMAND...: runs a command beside the steps that follow, in a process group of its own, so
# that all of it can be ended. Its process is $!, its output in target/NAME.log.
begin_beside() {
    local log="$target/$1.log"
    shift
    mkdir -p "$target"
    set -m
    "$@" >"$log" 2>&1 </dev/null &
    set +m
    beside+=("$!")
}

# await NAME PROCESS: waits for it, prints what it said, and fails if it did.
await() {
    local status=0
    wait "$2" || status=$?
    cat "$target/$1.log" >&2
    return "$status"
}

# What later steps would wait for the network for.
fetch() {
    local host crate
    host="$(rustc -vV | sed -n 's/^host: //p')"
    for crate in integrations/burn examples/web examples/web/bindgen; do
        cargo fetch --quiet --locked --manifest-path "$crate/Cargo.toml" --target "$host" --target wasm32-unknown-unknown
    done
    scripts/torch.sh
}

# Nearly all time of the tests is the drivers' and the compiler's, so all crates are built with few optimisations.
export CARGO_PROFILE_RELEASE_OPT_LEVEL=1

need_cargo
trap report EXIT
# Else the last command that ended well would be the status of a run that was ended from outside.
trap 'exit 143' TERM
trap 'exit 130' INT

# lint_and_build ARGUMENT...: builds tests. The lints are those of `cargo clippy --all-targets -- -D warnings`, which would check all
# crates once more, for minutes: here clippy compiles what is tested.
lint_and_build() {
    cargo fmt --all --check
    export RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-Dwarnings
    cargo test --release "${workspace[@]}" "$@" --no-run
}

# --- The quick ones -------------------------------------------------------------------------------

if [ "$*" = --quick ]; then
    use_drivers
    step "formatting, lints and building"
    lint_and_build --lib --test suite
    cargo build --release --quiet "${workspace[@]}" --example conformance
    step "unit tests"
    cargo test --release "${workspace[@]}" --lib
    step "the suite, on one adapter"
    IFS=$'\t' read -r backend name _ < <("$target/release/examples/conformance" --list)
    export WGPU_BACKEND="$backend" WGPU_ADAPTER_NAME="$name"
    compile_less
    cargo test --release "${workspace[@]}" --test suite
    step
    exit
fi

# --- The tests ------------------------------------------------------------------------------------

step "drivers, and an MPI"
"$repo/scripts/drivers.sh" all
"$repo/scripts/mpi.sh"
use_drivers
wanted=()
if [ "$(uname -s)" = Linux ] && command -v apt-get >/dev/null; then
    wanted+=(llvmpipe)
    if [ -n "$(sed -n '/^ID=debian$/p' /etc/os-release)" ]; then wanted+=(SwiftShader); fi
fi

begin_beside scripts scripts/test-scripts.sh
testing_scripts=$!
begin_beside fetch fetch
fetching=$!

step "formatting, lints and building"
# Of the examples only these have tests.
testing=(--lib --bins --example wordnet --example gpu_kit --example splats)
lint_and_build "${testing[@]}" --tests --benches
cargo build --release "${workspace[@]}" --examples

step "scripts, begun before building"
await scripts "$testing_scripts"

step "tests without an adapter, examples, documentation"
cargo test --release "${workspace[@]}" "${testing[@]}"
cargo test --release "${workspace[@]}" --test suite -- "${groups_without_adapter[@]/#/suite::}"
cargo test --release "${workspace[@]}" --doc

step "the suite, on every adapter"
scripts/matrix.sh ${wanted[@]+"${wanted[@]}"}

step "tables larger than the GPU, on every adapter"
scripts/test-cached.sh

# From here on most steps leave a core idle, and burn takes minutes to build.
begin_beside burn nice scripts/test-burn.sh
burn=$!

step "the program of one page"
"$target/release/examples/minimal"

step "the measurement kit"
(
    compile_less
    "$target/release/examples/gpu_kit" --quick --out "$target/gpu-kit.json"
)

step "tuning: a file written, then used"
"$target/release/examples/tune" --budget 2 --shape 2000x8x3000 --out "$target/tuned.json" >/dev/null
"$target/release/examples/tune" --file "$target/tuned.json"

step "a picture fitted with Gaussians, whose tables grow"
"$target/release/examples/splats" --size 128 --splats 300 --most 600 --steps 400 --tiles 16 --grow-every 50 --at-least 29 --out "$target/splats"

step "PyTorch, both ways"
await fetch "$fetching"
python="$(scripts/torch.sh | tail -n 1)"
"$python" tests/golden/generate.py --check
"$python" tests/golden/peers/make_traces.py --check
"$python" tests/golden/round_trip.py "$target/release/examples/replay"
"$python" tests/golden/oracle.py "$target/release/examples/replay"
"$python" tests/golden/formats.py --check "$target/release/examples/replay"
"$target/release/examples/splats" --size 64 --splats 120 --steps 60 --tiles 4 --no-densify --record "$target/splats/run.safetensors" --out "$target/splats" >/dev/null
"$python" examples/splats/check.py "$target/splats/run.safetensors"

step "traces with other seeds and shapes, replayed once"
fresh="$(mktemp -d)"
"$python" tests/golden/generate.py --seed 20260 --out "$fresh" >/dev/null
replay() { # FILE ARGUMENT...
    "$target/release/examples/replay" "$@" | tail -n 1 | sed "s|^|$(basename "$1"): |"
}
for trace in "$fresh"/*.safetensors; do
    replay "$trace"
    replay "$trace" --reference
done

step "training that stops and resumes gives the same bits"
wordnet() { "$target/release/examples/wordnet" --dim 4 --batch 32768 "$@" | grep fnv1a; }
whole="$(wordnet --epochs 2)"
wordnet --epochs 1 --save "$fresh/stopped.safetensors" >/dev/null
resumed="$(wordnet --epochs 2 --resume "$fresh/stopped.safetensors")"
echo "not stopped: $whole; resumed: $resumed"
[ "$whole" = "$resumed" ]

step "shaders, judged by other validators"
scripts/test-shaders.sh

step "a real browser"
# The page as it is shipped.
env -u CARGO_PROFILE_RELEASE_OPT_LEVEL -u RUSTC_WORKSPACE_WRAPPER -u CLIPPY_ARGS scripts/test-web.sh

step "the packages"
cargo package --workspace --allow-dirty --no-verify --quiet

step "ranks: threads, and processes of an MPI job"
scripts/test-mpi.sh

step "burn, begun after the suite"
await burn "$burn"
