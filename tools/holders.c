/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/holders.h"
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == 0 || path[n] == '/');
}

static int link_below(const char *link, const char *dir)
{
    char to[PATH_MAX];
    ssize_t n = readlink(link, to, sizeof to - 1);
    to[n > 0 ? n : 0] = 0;
    return n > 0 && below(to, dir);
}

static int has_open(pid_t pid, const char *dir)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    int found = 0;
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        char link[384];
        snprintf(link, sizeof link, "%s/%s", path, e->d_name);
        found = link_below(link, dir);
    }
    if (d)
        closedir(d);
    return found;
}

static int has_mapping(pid_t pid, const char *dir)
{
    char path[64], *line = NULL;
    size_t cap = 0;
    int found = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *f = fopen(path, "re");
    while (f && !found && getline(&line, &cap, f) > 0) {
        char *name = strchr(line, '/');
        line[strcspn(line, "\n")] = 0;
        found = name && below(name, dir);
    }
    if (f)
        fclose(f);
    free(line);
    return found;
}

static const char *how(pid_t pid, const char *dir)
{
    static const struct {
        const char *link, *how;
    } links[] = {{"cwd", "working directory"}, {"root", "root"}, {"exe", "program"}};
    char path[64];
    if (has_open(pid, dir))
        return "open file";
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, links[i].link);
        if (link_below(path, dir))
            return links[i].how;
    }
    return has_mapping(pid, dir) ? "mapping" : NULL;
}

void holders_each(const char *dir, void (*each)(void *ctx, pid_t pid, const char *comm, const char *how),
                  void *ctx)
{
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d));) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        const char *in_use = pid > 0 && pid != getpid() ? how(pid, dir) : NULL;
        if (!in_use)
            continue;
        char path[64], comm[64] = "?";
        snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
        FILE *f = fopen(path, "re");
        if (f) {
            if (fgets(comm, sizeof comm, f))
                comm[strcspn(comm, "\n")] = 0;
            fclose(f);
        }
        each(ctx, pid, comm, in_use);
    }
    if (d)
        closedir(d);
}
