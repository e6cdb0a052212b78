#!/usr/bin/env bash
# Makes sure that there is a GPU driver to compute on. On Debian and Ubuntu without a Vulkan
# driver it installs Mesa's, which has a software one; elsewhere it says what to install.
#
#   scripts/drivers.sh                # one driver is enough
#   scripts/drivers.sh all            # also those that the tests want: Mesa's and SwiftShader
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

install() {
    echo "drivers.sh: installing $*" >&2
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

mesa=(mesa-vulkan-drivers libvulkan1 libegl1 libgl1-mesa-dri)
[ "$(uname -s)" = Linux ] || exit 0
if [ "${1:-}" = all ] && command -v apt-get >/dev/null; then
    compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' >/dev/null || install "${mesa[@]}"
    # SwiftShader comes with Debian's Chromium; Ubuntu's is a snap without it.
    [ -e /usr/lib/chromium/vk_swiftshader_icd.json ] || install chromium
fi
if has_vulkan_driver && has_loader; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "No Vulkan driver found. Install your GPU's, or Mesa's software driver" >&2
    echo "(Fedora: mesa-vulkan-drivers; Arch: vulkan-swrast), and run this again." >&2
    exit 1
fi
install "${mesa[@]}"
