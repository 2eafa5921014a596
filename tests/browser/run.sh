#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The live page in a headless Chromium (Debian's; CHROMIUM names another one), against
# the real server with made-up data. Screenshots go to build/browser.
#   tests/browser/run.sh           builds what it needs in build/dev
#   PAGE_SERVER=... tests/browser/run.sh   uses that program
set -euo pipefail
cd "$(dirname "$0")/../.."

for tool in node npm "${CHROMIUM:-chromium}"; do
  if ! command -v "$tool" >/dev/null; then
    echo "tests/browser needs $tool; scripts/install-deps.sh browser installs it" >&2
    exit 1
  fi
done
if [ -z "${PAGE_SERVER:-}" ]; then
  launcher=()
  if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
  cmake --preset dev "${launcher[@]}" >/dev/null
  cmake --build build/dev --target page_server
  PAGE_SERVER=$PWD/build/dev/bin/page_server
fi
PAGE_SERVER=$(realpath -e "$PAGE_SERVER")  # node runs elsewhere
export PAGE_SERVER
export SHOTS=$PWD/build/browser
mkdir -p "$SHOTS"
# The package only; its own browsers are neither needed nor downloaded.
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1
cd tests/browser
if [ ! -d node_modules/playwright-core ] || [ package-lock.json -nt node_modules ]; then
  npm ci --no-audit --no-fund --silent
fi
node --test
echo "screenshots: $SHOTS"
