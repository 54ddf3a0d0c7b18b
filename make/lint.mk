# SPDX-License-Identifier: Apache-2.0
# Style and static checks. (arrayIndexThenCheck takes the tie rule "equal and lower index" for a bounds check;
# the contract relies on arithmetic right shifts, as every supported compiler has them; vectors are loaded through casts.) LINT_STEPS of other fragments (lint-rtl) run too.

# Generated files are the generator's business.
FORMAT_FILES = $(shell git ls-files '*.c' '*.h' '*.cc' 2>/dev/null | grep -v -e 'num/tables\.c')
SHELL_FILES = $(shell git ls-files '*.sh' .ci/run 2>/dev/null)

.PHONY: format check-format lint cppcheck check-shell check-spdx
format: ## rewrite C sources in the house style (clang-format 14)
	clang-format -i $(FORMAT_FILES)

check-format: ## fail on a C source that `make format` would change
	@clang-format --version | grep -q ' 14\.' || { echo 'check-format: needs clang-format 14' >&2; exit 1; }
	clang-format --dry-run --Werror $(FORMAT_FILES)

cppcheck: ## static analysis of the host sources
	cppcheck --quiet --std=c11 --error-exitcode=1 --enable=warning,portability --inline-suppr \
	  --suppress=missingIncludeSystem --suppress=invalidFunctionArg --suppress=arrayIndexThenCheck \
	  --suppress=shiftTooManyBitsSigned --suppress=invalidPointerCast -Ihost -Ihost/include -D__x86_64__ host

check-shell: ## shellcheck on every script
	shellcheck -x -S warning $(SHELL_FILES)

check-spdx: ## every source names its licence in its first lines
	@bad=$$(for f in $$(git ls-files '*.c' '*.h' '*.cc' '*.cl' '*.sv' '*.svh' '*.py' '*.sh' '*.mk' Makefile .ci/run); do \
	  head -n 3 "$$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$$f"; done); \
	test -z "$$bad" || { printf 'no SPDX line: %s\n' $$bad >&2; exit 1; }

LINT_STEPS += check-format cppcheck check-shell check-spdx
lint: $(LINT_STEPS) ## all static checks: tables, format, cppcheck, shellcheck, licences, RTL
