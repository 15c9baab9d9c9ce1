# `make help` says what there is. Every target does its own set-up first.

# Which Python to build on: any from 3.11 on; `make PYTHON=/path/to/python up` names one.
PYTHON ?=
# What `make up` passes on, as in `make up ARGS="--speed 60"`; `make test ARGS="-k prices"` likewise.
ARGS ?=

UV_VERSION := 0.13.9
PIP_AUDIT_VERSION := 2.10.1
CYCLONEDX_VERSION := 7.5.0
UV := .bootstrap/bin/uv
BIN := .venv/bin
# Two workers more than processors, up to four: tests wait for brokers and servers half of their time.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
# All tests of a file on one worker, for what they share; the longest files first.
TEST := $(BIN)/pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# An image for containers may forbid it, but each process would then compile again all that it imports: half of its start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' Makefile)

help: ## Say what there is
	@echo "stock-tracker: Vietnam's stock market data, exact and replayable"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "Each does its own set-up. More commands: $(BIN)/stock-tracker --help"

setup: .venv/.ready .venv/.kafka ## Make .venv and fetch Kafka (the others call it)
	@:

up: setup ## A whole market day, from the wire to the browser; Ctrl-C stops it
	@$(BIN)/stock-tracker up $(ARGS)

down: setup ## Stop what is still running
	@$(BIN)/stock-tracker down

test: setup ## All tests, on a real Kafka and a real ClickHouse
	@infra/browser/install
	@infra/ssi-client/install >/dev/null
	@infra/prometheus/install
	$(TEST) $(ARGS)

quick: .venv/.ready ## Unit tests, but for those that play whole market days: seconds, and no Kafka
	$(BIN)/pytest -q -n auto --maxprocesses 4 tests/unit --ignore tests/unit/connectors/ssi/simulator

prove: prove-examples prove-subscriptions prove-clients prove-kills prove-hostile prove-chaos prove-replay prove-plugin prove-wheel prove-access prove-cluster prove-history prove-bench prove-flat prove-upgrade ## All the long proofs, one after the other: most of an hour

prove-examples: setup ## Every property on thousands of examples
	PROVE=1 $(TEST) tests/unit tests/contract tests/mutation $(ARGS)

prove-subscriptions: .venv/.ready ## Ten thousand histories of clients that choose, stall, and come back
	PROVE=1 $(BIN)/pytest -q tests/unit/gateway/test_subscription_machine.py $(ARGS)

prove-clients: .venv/.ready ## Two thousand clients that lose their gateway, or share two workers, and a hundred thousand hostile messages
	PROVE=1 $(BIN)/pytest -q tests/unit/gateway/test_storm.py tests/unit/gateway/test_hostile_messages.py \
		tests/integration/gateway/test_workers.py $(ARGS)

prove-kills: setup ## Pipelines, sink and archive killed again and again, shared out anew, and recovered from what Kafka has left
	PROVE=1 $(TEST) tests/integration -k "killed or kills or whatever_dies or stored_once or compacted or instances_that_share" $(ARGS)

prove-hostile: setup ## The connector through a whole day on which everything goes wrong
	PROVE=1 $(TEST) tests/integration/ssi/test_hostile_day.py $(ARGS)

prove-replay: setup ## A hostile day at every speed, through twenty kills, and in other frames
	PROVE=1 $(TEST) tests/integration/test_replay.py tests/unit/stock_tracker/golden/test_frames.py $(ARGS)

prove-plugin: setup ## docs/testing.md in an environment that has nothing but the wheel
	PROVE=1 $(TEST) tests/integration/test_testing_page.py $(ARGS)

prove-wheel: setup ## A day from the wheel in an empty environment, and each service from what its image has
	PROVE=1 $(TEST) tests/integration/test_wheel.py $(ARGS)

prove-access: setup ## A stack on a Kafka with TLS, in which each service has an account and the rights that are listed for it
	PROVE=1 $(BIN)/pytest -q tests/integration/test_least_access.py $(ARGS)

prove-upgrade: setup ## The last release, out of git, beside this one on one Kafka: upgraded in mid-day, refused, forced, and on the next day
	PROVE=1 $(BIN)/pytest -q tests/contract/test_rollback.py tests/integration/test_upgrade.py $(ARGS)

prove-cluster: setup ## Three brokers, of which the leader dies in the opening auction; prints how soon prices are fresh again
	PROVE=1 $(BIN)/pytest -q -s tests/integration/test_three_brokers.py $(ARGS)

prove-history: setup ## Sixty days of twenty symbols from SSI's REST into the archive, killed half way
	PROVE=1 $(BIN)/pytest -q tests/integration/clickhouse/test_history.py tests/unit/connectors/ssi/simulator/test_simulator_history.py $(ARGS)

prove-bench: setup ## Every measurement and every load, as short as they can be: that they run, and check what they measure
	@mkdir -p dist
	$(BIN)/stock-tracker bench profile --mode all --smoke --output dist/smoke.json
	$(BIN)/python benchmarks/side_by_side.py --records 5000 --rounds 1 dist/smoke.json
	for load in market-stream foreign-flow reconnect-storm burst; do \
		$(BIN)/stock-tracker bench load $$load --clients 20 --for 10 || exit 1; done

prove-flat: setup ## A whole day, at the end of which no process, state, topic or table has grown without a reason; minutes
	$(BIN)/python benchmarks/prove_flat.py $(ARGS)

prove-day: setup ## A day of true size through everything, as fast as it goes, and verified; tens of minutes, a gigabyte
	$(BIN)/python benchmarks/prove_day.py $(ARGS)

audit: .venv/.ready ## Known vulnerabilities of what is installed with us, by PyPI's list or else OSV's
	@$(BIN)/python infra/audit/run $(UV) tool run --quiet --from pip-audit==$(PIP_AUDIT_VERSION) pip-audit

sbom: .venv/.ready ## dist/sbom.json: what each release is made of, as CycloneDX
	@mkdir -p dist
	$(UV) tool run --quiet --from cyclonedx-bom==$(CYCLONEDX_VERSION) cyclonedx-py requirements requirements.lock \
		--pyproject pyproject.toml --output-file dist/sbom.json
	@echo "dist/sbom.json is written"

prove-chaos: setup ## Whole stacks struck by chaos, with several seeds: a hundred kills
	set -e; for seed in 1 2 3 4 5; do $(BIN)/stock-tracker chaos --seed $$seed --kills 20 --for 300 --faults hostile $(ARGS); done

test-no-java: .venv/.ready ## The local Kafka as on a machine without Java and Maven
	set -e; folder="$$(mktemp -d)"; trap 'rm -rf "$$folder"' EXIT; \
	export STOCK_TRACKER_NO_JAVA=1 STOCK_TRACKER_CACHE="$$folder/cache"; \
	STOCK_TRACKER_HOME="$$folder/home" "$(BIN)/stock-tracker" kafka fetch; \
	CI=1 KAFKA_BOOTSTRAP= "$(BIN)/pytest" \
		tests/contract/test_partitions.py tests/integration/test_broker.py -k "partitions or command or killed"

official: setup ## SSI's own Python client against the simulator
	@infra/ssi-client/install
	$(BIN)/pytest tests/integration/ssi/test_official_client.py $(ARGS)

conformance: .venv/.ready ## Autobahn's test suite against the gateway, beside plain aiohttp; needs a Python 2.7
	@infra/autobahn/install
	PROVE=1 $(BIN)/pytest --log-cli-level=INFO tests/integration/gateway/test_conformance.py $(ARGS)

pictures: setup ## Every picture of the papers, of a stack that plays
	@infra/browser/install
	SCREENSHOTS=docs/images $(BIN)/pytest tests/e2e/test_pictures.py

validate: setup ## Dockerfile, compose.yaml, manifests, AsyncAPI and Prometheus's configuration, by the tools they are written for
	@infra/validate/run

lint: setup ## Style, formatting, and who may import whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

# CI starts from a fresh clone and throws away what it has made, so a cache for the next time would be written for nobody.
types: setup ## Types, strictly
	$(BIN)/mypy $(if $(CI),--cache-dir=/dev/null)

fmt: setup ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

hooks: .venv/.ready ## Run lint, types and quick before each commit from now on
	@$(BIN)/pre-commit install

bench: setup ## A profile, the predecessor beside it, and the report: five minutes, on a machine that does nothing else
	@mkdir -p dist
	$(BIN)/stock-tracker bench profile --mode all --output dist/results.json
	$(BIN)/python benchmarks/side_by_side.py dist/results.json
	$(BIN)/stock-tracker bench report dist/results.json $(if $(wildcard benchmarks/baseline.json),--baseline benchmarks/baseline.json)

bench-parts: setup ## Each part by itself, against its peers: most of an hour; compare within one run only
	@for bench in benchmarks/bench_*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

bench-loads: setup ## Hundreds of clients, two bursts, a storm: what must hold under load
	$(BIN)/stock-tracker bench load market-stream --clients 200 --for 30
	$(BIN)/stock-tracker bench load foreign-flow --clients 200 --for 30
	$(BIN)/stock-tracker bench load reconnect-storm --clients 100 --for 40
	$(BIN)/stock-tracker bench load burst --clients 10 --for 60

api: .venv/.ready ## Write docs/api anew: what the gateway offers, for machines
	$(BIN)/python -m tests.make_api

metrics: .venv/.ready ## Write docs/metrics.md anew: every metric, what it means, what to do
	$(BIN)/python -m tests.make_metrics

session-rules: .venv/.ready ## Write infra/prometheus/rules/session.yml anew, from the calendar
	$(BIN)/python -m tests.make_session_rules

record: .venv/.ready ## Keep what this release writes: its messages and its state (once, before the next release changes them)
	$(BIN)/python -m tests.record_release

days: .venv/.ready ## Make the library of days in tests/fixtures/days anew, with their goldens
	$(BIN)/python -m tests.make_days
	@for day in tests/fixtures/days/*.jsonl.zst; do \
		case $$day in *.golden.*) ;; *) $(BIN)/stock-tracker golden $$day --update || exit 1;; esac; done

lock: $(UV) ## Make the lock files anew from pyproject.toml
	$(UV) lock --upgrade
	$(UV) export --quiet --format requirements-txt --all-groups --no-emit-project --no-header --output-file requirements.lock
	.bootstrap/bin/python infra/kafka/requirements.py | $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --output-file infra/kafka/requirements.lock -

clean: ## Remove .venv, caches and the local stack's data (it must be stopped)
	@if [ -x $(BIN)/stock-tracker ]; then $(BIN)/stock-tracker down; fi
	rm -rf .venv .bootstrap .stock-tracker .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist infra/kafka/target
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv in an environment of its own, so that nothing but Python and make need be there.
$(UV):
	@infra/bootstrap $(UV_VERSION) "$(PYTHON)"

# Made anew only when what it is made from changed.
.venv/.ready: pyproject.toml requirements.lock | $(UV)
	@echo "Installing what requirements.lock lists into .venv"
	@$(UV) venv --quiet --allow-existing --python .bootstrap/bin/python .venv
	@VIRTUAL_ENV=.venv $(UV) pip sync --require-hashes requirements.lock
	@VIRTUAL_ENV=.venv $(UV) pip install --no-deps --editable .
	@touch $@

.venv/.kafka: .venv/.ready infra/kafka/pom.xml infra/kafka/jars.sha256 infra/kafka/requirements.lock
	@if [ -z "$$KAFKA_BOOTSTRAP" ]; then $(BIN)/stock-tracker kafka fetch && touch $@; fi
