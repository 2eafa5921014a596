# SPDX-License-Identifier: Apache-2.0
# The image holds the agent, its libraries, a small helper for the chart, certificates,
# time zones, licences and a bill of materials. No shell, no package manager.
#
#   make image        or
#   docker build --tag sluice:0.1.0 --build-arg VERSION=0.1.0 --build-arg REVISION=$(git rev-parse --short=12 HEAD) .
#
# REVISION is what `agent --version` says: the history of the sources is not sent to the engine.
# For both architectures: docker buildx build --platform linux/amd64,linux/arm64 ...
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS deps
WORKDIR /src
COPY scripts/install-deps.sh scripts/
RUN scripts/install-deps.sh build

# Debian's libcurl loads LDAP, Kerberos, SSH and RTMP, 10 MiB that the agent never uses.
# This is the same version from Debian's own source, with HTTP(S) alone.
FROM deps AS curl
RUN if [ -e /etc/apt/sources.list.d/debian.sources ]; then sed -i 's/^Types: deb$/Types: deb deb-src/' /etc/apt/sources.list.d/debian.sources; \
    else sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >/etc/apt/sources.list.d/source.list; fi \
 && apt-get update -qq && apt-get install -y -qq --no-install-recommends libnghttp2-dev >/dev/null \
 && apt-get source -qq curl && mv curl-*/ curl
RUN cd curl \
 && ./configure --quiet --prefix=/opt/curl --disable-static --disable-manual --disable-ldap --disable-ldaps \
      --disable-rtsp --disable-dict --disable-telnet --disable-tftp --disable-pop3 --disable-imap --disable-smb \
      --disable-smtp --disable-gopher --disable-mqtt --disable-ftp --disable-file --disable-ntlm \
      --enable-versioned-symbols --with-openssl --with-nghttp2 --with-zlib --without-librtmp --without-libssh2 --without-libpsl --without-libidn2 \
      --without-gssapi --without-brotli --without-zstd --with-ca-bundle=/etc/ssl/certs/ca-certificates.crt \
 && make --silent -C lib -j"$(nproc)" && make --silent -C lib install && make --silent -C include install \
 && install -D -m 644 libcurl.pc /opt/curl/lib/pkgconfig/libcurl.pc

FROM deps AS build
COPY --from=curl /opt/curl /opt/curl
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake cmake
COPY proto proto
COPY agent agent
ARG REVISION=unknown
RUN cmake --preset release -DAGENT_REVISION="$REVISION" -DAGENT_BENCH=OFF -DCMAKE_PREFIX_PATH=/opt/curl -DCURL_NO_CURL_CMAKE=ON >/dev/null \
 && cmake --build build/release --target agent -j"$(nproc)"
COPY LICENSE ./
COPY helm/image helm/image
ARG VERSION=0.1.0
RUN g++ -std=c++20 -O2 -Wall -Wextra -o /tmp/sluice-helper helm/image/helper.cc \
 && LD_LIBRARY_PATH=/opt/curl/lib helm/image/collect.sh build/release/bin/agent /tmp/sluice-helper LICENSE "$VERSION" /rootfs

# tests/image/docker.sh --quick builds from here on, with a /rootfs of its own.
FROM scratch
COPY --from=build /rootfs/ /
# Group 0 may read the kubelet's logs.
USER 10001:0
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
EXPOSE 3101
ENTRYPOINT ["/usr/bin/agent"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sluice" \
      org.opencontainers.image.description="Carries container logs to Loki" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
