#!/usr/bin/env bash
# Builds the page of examples/web into a folder of static files, and prints that folder.
#
#   scripts/web.sh                          # into target/web
#   SPARSE_ADAM_WEB=~/page                  # elsewhere
#   SPARSE_ADAM_RUST_LIBRARY=FOLDER         # the standard library's sources, for machines where
#                                           # rustup has no wasm32 target and apt no rust-src
#   SPARSE_ADAM_RUST_LIBRARY=download       # take them from Debian even where rustup would do
#
# The page needs a server only because browsers refuse modules from file://.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"
web="$repo/examples/web"
out="${SPARSE_ADAM_WEB:-$repo/target/web}"
triple=wasm32-unknown-unknown

# --- The standard library: rustup's, else built from sources of the compiler's own version. -------

has_target() { [ -n "$(compgen -G "$(rustc --print sysroot)/lib/rustlib/$triple/lib/libstd-*")" ]; }

# Debian's rust-src of the compiler's version, unpacked under the target folder; prints the folder
# of the library.
debian_library() {
    local version work package
    version="$(rustc --version | cut -d' ' -f2)"
    work="$target/rust-src-$version"
    if [ ! -d "$work/usr/src/rustc-$version/library/std" ]; then
        command -v apt-get >/dev/null || return 1
        update_lists trixie-backports sid || return 1
        package="$(own_apt apt-cache madison rust-src |
            awk -F ' *[|] *' -v version="$version" '!found && $2 ~ "^" version "[+-]" { print $2; found = 1 }')"
        [ -n "$package" ] || return 1
        say "unpacking rust-src $package"
        mkdir -p "$work"
        (cd "$work" && own_apt apt-get download "rust-src=$package") >&2 || return 1
        dpkg-deb --fsys-tarfile "$work"/rust-src_*.deb | tar -x -C "$work" "./usr/src/rustc-$version/library"
        rm -rf "$work"/rust-src_*.deb "$own_lists"
    fi
    echo "$work/usr/src/rustc-$version/library"
}

# Sets `cargo_std`, the arguments that building the standard library takes; empty if there is one.
cargo_std=()
prepare_std() {
    local library="${SPARSE_ADAM_RUST_LIBRARY:-}"
    if [ -z "$library" ]; then
        has_target && return
        if command -v rustup >/dev/null && timeout 120 rustup target add "$triple" >&2; then
            has_target && return
        fi
        library=download
    fi
    if [ "$library" = download ]; then
        library="$(debian_library)" || die "no standard library for $triple: rustup has no such target here and no Debian mirror has rust-src $(rustc --version | cut -d' ' -f2); set SPARSE_ADAM_RUST_LIBRARY to the folder 'library' of that version's sources"
    fi
    [ -d "$library/std" ] || die "SPARSE_ADAM_RUST_LIBRARY=$library holds no folder 'std'"
    say "building the standard library from $library"
    # The flag is unstable, hence the bootstrap variable; the sources are the compiler's own.
    export RUSTC_BOOTSTRAP=1 __CARGO_TESTS_ONLY_SRC_ROOT="$library"
    cargo_std=("-Zbuild-std=std,panic_abort")
}

# --- The page -------------------------------------------------------------------------------------

build_bindgen() {
    cargo build --locked --manifest-path "$web/bindgen/Cargo.toml" >&2
}

build_module() (
    prepare_std
    cargo build --locked --release --target "$triple" --manifest-path "$web/Cargo.toml" ${cargo_std[@]+"${cargo_std[@]}"} >&2
)

build_bindgen
build_module
rm -rf "$out"
mkdir -p "$out/golden"
"$target/debug/sparse-adam-web-bindgen" "$target/$triple/release/sparse_adam_web.wasm" "$out"
cp "$web"/page/* "$out"
cp "$repo"/tests/golden/*.safetensors "$out/golden"
# The page asks for the traces by name, so new ones need no change of it.
(cd "$out/golden" && printf '%s\n' *.safetensors | sed 's/.*/"&"/' | paste -sd, | sed 's/.*/[&]/') > "$out/golden/index.json"
say "$(du -sh "$out" | cut -f1) in $out, $(gzip -c "$out/sparse_adam_web_bg.wasm" | wc -c) bytes of WebAssembly compressed"
echo "$out"
