#!/usr/bin/env bash
# Makes sure of what the MPI feature of integrations/mpi is built with and run by, by installing it where it may (Debian, Ubuntu, as
# root): an MPI, its headers, libclang.
#
#   scripts/mpi.sh
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"

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
    # On macOS they find Xcode's themselves.
    [ "$(uname -s)" = Darwin ] || [ -n "${LIBCLANG_PATH:-}" ] || compgen -G '/usr/lib*/llvm*/lib*/libclang[.-][s0-9]*' >/dev/null ||
        compgen -G '/usr/lib*/*/libclang[.-][s0-9]*' >/dev/null || compgen -G '/usr/lib*/libclang[.-][s0-9]*' >/dev/null
}
if ! has_libclang; then
    can_install || die "libclang is missing; install it (Debian: apt-get install libclang-dev), or set LIBCLANG_PATH"
    install_packages libclang-dev || die "libclang is missing and apt-get could not install libclang-dev"
fi
