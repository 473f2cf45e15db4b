/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/spawn.h"
#include "tools/stop.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The caller's environment with plain messages and nothing that asks or writes locks. NULL: out of memory;
 * the array alone is to be freed. */
static char **environment(void)
{
    static char *const ours[] = {(char *)(uintptr_t) "LC_ALL=C", (char *)(uintptr_t) "GIT_TERMINAL_PROMPT=0",
                                 (char *)(uintptr_t) "GIT_OPTIONAL_LOCKS=0"};
    const size_t count = sizeof ours / sizeof *ours;
    size_t n = 0, k = 0;
    while (environ[n])
        n++;
    char **env = calloc(n + count + 1, sizeof *env);
    if (!env)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "LC_ALL=", 7) != 0 && strncmp(environ[i], "GIT_", 4) != 0)
            env[k++] = environ[i];
    memcpy(env + k, ours, sizeof ours);
    return env;
}

static int start(const char *const *argv, int to, pid_t *ret)
{
    posix_spawn_file_actions_t act;
    char **env = environment();
    if (!env)
        return -ENOMEM;
    posix_spawn_file_actions_init(&act);
    posix_spawn_file_actions_addopen(&act, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&act, to, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&act, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&act, 3);
    int err = posix_spawnp(ret, argv[0], &act, NULL, (char *const *)(uintptr_t)argv, env);
    posix_spawn_file_actions_destroy(&act);
    free(env);
    return -err;
}

int spawn_read(const char *const *argv, size_t most, struct out *ret)
{
    int end[2], status, err = 0;
    pid_t pid;
    char buf[65536];
    if (pipe2(end, O_CLOEXEC) != 0)
        return -errno;
    err = start(argv, end[1], &pid);
    close(end[1]);
    if (err < 0) {
        close(end[0]);
        return err;
    }
    for (size_t all = 0;;) {
        ssize_t n = read(end[0], buf, sizeof buf);
        if (n < 0 && errno == EINTR && !stop_asked(NULL))
            continue;
        if (n < 0)
            err = -errno;
        else if ((all += (size_t)n) > most)
            err = -EMSGSIZE;
        if (n <= 0 || err < 0)
            break;
        out_write(ret, buf, (size_t)n);
    }
    close(end[0]);
    if (err < 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (err == 0)
        err = out_error(ret);
    return err < 0 ? err : WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}
