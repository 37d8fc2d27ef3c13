# The words README uses. Everything else is cargo.
.PHONY: run test bench soak fmt clients check

CARGO ?= cargo
# Where bench/clients/install puts nextest, on a machine without one.
export PATH := $(CURDIR)/target/clients/nextest/bin:$(PATH)

## Builds (unoptimised: about a minute on two cores), starts the gateway with embedded defaults, prints what to do next.
run:
	$(CARGO) run --profile quick -- demo

## Installs the test clients it needs and runs every test.
test: clients
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings
	$(CARGO) build --workspace --quiet
	$(CARGO) nextest run --workspace --no-fail-fast
	$(CARGO) nextest run -p gateway --features legacy-tls --test legacy_tls
	@if command -v cargo-deny >/dev/null 2>&1; then $(CARGO) deny --offline check licenses bans; fi

## Installs the test clients only.
clients:
	bench/clients/install

## Measures, side by side with its peers, and writes a table that says the machine.
bench:
	$(CARGO) run --release --quiet -p load -- bench

## The long forms of the tests: five minutes of calls, many simulator seeds.
soak: clients
	$(CARGO) build --release --quiet
	$(CARGO) run --release --quiet -p sim -- --seeds 20000
	$(CARGO) run --release --quiet -p sim -- --planes 20000
	SIDETONE_SOAK=1 $(CARGO) nextest run --release -p io --test corruption
	$(CARGO) run --release --quiet -p sim -- --dialogs 100000
	$(CARGO) run --release --quiet -p sim -- --whole 100000
	SIDETONE_SOAK=1 $(CARGO) nextest run --release -p gateway soak slope

fmt:
	$(CARGO) fmt --all
