# The front door: `make help` lists the commands. Everything is made inside this folder (.venv, .qgis-venv, .cache,
# build, demo), except system packages (QGIS, Xvfb), which apt-get installs where they are missing.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
PY := .venv/bin/python
QPY := .qgis-venv/bin/python
# Install from a folder of wheels, without network: make env WHEELS=/folder. A smaller CPU-only torch on Linux: TORCH=cpu.
SETUP_FLAGS := $(if $(WHEELS),--wheels "$(WHEELS)") $(if $(TORCH),--torch $(TORCH))
# pytest options for a single run, for example: make test-unit ARGS="-k framing"
ARGS ?=

.PHONY: help system env qgis-env demo qgis test test-guards test-unit test-backend test-qgis test-e2e \
        qgis-340 bench zip verify-zip scan doctor lint format lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

system: ## install QGIS, Xvfb and the like with apt-get where they are missing
	@scripts/setup_system.sh

env: system ## make the backend's environment (.venv) with the cityseg command
	@$(PYTHON) scripts/setup_env.py backend $(SETUP_FLAGS)

qgis-env: system ## make the environment for QGIS's tests (.qgis-venv) on QGIS's own Python
	@$(PYTHON) scripts/setup_env.py qgis $(if $(WHEELS),--wheels "$(WHEELS)")

demo: env qgis-env ## prompts and words to saved layers in real QGIS; RASTER=file.tif PROMPTS=file.geojson TEXT="..." for your own
	@$(PY) scripts/demo.py $(if $(RASTER),--raster "$(RASTER)") $(if $(PROMPTS),--prompts "$(PROMPTS)") $(if $(TEXT),--text "$(TEXT)")

qgis: env qgis-env ## open desktop QGIS with the plugin in a profile of its own and the demo project
	@$(PY) scripts/open_qgis.py

test: env qgis-env ## run every tier of tests
	@$(PY) scripts/test.py guards unit backend qgis e2e

test-guards: env ## tests of the code itself
	@$(PY) scripts/test.py guards $(ARGS)

test-unit: env ## tests without QGIS and without models
	@$(PY) scripts/test.py unit $(ARGS)

test-backend: env ## tests of the backend
	@$(PY) scripts/test.py backend $(ARGS)

test-qgis: env qgis-env ## tests in real QGIS under Xvfb
	@$(PY) scripts/test.py qgis $(ARGS)

test-e2e: env qgis-env ## tests of QGIS with the real backend process
	@$(PY) scripts/test.py e2e $(ARGS)

qgis-340: env qgis-env ## point-cloud tests in QGIS 3.40 (Debian trixie by debootstrap, as root; about 500 MB the first time)
	@$(PY) scripts/qgis_matrix.py $(ARGS)

bench: env qgis-env ## measure speed and memory beside their alternatives; DEVICE=cuda on a GPU
	@$(PY) scripts/bench.py $(if $(DEVICE),--device $(DEVICE)) $(ARGS)

doctor: env ## report versions, devices, paths, weights and a self-test
	@.venv/bin/cityseg doctor

zip: env ## build cityseg_qgis.zip, the plugin to install in QGIS
	@$(PY) scripts/zip.py

verify-zip: zip qgis-env ## install the zip into an empty QGIS profile; load, unload, load
	@$(PY) scripts/verify_zip.py

scan: zip ## the plugin repository's blocking checks on the zip
	@$(PY) scripts/scan.py

lint: env ## ruff check
	@.venv/bin/ruff check .

format: env ## ruff format, and what ruff can mend by itself
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

lock: env ## pin the requirements again, with hashes, for every platform
	@$(PY) scripts/lock.py

clean: ## remove what make made, but the environments
	rm -rf build dist demo .cache/pytest .ruff_cache .hypothesis .qgis-settings cityseg_qgis.zip
	find cityseg_qgis inference_backend scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +
