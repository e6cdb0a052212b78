#!/usr/bin/env bash
# Makes a Python with a CPU torch in it, and prints the path of that Python on the last line.
#
#   python="$(scripts/torch.sh)"            # progress goes to stderr
#   SPARSE_ADAM_TORCH_VENV=~/venv           # elsewhere than target/torch
#   SPARSE_ADAM_TORCH_CUDA=1                # torch with all of CUDA (several GB), to time it on a GPU
#
# torch's Linux wheel on PyPI is the CUDA one. It wants some 2.5 GB of CUDA libraries beside it, none
# of which a CPU run ever calls; the dynamic loader insists on them all the same. So this installs
# the wheel without its dependencies, the small ones by name, and an empty stand-in for every CUDA
# library that is only there to be loaded. Where stand-ins do not do, it installs everything.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"
requirements="$repo/tests/golden/requirements.txt"
venv="${SPARSE_ADAM_TORCH_VENV:-$repo/target/torch}"
python="$venv/bin/python"
with_cuda="${SPARSE_ADAM_TORCH_CUDA:-0}"

# No cache: torch's wheel alone is half a gigabyte. Python compiles what it imports, a fraction of it.
install() { "$python" -m pip install --quiet --no-cache-dir --no-compile --disable-pip-version-check "$@" >&2; }

# True if the venv holds exactly what the requirements pin and torch can take a step.
works() {
    "$python" - "$requirements" "$with_cuda" <<'PY' 2>/dev/null >&2
import sys
from importlib.metadata import version

for line in open(sys.argv[1]):
    line = line.split("#")[0].strip()
    if line:
        name, pin = line.split("==")
        assert version(name) == pin, line
if sys.argv[2] == "1":
    version("nvidia-cudnn-cu13")  # real libraries, not stand-ins

import torch

p = torch.nn.Parameter(torch.ones(3, 2))
p.grad = torch.sparse_coo_tensor([[1, 1]], torch.ones(2, 2), (3, 2), check_invariants=True)
torch.optim.SparseAdam([p]).step()
assert (p[1] < 1).all() and (p[0] == 1).all()
PY
}

make_venv() {
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        can_install || die "python3 with venv is missing; install it (Debian, Ubuntu: apt-get install python3-venv)"
        install_packages python3-venv
    fi
    python3 -m venv "$venv"
}

# What torch needs besides CUDA; of CUDA only the two libraries that its CPU part calls on loading.
small_dependencies() {
    "$python" - <<'PY'
import re
from importlib.metadata import requires

for line in requires("torch"):
    requirement, _, marker = line.partition(";")
    cuda = re.match(r"cuda-toolkit\[.*\](==.*)", requirement.strip())
    if cuda:
        print(f"cuda-toolkit[cudart,cupti]{cuda[1]}".strip())
    elif "extra ==" not in marker and not re.match(r"nvidia-|cuda-|triton", requirement):
        print(requirement.strip())
PY
}

# Writes a stand-in for each missing CUDA library into torch/lib, the last folder that torch's
# libraries search: the real ones win wherever they are. A stand-in defines the functions that torch
# names; all of them abort.
make_stand_ins() {
    "$python" - <<'PY' >&2
import collections, glob, importlib.util, os, subprocess, tempfile

torch = os.path.dirname(importlib.util.find_spec("torch").origin)
here = os.path.join(torch, "lib")
# The prefix of a library's functions; a longer one is tried first.
prefixes = {"cublasLt": "cublasLt", "cublas": "cublas", "cudnn": "cudnn", "cufft": "cufft",
            "cuFile": "cufile", "cusparseLt": "cusparseLt", "cusparse": "cusparse",
            "nccl": "nccl", "nvrtc": "nvrtc", "nvshmem": "nvshmem_host"}

needed, functions, version = set(), collections.defaultdict(set), {}
for path in glob.glob(f"{here}/libtorch*.so"):
    dump = subprocess.run(["objdump", "-pT", path], check=True, capture_output=True, text=True)
    for words in map(str.split, dump.stdout.splitlines()):
        if words[:1] == ["NEEDED"]:
            needed.add(words[1])
        elif "*UND*" in words:
            name = words[-1]
            prefix = next((p for p in prefixes if name.startswith(p)), None)
            if prefix:
                library = prefixes[prefix]
                functions[library].add(name)
                if words[-2].startswith("("):
                    version[library] = words[-2].strip("()")

for library, names in functions.items():
    soname = next((n for n in needed if n.startswith(f"lib{library}.so")), None)
    if soname is None:
        continue
    with tempfile.TemporaryDirectory() as folder:
        source, exports = f"{folder}/stub.c", f"{folder}/exports"
        with open(source, "w") as file:
            file.write("static void refuse(void) { __builtin_trap(); }\n")
            file.writelines(f'void {n}(void) __attribute__((alias("refuse")));\n' for n in sorted(names))
        with open(exports, "w") as file:
            file.write(f"{version.get(library, soname)} {{ global: *; }};\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", f"{here}/{soname}", source,
                        f"-Wl,-soname,{soname}", f"-Wl,--version-script={exports}"], check=True)
PY
}

if ! works; then
    make_venv
    pins="$(sed 's/#.*//' "$requirements" | xargs)"
    if [ "$with_cuda" != 1 ]; then
        say "installing $pins"
        # shellcheck disable=SC2086  # one word a pin
        install --no-deps $pins
        # pip may complain that CUDA is incomplete: that is the point.
        small=()
        while IFS= read -r requirement; do small+=("$requirement"); done < <(small_dependencies)
        install ${small[@]+"${small[@]}"} 2>&1 | { grep -v 'requires .* which is not installed\|dependency resolver' || true; } >&2
        works || make_stand_ins || say "no stand-ins (cc or objdump is missing)"
    fi
    if ! works; then
        say "installing $pins with all of CUDA; this takes some minutes"
        install --requirement "$requirements"
    fi
    if ! works; then
        say "torch in $venv does not work:"
        "$python" -c 'import torch; print(torch.__version__)' >&2 || true
        exit 1
    fi
fi
echo "$python"
