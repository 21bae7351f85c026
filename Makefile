.DEFAULT_GOAL := help
.PHONY: help up stop check test long bench bench-web storm pictures format lock api-docs
MINUTES ?= 10
SEED ?= 7

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## Run the farm with the sample application on this machine
	deploy/quickstart

stop: ## End what `make up` started
	deploy/quickstart --stop

check: ## Lint, format, types, import law, unit tests: seconds
	tests/run lint unit

test: ## Everything that runs before a change is merged
	tests/run

long: ## Everything, also what takes long
	tests/run --long

bench: ## Pushes to the farm and the same Docker work by hand, interleaved
	.venv/bin/python -m tests.bench.push_to_latest

bench-web: ## The pages with 10,000 pipelines, 100 watchers of a log; fails when the list takes 200 ms or more
	.venv/bin/python -m tests.bench.web

storm: ## Pushes and faults at random over several hosts: make storm MINUTES=10 SEED=7
	.venv/bin/python -m tests.hosts.storm --minutes $(MINUTES) --seed $(SEED)

pictures: ## Make the pictures in docs/images anew; those that no page shows go, pngquant makes the others small
	PICTURES=docs/images .venv/bin/pytest -q -n 0 tests/e2e/flower/test_flower_every_page.py
	cd docs/images && for each in *.png; do grep -qF "images/$$each" ../*.md ../../README.md || rm "$$each"; done
	pngquant --force --ext .png --speed 1 --nofs docs/images/*.png

format: ## Format, and mend what can be mended without thinking
	.venv/bin/ruff check --fix-only --quiet
	.venv/bin/ruff format

lock: ## Write both locks anew from pyproject.toml
	uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml -o requirements.lock
	uv pip compile -q --generate-hashes --no-emit-index-url --python-version 3.11 --group dev pyproject.toml -o requirements-dev.lock

api-docs: ## Write docs/api.md anew, from docs/api.template.md and what the API says of itself
	.venv/bin/python -m farm.api.reference > docs/api.md.new && mv docs/api.md.new docs/api.md
