/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable bytes with a sticky error: whoever writes a report or a record never checks, the framework looks
 * once at the end (out_error). Zero-initialised is empty and valid.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct out {
    char *p; /* n bytes, not NUL-terminated (see out_cstr) */
    size_t n;
    size_t cap;
    int err; /* 0, or -ENOMEM: later writes are ignored */
};

void out_fini(struct out *o);  /* frees the bytes; o is empty again; NULL is fine */
void out_reset(struct out *o); /* n = 0, keeps the memory and clears the error */
void out_write(struct out *o, const void *p, size_t n);
void out_str(struct out *o, const char *s);
void out_char(struct out *o, char c);
void out_printf(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *out_cstr(struct out *o);          /* the bytes, NUL-terminated; "" after an error; owned by o */
char *out_take(struct out *o, size_t *ret_n); /* the caller frees them; NULL after an error */
static inline int out_error(const struct out *o)
{
    return o->err;
}

/* User text for a terminal or a .txt/.md report: C0 but \n kept out, DEL, C1, bidirectional controls and
 * invalid UTF-8 become \xNN. With max > 0 at most max columns, cut with "~". Newlines become spaces. */
void out_text(struct out *o, const char *s, size_t n, size_t max);

/* User text inside Markdown or HTML: as out_text, and what either would read as more than text (links and
 * mentions too) becomes a character reference. */
void out_markup(struct out *o, const char *s, size_t n, size_t max);

/* One CSV field by RFC 4180, safe in a spreadsheet: a field that starts with = + - @ TAB CR and is not wholly
 * a number gets a leading '. Call out_csv* for each field of a row, then out_csv_end. */
void out_csv(struct out *o, const char *s);
void out_csv_n(struct out *o, const char *s, size_t n);
void out_csv_num(struct out *o, double x); /* %.9g; empty when NaN */
void out_csv_u64(struct out *o, uint64_t x);
void out_csv_i64(struct out *o, int64_t x);
void out_csv_empty(struct out *o);
void out_csv_end(struct out *o); /* ends the row with LF */
