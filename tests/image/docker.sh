#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the image with a Docker engine of its own and runs it. As root, with Debian's
# docker.io (or scripts/build-helm-tools.sh docker, which only unpacks it).
#
#   tests/image/docker.sh [--keep]         the whole Dockerfile; as long as a release build
#   tests/image/docker.sh --quick AGENT    its last stage, around a program that is built
#   tests/image/docker.sh --rootfs DIR --platform linux/arm64
#                                          its last stage, around what collect.sh has put
#                                          together for another architecture (make arm64-image)
#
# The engine uses no bridge and no packet filter; containers use the machine's network.
# The base image is made by debootstrap under the tag that the Dockerfile names, so
# nothing is pulled. --keep leaves the working directory for the next run.
# Exit codes: 0 passed, 1 failed, 2 wrong use, 3 not run: no engine can be run here.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools=${SLUICE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice/tools}
keep=no agent='' rootfs='' platform=()
while (($#)); do
  case $1 in
    --keep) keep=yes ;;
    --quick) (($# > 1)) || { echo "--quick needs the agent's program" >&2; exit 2; }; agent=$(realpath "$2"); shift ;;
    --rootfs) (($# > 1)) || { echo "--rootfs needs a directory" >&2; exit 2; }; rootfs=$(realpath "$2"); shift ;;
    --platform) (($# > 1)) || { echo "--platform needs a value" >&2; exit 2; }; platform=(--platform "$2"); shift ;;
    -h | --help) sed -n '3,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
  shift
done

not_run() { echo "IMAGE TEST NOT RUN: $*" >&2; exit 3; }
if ! command -v dockerd >/dev/null && [[ -x $tools/docker/usr/sbin/dockerd ]]; then
  export PATH=$tools/docker/usr/sbin:$tools/docker/usr/bin:$PATH
  export LD_LIBRARY_PATH=$tools/docker/lib
fi
python=/usr/bin/python3
needed=(dockerd docker "$python")
whole=no
[[ -n $agent$rootfs ]] || { whole=yes; needed+=(debootstrap); }
for tool in "${needed[@]}"; do command -v "$tool" >/dev/null || not_run "$tool is not there (Debian: docker.io, debootstrap)"; done
[[ $(id -u) == 0 ]] || not_run "an engine needs root"

if [[ $keep == yes ]]; then
  work=${SLUICE_IMAGE_WORK:-${TMPDIR:-/tmp}/sluice-image-test}
  mkdir -p "$work"
else
  work=$(mktemp -d)
fi
# The path of a Unix socket must be short.
run=$(mktemp -d /tmp/sluice-docker.XXXXXX)
export DOCKER_HOST=unix://$run/docker.sock DOCKER_BUILDKIT=0
unset DOCKER_CONTEXT
dockerd --iptables=false --ip6tables=false --bridge=none --host="$DOCKER_HOST" --data-root="$work/data" \
  --exec-root="$run/exec" --pidfile="$run/pid" >"$work/dockerd.log" 2>&1 &
engine=$!
sink=
cleanup() {
  [[ -z $sink ]] || kill "$sink" 2>/dev/null || true
  kill "$engine" 2>/dev/null || true
  wait "$engine" 2>/dev/null || true
  umount "$run/exec/netns/default" 2>/dev/null || true
  rm -rf "$run"
  [[ $keep == yes ]] || rm -rf "$work"
}
trap cleanup EXIT
for ((i = 0; i < 120; i++)); do
  docker version >/dev/null 2>&1 && break
  kill -0 "$engine" 2>/dev/null || { tail -n 20 "$work/dockerd.log" >&2; not_run "no Docker engine can run here"; }
  sleep 0.5
done
docker version >/dev/null 2>&1 || { tail -n 20 "$work/dockerd.log" >&2; not_run "the Docker engine does not answer"; }

started=$SECONDS
revision=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null || echo 0123456789ab)
if [[ $whole == yes ]]; then
  if ! docker image inspect debian:bookworm-slim >/dev/null 2>&1; then
    "$root/scripts/debian-root.sh" "$work/base"
    tar -C "$work/base" -c . | docker import - debian:bookworm-slim >/dev/null
  fi
  docker build --network=host --tag sluice:test --build-arg VERSION=0.0.0-test --build-arg REVISION="$revision" "$root"
else
  # The same last stage, with the libraries of this machine instead of the base's.
  mkdir "$work/context"
  if [[ -n $rootfs ]]; then
    cp -a "$rootfs" "$work/context/rootfs"
  else
    g++ -std=c++20 -O1 -o "$work/helper" "$root/helm/image/helper.cc"
    "$root/helm/image/collect.sh" "$agent" "$work/helper" "$root/LICENSE" 0.0.0-test "$work/context/rootfs"
  fi
  sed -n '/^FROM scratch$/,$p' "$root/Dockerfile" | sed 's|^COPY --from=build /rootfs/ |COPY rootfs/ |' >"$work/context/Dockerfile"
  grep -q '^COPY rootfs/ /$' "$work/context/Dockerfile" || { echo "the Dockerfile's last stage is not as expected" >&2; exit 1; }
  docker build "${platform[@]}" --quiet --tag sluice:test --build-arg VERSION=0.0.0-test --build-arg REVISION="$revision" "$work/context" >/dev/null
fi
echo "image: built in $((SECONDS - started)) s"

size=$(docker image inspect --format '{{.Size}}' sluice:test)
echo "image: $((size / 1024)) KiB unpacked"
container=$(docker create "${platform[@]}" sluice:test)
docker export "$container" >"$work/image.tar"
docker rm "$container" >/dev/null
tar -tvf "$work/image.tar" | awk '{ split($6, p, "/"); place = p[1] "/" p[2] "/" p[3]
  if ($6 ~ /gconv/) place = "conversion modules"; else if ($6 ~ /\.so/) place = "libraries"
  sum[place] += $3 } END { for (one in sum) printf "image: %8d KiB %s\n", sum[one] / 1024, one }' | sort -k2 -rn | awk '$2 > 0'
tar -tf "$work/image.tar" | sort >"$work/files"
for file in usr/bin/agent usr/bin/sluice-helper etc/ssl/certs/ca-certificates.crt usr/share/zoneinfo/Asia/Seoul \
  usr/share/sluice/sbom.spdx.json usr/share/sluice/licenses/sluice usr/share/sluice/licenses/libc6 usr/share/sluice/licenses/libssl3; do
  grep -qx "$file" "$work/files" || { echo "the image has no $file" >&2; exit 1; }
done
if grep -E '(^|/)(sh|bash|dash|busybox|apt|dpkg|perl|python3?)$' "$work/files"; then echo "the image has a shell or more" >&2; exit 1; fi
# With --quick it has the machine's libcurl, which loads more than the image's own.
if [[ -z $agent ]] && ((size > 25 * 1024 * 1024)); then echo "the image is larger than 25 MiB" >&2; exit 1; fi
[[ $(docker image inspect --format '{{.Config.User}}' sluice:test) == 10001:0 ]]

safe=("${platform[@]}" --network=host --read-only --cap-drop=ALL --security-opt=no-new-privileges)
docker run --rm "${safe[@]}" sluice:test --version | tee "$work/version"
# It said "revision: unknown" in the image, which has no history to ask.
if [[ $whole == yes ]]; then grep -qF "(revision: $revision)" "$work/version" || { echo "the program does not know its revision" >&2; exit 1; }; fi
[[ $(docker image inspect --format '{{index .Config.Labels "org.opencontainers.image.revision"}}' sluice:test) == "$revision" ]]
if docker run --rm "${safe[@]}" --entrypoint /bin/sh sluice:test -c true 2>/dev/null; then echo "the image has a shell" >&2; exit 1; fi
docker run --rm "${safe[@]}" --entrypoint /usr/bin/sluice-helper sluice:test say "the helper runs"

# With --keep those of the run before are there: its positions say that the line was read.
rm -rf "$work/pods" "$work/state"
mkdir -p "$work/pods/shop_web_1/nginx" "$work/state"
printf '2026-01-02T03:04:05.000000000Z stdout F hello from the image\n' >"$work/pods/shop_web_1/nginx/0.log"
chown -R root:root "$work/pods"
chmod 0640 "$work/pods/shop_web_1/nginx/0.log"
chown 10001:0 "$work/state"
docker run --rm "${safe[@]}" --volume "$work/pods:/var/log/pods:ro" sluice:test --dry-run /var/log/pods/shop_web_1/nginx/0.log >"$work/dry"
grep "hello from the image" "$work/dry"

rm -f "$work/port" "$work/lines"
"$python" "$root/tests/image/sink.py" "$work/port" "$work/lines" &
sink=$!
for ((i = 0; i < 100; i++)); do [[ -s $work/port ]] && break; sleep 0.1; done
push=http://127.0.0.1:$(<"$work/port")/loki/api/v1/push

# arrives FILE_OF_WANTED_LINES [docker arguments] -- [agent arguments]
arrives() {
  local wanted=$1 options=() container line missing=none i
  shift
  while [[ $1 != -- ]]; do options+=("$1"); shift; done
  shift
  container=$(docker run --detach "${safe[@]}" --volume "$work/state:/var/lib/sluice" "${options[@]}" sluice:test "$@")
  for ((i = 0; i < 300; i++)); do
    missing=
    while read -r line; do grep -qsF "$line" "$work/lines" || missing=$line; done <"$wanted"
    [[ -n $missing ]] || break
    sleep 0.1
  done
  docker stop --time 40 "$container" >/dev/null
  docker logs "$container" >"$work/container.log" 2>&1 || true
  docker rm "$container" >/dev/null
  [[ -z $missing ]] || { cat "$work/container.log" "$work/lines"; echo "this line did not arrive: $missing" >&2; exit 1; }
}

echo "hello from the image" >"$work/wanted"
arrives "$work/wanted" --volume "$work/pods:/var/log/pods:ro" -- "--client.url=$push" --positions.file=/var/lib/sluice/positions.yaml
echo "image: a line arrived from a container with a read-only root, no capability, user 10001:0"
"$python" "$root/tests/image/charsets.py" "$work/charsets" "$push" /charsets >"$work/wanted"
arrives "$work/wanted" --volume "$work/charsets:/charsets:ro" -- --config.file=/charsets/promtail.yaml
echo "image: $(wc -l <"$work/wanted") East Asian character sets were read"
