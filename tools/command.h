/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command is one file, tools/cmd_NAME.c, and one row of the table in main.c. `run` gets its own name as
 * argv[0] and returns the exit code (say.h); main has dealt with --help before.
 */
#pragma once

struct command {
    const char *name;
    const char *usage;   /* what follows "modelfs NAME", "" for none */
    const char *doc;     /* one line */
    const char *options; /* the rest of --help: one option a line, each indented by two spaces; "" for none */
    int (*run)(int argc, char **argv);
};

extern const struct command cmd_add, cmd_retire, cmd_relabel, cmd_capture, cmd_cat, cmd_check, cmd_commit,
    cmd_diff, cmd_du, cmd_erase, cmd_eval, cmd_export, cmd_init, cmd_log, cmd_ls, cmd_mount, cmd_predictions,
    cmd_put, cmd_rm, cmd_show, cmd_tag, cmd_umount;
extern const struct command cmd_gate, cmd_card, cmd_review, cmd_tensors, cmd_gc, cmd_bundle, cmd_unbundle;
