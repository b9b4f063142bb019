# Lockgate. `make run` and `make test` do their own set-up.
BIN := node_modules/.bin/node
NODE := $(BIN) --disallow-code-generation-from-strings --disable-warning=ExperimentalWarning

.PHONY: run test storm bench check lint format clean install setup

setup: node_modules/.ready

node_modules/.ready: package.json package-lock.json
	@echo "installing packages (once)"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

run: setup
	@$(NODE) firmware/cli.ts demo

test: setup
	@$(NODE) test/run.ts

check: setup
	$(BIN) node_modules/typescript/bin/tsc

lint: check
	$(BIN) node_modules/eslint/bin/eslint.js --max-warnings 0 --cache --cache-location .cache/eslint/ .
	$(BIN) node_modules/prettier/bin/prettier.cjs --check --log-level warn .

format: setup
	$(BIN) node_modules/prettier/bin/prettier.cjs --write --log-level warn .
