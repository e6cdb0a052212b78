#!/usr/bin/env bash
# Installs an MPI where there is none, and tests integrations/mpi: ranks as threads, then as processes under mpirun, then on
# hosts of their own, on the best software adapter. What is exported goes to torch. (Unit tests and documentation are tested with
# those of the whole workspace.)
#
#   scripts/test-mpi.sh
set -euo pipefail
export SPARSE_ADAM_WITH_MPI=1
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"

need_cargo
"$repo/scripts/mpi.sh"
use_drivers
compile_less
cd "$repo"

cargo test --release "${workspace[@]}" --test ranks
cargo build --quiet --release "${workspace[@]}" --examples
# As users build it, and the main crate with it: without what the workspace's tests add. What is missing or unused only then shows here.
RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-Dwarnings cargo check --quiet --release -p sparse-adam-mpi --features mpi
replay="$target/release/examples/sharded_replay"
job="$(build_tests --test job | grep '/job-')"

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
"$python" -W ignore integrations/mpi/tests/round_trip.py "$replay" 2>/dev/null
