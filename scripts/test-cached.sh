#!/usr/bin/env bash
# Runs the tests of cached/ on every adapter, with every driver that scripts/drivers.sh has set up; what a table exports goes to
# torch.
#
#   scripts/test-cached.sh
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"
cd "$repo"

need_cargo
binaries="$(build_tests --lib --test cached | grep -E '/(sparse_adam_)?cached-[^/]*$')"
cargo build --quiet --release "${workspace[@]}" --example conformance
list_adapters="$target/release/examples/conformance"

# What is of files alone, on whatever adapter: once will do.
of_files=(kills:: disks::a_limit file:: memory:: plan::)
skip=()
for part in "${of_files[@]}"; do skip+=(--skip "$part"); done
use_drivers
for binary in $binaries; do "$binary" --quiet "${of_files[@]}"; done

# What is exported goes to torch.
say "exports to torch"
exports="$(mktemp -d)"
trap 'rm -rf "$exports"' EXIT
for binary in $binaries; do
    case "$binary" in
        */cached-*)
            SPARSE_ADAM_EXPORTS_TO="$exports" "$binary" --quiet --ignored \
                --exact exports::writes_what_torch_goes_on_from
            ;;
    esac
done
python="$("$repo/scripts/torch.sh" | tail -n 1)"
"$python" -B -W ignore cached/tests/torch_goes_on.py "$exports"

run() ( # DRIVERS BACKEND NAME
    say "$3, $2, drivers $1"
    export WGPU_BACKEND="$2" WGPU_ADAPTER_NAME="$3"
    # As in matrix.sh: wgpu has one context of GL.
    if [ "$2" = gl ]; then export RUST_TEST_THREADS=1; fi
    compile_less
    for binary in $binaries; do "$binary" --quiet "${skip[@]}" </dev/null; done
)

# Drivers of GL are found whatever Vulkan's are, so the same adapter may appear with several; the first counts.
seen=$'\n'
for drivers in $("$repo/scripts/drivers.sh" --list); do
    use_drivers "$drivers"
    while IFS= read -r adapter; do
        case "$seen" in *$'\n'"$adapter"$'\n'*) continue ;; esac
        seen+="$adapter"$'\n'
        IFS=$'\t' read -r backend name _ <<<"$adapter"
        run "$drivers" "$backend" "$name"
    done < <("$list_adapters" --list)
done
[ "$seen" != $'\n' ] || die "no adapter found; scripts/drivers.sh sets up a software one"
