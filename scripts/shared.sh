# What the scripts of this folder have in common; sourced by them. Bash 3.2 will do, so
# arrays that may be empty are written as ${name[@]+"${name[@]}"}.
# shellcheck shell=bash

repo="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
target="${CARGO_TARGET_DIR:-$repo/target}"
# As cargo, a relative folder is taken from where the script was called.
case "$target" in
    /*) ;;
    *) target="$PWD/$target" ;;
esac
export CARGO_TARGET_DIR="$target"

# Groups of the suite that open no adapter of the machine; one run of them is enough.
# shellcheck disable=SC2034  # read by test.sh and matrix.sh
groups_without_adapter=(calls errors files hooks links places)

# What cargo is told of crates and features by everything that tests, so that nothing is built twice. scripts/test.sh sets
# SPARSE_ADAM_WITH_MPI, which brings MPI's bindings.
workspace=(--workspace)
if [ -n "${SPARSE_ADAM_WITH_MPI:-}" ]; then workspace+=(--features sparse-adam-mpi/mpi); fi

say() { echo "$(basename "$0"): $*" >&2; }
die() { say "$*"; exit 1; }

need_cargo() {
    command -v cargo >/dev/null || die "cargo is missing: install Rust (https://rustup.rs) and run this again"
}

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# need COMMAND PACKAGE... makes sure of a command; where it may, by installing packages.
need() {
    local command="$1"
    shift
    command -v "$command" >/dev/null && return
    can_install || die "$command is missing; install it (Debian: apt-get install $*)"
    install_packages "$@" || die "$command is missing and apt-get could not install $*"
    command -v "$command" >/dev/null || die "$* does not bring $command"
}

install_packages() {
    say "installing $*"
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"; } >&2
}

# Makes this shell use drivers of scripts/drivers.sh: those of a name, or the best.
use_drivers() {
    local exports
    exports="$("$repo/scripts/drivers.sh" --env "$@")"
    eval "$exports"
}

# What a llvmpipe that is used by default takes half the time to compile by: four invocations side by side where there are eight, and
# without LLVM's passes. For tests of what the suite has tested with them.
compile_less() {
    export GALLIVM_PERF=nopt LP_NATIVE_VECTOR_WIDTH=128
    # llvmpipe's name tells how many.
    case "${WGPU_ADAPTER_NAME:-}" in
        llvmpipe*) WGPU_ADAPTER_NAME="${WGPU_ADAPTER_NAME%%, *}" ;;
    esac
}

# build_tests ARGUMENT...: builds test binaries of the workspace as cargo test would and prints their paths.
build_tests() {
    local messages
    messages="$(cd "$repo" && cargo test --quiet --release "${workspace[@]}" --no-run --message-format=json "$@")"
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' <<<"$messages"
}
