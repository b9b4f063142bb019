# Lockgate. `make run` and `make test` do their own set-up; `make help` lists the rest.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The runtime is pinned as the npm package `node`: whatever Node the machine has only serves npm.
BIN := node_modules/.bin/node
NODE := $(BIN) --disallow-code-generation-from-strings --disable-warning=ExperimentalWarning --disable-sigusr1
ESLINT := $(BIN) node_modules/eslint/bin/eslint.js --config .config/eslint.config.js
PRETTIER := $(BIN) node_modules/prettier/bin/prettier.cjs --log-level warn

# Modules are stripped of their types once, not at every start.
export NODE_COMPILE_CACHE := $(CURDIR)/.cache/node

# `make install` links the command here; PREFIX and DESTDIR are honoured.
PREFIX ?= $(shell if [ -w /usr/local/bin ]; then echo /usr/local; else echo "$(HOME)/.local"; fi)

.PHONY: help setup run test storm bench generate lint check format clean distclean install uninstall

help:
	@echo "make run      the whole gateway on the simulated board, with a demo plant beside it (Ctrl-C stops)"
	@echo "make test     every test, against real peers too        make lint    types, lint, format"
	@echo "make storm    the long forms of the tests               make format  write the format"
	@echo "make bench    the measures, peers beside us             make clean   remove .demo and .cache"
	@echo "make generate what is generated and committed, from its source"
	@echo "make install  put lockgate on the PATH                  make distclean  remove the packages too"

setup: node_modules/.ready

# npm's chatter (EBADENGINE under an older Node, funding, notices) goes to a file; it is shown when something failed.
node_modules/.ready: package.json package-lock.json
	@command -v npm >/dev/null 2>&1 || { echo "lockgate: npm is missing; on Debian: sudo apt-get install nodejs npm" >&2; exit 1; }
	@echo "lockgate: installing packages (once)"
	@mkdir -p .cache
	@npm ci --include=dev --no-audit --no-fund --no-update-notifier --loglevel=error >.cache/setup.log 2>&1 || \
	  { cat .cache/setup.log >&2; echo "lockgate: npm ci failed, see above" >&2; exit 1; }
	@$(BIN) --version >>.cache/setup.log 2>&1 || { cat .cache/setup.log >&2; \
	  echo "lockgate: npm did not run the install script of the package 'node' (see: npm config get ignore-scripts)" >&2; exit 1; }
	@touch $@

run: setup
	@$(NODE) firmware/cli.ts demo

test: setup
	@LOCKGATE_PEERS_MISSING="$$($(NODE) test/peers/install.ts)" $(NODE) test/run.ts

storm: setup
	@LOCKGATE_STORM=1 LOCKGATE_PEERS_MISSING="$$($(NODE) test/peers/install.ts)" $(NODE) test/run.ts

bench: setup
	@$(NODE) --expose-gc bench/run.ts

# The committed WebAssembly module of the flow cache, from its AssemblyScript source.
# Code that is generated and committed; tests hold it against its source.
generate: setup
	@$(NODE) test/generate.ts
	@$(BIN) test/support/sparkplug/generate.ts

check: setup
	@$(BIN) node_modules/typescript/bin/tsc
	@$(BIN) node_modules/typescript/bin/tsc -p firmware/console/page

lint: check
	@$(ESLINT) --max-warnings 0 --cache --cache-location .cache/eslint/ .
	@$(PRETTIER) --check .

format: setup
	@$(PRETTIER) --write .

install: setup
	@mkdir -p "$(DESTDIR)$(PREFIX)/bin"
	@ln -sfn "$(CURDIR)/firmware/launcher.js" "$(DESTDIR)$(PREFIX)/bin/lockgate"
	@echo "lockgate: $(DESTDIR)$(PREFIX)/bin/lockgate -> $(CURDIR)/firmware/launcher.js"
	@case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; *) echo "lockgate: $(PREFIX)/bin is not on your PATH yet" ;; esac

uninstall:
	@rm -f "$(DESTDIR)$(PREFIX)/bin/lockgate"

clean:
	@rm -rf .demo .cache

distclean: clean
	@rm -rf node_modules
