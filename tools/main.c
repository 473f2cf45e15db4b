/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/command.h"
#include "tools/say.h"
#include "tools/stop.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {
    &cmd_init,    &cmd_commit,  &cmd_mount,   &cmd_umount,   &cmd_log,         &cmd_show,
    &cmd_ls,      &cmd_cat,     &cmd_put,     &cmd_diff,     &cmd_gate,        &cmd_review,
    &cmd_card,    &cmd_tensors, &cmd_bundle,  &cmd_unbundle, &cmd_eval,        &cmd_add,
    &cmd_capture, &cmd_retire,  &cmd_relabel, &cmd_erase,    &cmd_predictions, &cmd_tag,
    &cmd_rm,      &cmd_gc,      &cmd_check,   &cmd_export,   &cmd_du,
};
#define COUNT (sizeof commands / sizeof *commands)

static const char about[] =
    "modelfs keeps the versions of a model in a repo and mounts it as a directory.\n\n"
    "usage: modelfs COMMAND ...\n\n";
static const char more[] = "\nmodelfs COMMAND --help tells of one; modelfs(1) and modelfs(5) of all.\n";

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int help(void)
{
    fputs(about, stdout);
    for (size_t i = 0; i < COUNT; i++)
        printf("  %-12s %s\n", commands[i]->name, commands[i]->doc);
    fputs(more, stdout);
    return SAY_DONE;
}

static int help_command(const struct command *c)
{
    printf("usage: modelfs %s %s\n\n%s\n", c->name, c->usage, c->doc);
    if (*c->options)
        printf("\n%s", c->options);
    return SAY_DONE;
}

static int asks_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0)
            return 1;
    return 0;
}

static int run(int argc, char **argv)
{
    if (argc < 2)
        return say_usage("no command given");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return help();
    if (strcmp(argv[1], "--version") == 0)
        return printf("modelfs %s\n", MODELFS_VERSION) < 0;
    const struct command *c = find(argv[1]);
    if (!c)
        return say_usage("no such command: %s", argv[1]);
    say_verb(c->name);
    return asks_help(argc - 1, argv + 1) ? help_command(c) : c->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    stop_install();
    int code = run(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        say_note("stdout", "%s", strerror(errno));
        if (code == SAY_DONE)
            code = SAY_FAILED;
    }
    return code;
}
