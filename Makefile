# The only doorway to the project: `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Options of `make run`; anything else the command takes goes into ARGS: make run ARGS="--seed 7 --keep"
PROFILE ?= paper
DAY ?= test
POLICY ?= learned
SPEED ?= max
ARGS ?=
# The interpreter that makes .venv: 3.11 or 3.12; empty: the first that fits
PYTHON ?=

BIN := .venv/bin
READY := .venv/.ready
PYTEST := $(BIN)/pytest
COMPOSE := docker compose
# Kubernetes' own programs for `make test-kubernetes`
KUBERNETES ?= build/kubernetes
FITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))

.PHONY: help setup run test test-fast test-e2e test-compose test-kubernetes check format certs up login down logs proto charts bench results new-xapp wheelhouse clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## make .venv with the pinned libraries (the other targets do it by themselves)

$(READY): pyproject.toml constraints.txt
	@python=; for candidate in $(or $(PYTHON),python3.11 python3.12 python3); do \
	  if $$candidate -c '$(FITS)' 2>/dev/null; then python=$$candidate; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo "make: no usable interpreter ($(or $(PYTHON),tried python3.11, python3.12, python3)): Ricity needs Python 3.11 or 3.12" >&2; \
	  echo "make: with venv and pip. On Debian: apt install python3.11 python3.11-venv. Another place: make PYTHON=/path/to/python3.11" >&2; \
	  exit 1; fi; \
	echo "setting up .venv with $$($$python --version) (a few minutes, once)"; \
	$$python -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt torch  # first, so that nothing else picks its build
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@echo "compiling the kernels (once)"; $(BIN)/python -m ric_sim.network.policies && { $(BIN)/python -m ric_sim.radio & radio=$$!; \
	  $(BIN)/python -m ric_sim.envs && $(BIN)/python -m services.trainer && wait $$radio; }
	@touch $@

run: $(READY)  ## the whole city day through the live system, slicing beside it; PROFILE=smoke|paper|congested|stress POLICY=... SPEED=max|N
	@$(BIN)/ricity run --profile $(PROFILE) --day $(DAY) --policy $(POLICY) --speed $(SPEED) --slicing $(ARGS)

test: test-fast test-e2e test-compose  ## every test; those with containers need a Docker engine

test-fast: $(READY)  ## unit and contract tests, but those of ten seconds and more
	$(PYTEST) tests/unit tests/contract -n 2 -m "not long"

test-e2e: $(READY)  ## the long ones, and whole deployments as local processes: the day, kill -9, restarts
	$(PYTEST) tests -m "long or e2e" -n 2 --dist loadfile --ignore tests/e2e/compose --ignore tests/e2e/kubernetes

test-compose: $(READY)  ## whole deployments as containers
	$(PYTEST) tests/e2e/compose

test-kubernetes: $(READY)  ## the manager at Kubernetes' own programs; made once in build/ (as root, ten minutes)
	@test -x $(KUBERNETES)/kube-controller-manager || tests/e2e/kubernetes/build.sh $(KUBERNETES)
	RICITY_TEST_KUBERNETES_BIN=$(KUBERNETES) $(PYTEST) tests/e2e/kubernetes

check: $(READY)  ## format, lint, types, import contracts, protocol files, drift of generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	cd proto && ../$(BIN)/buf lint
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && proto/generate.sh "$$fresh" && \
	  diff -r -x __pycache__ proto/gen "$$fresh" || { echo "proto/gen differs from proto/ricity: run 'make proto' and commit" >&2; exit 1; }
	$(BIN)/python -m ric_sim.telemetry.dashboard --check
	@if command -v promtool >/dev/null; then promtool check config charts/prometheus/prometheus.yml && promtool check config --syntax-only charts/prometheus/prometheus.tls.yml && promtool check rules charts/alerts/ricity.rules.yml && promtool test rules charts/alerts/tests.yml; \
	  else echo "no promtool here: the compose tests check the alert rules"; fi

format: $(READY)  ## lay out the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

wheelhouse: $(READY)  ## torch as this machine's pip installs it, for the images of the parts that learn
	@$(BIN)/python -m pip download -qq --disable-pip-version-check --no-deps -c constraints.txt -d wheelhouse torch

certs: $(READY)  ## certificates of all parts and scopes.yaml in certs/ (what is sound is kept); ARGS="--days 90"
	@$(BIN)/ricity certs create --out certs $(ARGS)

up: wheelhouse  ## the same system as containers, with Prometheus and Grafana; SPEED=60 plays an emulated minute per second
	DOCKER_GROUP=$${DOCKER_GROUP:-$$(stat -c %g /var/run/docker.sock 2>/dev/null || echo 0)} SPEED=$(if $(filter command line environment,$(origin SPEED)),$(SPEED),60) PROFILE=$(PROFILE) $(COMPOSE) up -d --wait --build

login:  ## a certificate, a token and Grafana's password for use beside the containers: eval "$$(make -s login)"
	@rm -rf certs/compose && mkdir -p certs && { { $(COMPOSE) cp certs:/certs/cli certs/compose && \
	  $(COMPOSE) cp certs:/certs/grafana/admin.password certs/compose/grafana.password; } >/dev/null 2>&1 || \
	  { echo "make: no containers with certificates are up here: docker compose up -d --wait" >&2; exit 1; }; }
	@token=$$($(COMPOSE) --profile tools run --rm -T cli ricity token create --name "$$(id -un)-$$(date +%s)" --role operator --file /tokens/tokens.json) && \
	  echo "export RICITY_TLS_DIR=$(CURDIR)/certs/compose RICITY_MANAGER=https://127.0.0.1:$${MANAGER_PORT:-8080} RICITY_TOKEN=$$token GRAFANA_PASSWORD=$$(cat certs/compose/grafana.password)"

down:  ## stop and remove the containers and what they stored
	$(COMPOSE) --profile tools down --volumes --remove-orphans

logs:  ## follow the containers' logs
	$(COMPOSE) logs --follow --tail 50

proto: $(READY)  ## generate proto/gen from proto/ricity
	proto/generate.sh

charts: $(READY)  ## generate the dashboard and the alert rules from ric_sim/telemetry/registry.yaml
	$(BIN)/python -m ric_sim.telemetry.dashboard

bench: $(READY)  ## the published figures, each with its reference from the same run
	@$(BIN)/ricity bench store && $(BIN)/ricity bench e2 && $(BIN)/ricity bench loop

results: $(READY)  ## measure all that docs/results.md shows and write it (some half an hour); ONLY=live,versions,...
	@$(BIN)/python -m benchmarks.publish $(if $(ONLY),--only $(ONLY))

new-xapp: $(READY)  ## a new xApp from the template: NAME=load_balancer
	@$(BIN)/python -m xapps.sdk.new_xapp "$(NAME)"

clean:  ## remove .venv, caches and run outputs
	rm -rf .venv runs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
