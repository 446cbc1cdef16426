# Every step of continuous integration is a target here, and each is one command on a laptop.
# `make test` is all of it; `make help` lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help deps build build-live build-all fmt lint doc deny unit web web-check web-test dashboards-check pages book deb test demo lab image-test bench bench-pipeline bench-path bench-live bench-rules bench-watching fuzz clean

CARGO ?= cargo
CARGO_DENY_VERSION := 0.20.2
CARGO_DEB_VERSION := 3.8.0
MDBOOK_VERSION := 0.5.4
RECORDING := tests/lab/recording
OUT := out
# What is tested beside the default build: capturing on interfaces, which needs libpcap, Kafka, which needs OpenSSL's
# headers, and a real API server, which needs Go.
FEATURES := --features watershed/live,watershed/kafka,watershed-tests/live,watershed-tests/kafka,watershed-tests/kubernetes
# How long each fuzz target runs.
FUZZ_SECONDS ?= 60
# How often each program of the benchmark runs.
BENCH_ROUNDS ?= 5

# Captures with the answers of other tools. Tests that need them say SKIPPED where there are none.
ifneq ($(wildcard ../shared/oracles),)
export WATERSHED_ORACLES ?= $(abspath ../shared/oracles)
endif

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | expand -t 10

deps: ## Install what the tests need beside Rust (Debian, as root), or say what to install
	@scripts/install-test-packages

build: ## Build the release binary; needs a C compiler and nothing else
	$(CARGO) build --release --locked --workspace --bin watershed

build-live: ## The same with capturing on interfaces; needs libpcap's headers too (Debian: libpcap-dev)
	$(CARGO) build --release --locked --bin watershed --features watershed/live

build-all: ## The same with Kafka as well, for agents and aggregators; needs OpenSSL's headers too (Debian: libssl-dev)
	$(CARGO) build --release --locked --bin watershed --features watershed/live,watershed/kafka

fmt: ## Is everything formatted?
	$(CARGO) fmt --all --check

lint: ## Clippy on everything, warnings are errors
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy --workspace --all-targets --locked $(FEATURES) -- -D warnings

doc: ## Build the documentation, warnings are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked $(FEATURES)

deny: ## Licences and sources of all dependencies
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny@$(CARGO_DENY_VERSION)
	$(CARGO) deny --all-features --locked check --hide-inclusion-graph licenses bans sources

unit: ## Every test: units, documentation, scenarios, oracles with their figures, the lab anew (as root)
	$(CARGO) test --workspace --locked $(FEATURES) -- --show-output

web/node_modules: web/package-lock.json
	cd web && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund
	@touch $@

web: web/node_modules ## Build the page of the map, web/dist/index.html; needs Node 20.19 or later
	cd web && npm run build

web-check: web/node_modules ## Is the committed page what its source makes?
	cd web && npx tsc --noEmit && npx vite build --outDir node_modules/.check --logLevel warn
	@cmp web/node_modules/.check/index.html web/dist/index.html || \
		{ echo "web/dist/index.html is not what web/src makes: run make web and commit it" >&2; exit 1; }
	@echo "web/dist/index.html is what web/src makes"

web-test: web/node_modules ## The map in Debian's Chromium: use, access, hostile names, a large estate with figures
	$(CARGO) build --locked --bin watershed
	cd web && npx playwright test

tests/support/grafana/node_modules: tests/support/grafana/package-lock.json
	cd tests/support/grafana && npm ci --no-audit --no-fund
	@touch $@

dashboards-check: tests/support/grafana/node_modules ## Are the dashboards as Grafana's own schema has them?
	@node tests/support/grafana/check.mjs dashboards/grafana/*.json

pages: ## Write the pages of docs/ that are made from the program; a test says when they are old
	$(CARGO) build --locked --bin watershed
	@scripts/write-pages "$$($(CARGO) metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/watershed"

book: ## Build the documentation as a book, out/book; installs mdbook the first time
	@command -v mdbook >/dev/null || $(CARGO) install --locked mdbook@$(MDBOOK_VERSION)
	mdbook build --dest-dir $(abspath $(OUT)/book) docs

deb: build-all ## Build the Debian package, target/debian/*.deb; installs cargo-deb the first time
	@command -v cargo-deb >/dev/null || $(CARGO) install --locked cargo-deb@$(CARGO_DEB_VERSION)
	@target=$$($(CARGO) metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'); \
	scripts/write-man-pages "$$target/release/watershed" target/package/man
	$(CARGO) deb --package watershed --no-build --strip

test: deps fmt lint doc deny unit web-check web-test dashboards-check ## What continuous integration runs

demo: build ## Show the map of the committed recording
	@target=$$($(CARGO) metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'); \
	"$$target/release/watershed" discover $(RECORDING)/shop.pcapng --inventory $(RECORDING)/inventory.yaml --out $(OUT)/demo
	@echo
	@echo "This was a small shop of real programs, recorded by tests/lab. Now look at $(OUT)/demo:"
	@echo "  report.html       the map: open it in a browser"
	@echo "  graph.mmd         the same for any viewer of Mermaid; graph.dot for Graphviz"
	@echo "  rules.nft         the rules, each with the traffic that it rests on"
	@echo "  certificate.json  what was proven about them"

lab: ## Record the lab anew (as root)
	tests/lab/lab.py record --out $(RECORDING)

image-test: ## Build the container image, run it and the Compose file by a real engine (as root; tests/images)
	tests/images/images.py

bench: ## Speed and memory on 10 million packets, beside tcpdump copying the file
	$(CARGO) build --release --locked --workspace --bin watershed --bin generate-capture
	tests/bench/edges.py --rounds $(BENCH_ROUNDS)

bench-pipeline: ## What each stage from the wire to the stores costs for a flow record, and what it takes there
	$(CARGO) run --release --locked -p watershed-aggregator --example pipeline

bench-path: ## How long a connection takes from an agent to an edge in ClickHouse, at default settings (as root)
	$(CARGO) test --locked -p watershed -p watershed-tests $(FEATURES) --test path -- --show-output edges_at_the_end | grep '^path:'

bench-live: build-all ## Packets a second that one core captures without loss, and whether loss is counted (as root)
	tests/bench/live.py

bench-rules: ## Time and memory of mining and proving rules, and time of what-if, at 10 k, 100 k and 1 M dependencies
	$(CARGO) bench --locked -p watershed-tests --bench rules
	$(CARGO) bench --locked -p watershed-policy --bench what_if

bench-watching: ## What watching 50,000 pods with 500 changes a second costs, and what a join does
	$(CARGO) run --release --locked -p watershed-aggregator --example watching

fuzz: ## Run every fuzz target for FUZZ_SECONDS
	@command -v cargo-fuzz >/dev/null || $(CARGO) install --locked cargo-fuzz
	@# A real capture to start from; without it a capture's format is long in being found.
	@mkdir -p fuzz/corpus/capture && head -c 16384 $(RECORDING)/shop.pcapng > fuzz/corpus/capture/shop.pcapng
	@# The stable toolchain takes the flags of cargo-fuzz with this variable set.
	export RUSTC_BOOTSTRAP=1; \
	for target in $$($(CARGO) fuzz list); do \
		$(CARGO) fuzz run --sanitizer none "$$target" -- -max_total_time=$(FUZZ_SECONDS); \
	done

clean: ## Remove everything that was built
	$(CARGO) clean
	rm -rf $(OUT)
