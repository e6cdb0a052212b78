#!/usr/bin/env bash
# Runs the suite on every adapter of the machine, with every driver that scripts/drivers.sh has set up,
# and prints a matrix: adapter by test group, with what passed and failed. Arguments are parts of names of
# adapters or their drivers that must be present; one that is missing is a failure. Its last line is `N passed, N failed`.
#
#   scripts/matrix.sh llvmpipe SwiftShader "Mesa 22"
#   SPARSE_ADAM_JOBS=1 scripts/matrix.sh    # one adapter after another; as many as there are cores otherwise
#
# WGPU_BACKEND and WGPU_ADAPTER_NAME narrow the adapters. Logs are in target/matrix.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"
cd "$repo"

logs="$target/matrix"
jobs="${SPARSE_ADAM_JOBS:-$(getconf _NPROCESSORS_ONLN)}"
rm -rf "$logs"
mkdir -p "$logs"

suite="$(build_tests --test suite)"
cargo build --quiet --release "${workspace[@]}" --example conformance
list_adapters="$target/release/examples/conformance"

# `DRIVERS<TAB>BACKEND<TAB>NAME<TAB>DRIVER` of each adapter. Drivers of GL are found whatever Vulkan's
# are, so the same adapter may appear with several; the first counts.
adapters() {
    local drivers
    # The machine's own last: they may be one of the others.
    for drivers in $("$repo/scripts/drivers.sh" --list | grep -vx machine) machine; do
        use_drivers "$drivers"
        "$list_adapters" --list | sed "s/^/$drivers	/" || say "no adapter with the drivers '$drivers'"
    done | awk -F '\t' '!seen[$2 FS $3 FS $4]++'
}

run_row() { # NUMBER DRIVERS BACKEND NAME
    local row="$1"
    shift
    use_drivers "$1"
    export WGPU_BACKEND="$2" WGPU_ADAPTER_NAME="$3"
    # wgpu gives up on GL's one context after some seconds of waiting for it: no two tests at once there.
    if [ "$2" = gl ]; then export RUST_TEST_THREADS=1; fi
    # Nearly all of a software adapter's time is compiling. So only the newest llvmpipe takes LLVM's passes, on Vulkan, for what is
    # about numbers, and there only what is drawn of all shapes has eight invocations side by side, as users have, and where
    # loops are cut short; and a test has one of the forms on such an adapter, another on the next, and the other way round in
    # the next run.
    case "$3" in
        llvmpipe* | SwiftShader*) export SPARSE_ADAM_FORMS="$((forms + row))" ;;
    esac
    case "$1 $2 $3" in
        newest\ vulkan\ llvmpipe*)
            run_first "${as_users[@]}"
            go_by_fours
            run_first "${of_numbers[@]}"
            export GALLIVM_PERF=nopt
            ;;
        # A driver that cuts loops short, by the turns of eight invocations together.
        distribution\ vulkan\ llvmpipe*)
            export GALLIVM_PERF=nopt
            run_first "${of_turns[@]}"
            go_by_fours
            ;;
        *\ llvmpipe*)
            export GALLIVM_PERF=nopt
            go_by_fours
            ;;
    esac
    run_suite
}

# Four invocations side by side where there are eight: half the time to compile. llvmpipe's name tells.
go_by_fours() {
    export LP_NATIVE_VECTOR_WIDTH=128 WGPU_ADAPTER_NAME="${WGPU_ADAPTER_NAME%, *}"
}

run_first() { # PART_OF_A_NAME...; what comes after leaves these out
    local part
    run_suite "$@"
    for part in "$@"; do skip+=(--skip "$part"); done
}

run_suite() { # PART_OF_A_NAME...; all tests without one
    "$suite" "${skip[@]}" "$@" || echo "exit status $?"
}

# Counts of one row by group, in the order of $groups, as the last two lines its sums.
count_row() { # ROW
    awk -v groups="$groups" '
        { group = $2; sub(/^suite::/, "", group); sub(/::.*/, "", group) }
        /^test suite::.* \.\.\. ok$/ { passed[group]++; ok++ }
        /^test suite::.* \.\.\. FAILED$/ { failed[group]++; bad++ }
        /^test result: / { finished = 1 }
        /^exit status / { ended = 1 }
        END {
            count = split(groups, names, " ")
            for (i = 1; i <= count; i++) {
                # A group that ran nothing has not passed.
                if (!passed[names[i]] && !failed[names[i]]) { failed[names[i]]++; bad++ }
                cell = passed[names[i]] + 0
                if (failed[names[i]]) cell = cell "/" failed[names[i]] "!"
                printf "%13s", cell
            }
            if (!finished || (ended && !bad)) { printf "  died"; bad++ }
            printf "\n%d\n%d\n", ok, bad
        }' "$logs/$1.out"
}

found="$(adapters)"
# What takes longest should not be waited for alone.
found="$(grep SwiftShader <<<"$found" || true; grep -v SwiftShader <<<"$found" || true)"
names="$(cut -f3- <<<"$found" | tr '[:upper:]' '[:lower:]')"
for wanted in "$@"; do
    case "$names" in
        *"$(tr '[:upper:]' '[:lower:]' <<<"$wanted")"*) ;;
        *) die "no adapter has '$wanted' in its name or driver's; scripts/drivers.sh all sets up the software ones" ;;
    esac
done
[ -n "$found" ] || die "no adapter found; scripts/drivers.sh sets up a software one"

groups="$("$suite" --list | sed -n 's/^suite::\([a-z_0-9]*\)::.*: test$/\1/p' | sort -u)"
skip=()
for group in "${groups_without_adapter[@]}"; do
    skip+=(--skip "suite::$group::")
    groups="$(grep -vx -- "$group" <<<"$groups")"
done
groups="$(tr '\n' ' ' <<<"$groups")"
# Tests whose results are arithmetic: groups, but of norms, whose kernels take longest to compile, the one that draws all there is. The
# others are about tables, lists, devices and calls.
of_numbers=(bags:: behind_in_16_bits:: campaign:: drawn_traces:: formats:: laws:: norms::clipped_steps_of_many_tables not_finite::
    numbered:: peers:: rows:: rules:: scalars:: shapes:: traces_in_16_bits::)
of_numbers=("${of_numbers[@]/#/suite::}")
# Tests that draw shapes, rules, formats and calls.
as_users=(suite::campaign:: suite::drawn_traces:: suite::shapes:: suite::sorts::)
# Tests of rows so wide or runs so long that loops take many turns.
of_turns=(suite::campaign:: suite::laws:: suite::shapes:: suite::steps::)

forms="$RANDOM"
row=0
while IFS=$'\t' read -r drivers backend name _; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do sleep 0.2; done
    row=$((row + 1))
    run_row "$row" "$drivers" "$backend" "$name" >"$logs/$row.out" 2>"$logs/$row.err" </dev/null &
done <<<"$found"
wait

# shellcheck disable=SC2086  # one word a group
{ printf '%-40s' adapter; printf '%13s' $groups; echo; }
total_passed=0
total_failed=0
row=0
while IFS=$'\t' read -r _ backend name driver; do
    row=$((row + 1))
    { IFS= read -r cells; read -r passed; read -r failed; } < <(count_row "$row")
    mesa="$(sed -n 's/.*\(Mesa [0-9.]*[0-9]\).*/\1/p' <<<"$driver")"
    printf '%-40.39s%s\n' "${name%% (*}, $backend${mesa:+, $mesa}" "$cells"
    if [ "$failed" != 0 ]; then cat "$logs/$row.out" "$logs/$row.err" >&2; fi
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
done <<<"$found"
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" = 0 ]
