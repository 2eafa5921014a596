#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing from Debian 12's packages, and says what. `make demo` and
# `make test` both call it; a second run finds everything and changes nothing.
#   scripts/install-deps.sh            to build and run the program
#   scripts/install-deps.sh test       and to run the tests
#   scripts/install-deps.sh dev        and clang, clang-tidy, valgrind
#   scripts/install-deps.sh browser    to build, and to test the live page in Chromium
#   scripts/install-deps.sh --list ... only print the names
set -euo pipefail

build=(build-essential cmake ninja-build pkg-config ccache ca-certificates
  libboost1.81-dev libprotobuf-dev protobuf-compiler libsnappy-dev libyaml-cpp-dev
  libre2-dev libcurl4-openssl-dev libssl-dev libsimdjson-dev libabsl-dev prometheus-cpp-dev
  libfmt-dev zlib1g-dev libbz2-dev libmaxminddb-dev)
test=(libgtest-dev libgmock-dev libbenchmark-dev python3 python3-pytest python3-yaml git shellcheck
  valgrind openssl binutils util-linux curl file)
dev=(clang-19 clang-tidy-19 libclang-rt-19-dev lld-19 clang-format-19)

list=no
if [ "${1:-}" = --list ]; then list=yes; shift; fi
want=("${build[@]}")
case "${1:-build}" in
  build) ;;
  test) want+=("${test[@]}") ;;
  dev) want+=("${test[@]}" "${dev[@]}") ;;
  browser)
    want+=("${test[@]}" chromium fonts-dejavu-core)
    # Node.js often comes from elsewhere, and then Debian's npm does not fit it.
    command -v node >/dev/null || want+=(nodejs)
    command -v npm >/dev/null || want+=(npm)
    ;;
  *) echo "usage: $0 [--list] [build|test|dev|browser]" >&2; exit 2 ;;
esac

if [ $list = yes ]; then
  printf '%s\n' "${want[@]}"
  exit 0
fi
missing=()
for package in "${want[@]}"; do
  [ "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "These Debian packages are missing, and only root can install them: ${missing[*]}" >&2; exit 1; }
  sudo=(sudo)
fi
echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
