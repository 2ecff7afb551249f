# Two commands matter: `make run` and `make test`. Both do their own set-up.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# A cluster of your own instead of the local one: make run CONTEXT=name
CONTEXT ?=
OPERATOR_IMAGE ?=
GATEWAY_IMAGE ?=
STORAGE_IMAGE ?=
export OPERATOR_IMAGE GATEWAY_IMAGE STORAGE_IMAGE

# Release, although nothing in it needs speed, and with the packages of the products' images: so all of them agree
# on the features of what they depend on, and nothing is compiled twice. Not quiet: the first build takes minutes,
# and a person should see it go on.
TESTBED := cargo build --release --locked -p gateway -p operator -p testbed --bin testbed && \
	"$${CARGO_TARGET_DIR:-target}/release/testbed"

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Set up, start a local cluster, install, and do the main job (CONTEXT=name: on your cluster)
	@$(TESTBED) run $(if $(CONTEXT),--context $(CONTEXT))

.PHONY: stop
stop: ## Take down what `make run` started
	@$(TESTBED) stop

.PHONY: test
test: ## Set up and run every test
	@$(TESTBED) test

.PHONY: bench
bench: ## Measure the gateway beside others, and print figures (WHAT=files or WHAT=video)
	@cargo build --release --locked -p gateway -p operator -p testbed --bin gateway --bin testbed
	@"$${CARGO_TARGET_DIR:-target}/release/testbed" bench $(WHAT)

.PHONY: bench-operator
bench-operator: ## Measure the operator with 1,000 gateways (GATEWAYS=5000, SETTLED_SECONDS=60, WITHOUT_FLOOR=1, WITHOUT_LOGINS=1)
	@GATEWAYS="$(GATEWAYS)" SETTLED_SECONDS="$(SETTLED_SECONDS)" WITHOUT_FLOOR="$(WITHOUT_FLOOR)" \
		WITHOUT_LOGINS="$(WITHOUT_LOGINS)" cargo bench --locked -p gateway -p operator -p testbed --bench scale

.PHONY: dev
dev: ## Run one gateway without a cluster
	@cargo run --quiet --locked -p gateway -- dev

.PHONY: generate
generate: ## Write the files that are generated from the sources
	cargo run --quiet -p crds --bin crdgen -- crds/yaml charts/filegateway/files/crds
	cargo run --quiet -p crds --bin reference > docs/reference.md.new
	mv docs/reference.md.new docs/reference.md
	cargo run --quiet -p crds --bin values > charts/filegateway/README.md.new
	mv charts/filegateway/README.md.new charts/filegateway/README.md
	cargo run --quiet -p gateway -- openapi > gateway/openapi.json.new
	mv gateway/openapi.json.new gateway/openapi.json

.PHONY: images
images: ## Build the images with Docker
	docker build -f operator/Dockerfile -t filegateway/operator:0.1.0 .
	docker build -f gateway/Dockerfile -t filegateway/gateway:0.1.0 .
