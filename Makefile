# Sluice: `make help` lists everything. Nothing is downloaded but Debian packages (by
# scripts/install-deps.sh, which says which) and, for some tests, Go modules.
JOBS ?= $(shell nproc)
PYTHON ?= /usr/bin/python3
IMAGE_VERSION := $(shell sed -n 's/^appVersion: "\(.*\)"/\1/p' helm/agent/Chart.yaml)
IMAGE ?= sluice:$(IMAGE_VERSION)
LAUNCHER := $(if $(shell command -v ccache),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)

.DEFAULT_GOAL := help
.PHONY: help demo test release dev asan tsan tidy fuzz bench bench-quick outage unit e2e soak helm-test image image-test arm64 arm64-image browser-test \
        format style install package clean

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## see it work: pods that log, rotate and crash, carried to a Loki
	@scripts/install-deps.sh build
	@$(MAKE) --no-print-directory release
	@$(PYTHON) scripts/demo.py

test: ## everything that must pass: style, sanitizers, end to end, charts
	@scripts/install-deps.sh browser
	@scripts/test.sh

release: ## build/release/bin/agent, as shipped
	@scripts/install-deps.sh build
	@cmake --preset release $(LAUNCHER) >/dev/null
	@cmake --build build/release -j $(JOBS)

dev asan tsan: ## a build with tests: plain, address + undefined, thread sanitizer
	@scripts/install-deps.sh test
	@cmake --preset $@ $(LAUNCHER) >/dev/null
	@cmake --build build/$@ -j $(JOBS)

unit: dev ## unit tests of an unoptimised build
	@ctest --test-dir build/dev --output-on-failure -j $(JOBS)

tidy: ## clang 19 with thread-safety analysis and clang-tidy
	@scripts/install-deps.sh dev
	@cmake --preset tidy >/dev/null
	@cmake --build build/tidy -j $(JOBS)

fuzz: ## the libFuzzer programs, each run for FUZZ_SECONDS (60)
	@scripts/install-deps.sh dev
	@cmake --preset fuzz $(LAUNCHER) >/dev/null
	@cmake --build build/fuzz --target fuzzers -j $(JOBS)
	@scripts/fuzz.sh $(or $(FUZZ_SECONDS),60)

e2e: release ## the program against a real Loki
	@$(PYTHON) -m pytest -q tests/e2e tests/tools

soak: release ## kills, failing disks and a failing Loki for SOAK_SECONDS (600): nothing lost, nothing reordered
	@$(PYTHON) tests/chaos/soak.py $(or $(SOAK_SECONDS),600)

helm-test: ## the charts and their scripts
	@scripts/install-deps.sh test
	@tests/helm/run.sh --with-apiserver

image: ## the container image, as $(IMAGE); needs Docker
	@docker build --tag $(IMAGE) --build-arg VERSION=$(IMAGE_VERSION) --build-arg REVISION=$$(git rev-parse --short=12 HEAD) .

image-test: ## the whole Dockerfile in a Docker engine of its own, and what it makes; as root
	@scripts/build-helm-tools.sh docker
	@tests/image/docker.sh

arm64: ## cross-compile for arm64 in a Debian of its own, and run it under QEMU; as root
	@scripts/arm64.sh

arm64-image: ## the same, and the image for arm64, run under QEMU; as root
	@scripts/build-helm-tools.sh docker
	@scripts/arm64.sh --image

browser-test: release ## the live page in a headless Chromium
	@scripts/install-deps.sh browser
	@tests/browser/run.sh

bench: release ## the tables of README.md and docs/PERFORMANCE.md, measured here; half an hour, wants a quiet machine
	@$(PYTHON) bench/e2e.py
	@$(PYTHON) bench/instructions.py --time --save
	@$(PYTHON) bench/profile.py cri && $(PYTHON) bench/profile.py cri-regex && $(PYTHON) bench/flame.py cri
	@eval "$$(scripts/build-tools.sh promtail | sed 's/^/export /')"; $(PYTHON) bench/peers.py
	@$(PYTHON) bench/report.py README.md docs/PERFORMANCE.md docs/SIZING.md docs/DELIVERY.md

outage: release ## an hour without Loki, measured: memory, CPU, the ledger; SECONDS=n
	@$(PYTHON) bench/outage.py --seconds=$(or $(SECONDS),3600) --save outage && $(PYTHON) bench/report.py docs/DELIVERY.md

bench-quick: release ## the same, small: does it still run
	@$(PYTHON) bench/e2e.py --quick

style: ## layers, sizes, shell scripts
	@$(PYTHON) tests/style/layers_test.py
	@shellcheck $$(git ls-files '*.sh')

format: ## clang-format on everything of ours
	@clang-format-19 -i $$(git ls-files 'agent/*.h' 'agent/*.cc' 'tests/*.h' 'tests/*.cc' 'bench/*.h' 'bench/*.cc')

install: release ## to $(or $(DESTDIR),/usr)
	@cmake --install build/release --prefix $(or $(PREFIX),/usr)

package: release ## a Debian package in build/release
	@cd build/release && cpack -G DEB

clean: ## remove build/
	@rm -rf build
