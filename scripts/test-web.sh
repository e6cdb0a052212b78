#!/usr/bin/env bash
# Builds the page of examples/web and tests it in headless Chromium, on SwiftShader through WebGPU.
#
#   scripts/test-web.sh
#
# Installs what is missing where it may (Debian, Ubuntu: chromium, nodejs and npm, as root). Leaves
# screenshots and the run's results in target/web-test. Its last line is `N passed, N failed`.
set -euo pipefail

repo="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
test_dir="$repo/target/web-test"
playwright=1.65.1

say() { echo "test-web.sh: $*" >&2; }
die() { say "$*"; exit 1; }

# install COMMAND PACKAGE...
install() {
    local command="$1"
    shift
    command -v "$command" >/dev/null && return
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        die "$command is missing; install it (Debian: apt-get install $*)"
    fi
    say "installing $*"
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"; } >&2 \
        || die "$command is missing and apt-get could not install $*"
    command -v "$command" >/dev/null || die "$* does not bring $command"
}

install_playwright() {
    mkdir -p "$test_dir/node"
    [ "$(node -p "require('$test_dir/node/node_modules/playwright-core/package.json').version" 2>/dev/null)" = "$playwright" ] && return
    echo '{"private": true}' > "$test_dir/node/package.json"
    npm install --prefix "$test_dir/node" --no-audit --no-fund --loglevel=error "playwright-core@$playwright" >&2 \
        || die "npm could not install playwright-core $playwright"
}

install chromium chromium
install node nodejs
install npm npm
install_playwright
page="$("$repo/scripts/web.sh")"
NODE_MODULES="$test_dir/node/node_modules" \
    node "$repo/examples/web/test/browser.mjs" "$page" "$(command -v chromium)" "$test_dir/screenshots" "$test_dir/results.json"
