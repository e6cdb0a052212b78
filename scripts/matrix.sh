#!/usr/bin/env bash
# Runs the suite on every adapter of the machine and prints a matrix: adapter by test group, with
# what passed and failed. Arguments are parts of adapter names that must be present; one that is
# missing is a failure. Its last line is `N passed, N failed`.
#
#   scripts/matrix.sh llvmpipe SwiftShader
set -euo pipefail
cd "$(dirname "$0")/.."

groups=(golden bags laws limits embedding state conformance)
logs="${CARGO_TARGET_DIR:-target}/matrix"
rm -rf "$logs" && mkdir -p "$logs"

# `backend<TAB>name` of each adapter.
list_adapters() {
    cargo run --quiet --release --example conformance -- --list
}

total_passed=0
total_failed=0
run_group() { # BACKEND NAME GROUP
    local log="$logs/$(echo "$1-$2-$3" | tr -c 'A-Za-z0-9\n-' '_').log" passed failed
    WGPU_BACKEND="$1" WGPU_ADAPTER_NAME="$2" \
        cargo test --quiet --release --test suite -- "suite::$3::" >"$log" 2>&1 || true
    passed=$(grep -oE '[0-9]+ passed' "$log" | grep -oE '[0-9]+' || echo 0)
    failed=$(grep -oE '[0-9]+ failed' "$log" | tail -n 1 | grep -oE '[0-9]+' || echo 1)
    # A group that ran nothing has not passed.
    [ "$passed" -gt 0 ] || [ "$failed" -gt 0 ] || failed=1
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
    if [ "$failed" = 0 ]; then
        printf '%12s' "$passed"
    else
        printf '%12s' "$passed/$failed!"
        cat "$log" >&2
    fi
}

adapters=$(list_adapters)
for wanted in "$@"; do
    if ! grep -qi -- "$wanted" <<<"$adapters"; then
        echo "matrix.sh: no adapter has '$wanted' in its name; scripts/drivers.sh installs the software ones" >&2
        exit 1
    fi
done
printf '%-44s' "adapter"
printf '%12s' "${groups[@]}"
echo
while IFS=$'\t' read -r backend name; do
    printf '%-44s' "$(echo "$name ($backend)" | cut -c1-43)"
    for group in "${groups[@]}"; do run_group "$backend" "$name" "$group" </dev/null; done
    echo
done <<<"$adapters"
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" = 0 ]
