#!/usr/bin/env bash
# Coverage-guided fuzzing of what reads files. Fails where a target crashes, panics, takes more
# memory than it may, or hangs.
#
#   scripts/fuzz.sh                 # 60 seconds, shared by the targets
#   scripts/fuzz.sh 3600
#
# What was found stays in <target folder>/fuzz/corpus for the next run; what crashes is in
# <target folder>/fuzz/crashes, and `<target folder>/fuzz/<triple>/release/<target> FILE` repeats it.
#
# cargo-fuzz wants a nightly compiler for its sanitizers. Safe code needs none: LLVM's coverage pass
# and libFuzzer, which is C++ and built here, work with the stable one.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"
cd "$repo"

seconds="${1:-60}"
case "$seconds" in
    '' | *[!0-9]* | 0) die "expected a number of seconds from 1; found '$seconds'" ;;
esac
need_cargo
need c++ g++
folder="$target/fuzz"
names="safetensors pytorch pickle"
triple="$(rustc -vV | sed -n 's/^host: //p')"
flags="-Cpasses=sancov-module"
for argument in level=4 inline-8bit-counters pc-table trace-compares; do
    flags="$flags -Cllvm-args=-sanitizer-coverage-$argument"
done
# With a target named, the flags are not for build scripts.
CARGO_TARGET_DIR="$folder" RUSTFLAGS="$flags" \
    cargo build --quiet --release --manifest-path fuzz/Cargo.toml --target "$triple" >&2

# What each target starts from: files of torch's and ours.
seed() {
    case "$1" in
        safetensors) cp tests/golden/checkpoints/version_*.safetensors "$2" ;;
        pytorch) cp tests/golden/checkpoints/*.pt "$2" ;;
        # The pickle is the first record of torch's files, behind a header of 64 bytes.
        pickle) for file in tests/golden/checkpoints/*.pt; do tail -c +65 "$file" >"$2/$(basename "$file").pkl"; done ;;
    esac
}

each=$((seconds / $(echo "$names" | wc -w)))
[ "$each" -gt 0 ] || each=1
failed=0
for name in $names; do
    corpus="$folder/corpus/$name"
    crashes="$folder/crashes/$name"
    log="$folder/$name.log"
    mkdir -p "$corpus" "$crashes"
    seed "$name" "$corpus"
    if "$folder/$triple/release/$name" "$corpus" -dict=fuzz/words.dict -max_total_time="$each" \
        -max_len=65536 -timeout=10 -rss_limit_mb=1024 -use_value_profile=1 -print_final_stats=1 \
        -artifact_prefix="$crashes/" >"$log" 2>&1; then
        runs="$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
        coverage="$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)"
        inputs="$(find "$corpus" -type f | wc -l | tr -d ' ')"
        echo "fuzz-$name: runs $runs, edges covered $coverage, inputs kept $inputs, crashes 0"
    else
        say "$name FAILED; its input is in $crashes, its output in $log:"
        grep -v '^#' "$log" | tail -n 20 >&2
        failed=1
    fi
done
exit "$failed"
