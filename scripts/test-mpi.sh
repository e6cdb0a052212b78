#!/usr/bin/env bash
# Installs an MPI where there is none, and lints and tests integrations/mpi: ranks as threads, then as processes under
# mpirun, then on hosts of their own, on the best software adapter. What is exported goes to torch.
#
#   scripts/test-mpi.sh
#
# Takes some 260 s of CPU from nothing, half of them for building.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"

need_cargo
need mpirun openmpi-bin
need mpicc libopenmpi-dev
# A compiler that was left behind by itself finds no headers.
finds_mpi() { mpicc -E -x c - <<<'#include <mpi.h>' >/dev/null 2>&1; }
if ! finds_mpi; then
    can_install || die "mpicc finds no mpi.h; install the headers of the MPI (Debian: apt-get install libopenmpi-dev)"
    install_packages openmpi-bin libopenmpi-dev || die "mpicc finds no mpi.h and apt-get could not install libopenmpi-dev"
fi
# The bindings are made by libclang and the headers that come with it.
has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] || compgen -G '/usr/lib*/llvm*/lib*/libclang[.-][s0-9]*' >/dev/null ||
        compgen -G '/usr/lib*/*/libclang[.-][s0-9]*' >/dev/null || compgen -G '/usr/lib*/libclang[.-][s0-9]*' >/dev/null
}
if ! has_libclang; then
    can_install || die "libclang is missing; install it (Debian: apt-get install libclang-dev), or set LIBCLANG_PATH"
    install_packages libclang-dev || die "libclang is missing and apt-get could not install libclang-dev"
fi
use_drivers
cd "$repo/integrations/mpi"

cargo fmt --check
# The lints of `cargo clippy --all-targets -- -D warnings`, which would check wgpu and MPI's bindings once more: here
# clippy compiles what is tested.
export RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-Dwarnings
cargo test --release --locked --features mpi --lib --test suite
cargo test --release --locked --features mpi --doc
cargo build --quiet --release --locked --features mpi --examples
# The main crate is built here as users build it, without what its own tests add, so what warns only then shows here.
built="$(cargo build --release --locked --features mpi --lib 2>&1)"
case "$built" in
    *" warning"*generated* | *generated*" warning"*) die "warnings: $built" ;;
esac
replay="$target/release/examples/sharded_replay"
messages="$(cargo test --quiet --release --locked --features mpi --no-run --test job --message-format=json)"
job="$(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' <<<"$messages")"

# --- Processes ------------------------------------------------------------------------------------

# More ranks than cores, as root in a container; each launch within a minute, for what may hang would.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
ranks() { # COUNT COMMAND...
    local count="$1"
    shift
    timeout 60 mpirun --oversubscribe -n "$count" "$@"
}

# fails_with TEXT COUNT COMMAND...: the job ends, not by the timeout of `ranks`, and says that.
fails_with() {
    local text="$1" status=0 said
    shift
    said="$(ranks "$@" 2>&1)" || status=$?
    # 124: it hung.
    if [ "$status" = 0 ] || [ "$status" = 124 ]; then die "$*: the job did not end by itself ($status): $said"; fi
    grep -q "$text" <<<"$said" || die "$*: the job ended for another reason: $said"
}

for count in 2 4; do
    ranks "$count" "$job" end
    ranks "$count" "$job" lost
done
fails_with 'rank 1 panics, as it should' 3 "$job" panic
fails_with 'rank 0 .* has waited 2 s for rank 1, which sent nothing, in step 5' 3 "$job" silent
fails_with 'rank 0 .* has waited 2 s for rank 1, which sent nothing, in its own end' 3 "$job" late

if alone="$("$replay" "$repo/tests/golden/vector.safetensors" 2>&1)"; then die "a process without a launcher ran: $alone"; fi
grep -q 'no launcher' <<<"$alone" || die "a process without a launcher failed for another reason: $alone"

# Threads replay all traces, above.
for name in vector heavy_duplicates row_of_70000_entries two_groups; do
    trace="$repo/tests/golden/$name.safetensors"
    for how in "3 --sums entries" "4 --sums chunks --assign block"; do
        # shellcheck disable=SC2086  # words of their own
        set -- $how
        count="$1"
        shift
        said="$(ranks "$count" "$replay" "$trace" --json "$@" 2>/dev/null)" || die "$trace on $how: $said"
        grep -q '"ok":true,.*"bits":"same"' <<<"$said" || die "$trace on $how: $said"
    done
    echo "$name: the bits of one device, on 3 and 4 processes"
done
said="$(ranks 3 "$replay" "$repo/tests/golden/heavy_duplicates.safetensors" --json --sums ranks 2>/dev/null)"
grep -q '"ok":true,.*"sums":"ranks","bits":[1-9]' <<<"$said" || die "sums of ranks: $said"

# --- Hosts, and torch -----------------------------------------------------------------------------

"$repo/scripts/mpi-hosts.sh" "$target/release/examples/sharded_wordnet"
python="$("$repo/scripts/torch.sh" | tail -n 1)"
"$python" -W ignore tests/round_trip.py "$replay" 2>/dev/null
