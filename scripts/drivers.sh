#!/usr/bin/env bash
# Makes sure that there is a GPU driver to compute on, with the newest software one that the
# distribution offers, and tells a shell how to use it.
#
#   scripts/drivers.sh                      # one driver is enough
#   scripts/drivers.sh all                  # also those that the tests want
#   eval "$(scripts/drivers.sh --env)"      # sets up, and makes this shell use it
#   scripts/drivers.sh --list               # the drivers that are set up, a name a line
#   eval "$(scripts/drivers.sh --env NAME)" # one of these
#
# machine        hardware, if any, and the newest software driver; what --env means without a name
# newest         Mesa's newest software driver alone, for Vulkan and GL, where the distribution's is older
# distribution   the distribution's own Mesa alone, for Vulkan and GL
# swiftshader    SwiftShader alone
# all            all of them at once, for Vulkan
#
# Nothing of the machine is replaced. Debian's and Ubuntu's packages are unpacked into the target
# folder, with package lists of our own, so no root is needed; only where root has no driver at all
# does it install Mesa (and, for `all`, Chromium, which SwiftShader comes with). Once set up, no
# network is needed; without target/drivers it looks for the newest again. VK_DRIVER_FILES, set by
# hand, is left alone. --env prints nothing but exports; SPARSE_ADAM_DRIVERS=NAME chooses for all scripts.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

drivers="$target/drivers"
release="$(codename)"
# From here on Mesa is taken as it is: much older ones are two to four times slower and end a shader's
# loops after 65,535 turns (22.3 is, and does; 25.0 is not).
new_enough=24.2
chromium_swiftshader=/usr/lib/chromium/vk_swiftshader_icd.json

# --- What the machine has -------------------------------------------------------------------------

# Prints the machine's Vulkan manifests, where the loader looks for them.
manifests() {
    local folders folder file
    folders="${XDG_CONFIG_HOME:-${HOME:-}/.config}:${XDG_CONFIG_DIRS:-/etc/xdg}:/etc"
    folders="$folders:${XDG_DATA_HOME:-${HOME:-}/.local/share}:${XDG_DATA_DIRS:-/usr/local/share:/usr/share}"
    while IFS= read -r -d : folder; do
        for file in "$folder"/vulkan/icd.d/*.json; do
            if [ -r "$file" ]; then echo "$file"; fi
        done
    done <<<"$folders:"
}

is_lavapipe() { grep -q libvulkan_lvp "$1"; }

hardware_manifests() {
    local file
    manifests | while IFS= read -r file; do is_lavapipe "$file" || echo "$file"; done
}

# The distribution's own software driver: installed, else unpacked.
distribution_manifest() {
    local file
    while IFS= read -r file; do
        if is_lavapipe "$file"; then echo "$file"; return; fi
    done < <(manifests)
    manifest_in distribution
}

# The manifest of a Mesa that was unpacked; nothing where there is none.
manifest_in() {
    local file
    for file in "$drivers/$1"/usr/share/vulkan/icd.d/lvp_icd*.json; do
        if [ -e "$file" ]; then echo "$file"; return; fi
    done
}

swiftshader_manifest() {
    local file
    for file in "$chromium_swiftshader" "$drivers/swiftshader$chromium_swiftshader"; do
        if [ -e "$file" ]; then echo "$file"; return; fi
    done
}

has_loader() {
    local known
    # Users who are not root often have no /sbin in PATH. No pipe into `grep -q`: it ends at the
    # first match, and pipefail takes ldconfig's broken pipe for a failure.
    known="$(PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null || true)"
    case "$known" in
        *libvulkan.so.1*) return 0 ;;
    esac
    compgen -G '/usr/lib*/libvulkan.so.1' >/dev/null || compgen -G '/usr/lib/*/libvulkan.so.1' >/dev/null
}

# True if the caller chose the Vulkan drivers, and not by an earlier --env.
caller_chose() {
    local chosen="${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}}"
    [ -n "$chosen" ] && [ "$chosen" != "${SPARSE_ADAM_DRIVER_FILES:-}" ]
}

# --- Setting up -----------------------------------------------------------------------------------

mesa_packages="mesa-vulkan-drivers libvulkan1 libegl1 libegl-mesa0 libgl1-mesa-dri"

unpack_mesa() { # NAME
    # shellcheck disable=SC2046,SC2086  # one word a package
    unpack "$1" prune_mesa $(lacking $mesa_packages)
}

# Drivers of hardware are of no use beside the machine's own.
prune_mesa() { # FOLDER
    local library file
    find "$1" -name 'libvulkan_*.so' ! -name libvulkan_lvp.so -delete
    find "$1/usr/share" ! -type d ! -name 'lvp_icd*' ! -path '*/egl_vendor.d/*' -delete
    rm -rf "${1:?}/etc" "${1:?}/usr/bin" "$1"/usr/lib/python3*
    find "$1" -type d -empty -delete
    library="$(cd "$1" && echo usr/lib/*/libvulkan_lvp.so)"
    [ -e "$1/$library" ] || return 1
    for file in "$1"/usr/share/vulkan/icd.d/lvp_icd*.json; do
        # Relative to the manifest, so that the folder may be moved.
        sed -i "s|\"[^\"]*libvulkan_lvp.so\"|\"../../../../$library\"|" "$file"
    done
    mark_library_path "$1" "$library"
}

# Marks a folder whose driver runs only with LD_LIBRARY_PATH, as the machine lacks some library.
mark_library_path() { # FOLDER LIBRARY
    local found
    found="$(ldd -r "$1/$2" 2>&1 || true)"
    case "$found" in
        *"not found"* | *"undefined symbol"*) touch "$1/library-path" ;;
        *) has_loader || touch "$1/library-path" ;;
    esac
}

# Sets `installed`, the version of the distribution's Mesa, and `enough`, which is 1 if that will do.
look_for_mesa() {
    installed=""
    enough=0
    command -v dpkg-query >/dev/null || return 0
    installed="$(dpkg-query -W -f '${Version}' "mesa-vulkan-drivers:$(dpkg --print-architecture)" 2>/dev/null || true)"
    if [ -n "$installed" ] && dpkg --compare-versions "$installed" ge "$new_enough"; then enough=1; fi
}

newest_manifest() { [ "$enough" = 1 ] || manifest_in newest; }

# Unpacks the newest Mesa if it is newer than the installed one, once: later runs need no network.
set_up_newest() {
    local offered asked="$drivers/asked"
    if [ "$enough" = 1 ] || [ -n "$(manifest_in newest)" ]; then return; fi
    if [ -n "$installed" ] && [ "$(cat "$asked" 2>/dev/null)" = "$installed" ]; then return; fi
    update_lists "$release" "$release-updates" "$release-backports" || return 1
    offered="$(candidate mesa-vulkan-drivers)"
    if [ -n "$installed" ] && dpkg --compare-versions "${offered:-0}" le "$installed"; then
        mkdir -p "$drivers"
        echo "$installed" >"$asked"
    else
        unpack_mesa newest
    fi
}

# The distribution's own Mesa: installed where there is none and we may, else unpacked.
set_up_distribution() {
    if [ -n "$(distribution_manifest)" ] && { has_loader || [ -e "$drivers/distribution/library-path" ]; }; then return; fi
    if can_install; then
        # shellcheck disable=SC2086  # one word a package
        install_packages $mesa_packages && look_for_mesa
    else
        update_lists "$release" "$release-updates" && unpack_mesa distribution
    fi
}

# SwiftShader comes with Debian's Chromium; Ubuntu's is a snap without it.
set_up_swiftshader() {
    if [ "$(os_release ID)" != debian ] || [ -n "$(swiftshader_manifest)" ]; then return; fi
    if can_install; then
        install_packages chromium
    else
        update_lists "$release" && unpack swiftshader only_swiftshader chromium chromium-common
    fi
}

only_swiftshader() { # FOLDER
    find "$1" ! -type d ! -name '*swiftshader*.so' ! -name '*swiftshader*.json' -delete
    find "$1" -type d -empty -delete
    [ -e "$1$chromium_swiftshader" ]
}

has_driver() {
    [ -n "$(newest_manifest)" ] || [ -n "$(manifest_in distribution)" ] ||
        { has_loader && [ -n "$(manifests)" ]; }
}

# What the tests want; fails where any of it is not to be had.
set_up_all() {
    set_up_distribution || die "the distribution's Mesa could be neither installed nor unpacked"
    set_up_newest || die "the newest Mesa could not be unpacked"
    set_up_swiftshader || die "SwiftShader could be neither installed nor unpacked"
}

# A driver, and beside an older software one the newest. Who has hardware drivers alone needs no other.
set_up_one() {
    if caller_chose; then return; fi
    if ! has_driver && can_install; then set_up_distribution || true; fi
    if ! has_driver || [ -n "$(distribution_manifest)" ]; then
        set_up_newest || say "the newest Mesa could not be unpacked; going on without it"
    fi
}

set_up() { # all, or nothing
    if [ "$(uname -s)" != Linux ]; then return; fi
    if command -v apt-get >/dev/null; then "set_up_${1:-one}"; fi
    rm -rf "$own_lists"
    caller_chose || has_driver || die "no Vulkan driver found: install your GPU's, or Mesa's software driver" \
        "(Debian, Ubuntu: mesa-vulkan-drivers libvulkan1; Fedora: mesa-vulkan-drivers; Arch: vulkan-swrast)," \
        "and run this again"
}

# --- Telling --------------------------------------------------------------------------------------

list() {
    echo machine
    if [ "$(uname -s)" != Linux ] || caller_chose; then return; fi
    if [ -n "$(newest_manifest)" ]; then
        echo newest
        if [ -n "$(distribution_manifest)" ]; then echo distribution; fi
    fi
    if [ -n "$(swiftshader_manifest)" ]; then echo swiftshader; fi
}

print_export() { printf 'export %s=%q\n' "$1" "$2"; }

# vulkan MANIFEST...: these drivers and no other.
vulkan() {
    local IFS=:
    print_export VK_DRIVER_FILES "$*"
    # Loaders before 1.3.207 know only this name.
    print_export VK_ICD_FILENAMES "$*"
    # Tells a choice of this script from one of the caller's.
    print_export SPARSE_ADAM_DRIVER_FILES "$*"
}

# Libraries of an unpacked Mesa; for GL always, as its parts find each other by name.
library_path() { # NAME
    local folder path=""
    for folder in "$drivers/$1"/usr/lib/*-linux-gnu* "$drivers/$1"/lib/*-linux-gnu*; do
        if [ -d "$folder" ]; then path="$path$folder:"; fi
    done
    case "${LD_LIBRARY_PATH:-}:" in
        "$path"*) ;;
        *) print_export LD_LIBRARY_PATH "${path%:}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" ;;
    esac
}

# GL from Mesa's software driver, whatever else the machine has.
mesa_gl() { # FOLDER
    if [ -e "$1/usr/share/glvnd/egl_vendor.d/50_mesa.json" ]; then
        print_export __EGL_VENDOR_LIBRARY_FILENAMES "$1/usr/share/glvnd/egl_vendor.d/50_mesa.json"
    fi
    print_export LIBGL_ALWAYS_SOFTWARE 1
}

env_machine() {
    local file files=() newest
    if caller_chose; then return; fi
    newest="$(newest_manifest)"
    if [ -n "$newest" ]; then
        # The distribution's software driver is left out: it has the newest one's name.
        while IFS= read -r file; do files+=("$file"); done < <(hardware_manifests)
        # VK_DRIVER_FILES makes the loader ignore this one.
        if [ -n "${VK_ADD_DRIVER_FILES:-}" ]; then files+=("$VK_ADD_DRIVER_FILES"); fi
        vulkan ${files[@]+"${files[@]}"} "$newest"
        if [ -e "$drivers/newest/library-path" ]; then library_path newest; fi
    elif [ -e "$drivers/distribution/library-path" ]; then
        env_distribution
    fi
}

env_newest() {
    vulkan "$(newest_manifest)"
    mesa_gl "$drivers/newest"
    library_path newest
}

env_distribution() {
    vulkan "$(distribution_manifest)"
    if [ -n "$(manifest_in distribution)" ]; then
        mesa_gl "$drivers/distribution"
        library_path distribution
        print_export LIBGL_DRIVERS_PATH "$(echo "$drivers"/distribution/usr/lib/*-linux-gnu*/dri)"
    else
        mesa_gl ""
    fi
}

env_swiftshader() {
    local name
    vulkan "$(swiftshader_manifest)"
    # The loader of Vulkan may be an unpacked one.
    for name in newest distribution; do
        if [ -e "$drivers/$name/library-path" ]; then library_path "$name"; return; fi
    done
}

env_all() {
    local file files=()
    while IFS= read -r file; do
        if [ -n "$file" ]; then files+=("$file"); fi
    done < <(hardware_manifests; newest_manifest; distribution_manifest; swiftshader_manifest)
    vulkan ${files[@]+"${files[@]}"}
}

print_env() { # NAME
    local known runtime
    known=" $(list | tr '\n' ' ')all "
    case "$known" in
        *" $1 "*) ;;
        *) die "no driver '$1' is set up; there are:$known(scripts/drivers.sh all sets up more)" ;;
    esac
    if [ "$(uname -s)" = Linux ]; then "env_$1"; fi
    print_export SPARSE_ADAM_DRIVERS "$1"
    if [ -z "${XDG_RUNTIME_DIR:-}" ]; then
        # Mesa's layer that selects a device looks for Wayland there; an empty folder will do.
        runtime="$target/runtime-$(id -u)"
        mkdir -p "$target"
        [ -d "$runtime" ] || mkdir -m 700 "$runtime"
        print_export XDG_RUNTIME_DIR "$runtime"
    fi
}

look_for_mesa
case "${1:-}" in
    "" | all) set_up "${1:-}" ;;
    --list) list ;;
    --env)
        set_up "" >&2
        print_env "${2:-${SPARSE_ADAM_DRIVERS:-machine}}"
        ;;
    *) die "unknown argument $1; see the head of this file" ;;
esac
