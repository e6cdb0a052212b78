#!/usr/bin/env bash
# Builds the page of examples/web and tests it in headless Chromium, on SwiftShader through WebGPU.
#
#   scripts/test-web.sh
#
# Installs what is missing where it may (Debian, Ubuntu: chromium, nodejs and npm, as root). Leaves
# screenshots and the run's results in target/web-test. Its last line is `N passed, N failed`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/shared.sh"
test_dir="$repo/target/web-test"
playwright=1.65.1

install_playwright() {
    mkdir -p "$test_dir/node"
    local installed="$test_dir/node/node_modules/playwright-core/package.json"
    [ "$(node -p 'require(process.argv[1]).version' "$installed" 2>/dev/null)" = "$playwright" ] && return
    echo '{"private": true}' > "$test_dir/node/package.json"
    npm install --prefix "$test_dir/node" --no-audit --no-fund --loglevel=error "playwright-core@$playwright" >&2 \
        || die "npm could not install playwright-core $playwright"
}

need chromium chromium
need node nodejs
need npm npm
install_playwright
page="$("$repo/scripts/web.sh")"
NODE_MODULES="$test_dir/node/node_modules" \
    node "$repo/examples/web/test/browser.mjs" "$page" "$(command -v chromium)" "$test_dir/screenshots" "$test_dir/results.json"
