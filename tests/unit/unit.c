/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64];
static pid_t owner;

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void clean(void)
{
    if (dir[0] && getpid() == owner)
        nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *unit_tmpdir(void)
{
    if (!dir[0] || owner != getpid()) { /* check forks for each test: each gets its own */
        snprintf(dir, sizeof dir, "/tmp/modelfs-unit-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(dir));
        owner = getpid();
        atexit(clean);
    }
    return dir;
}

char *unit_read_file(const char *path, size_t *ret_n)
{
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "cannot open %s", path);
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    char *p = malloc((size_t)n + 1);
    ck_assert_uint_eq(fread(p, 1, (size_t)n, f), (size_t)n);
    p[n] = 0;
    fclose(f);
    if (ret_n)
        *ret_n = (size_t)n;
    return p;
}

void unit_write_file(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_msg(f != NULL, "cannot create %s", path);
    ck_assert_uint_eq(fwrite(p, 1, n, f), n);
    fclose(f);
}

int main(void)
{
    SRunner *r = srunner_create(unit_suite());
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
