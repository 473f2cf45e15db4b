# SPDX-License-Identifier: Apache-2.0
# modelfs. `make help` lists the targets.
MODE    ?= release
PREFIX  ?= /usr/local
B       := build/$(MODE)
PKGS    := fuse3 libzstd libcrypto libxxhash jansson minizip lapacke blas
CHECK_PKGS := check
VERSION := 0.1.0

FLAGS_release := -O2 -g
FLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
FLAGS_tsan    := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
FLAGS_cov     := -O0 -g --coverage

WARN    := -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes -Wwrite-strings
ifdef CI
WARN    += -Werror
endif
ORT_DIR ?= build/deps/onnxruntime
CPPFLAGS += -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DMODELFS_VERSION='"$(VERSION)"' \
            -isystem $(ORT_DIR)/include -isystem /usr/include/nanopb $(shell pkg-config --cflags $(PKGS))
CFLAGS  += -std=c11 $(WARN) $(FLAGS_$(MODE)) -ffp-contract=off -pthread
LDFLAGS += $(FLAGS_$(MODE)) -pthread
LDLIBS  += $(shell pkg-config --libs $(PKGS)) -lprotobuf-nanopb -lrocksdb -ldl -lm

LIB_SRC  := $(wildcard store/*.c store/base/*.c store/format/*.c fs/*.c fs/report/*.c fs/diff/*.c fs/eval/*.c)
TOOL_SRC := $(wildcard tools/*.c)
UNIT_SRC := $(filter-out tests/unit/unit.c,$(wildcard tests/unit/test_*.c))
obj       = $(patsubst %.c,$(B)/%.o,$(1))
UNIT     := $(patsubst %.c,$(B)/%,$(UNIT_SRC))
MOUNT    := $(sort $(filter-out tests/mount/lib.sh tests/mount/cli.sh,$(wildcard tests/mount/*.sh)))
GOLDEN   := $(patsubst %.c,$(B)/%,$(shell grep -lE 'GOLDEN|tests/unit/pages.h' $(UNIT_SRC)))
TEST_ENV  = MODELFS='$(CURDIR)/$(B)/modelfs'

all: $(B)/modelfs ## build the program

$(B)/modelfs: $(B)/tools/main.o $(B)/libtools.a $(B)/libmodelfs.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/libtools.a: $(call obj,$(filter-out tools/main.c,$(TOOL_SRC)))
$(B)/libmodelfs.a: $(call obj,$(LIB_SRC))
$(B)/libtools.a $(B)/libmodelfs.a:
	@rm -f $@
	ar rcs $@ $^
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$(B)/fs/eval/runner_python.o: fs/eval/runner_python.py
$(B)/tests/unit/test_%: $(B)/tests/unit/test_%.o $(B)/tests/unit/unit.o $(B)/libtools.a $(B)/libmodelfs.a
	$(CC) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(CHECK_PKGS)) $(LDLIBS)

check: all $(UNIT) ## run all tests
	@$(TEST_ENV) sh tests/run.sh $(UNIT) tests/layers.sh $(MOUNT)
check-unit: $(UNIT) ## run the unit tests
	@sh tests/run.sh $(UNIT)
check-layers: ## check who includes whom
	@sh tests/layers.sh
check-mount: all ## run the end-to-end tests (over a real mount)
	@$(TEST_ENV) sh tests/run.sh $(MOUNT)
golden: $(GOLDEN) ## rewrite tests/golden from what is rendered now (review the difference)
	for t in $(GOLDEN); do GOLDEN=write $$t || exit; done
look: ## pictures of tests/golden/*.report.html at two widths, in build/ (Chromium)
	for w in 390 1280; do d=$$(mktemp -d) && chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
	    --disable-component-update --disable-sync --user-data-dir=$$d --window-size=$$w,2000 --screenshot=$(CURDIR)/build/look-$$w.png \
	    "file://$$(ls $(CURDIR)/tests/golden/*.report.html)"; rm -r $$d; done
asan: ## build and run everything under ASan and UBSan
	$(MAKE) MODE=asan check
tsan: ## build and run everything under TSan
	TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp" $(MAKE) MODE=tsan check
bench: all ## modelfs beside its peers, as ratios (root; trains its files first, minutes)
	MODELFS=$(CURDIR)/$(B)/modelfs sh tests/bench/bench.sh
bench-eval: all $(B)/tests/bench/eval ## the evaluation beside its engine alone and a Python script
	MODELFS=$(CURDIR)/$(B)/modelfs BENCH=$(CURDIR)/$(B)/tests/bench/eval sh tests/bench/eval.sh
$(B)/tests/bench/eval: $(B)/tests/bench/eval.o $(B)/libtools.a $(B)/libmodelfs.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
lint: ## man pages, formatting, layers, static analysis
	mandoc -T lint -W warning man/*.[15]
	clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h')
	sh tests/layers.sh
	cppcheck -q --std=c11 --enable=warning,portability --inline-suppr --library=tests/cppcheck.cfg --error-exitcode=1 -I. store fs tools
fmt: ## format the sources
	clang-format -i $$(git ls-files '*.c' '*.h')
install: all ## install under PREFIX
	install -D -m 755 $(B)/modelfs $(DESTDIR)$(PREFIX)/bin/modelfs
	install -D -m 755 tools/modelfs-graph $(DESTDIR)$(PREFIX)/bin/modelfs-graph
	for s in 1 5; do for m in man/*.$$s; do install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man$$s/$${m##*/}; done; done
	if [ -f $(ORT_DIR)/lib/libonnxruntime.so.1 ]; then install -D -m 755 $(ORT_DIR)/lib/libonnxruntime.so.1 $(DESTDIR)$(PREFIX)/lib/modelfs/libonnxruntime.so.1; fi
clean: ## remove what was built (not build/deps)
	rm -rf build/release build/asan build/tsan build/cov
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

.PHONY: all check check-unit check-layers check-mount golden asan tsan bench bench-eval look lint fmt install clean help
.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
