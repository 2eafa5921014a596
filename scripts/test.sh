#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that must pass, in order of what fails most often and costs least.
# Prints each step with what it took. scripts/install-deps.sh has run before.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly python=/usr/bin/python3
jobs=$(nproc)
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
# Objects of another clone of the same sources are as good as our own.
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros
# A skipped test is a failed one here.
export SLUICE_NO_SKIP="${SLUICE_NO_SKIP:-${CI:+1}}"

began=$SECONDS
step() { # text, command...
  local text=$1 start=$SECONDS
  shift
  printf '\n== %s\n' "$text"
  "$@"
  printf '== %s: %d s (%d s in all)\n' "$text" $((SECONDS - start)) $((SECONDS - began))
}

build() { # preset
  cmake --preset "$1" "${launcher[@]}" >/dev/null
  cmake --build "build/$1" -j "$jobs" 2>&1 | grep -vE '^\[[0-9]+/[0-9]+\]|^ninja: no work' || true
  cmake --build "build/$1" -j "$jobs" >/dev/null # says so if the first one failed
}

unit() { # preset
  ctest --test-dir "build/$1" --output-on-failure -j "$jobs" --timeout 600 2>&1 | tail -n 40
  return "${PIPESTATUS[0]}"
}

shell_scripts() {
  local scripts
  mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
  shellcheck "${scripts[@]}"
}

# The chart tests' Go programs, kube-apiserver among them, are twelve CPU-minutes of compiling
# when nothing is cached. At the lowest priority they take what the other steps leave idle:
# links on one core, tests that wait. The charts' step waits for the rest of it.
if command -v go >/dev/null; then
  mkdir -p build
  setsid nice -n 19 scripts/build-helm-tools.sh --with-apiserver >build/helm-tools.log 2>&1 &
  helm_tools=$!
  # Its own process group, so that the compilers go with it.
  trap 'kill -- "-$helm_tools" 2>/dev/null || true' EXIT
fi

step "style: who includes whom, sizes" "$python" tests/style/layers_test.py
step "style: shell scripts" shell_scripts
step "build: address and undefined-behaviour sanitizers" build asan
step "unit tests, fuzz corpora: address and undefined-behaviour sanitizers" unit asan
step "build: thread sanitizer" build tsan
step "unit tests: thread sanitizer" unit tsan
step "build: release" build release
if command -v go >/dev/null || [ -n "${LOKI_BIN:-}" ]; then
  step "Loki and Promtail, from Go modules (minutes when nothing is cached)" scripts/build-tools.sh loki promtail
fi
suites=()
for suite in tests/e2e tests/bench tests/tools tests/differential tests/chaos; do
  if [ -e "$suite" ]; then suites+=("$suite"); fi
done
step "end to end: the program, the sink, a real Loki, a real Promtail" \
  env PYTHONPATH=tests/support "$python" -m pytest -q -p no_skips -p no:cacheprovider \
  -o python_files="test_*.py *_test.py night.py" --durations=8 "${suites[@]}"
step "the live page, in a headless Chromium" env PAGE_SERVER="$PWD/build/asan/bin/page_server" tests/browser/run.sh
step "instruction counts of the hot path" "$python" bench/instructions.py
step "charts, and what they render in the agent itself" env AGENT_BIN="$PWD/build/release/bin/agent" tests/helm/run.sh --with-apiserver -q
printf '\nAll passed in %d s.\n' $((SECONDS - began))
