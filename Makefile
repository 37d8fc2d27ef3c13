# The targets that README names. Everything else is plain cargo.
.PHONY: run test bench soak fmt clients check bpf speech

CARGO ?= cargo
# bench/clients/install puts nextest here on a machine without one.
export PATH := $(CURDIR)/target/clients/nextest/bin:$(PATH)

## Builds the gateway (unoptimised, about a minute on two cores), starts the demo on loopback and prints what to do next.
run:
	$(CARGO) run --profile quick -- demo

## Installs the test clients and runs every test.
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

## Installs the reference engines of speech recognition (580 MB, half a minute) into the data folder, or into ENGINES.
ENGINES ?= sidetone-data/engines
speech:
	@signaling/recognition/engines/install "$(ENGINES)"

## Measures Sidetone beside its peers and writes a table that names the machine.
bench:
	$(CARGO) run --release --quiet -p load -- bench

## The long forms of the tests: five minutes of calls, many simulator seeds.
soak: clients
	$(CARGO) build --release --quiet
	$(CARGO) run --release --quiet -p sim -- --seeds 20000
	$(CARGO) run --release --quiet -p sim -- --planes 20000
	$(CARGO) run --release --quiet -p sim -- --rooms 2000
	SIDETONE_SOAK=1 $(CARGO) nextest run --release -p io --test corruption
	$(CARGO) run --release --quiet -p sim -- --dialogs 100000
	$(CARGO) run --release --quiet -p sim -- --whole 100000
	SIDETONE_SOAK=1 $(CARGO) nextest run --release -p speech --test answering
	SIDETONE_SOAK=1 $(CARGO) nextest run --release -p function-worker templates
	SIDETONE_SOAK=1 $(CARGO) nextest run --release -p gateway soak slope queue_crowd conference_crowd stalled_disk conformity vendor twimlets public_flows stream_crowd
# The kernel relays; it does not know which packets were lost, so the pattern of losses differs.
	SIDETONE_FAST_PATH=tc $(CARGO) nextest run --release -p gateway --test end_to_end -E 'not test(a_bad_network)'

fmt:
	$(CARGO) fmt --all

## Compiles media/io/bpf with clang 14 and writes the tables of media/io/src/kernel/program.
bpf:
	$(CARGO) run --quiet -p tidy -- bpf
