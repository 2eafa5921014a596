#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every libFuzzer program of build/fuzz for some seconds, at low priority. What they
# learn stays in build/fuzz/corpus and serves the next run; what they find is in
# build/fuzz/findings, one file per input, and ends this script with 1.
#   scripts/fuzz.sh SECONDS [NAME...]
set -euo pipefail

cd "$(dirname "$0")/.."
seconds=${1:?how many seconds for each}
shift
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  for program in build/fuzz/bin/fuzz_*; do names+=("${program##*/fuzz_}"); done
fi
failed=()
for name in "${names[@]}"; do
  mkdir -p "build/fuzz/corpus/$name" build/fuzz/findings
  echo "$name: $seconds s"
  nice -n 15 "build/fuzz/bin/fuzz_$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 -max_len=2000 \
    -print_final_stats=1 -artifact_prefix="build/fuzz/findings/$name-" \
    "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" >"build/fuzz/$name.log" 2>&1 || failed+=("$name")
  grep -E "^Done |^stat::number_of_executed|SUMMARY:|^==.*ERROR" "build/fuzz/$name.log" || tail -n 3 "build/fuzz/$name.log"
done
[ ${#failed[@]} -eq 0 ] || { echo "found something: ${failed[*]}; see build/fuzz/NAME.log and build/fuzz/findings" >&2; exit 1; }
