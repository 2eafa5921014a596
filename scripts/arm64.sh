#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Cross-compiles the program for arm64 in a Debian of its own and runs it under QEMU's user
# mode: does it build there, start, and read a log? As root; no package is installed here.
#
#   scripts/arm64.sh [--image] [WORKDIR]     default: build/arm64; the program: WORKDIR/agent
#
# --image also puts the image for arm64 together and does with it what tests/image/docker.sh
# does: its size, a container with a read-only root, lines that arrive. libcurl is the
# Dockerfile's, cross-compiled: to run the compiler itself under QEMU, as the whole
# Dockerfile would, takes hours.
#
# Without link-time optimisation, which would double the time, and with warnings that are
# no errors: g++ 12 warns of its own std::string when it inlines for this architecture.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

image=no
if [[ ${1:-} == --image ]]; then image=yes; shift; fi
work=${1:-build/arm64}
mkdir -p "$work"
work=$(realpath "$work")
root=$work/root
scripts/debian-root.sh "$root"
cp /etc/resolv.conf /etc/hosts "$root/etc/"

native=() foreign=()
while read -r package; do
  case $package in
    lib*-dev | *1g-dev | prometheus-cpp-dev) foreign+=("$package:arm64") ;;
    build-essential) native+=(crossbuild-essential-arm64) ;;
    *) native+=("$package") ;;
  esac
done < <(scripts/install-deps.sh --list build)
if [[ ! -e $root/.packages ]]; then
  chroot "$root" dpkg --add-architecture arm64
  chroot "$root" apt-get update -qq
  chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${native[@]}" "${foreign[@]}" qemu-user-static >"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log" >&2; exit 1; }
  touch "$root/.packages"
fi

mkdir -p "$root/src"
tar -cf - CMakeLists.txt CMakePresets.json LICENSE agent cmake proto | tar -xf - -C "$root/src"
# /proc is the kernel's, for those who ask how many processors there are.
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
trap 'umount "$root/proc"' EXIT
# The variables are those of the other system.
# shellcheck disable=SC2016
chroot "$root" env REVISION="$(git rev-parse --short=12 HEAD 2>/dev/null || true)" bash -ec 'cd /src
  export LC_ALL=C.UTF-8
  cmake --preset release --toolchain cmake/toolchains/aarch64-linux-gnu.cmake -B /build -DAGENT_REVISION="$REVISION" -DAGENT_BENCH=OFF -DAGENT_WERROR=OFF -DAGENT_PCH=ON \
    -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=OFF -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O2 -DNDEBUG" >/dev/null
  cmake --build /build --target agent -j"${JOBS:-$(nproc)}"' >"$work/build.log" 2>&1 || { grep -A 20 -m 1 -E 'FAILED|Error' "$work/build.log" >&2; exit 1; }
cp "$root/build/bin/agent" "$work/agent"

readelf -h "$work/agent" | grep -q AArch64
in_qemu() { chroot "$root" /usr/bin/qemu-aarch64-static /build/bin/agent "$@"; }
in_qemu --version
mkdir -p "$root/logs/shop_web-0_1/nginx"
printf '2026-01-02T03:04:05.000000000Z stdout F hello from arm64\n' >"$root/logs/shop_web-0_1/nginx/0.log"
in_qemu --dry-run /logs/shop_web-0_1/nginx/0.log >"$work/dry"
cat "$work/dry"
grep -q 'pod="web-0".*hello from arm64' "$work/dry"
echo "arm64: $work/agent runs under QEMU"
[[ $image == yes ]] || exit 0

# The kernel hands programs for arm64 to QEMU; with the flag F also in other root directories.
formats=/proc/sys/fs/binfmt_misc
registered=no
cleanup() {
  umount "$root/proc" || true
  [[ $registered == no ]] || echo -1 >"$formats/qemu-aarch64"
}
trap cleanup EXIT
[[ -e $formats/register ]] || mount -t binfmt_misc binfmt_misc "$formats"
if [[ ! -e $formats/qemu-aarch64 ]]; then
  head='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
  mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
  printf '%s' ":qemu-aarch64:M::$head:$mask:$root/usr/bin/qemu-aarch64-static:F" >"$formats/register"
  registered=yes
fi

# libcurl with HTTP alone: the Dockerfile's own words, for the other architecture.
configure=$(sed -n '/&& \.\/configure /,/--with-ca-bundle=/p' Dockerfile | sed 's/^ *&& //; s/\\$//' | tr '\n' ' ')
[[ $configure == ./configure*--with-ca-bundle=* ]] || { echo "the Dockerfile's libcurl is not as expected" >&2; exit 1; }
if [[ ! -e $root/opt/curl/lib/libcurl.so.4 ]]; then
  # shellcheck disable=SC2016
  chroot "$root" env CONFIGURE="$configure" DEBIAN_FRONTEND=noninteractive PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig bash -ec '
    sources=/etc/apt/sources.list.d/debian.sources
    if [ -e $sources ]; then sed -i "s/^Types: deb$/Types: deb deb-src/" $sources
    else sed -n "s/^deb /deb-src /p" /etc/apt/sources.list >/etc/apt/sources.list.d/source.list; fi
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends dpkg-dev libnghttp2-dev:arm64
    rm -rf /curl /curl-src && mkdir /curl-src && cd /curl-src && apt-get source -qq curl && mv curl-*/ /curl && cd /curl
    eval "$CONFIGURE --host=aarch64-linux-gnu"
    # The name of the version that Debian gives the symbols, which the program was linked with.
    sed -i s/CURL_OPENSSL_3/CURL_OPENSSL_4/ lib/libcurl.vers
    make --silent -C lib -j"${JOBS:-$(nproc)}" && make --silent -C lib install' >"$work/curl.log" 2>&1 || { tail -n 20 "$work/curl.log" >&2; exit 1; }
fi

# What collect.sh asks the system, answered for arm64.
mkdir -p "$root/shim" "$root/in"
shim() {
  { echo '#!/bin/bash'; cat; } >"$root/shim/$1"
  chmod 755 "$root/shim/$1"
}
shim ldd <<'SHELL'
for one in "$@"; do echo "$one:"; /lib/ld-linux-aarch64.so.1 --list "$one"; done
SHELL
shim ldconfig <<'SHELL'
echo "	libc.so.6 (libc6,AArch64) => /lib/aarch64-linux-gnu/libc.so.6"
SHELL
shim strip <<'SHELL'
exec aarch64-linux-gnu-strip "$@"
SHELL
shim dpkg-query <<'SHELL'
last=${!#}
if [[ " $* " == *" -W "* && $last != *:* ]] && /usr/bin/dpkg-query -W "$last:arm64" >/dev/null 2>&1; then last+=:arm64; fi
exec /usr/bin/dpkg-query "${@:1:$#-1}" "$last"
SHELL
cp helm/image/helper.cc "$root/src/"
chroot "$root" aarch64-linux-gnu-g++ -std=c++20 -O2 -Wall -Wextra -o /in/sluice-helper /src/helper.cc
cp "$work/agent" LICENSE helm/image/collect.sh "$root/in/"
rm -rf "$root/rootfs"
chroot "$root" env PATH=/shim:/usr/sbin:/usr/bin:/sbin:/bin LD_LIBRARY_PATH=/opt/curl/lib /in/collect.sh /in/agent /in/sluice-helper /in/LICENSE 0.0.0-test /rootfs
tests/image/docker.sh --rootfs "$root/rootfs" --platform linux/arm64
echo "arm64: the image runs under QEMU"
