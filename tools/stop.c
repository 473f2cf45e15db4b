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
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    sigemptyset(&sa.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction now;
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN) /* nohup and & keep it so */
            sigaction(signals[i], &sa, NULL);
    }
}

int stop_asked(void *unused)
{
    (void)unused;
    return asked;
}
