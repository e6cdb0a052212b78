#!/usr/bin/env bash
# Makes sure that there is a GPU driver to compute on. On Debian and Ubuntu without a Vulkan
# driver it installs Mesa's, which has a software one; elsewhere it says what to install.
set -euo pipefail

has_vulkan_driver() {
    compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null ||
        compgen -G '/usr/local/share/vulkan/icd.d/*.json' >/dev/null ||
        compgen -G '/etc/vulkan/icd.d/*.json' >/dev/null ||
        [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]
}

has_loader() {
    ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1'
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

[ "$(uname -s)" = Linux ] || exit 0
if has_vulkan_driver && has_loader; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "No Vulkan driver found. Install your GPU's, or Mesa's software driver" >&2
    echo "(Fedora: mesa-vulkan-drivers; Arch: vulkan-swrast), and run this again." >&2
    exit 1
fi
echo "No Vulkan driver found: installing Mesa's software driver." >&2
as_root apt-get update -qq
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    mesa-vulkan-drivers libvulkan1 libegl1 libgl1-mesa-dri >/dev/null
