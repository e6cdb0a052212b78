#!/usr/bin/env bash
# Has every kernel in every variant, as naga writes it for Vulkan and for GL ES, judged by validators
# that are not naga's: spirv-val and glslangValidator. And has what naga writes for Metal run on the CPU, by
# C++ compilers that may do with floats as they like: clang and GCC.
#
#   scripts/test-shaders.sh
#
# Metal and HLSL compilers are in no Debian package, and Tint judges the WGSL in scripts/test-web.sh.
# Its last line is `N passed, N failed`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"
folder="$target/shaders"

need spirv-val spirv-tools
need glslangValidator glslang-tools
need clang++ clang
need g++ g++

rm -rf "$folder"
mkdir -p "$folder"
cd "$repo"
units="$(build_tests --lib | grep '/sparse_adam-')"
SPARSE_ADAM_SHADERS="$folder" "$units" --quiet every_kernel_is_written_for_every_target >&2
SPARSE_ADAM_CXX="clang++ g++" "$units" --quiet no_compiler_changes_a_bit --ignored --nocapture >&2

passed=0
failed=0
# judge FILE COMMAND...
judge() {
    local said
    if said="$("${@:2}" "$1" 2>&1)"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED  $(basename "$1")"
        head -n 5 <<<"$said"
    fi
}
for file in "$folder"/*.spv; do judge "$file" spirv-val --target-env vulkan1.1; done
# It takes 70 ms to start and 3 per file: so many files at once, and one by one where any of them is wrong.
glsl=("$folder"/*.comp)
for ((first = 0; first < ${#glsl[@]}; first += 100)); do
    files=("${glsl[@]:first:100}")
    if glslangValidator -S comp "${files[@]}" >/dev/null 2>&1; then
        passed=$((passed + ${#files[@]}))
    else
        for file in "${files[@]}"; do judge "$file" glslangValidator -S comp; done
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
