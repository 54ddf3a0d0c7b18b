# SPDX-License-Identifier: Apache-2.0
# Packages: make/packages.txt is the list, make/deps.sh reads it.

.PHONY: deps deps-dev doctor
deps: ## install missing packages (root or sudo -n), or print the exact line and fail
	@make/deps.sh install

deps-dev: ## the same with the packages that only lint, format and tsan need
	@make/deps.sh install dev

doctor: ## each tool and package: present, version, which targets need it
	@make/deps.sh doctor
