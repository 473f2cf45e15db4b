/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stop.h"
#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t asked;

static void ask(int sig)
{
    (void)sig;
    asked = 1;
}

void stop_install(void)
{
    /* no SA_RESTART: a wait on a socket ends with EINTR */
    struct sigaction sa = {.sa_handler = ask, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
}

int stop_asked(void *unused)
{
    (void)unused;
    return asked;
}
