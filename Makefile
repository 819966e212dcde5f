# Troupe. Two commands matter: `make serve` and `make test`.
# Needs Go, a C++20 compiler and python3 with pip; MLX and the Go modules are fetched. MLX_PREFIX=DIR uses an MLX that is installed already.

GO       ?= go
ARGS     ?=
PURE     := ./actors/... ./http/... ./persistence/... ./runtime/... ./tests/simulation/... ./tests/imports/...
STATIC   := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# cgo does not accept @loader_path, so on macOS the run path beside the binary is given here.
ifeq ($(shell uname -s),Darwin)
LDFLAGS  := -ldflags "-extldflags '-Wl,-rpath,@loader_path/../.mlx/current/mlx/lib'"
endif

.PHONY: serve test build dist lint bench mlx fuzz sanitize clean help

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

serve: build ## run the server with the starter model; ARGS="--model DIR --listen ..." for another
	./bin/troupe serve $(ARGS)

build: mlx ## leave bin/troupe
	$(GO) build $(LDFLAGS) -o bin/troupe ./cmd/troupe

dist: mlx ## pack bin/troupe and MLX for machines without Python, as dist/troupe-*.tar.gz
	bash cmd/deploy/dist.sh

test: mlx ## everything that CI runs
	@test -z "$$(gofmt -l actors benchmarks cmd http mlx persistence runtime tests)" || { gofmt -l actors benchmarks cmd http mlx persistence runtime tests; echo "run gofmt -w on these"; exit 1; }
	$(GO) vet -tags invariants ./...
	$(GO) test -tags invariants -timeout 15m ./...
	$(GO) test -race -timeout 10m $(PURE) ./mlx/...
	$(GO) test -tags nomlx -timeout 10m ./...
	CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/troupe

lint: mlx ## staticcheck and golangci-lint
	$(GO) run $(STATIC) ./...
	$(GO) run $(GOLANGCI) run ./...

bench: build ## the load benchmarks of benchmarks/README.md
	$(GO) run ./benchmarks/load -mode all

fuzz: ## every fuzz target for FUZZTIME (default 1m)
	bash tests/fuzz.sh $(or $(FUZZTIME),1m)

sanitize: ## the CPU kernels and their threads under AddressSanitizer, UBSan and ThreadSanitizer, without MLX; ROUNDS (default 40) cases of each
	bash tests/kernels/sanitize.sh $(or $(ROUNDS),40)

mlx: ## fetch the pinned MLX wheel into .mlx
	@bash mlx/fetch.sh

clean: ## remove what was built and fetched
	rm -rf bin dist .mlx .venv
