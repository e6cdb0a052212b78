#!/usr/bin/env bash
# Tests the scripts: shellcheck, and how they behave in other folders, with spaces in paths, for users
# who are not root, without network, in shells that are set up already. Compiles nothing.
#
#   scripts/test-scripts.sh
#
# Its last line is `N passed, N failed`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"

need shellcheck shellcheck
here="$repo/scripts"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
passed=0
failed=0

check() { # WHAT FUNCTION
    local said
    # A shell of its own, so that `set -e` ends it at the first thing that is wrong.
    set +e
    said="$(set -euo pipefail; "$2" 2>&1)"
    local status=$?
    set -e
    if [ "$status" = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n%s\n' "$1" "$said"
    fi
}

expect() { # WHAT EXPECTED FOUND
    [ "$2" = "$3" ] || { printf '%s: expected\n%s\nfound\n%s\n' "$1" "$2" "$3"; return 1; }
}

expect_part() { # PART TEXT
    case "$2" in
        *"$1"*) ;;
        *) printf 'expected %s in\n%s\n' "$1" "$2"; return 1 ;;
    esac
}

# No choice of a caller, and no network: apt's proxy refuses at once.
bare=(env -u VK_DRIVER_FILES -u VK_ICD_FILENAMES -u VK_ADD_DRIVER_FILES -u SPARSE_ADAM_DRIVERS -u SPARSE_ADAM_DRIVER_FILES
    -u XDG_RUNTIME_DIR -u LD_LIBRARY_PATH -u __EGL_VENDOR_LIBRARY_FILENAMES
    http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9)

# --- Text -----------------------------------------------------------------------------------------

shellcheck_is_content() { (cd "$here" && shellcheck ./*.sh ../.ci/run); }

# A command that ends a pipe early fails it under pipefail, sometimes; macOS has bash 3.2.
no_construct_that_fails_elsewhere() {
    ! grep -nE '\| *(grep -[a-z]*[qm]|head)|mapfile|readarray|declare -A|wait -n|\$\{[a-z_]+(,,|\^\^)' \
        "$here"/*.sh | grep -v 'grep -nE'
}

# --- drivers.sh, where it is set up ---------------------------------------------------------------

# A copy in a path with spaces, which owns what is unpacked.
copy="$work/a copy of it"
mkdir -p "$copy/repo" "$copy/target"
cp -R "$here" "$copy/repo/scripts"
if [ -d "$target/drivers" ]; then cp -R "$target/drivers" "$copy/target/drivers"; fi
drivers="$copy/repo/scripts/drivers.sh"
chmod -R a+rX "$copy"
chmod a+rwx "$copy/target"

# Prints VK_DRIVER_FILES after an eval of what --env prints.
after_eval() { # COMMAND...
    local exports
    exports="$("$@")"
    ! grep -v '^export [A-Z_a-z]*=' <<<"$exports" || return 1
    # Without what the command that runs these tests has set.
    (unset VK_DRIVER_FILES XDG_RUNTIME_DIR; eval "$exports"; echo "${VK_DRIVER_FILES:-}|${XDG_RUNTIME_DIR:-}")
}

check_files() { # LIST|RUNTIME
    local IFS=: file
    for file in ${1%|*}; do [ -r "$file" ] || { echo "no file $file"; return 1; }; done
    [ -d "${1#*|}" ] || { echo "no folder ${1#*|}"; return 1; }
}

from_another_folder() {
    cd /
    check_files "$(after_eval "${bare[@]}" CARGO_TARGET_DIR="$copy/target" "$drivers" --env)"
}

with_a_relative_target() {
    cd "$copy"
    check_files "$(after_eval "${bare[@]}" CARGO_TARGET_DIR=target repo/scripts/drivers.sh --env)"
}

for_another_user() {
    cd /
    local user=()
    if [ "$(id -u)" = 0 ]; then user=(setpriv --reuid=65534 --regid=65534 --clear-groups); fi
    check_files "$(after_eval env -u HOME "${bare[@]}" PATH=/usr/bin:/bin CARGO_TARGET_DIR="$copy/target" \
        ${user[@]+"${user[@]}"} bash "$drivers" --env)"
}

two_hundred_times() {
    local run
    for run in $(seq 200); do
        "${bare[@]}" CARGO_TARGET_DIR="$copy/target" "$drivers" || { echo "run $run failed"; return 1; }
    done
}

# A pipe from ldconfig into `grep -q` fails whenever grep is done before ldconfig.
with_a_long_list_of_libraries() {
    mkdir -p "$work/bin" "$work/empty"
    printf '#!/bin/sh\necho "libvulkan.so.1 => here"; seq 500000\n' >"$work/bin/ldconfig"
    chmod +x "$work/bin/ldconfig"
    local icd=/usr/share/vulkan/icd.d said
    if ! compgen -G "$icd/*.json" >/dev/null; then return; fi
    said="$("${bare[@]}" PATH="$work/bin:$PATH" CARGO_TARGET_DIR="$work/empty" "$drivers" 2>&1)" || { echo "$said"; return 1; }
}

every_name_of_the_list_has_exports() {
    local name
    for name in $("${bare[@]}" CARGO_TARGET_DIR="$copy/target" "$drivers" --list) all; do
        check_files "$(after_eval "${bare[@]}" CARGO_TARGET_DIR="$copy/target" "$drivers" --env "$name")"
    done
    ! "${bare[@]}" CARGO_TARGET_DIR="$copy/target" "$drivers" --env nonsense
}

twice_is_once() {
    local name once twice
    export CARGO_TARGET_DIR="$copy/target"
    for name in $("${bare[@]}" "$drivers" --list); do
        once="$("${bare[@]}" "$drivers" --env "$name")"
        # shellcheck disable=SC2016  # for the inner shell
        once="$("${bare[@]}" bash -c 'eval "$1"; env | grep -E "^(VK|XDG_R|LD_|LIBGL|__EGL|SPARSE)" | sort' - "$once")"
        # shellcheck disable=SC2016  # for the inner shell
        twice="$("${bare[@]}" bash -c 'eval "$("$1" --env "$2")"; eval "$("$1" --env)"
            env | grep -E "^(VK|XDG_R|LD_|LIBGL|__EGL|SPARSE)" | sort' - "$drivers" "$name")"
        expect "$name" "$once" "$twice"
    done
}

a_callers_choice_stays() {
    local chosen
    if [ "$(uname -s)" != Linux ]; then return; fi
    export CARGO_TARGET_DIR="$copy/target"
    chosen="$(after_eval "${bare[@]}" VK_DRIVER_FILES=/mine.json XDG_RUNTIME_DIR=/run "$drivers" --env)"
    expect "nothing is set" "|" "${chosen%|*}|"
    # Also after an earlier --env.
    # shellcheck disable=SC2016  # for the inner shell
    chosen="$("${bare[@]}" bash -c 'eval "$("$1" --env)"; export VK_DRIVER_FILES=/mine.json
        eval "$("$1" --env)"; echo "$VK_DRIVER_FILES"' - "$drivers")"
    expect "the caller's file" /mine.json "$chosen"
    expect "no other is listed" machine "$("${bare[@]}" VK_DRIVER_FILES=/mine.json "$drivers" --list)"
}

hardware_stays_beside_the_newest() {
    local found
    if [ "$(uname -s)" != Linux ] || [ ! -d "$copy/target/drivers/newest" ]; then return; fi
    mkdir -p "$work/data/vulkan/icd.d"
    echo '{"ICD": {"library_path": "libGLX_nvidia.so.0"}}' >"$work/data/vulkan/icd.d/nvidia_icd.json"
    echo '{"ICD": {"library_path": "libvulkan_lvp.so"}}' >"$work/data/vulkan/icd.d/lvp_icd.x86_64.json"
    found="$(after_eval "${bare[@]}" XDG_DATA_DIRS="$work/data" XDG_CONFIG_DIRS=/none XDG_DATA_HOME=/none \
        XDG_CONFIG_HOME=/none VK_ADD_DRIVER_FILES=/more.json CARGO_TARGET_DIR="$copy/target" "$drivers" --env)"
    found="${found%|*}"
    expect_part "$work/data/vulkan/icd.d/nvidia_icd.json:" "$found"
    expect_part ":/more.json:$copy/target/drivers/newest/" "$found"
    case "$found" in *"$work/data/vulkan/icd.d/lvp"*) echo "the older software driver is in $found"; return 1 ;; esac
}

# --- With a cargo that builds nothing -------------------------------------------------------------

# Test binaries as libtest writes them, and a cargo that says where they are.
fake_cargo() { # FOLDER
    mkdir -p "$1/bin" "$1/target/release/examples"
    cat >"$1/bin/cargo" <<CARGO
#!/bin/sh
case "\$*" in
    *message-format*) echo '{"reason":"compiler-artifact","executable":null}'
        echo '{"reason":"compiler-artifact","profile":{"test":true},"executable":"$1/suite"}' ;;
    *--list) exec "$1/target/release/examples/conformance" ;;
    *) echo "\$PWD" "\$@" ;;
esac
CARGO
    cat >"$1/suite" <<'SUITE'
#!/bin/bash
case "$*" in
    --list) printf 'suite::%s: test\n' laws::a laws::b files::c campaign::campaign_steps campaign::campaign_mute rows::campaign_calls ;;
    *campaign_steps*) printf 'test suite::campaign::campaign_steps ... campaign: steps on a | b (c, d): runs 3, seconds %s, seed %s\nok\n' "$SPARSE_ADAM_CAMPAIGN_SECONDS" "$SPARSE_ADAM_SEED" ;;
    *campaign_calls*) echo 'campaign: calls: turns 5'; exit ${CALLS:-0} ;;
    *campaign_mute*) ;;
    *) printf 'test suite::laws::a ... ok\ntest suite::laws::b ... %s\n' "${LAW_B:-ok}"
        printf 'test suite::%s ... ok\n' campaign::campaign_steps campaign::campaign_mute rows::campaign_calls
        case "$*" in *"--skip suite::files::"*) ;; *) echo 'test suite::files::c ... ok' ;; esac
        if [ -n "${DIES:-}" ] && [ "$WGPU_ADAPTER_NAME" = "$DIES" ]; then kill -SEGV $$; fi
        echo 'test result: ok.' ;;
esac
SUITE
    printf '#!/bin/sh\nprintf "vulkan\\tfast (1)\\tM\\n"; printf "gl\\tslow\\tMesa 1.2.3 x\\n"\n' >"$1/target/release/examples/conformance"
    chmod +x "$1/bin/cargo" "$1/suite" "$1/target/release/examples/conformance"
}
fake="$work/fake one"
fake_cargo "$fake"
if [ -d "$copy/target/drivers" ]; then ln -s "$copy/target/drivers" "$fake/target/drivers"; fi
with_fake=("${bare[@]}" PATH="$fake/bin:$PATH" CARGO_TARGET_DIR="$fake/target")

matrix_counts() {
    local said
    said="$("${with_fake[@]}" "$here/matrix.sh" FAST "mesa 1.2")"
    expect_part "adapter                                      campaign         laws         rows" "$said"
    expect_part "fast, vulkan                                        2            2            1" "$said"
    expect_part "slow, gl, Mesa 1.2.3                                2            2            1" "$said"
    expect "last line" "10 passed, 0 failed" "$(tail -n 1 <<<"$said")"
}

matrix_fails_where_a_test_fails() {
    local said
    ! said="$("${with_fake[@]}" LAW_B=FAILED "$here/matrix.sh" 2>/dev/null)" || return 1
    expect_part "1/1!" "$said"
    expect "last line" "8 passed, 2 failed" "$(tail -n 1 <<<"$said")"
}

matrix_fails_where_a_run_dies() {
    local said
    ! said="$("${with_fake[@]}" DIES=slow "$here/matrix.sh" 2>/dev/null)" || return 1
    expect_part "died" "$said"
    expect "last line" "10 passed, 1 failed" "$(tail -n 1 <<<"$said")"
}

matrix_fails_without_an_adapter_that_must_be_there() {
    local said
    ! said="$("${with_fake[@]}" "$here/matrix.sh" swiftshader 2>&1)" || return 1
    expect_part "no adapter has 'swiftshader'" "$said"
}

campaign_writes_its_table() {
    local report="$work/report.md" said
    printf 'before\n<!-- campaign: begin -->\nold\n<!-- campaign: end -->\nafter\n' >"$report"
    ! said="$("${with_fake[@]}" SPARSE_ADAM_SEED=77 SPARSE_ADAM_CAMPAIGN_REPORT="$report" \
        "$here/campaign.sh" 1 campaign_ 2>&1)" || return 1
    said="$(sed 's/| [0-9]* |/| S |/' "$report")"
    expect_part "| steps | steps on a / b (c, d) | S | runs 3, seconds 20, seed 77 |" "$said"
    expect_part "| calls | calls | S | turns 5 |" "$said"
    expect_part "| mute | | S | **FAILED** (no figures) |" "$said"
    expect_part "seed 77, 1 of 3 campaigns failed" "$(cat "$report")"
    expect "around it" "before after" "$(sed -n '1p;$p' "$report" | paste -sd' ' -)"
    # Once more in its place.
    "${with_fake[@]}" SPARSE_ADAM_CAMPAIGN_REPORT="$report" "$here/campaign.sh" 1 steps calls
    expect "one table" 1 "$(grep -c '^| campaign |' "$report")"
    ! "${with_fake[@]}" CALLS=3 SPARSE_ADAM_CAMPAIGN_REPORT="$report" "$here/campaign.sh" 1 calls || return 1
    expect_part "**FAILED** (3)" "$(cat "$report")"
}

campaign_refuses() {
    echo none >"$work/unmarked.md"
    ! "${with_fake[@]}" SPARSE_ADAM_CAMPAIGN_REPORT="$work/unmarked.md" "$here/campaign.sh" 1 || return 1
    ! "${with_fake[@]}" "$here/campaign.sh" none || return 1
    ! "${with_fake[@]}" "$here/campaign.sh" 1 no-such-campaign
}

quickstart_leaves_nothing_and_stays() {
    local said
    mkdir -p "$work/tmp" "$work/some folder"
    cd "$work/some folder"
    said="$("${with_fake[@]}" TMPDIR="$work/tmp" "$here/quickstart.sh" --save here.safetensors)"
    expect_part "$work/some folder run --release" "$said"
    expect_part "-- --out $fake/target/wordnet --save here.safetensors" "$said"
    expect_part "-- --out=mine" "$("${with_fake[@]}" "$here/quickstart.sh" --out=mine)"
    expect "left in TMPDIR" "" "$(ls -A "$work/tmp")"
}

check "shellcheck" shellcheck_is_content
check "no construct that fails elsewhere" no_construct_that_fails_elsewhere
check "drivers.sh from another folder, in a path with spaces" from_another_folder
check "drivers.sh with a relative target folder" with_a_relative_target
check "drivers.sh for a user who is not root, without /sbin and HOME" for_another_user
check "drivers.sh, 200 times" two_hundred_times
check "drivers.sh where there are many libraries" with_a_long_list_of_libraries
check "drivers.sh --env of every name" every_name_of_the_list_has_exports
check "drivers.sh --env twice" twice_is_once
check "drivers.sh leaves a caller's choice" a_callers_choice_stays
check "drivers.sh keeps hardware drivers" hardware_stays_beside_the_newest
check "matrix.sh counts" matrix_counts
check "matrix.sh fails with a test" matrix_fails_where_a_test_fails
check "matrix.sh fails where a run dies" matrix_fails_where_a_run_dies
check "matrix.sh wants adapters" matrix_fails_without_an_adapter_that_must_be_there
check "campaign.sh writes its table" campaign_writes_its_table
check "campaign.sh refuses" campaign_refuses
check "quickstart.sh leaves nothing, and stays in its folder" quickstart_leaves_nothing_and_stays
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
