# SPDX-License-Identifier: GPL-2.0-only
# The way in: make help
TOP := $(CURDIR)
BUILD ?= $(TOP)/build
PREFIX ?= /usr/local
DESTDIR ?=
BUS ?= emu
export BUILD PREFIX DESTDIR BUS

VM := $(TOP)/tests/vm
DIGITS := $(TOP)/tests/models/digits

# What goes into the VM beside the modules: PLACE=FILE or FOLDER.
RUN_FILES := \
	bin/npuctl=$(BUILD)/tools/npuctl \
	digits=$(DIGITS) \
	digits/demo.sh=$(VM)/demo.sh
TEST_FILES := $(RUN_FILES) \
	bin/npu-bench=$(BUILD)/bench/npu-bench \
	bin/npu-counts=$(BUILD)/bench/npu-counts \
	bin/npu-scale=$(BUILD)/bench/npu-scale \
	bin/npu-reference=$(BUILD)/static/tests/reference/npu-reference \
	bin/digit=$(BUILD)/static/digit \
	networks=$(BUILD)/static/networks \
	tests=$(BUILD)/selftests \
	tests/t_session=$(BUILD)/tests/lib/t_session \
	tests/run.sh=$(TOP)/tests/selftests/run.sh \
	tests/tap.sh=$(TOP)/tests/tap.sh \
	tests/npu_emu.sh=$(TOP)/tests/selftests/npu_emu.sh \
	tests/npu_pair.sh=$(TOP)/tests/selftests/npu_pair.sh \
	tests/npu_model.sh=$(TOP)/tests/selftests/npu_model.sh \
	tests/npu_networks.sh=$(TOP)/tests/selftests/npu_networks.sh

help:
	@echo 'make run      recognise handwritten digits on an emulated NPU, in a VM'
	@echo 'make test     what CI runs; SUITES="unit kselftest@7.3 ..." chooses (see tests/run)'
	@echo 'make test-quick  the driver on a debug kernel that is a process (User Mode Linux)'
	@echo 'make test-debug  on a debug kernel in a VM: KASAN, lockdep, leaks, failures, fuzzing'
	@echo 'make test-kcsan  on a kernel that looks for data races'
	@echo 'make test-all    everything'
	@echo 'make kernel-debug, kernel-kcsan, kernel-uml  build these kernels only'
	@echo 'make fuzz     fuzz device model and libnpu, FUZZ_TIME=600 seconds each'
	@echo 'make check    static checks only'
	@echo 'make docs     Documentation/ as HTML, in build/docs'
	@echo 'make coverage which lines of device model and libnpu the host tests run'
	@echo 'make shell    a shell in the VM, with the device present'
	@echo 'make bench    speed, beside the libraries that compute best: on this machine, in the VM'
	@echo '              (ONLY=host|guest, QUICK=1, KERNELS=NAME, WORKLOADS=NAME,..., JSON=FILE)'
	@echo 'make modules  npu.ko and npu_emu.ko, in build/modules/RELEASE'
	@echo '              (KDIR=/lib/modules/$$(uname -r)/build for the running kernel)'
	@echo 'make lib      libnpu and npuctl, in build/lib and build/tools; the delegate of'
	@echo '              TensorFlow Lite, if its headers are there, in build/delegate'
	@echo 'make install  all of it, headers, man pages, npu.py (PREFIX, DESTDIR, PYTHONDIR)'
	@echo 'make clean    removes build/; the cache in ~/.cache/npu stays'
	@echo
	@echo 'KERNEL=6.12|7.3|6.12-debug|6.12-kcsan|6.12-uml  kernel of VM and modules'
	@echo 'BUS=pci  run, test, shell: the NPU is a PCI device, a process of the host'
	@echo 'NPU_ACCEL=kvm|tcg  accelerator of the VM (default: KVM if it works)'

deps-build:
	@$(VM)/deps.sh build

deps:
	@$(VM)/deps.sh all

lib: deps-build
	@$(MAKE) -s -C lib
	@$(MAKE) -s -C tools
	@$(MAKE) -s -C delegate

modules: deps-build
	@$(VM)/modules.sh

# Programs for the VM are static: its root has no libraries.
programs: lib
	@$(MAKE) -s -C tests/selftests
	@$(MAKE) -s -C tests/bench
	@$(MAKE) -s -C tests/lib device
	@$(MAKE) -s -C tests/models/reference BUILD=$(BUILD)/static SANITIZE=0 LDFLAGS=-static
	@$(CC) -O2 -static -Ilib -Iuapi $$(pkg-config --cflags libdrm) \
		-o $(BUILD)/static/digit lib/examples/digit.c \
		$(BUILD)/lib/libnpu.a $$(pkg-config --static --libs libdrm) -lm -pthread

# Networks, their inputs, and what the reference makes of them.
NETWORKS := $(TOP)/tests/models/networks.py $(TOP)/tests/models/tflite.py
networks: programs
	@[ -z "$$(find $(NETWORKS) $(BUILD)/static/tests/reference/npu-reference \
			-newer $(BUILD)/static/networks/done 2>&1)" ] || { \
		rm -rf $(BUILD)/static/networks && \
		python3 $(TOP)/tests/models/networks.py $(BUILD)/static/networks && \
		for m in $(BUILD)/static/networks/*.tflite; do \
			m=$${m%.tflite}; \
			$(BUILD)/static/tests/reference/npu-reference $$m.tflite $$m.in >$$m.out || \
				exit; \
		done && touch $(BUILD)/static/networks/done; }

TIMED := . $(VM)/lib.sh && timed

# BUS=pci: the NPU is a process of the host.
emu-$(BUS):
emu-pci:
	@$(MAKE) -s -C emu/pci

run-image: deps emu-$(BUS)
	@$(TIMED) "building libnpu and npuctl" $(MAKE) -s lib
	@$(TIMED) "building the modules" $(VM)/modules.sh >/dev/null
	@NPU_IMAGE_FILES="$(RUN_FILES)" $(VM)/image.sh

image: deps emu-$(BUS)
	@$(TIMED) "building libnpu, tools and tests" $(MAKE) -s networks
	@$(TIMED) "building the modules" $(VM)/modules.sh >/dev/null
	@NPU_IMAGE_FILES="$(TEST_FILES)" $(VM)/image.sh

run: run-image
	@$(VM)/vm.sh -n run -t 300 /digits/demo.sh

shell: image
	@$(VM)/vm.sh -i

bench: deps
	@tests/bench/bench.py $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick) \
		$(if $(KERNELS),--kernels $(KERNELS)) $(if $(WORKLOADS),--workloads $(WORKLOADS)) \
		$(if $(JSON),--json $(JSON))

test: deps
	@$(VM)/deps.sh check
	@tests/run $(SUITES)

test-quick test-debug test-kcsan test-all: test-%: deps
	@tests/run $*

kernel-debug kernel-kcsan kernel-uml: kernel-%: deps-build
	@KERNEL=$(word 1,$(subst -, ,$(or $(KERNEL),6.12)))-$* $(VM)/build-kernel.sh

check: deps-build
	@$(VM)/deps.sh check
	@tests/run check

# -E reads everything again: a warning comes with the first reading only.
docs:
	@$(VM)/deps.sh docs
	@KERNEL_SOURCE=$$($(VM)/kernel.sh source) sphinx-build -q -E -W --keep-going -n -b html \
		-d $(BUILD)/doctrees Documentation $(BUILD)/docs
	@echo $(BUILD)/docs/index.html

fuzz:
	@$(VM)/deps.sh fuzz
	@$(MAKE) -s -C tests/fuzz long

coverage:
	@tests/coverage.sh

install: lib
	@$(MAKE) -s -C lib install
	@$(MAKE) -s -C tools install
	@$(MAKE) -s -C delegate install

clean:
	rm -rf $(BUILD)

.PHONY: help deps deps-build lib modules programs run-image image run shell bench test \
	test-quick test-debug test-kcsan test-all kernel-debug kernel-kcsan kernel-uml check docs fuzz coverage install clean
.DEFAULT_GOAL := help
SHELL := /bin/bash
