/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/progress.h"
#include "store/base/out.h"
#include "tools/say.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void progress_begin(struct progress *p, const char *what, enum progress_unit unit)
{
    const char *term = getenv("TERM");
    *p = (struct progress){.what = what, .unit = unit, .began = now_ms()};
    p->on = isatty(STDERR_FILENO) && (!term || strcmp(term, "dumb") != 0);
}

static void amount(struct out *o, const struct progress *p, uint64_t n)
{
    char size[SAY_SIZE];
    if (p->unit == PROGRESS_BYTES)
        out_str(o, say_size(n, size));
    else
        out_printf(o, p->unit == PROGRESS_ROWS ? "%llu rows" : "%llu versions", (unsigned long long)n);
}

void progress_show(struct progress *p, uint64_t done, uint64_t all)
{
    uint64_t t = p->on ? now_ms() : 0;
    if (!p->on || t - p->began < 500 || t - p->drawn < 100)
        return;
    p->drawn = t;
    p->shown = 1;
    double seconds = (double)(t - p->began) / 1000, rate = (double)done / seconds;
    struct out o = {0};
    out_str(&o, "\r");
    out_text(&o, p->what, strlen(p->what), 24);
    if (all) {
        double part = done < all ? (double)done / (double)all : 1;
        out_str(&o, " [");
        for (int i = 0; i < 20; i++)
            out_char(&o, i < (int)(part * 20) ? '#' : '.');
        out_printf(&o, "] %3d %% ", (int)(part * 100));
    }
    out_char(&o, ' ');
    amount(&o, p, done);
    if (rate >= 1) {
        out_str(&o, ", ");
        amount(&o, p, (uint64_t)rate);
        out_str(&o, "/s");
        if (all > done) {
            uint64_t left = (uint64_t)((double)(all - done) / rate) + 1;
            out_printf(&o, ", %llu:%02u left", (unsigned long long)(left / 60), (unsigned)(left % 60));
        }
    }
    out_str(&o, "\033[K");
    if (!out_error(&o))
        fwrite(o.p, 1, o.n, stderr);
    fflush(stderr);
    out_fini(&o);
}

void progress_reply(void *ctx, uint64_t done, uint64_t all, const char *what)
{
    (void)what;
    progress_show(ctx, done, all);
}

void progress_end(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = 0;
}
