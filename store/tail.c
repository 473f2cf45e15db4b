/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A MANIFEST, as db/log_format.h of RocksDB has it: blocks of 32,768 bytes; in them records
 *
 *     u32 masked CRC-32C of type and data, u16 length, u8 type, data
 *
 * of which none begins in a block's last 6 bytes. The checksum does not cover the length. If a record seems
 * to reach beyond the end of the file, and yet its checksum fits fewer bytes, then it is whole and its length
 * is wrong. A torn one fits by chance once in 2^32 / length.
 */
#include "store/tail.h"
#include "store/base/fail.h"
#include "store/base/out.h"
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK  32768
#define HEADER 7

static uint32_t crc32c(uint32_t crc, unsigned char byte)
{
    crc ^= byte;
    for (int i = 0; i < 8; i++)
        crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    return crc;
}

static uint32_t masked(uint32_t crc)
{
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

/* p: the n bytes from a record's header to the end. */
static int whole_but_for_its_length(const unsigned char *p, size_t n)
{
    uint32_t want = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    uint32_t crc = crc32c(UINT32_MAX, p[6]);
    for (size_t i = HEADER; i < n; i++)
        if (masked(crc = crc32c(crc, p[i])) == want)
            return 1;
    return 0;
}

static int check(const char *path, const unsigned char *p, size_t n)
{
    for (size_t at = 0; n - at >= HEADER;) {
        size_t left = BLOCK - at % BLOCK, length = (size_t)p[at + 4] | (size_t)p[at + 5] << 8;
        if (left < HEADER) {
            at += left < n - at ? left : n - at;
            continue;
        }
        if (HEADER + length > n - at)
            return whole_but_for_its_length(p + at, n - at < left ? n - at : left)
                       ? fail(-EBADMSG, "%s: damaged: a record's length is wrong (byte %zu)", path, at)
                       : 0;
        if (HEADER + length > left)
            return 0; /* RocksDB refuses it */
        at += HEADER + length;
    }
    return 0;
}

/* The whole file, with a NUL after it, to be freed; NULL: RocksDB will say why. */
static unsigned char *load(const char *path, size_t *ret_n)
{
    FILE *f = fopen(path, "re");
    struct stat st;
    unsigned char *p = NULL;
    if (f && fstat(fileno(f), &st) == 0 && (p = malloc((size_t)st.st_size + 1))) {
        *ret_n = fread(p, 1, (size_t)st.st_size, f);
        p[*ret_n] = 0;
    }
    if (f)
        fclose(f);
    return p;
}

int tail_check(const char *db)
{
    struct out path = {0};
    size_t n = 0;
    int r = 0;
    out_printf(&path, "%s/CURRENT", db); /* the MANIFEST's name and a newline */
    unsigned char *p = load(out_cstr(&path), &n);
    if (p) {
        out_reset(&path);
        out_printf(&path, "%s/%.*s", db, (int)strcspn((char *)p, "\n/"), (char *)p);
        free(p);
        if ((p = load(out_cstr(&path), &n)))
            r = check(out_cstr(&path), p, n);
        free(p);
    }
    out_fini(&path);
    return r;
}
