#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the image with a Docker engine of its own and runs it. As root, with Debian's
# docker.io and debootstrap; takes as long as a release build.
#
#   tests/image/docker.sh [--keep]
#
# The engine uses no bridge and no packet filter; containers use the machine's network.
# The base image is made by debootstrap under the tag that the Dockerfile names, so
# nothing is pulled. --keep leaves the working directory for the next run.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=${SLUICE_IMAGE_WORK:-${TMPDIR:-/tmp}/sluice-image-test}
keep=no
case ${1:-} in
  '') ;;
  --keep) keep=yes ;;
  -h | --help) sed -n '3,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
  *) echo "unknown option $1" >&2; exit 2 ;;
esac
for tool in dockerd docker debootstrap python3; do
  command -v "$tool" >/dev/null || { echo "IMAGE TEST NOT RUN: $tool is not there (Debian: docker.io, debootstrap)" >&2; exit 3; }
done
[[ $(id -u) == 0 ]] || { echo "IMAGE TEST NOT RUN: an engine needs root" >&2; exit 3; }

mkdir -p "$work"
export DOCKER_HOST=unix://$work/docker.sock DOCKER_BUILDKIT=0
dockerd --iptables=false --ip6tables=false --bridge=none --host="$DOCKER_HOST" --data-root="$work/data" \
  --exec-root="$work/exec" --pidfile="$work/pid" >"$work/dockerd.log" 2>&1 &
engine=$!
sink=
cleanup() {
  [[ -z $sink ]] || kill "$sink" 2>/dev/null || true
  kill "$engine" 2>/dev/null || true
  wait "$engine" 2>/dev/null || true
  [[ $keep == yes ]] || rm -rf "$work"
}
trap cleanup EXIT
for ((i = 0; i < 60; i++)); do
  docker version >/dev/null 2>&1 && break
  kill -0 "$engine" 2>/dev/null || { tail -n 20 "$work/dockerd.log" >&2; echo "IMAGE TEST NOT RUN: no Docker engine can run here" >&2; exit 3; }
  sleep 0.5
done

if ! docker image inspect debian:bookworm-slim >/dev/null 2>&1; then
  [[ -d $work/base/usr ]] || debootstrap --variant=minbase --include=ca-certificates bookworm "$work/base" http://deb.debian.org/debian >"$work/debootstrap.log"
  # The machine's own way to its packages: proxies, mirrors.
  for file in /etc/apt/apt.conf.d/*; do
    if grep -qs '^Acquire' "$file"; then cp "$file" "$work/base/etc/apt/apt.conf.d/"; fi
  done
  if [[ -e /etc/apt/sources.list.d/debian.sources ]]; then cp /etc/apt/sources.list.d/debian.sources "$work/base/etc/apt/sources.list.d/"; fi
  [[ ! -e $work/base/etc/apt/sources.list.d/debian.sources ]] || : >"$work/base/etc/apt/sources.list"
  tar -C "$work/base" -c . | docker import - debian:bookworm-slim >/dev/null
fi

started=$SECONDS
docker build --network=host --tag sluice:test --build-arg VERSION=0.0.0-test "$root"
echo "image: built in $((SECONDS - started)) s"

size=$(docker image inspect --format '{{.Size}}' sluice:test)
echo "image: $((size / 1024)) KiB unpacked"
if ((size > 25 * 1024 * 1024)); then echo "the image is larger than 25 MiB" >&2; exit 1; fi
[[ $(docker image inspect --format '{{.Config.User}}' sluice:test) == 10001:0 ]]

docker_run() { docker run --rm --network=host --read-only --cap-drop=ALL --security-opt=no-new-privileges "$@"; }
docker_run sluice:test --version
if docker_run --entrypoint /bin/sh sluice:test -c true 2>/dev/null; then echo "the image has a shell" >&2; exit 1; fi
docker_run --entrypoint /usr/bin/sluice-helper sluice:test say "the helper runs"

mkdir -p "$work/pods/shop_web_1/nginx" "$work/state"
printf '2026-01-02T03:04:05.000000000Z stdout F hello from the image\n' >"$work/pods/shop_web_1/nginx/0.log"
chown -R root:root "$work/pods"
chmod 0640 "$work/pods/shop_web_1/nginx/0.log"
chown 10001:0 "$work/state"
docker_run --volume "$work/pods:/var/log/pods:ro" sluice:test --dry-run /var/log/pods/shop_web_1/nginx/0.log | grep "hello from the image"

python3 "$root/tests/image/sink.py" "$work/port" "$work/lines" &
sink=$!
for ((i = 0; i < 50; i++)); do [[ -s $work/port ]] && break; sleep 0.1; done
container=$(docker run --detach --network=host --read-only --cap-drop=ALL --security-opt=no-new-privileges \
  --volume "$work/pods:/var/log/pods:ro" --volume "$work/state:/var/lib/sluice" sluice:test \
  "--client.url=http://127.0.0.1:$(<"$work/port")/loki/api/v1/push" --positions.file=/var/lib/sluice/positions.yaml)
for ((i = 0; i < 200; i++)); do grep -qs "hello from the image" "$work/lines" && break; sleep 0.1; done
docker stop --time 40 "$container" >/dev/null
docker logs "$container" >"$work/container.log" 2>&1 || true
docker rm "$container" >/dev/null
grep -q "hello from the image" "$work/lines" || { cat "$work/container.log"; echo "no line arrived" >&2; exit 1; }
echo "image: a line arrived from a container with a read-only root, no capability, user 10001:0"
