/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/arena.h"
#include "store/base/canon.h"
#include "store/base/fail.h"
#include "store/base/utf8.h"
#include "store/base/wire.h"
#include "tests/unit/unit.h"
#include <math.h>
#include <stdlib.h>

/* --- canon: RFC 8785 --- */

static const struct {
    uint64_t bits;
    const char *text;
} numbers[] = {
    /* appendix B */
    {0x0000000000000000, "0"},
    {0x8000000000000000, "0"},
    {0x0000000000000001, "5e-324"},
    {0x8000000000000001, "-5e-324"},
    {0x7fefffffffffffff, "1.7976931348623157e+308"},
    {0xffefffffffffffff, "-1.7976931348623157e+308"},
    {0x4340000000000000, "9007199254740992"},
    {0xc340000000000000, "-9007199254740992"},
    {0x4430000000000000, "295147905179352830000"},
    {0x44b52d02c7e14af5, "9.999999999999997e+22"},
    {0x44b52d02c7e14af6, "1e+23"},
    {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
    {0x444b1ae4d6e2ef4e, "999999999999999700000"},
    {0x444b1ae4d6e2ef4f, "999999999999999900000"},
    {0x444b1ae4d6e2ef50, "1e+21"},
    {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
    {0x3eb0c6f7a0b5ed8d, "0.000001"},
    {0x41b3de4355555553, "333333333.3333332"},
    {0x41b3de4355555554, "333333333.33333325"},
    {0x41b3de4355555555, "333333333.3333333"},
    {0x41b3de4355555556, "333333333.3333334"},
    {0x41b3de4355555557, "333333333.33333343"},
    {0xbecbf647612f3696, "-0.0000033333333333333333"},
    {0x43143ff3c1cb0959, "1424953923781206.2"},
};

START_TEST(canon_numbers)
{
    double x;
    memcpy(&x, &numbers[_i].bits, 8);
    json_t *v = json_real(x);
    struct out o = {0};
    canon_format(v, &o);
    ck_assert_str_eq(out_cstr(&o), numbers[_i].text);
    out_fini(&o);
    json_decref(v);
}
END_TEST

/* Sections 3.2.2 and 3.2.3, and what follows from them. */
static const char *const canonical[][2] = {
    {"{\"numbers\": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],\n"
     "\"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\", \"literals\": [null, true, "
     "false]}",
     "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
     "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"},
    {"{\"\\u20ac\":\"Euro\",\"\\r\":\"CR\",\"\\ufb33\":\"Dalet\",\"1\":\"One\",\"\\ud83d\\ude00\":\"Grin\","
     "\"\\u0080\":\"Control\",\"\\u00f6\":\"O\"}",
     "{\"\\r\":\"CR\",\"1\":\"One\",\"\xc2\x80\":\"Control\",\"\xc3\xb6\":\"O\",\"\xe2\x82\xac\":\"Euro\","
     "\"\xf0\x9f\x98\x80\":\"Grin\",\"\xef\xac\xb3\":\"Dalet\"}"},
    {"{\"b\":{\"d\":1,\"c\":-0.0},\"a\":[]}", "{\"a\":[],\"b\":{\"c\":0,\"d\":1}}"},
    {"{\"aa\":1,\"a\":2,\"\":3}", "{\"\":3,\"a\":2,\"aa\":1}"},
    {" 7 ", "7"},
    {"[1e2,100,-5,10.0]", "[100,100,-5,10]"},
    {"[1e19,1,-9223372036854775809,0.5]", "[10000000000000000000,1,-9223372036854776000,0.5]"},
};

START_TEST(canon_values)
{
    json_t *v;
    struct out o = {0};
    ck_assert_int_eq(canon_parse("x", canonical[_i][0], strlen(canonical[_i][0]), 8, &v), 0);
    canon_format(v, &o);
    ck_assert_str_eq(out_cstr(&o), canonical[_i][1]);
    json_decref(v);
    ck_assert_int_eq(canon_parse("x", o.p, o.n, 8, &v), 0); /* canonical again */
    struct digest d, e;
    hash_sha256(o.p, o.n, &d);
    ck_assert_int_eq(canon_digest(v, &e), 0);
    ck_assert(hash_equal(&d, &e));
    out_fini(&o);
    json_decref(v);
}
END_TEST

START_TEST(canon_refuses)
{
    static const char *const bad[][2] = {
        {"", "JSON"},
        {"{\"a\":1,\"a\":2}", "duplicate"},
        {"1 2", "JSON"},
        {"1e999", "JSON"},
        {"NaN", "JSON"},
        {"\"a\\u0000b\"", "NUL"},
        {"\"\xff\"", "JSON"},
        {"\"\\ud800\"", "JSON"},
        {"[[[[[1]]]]]", "nested deeper than 4 levels (byte 4)"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *v;
        ck_assert_int_eq(canon_parse("rows", bad[i][0], strlen(bad[i][0]), 4, &v), -EBADMSG);
        ck_assert_msg(strncmp(fail_text(), "rows: ", 6) == 0 && strstr(fail_text(), bad[i][1]), "%s",
                      fail_text());
    }
    json_t *v; /* brackets in strings are no levels */
    ck_assert_int_eq(canon_parse("x", "\"[[[[[\\\"[[[\"", 12, 4, &v), 0);
    json_decref(v);
}
END_TEST

/* --- out --- */

START_TEST(out_grows)
{
    struct out o = {0};
    ck_assert_str_eq(out_cstr(&o), "");
    for (int i = 0; i < 1000; i++)
        out_printf(&o, "%d,", i);
    out_str(&o, "end");
    ck_assert_uint_eq(strlen(out_cstr(&o)), o.n);
    ck_assert_str_eq(o.p + o.n - 7, "999,end");
    size_t n;
    char *p = out_take(&o, &n);
    ck_assert(o.p == NULL && o.n == 0 && strlen(p) == n);
    free(p);
    o.err = -ENOMEM; /* sticky: later writes are ignored */
    out_str(&o, "x");
    ck_assert(o.n == 0 && out_error(&o) == -ENOMEM && out_take(&o, &n) == NULL);
    out_fini(NULL);
}
END_TEST

#define S(s) s, sizeof(s) - 1
START_TEST(out_text_is_inert)
{
    static const struct {
        const char *in;
        size_t n, max;
        const char *text;
    } cases[] = {
        {S("plain"), 0, "plain"},
        {S("h\xc3\xa9"), 0, "h\xc3\xa9"},
        {S("a\nb"), 0, "a b"},
        {S("\x1b]52;c;cm0gLXJm\x07"), 0, "\\x1b]52;c;cm0gLXJm\\x07"},
        {S("ok\rFAIL"), 0, "ok\\x0dFAIL"},
        {S("\xe2\x80\xae"
           "x"),
         0, "\\xe2\\x80\\xaex"}, /* U+202E turns the direction */
        {S("\xc2\x9b"
           "2J"),
         0, "\\xc2\\x9b2J"}, /* C1 */
        {S("\xff\xfe"), 0, "\\xff\\xfe"},
        {S("\xc0\xaf"), 0, "\\xc0\\xaf"}, /* overlong */
        {S("a\0b"), 0, "a\\x00b"},
        {S("\x7f"), 0, "\\x7f"},
        {S("%n%s%s"), 0, "%n%s%s"},
        {S("12345"), 5, "12345"},
        {S("123456"), 5, "1234~"},
        {S("123\x1b"), 5, "123~"},
        {S("\xc3\xa9\xc3\xa9\xc3\xa9"), 2, "\xc3\xa9~"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct out o = {0};
        out_text(&o, cases[i].in, cases[i].n, cases[i].max);
        ck_assert_str_eq(out_cstr(&o), cases[i].text);
        out_fini(&o);
    }
}
END_TEST

START_TEST(out_csv_is_inert)
{
    static const char *const fields[][2] = {
        {"plain", "plain\n"},
        {"a,b", "\"a,b\"\n"},
        {"say \"x\"", "\"say \"\"x\"\"\"\n"},
        {"", "\"\"\n"},
        {"=cmd|'/C calc'!A0", "\"'=cmd|'/C calc'!A0\"\n"},
        {"\t=1", "\"'\\x09=1\"\n"},
        {"@x", "\"'@x\"\n"},
        {"+x", "\"'+x\"\n"},
        {"-2+3+cmd|x", "\"'-2+3+cmd|x\"\n"},
        {"-2.5e3", "-2.5e3\n"},
        {"+1", "+1\n"},
        {"\xef\xbc\x9d"
         "1",
         "\"'\xef\xbc\x9d"
         "1\"\n"},
        {"a\x1b", "a\\x1b\n"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct out o = {0};
        out_csv(&o, fields[i][0]);
        out_csv_end(&o);
        ck_assert_str_eq(out_cstr(&o), fields[i][1]);
        out_fini(&o);
    }
    struct out o = {0};
    for (int row = 0; row < 2; row++) {
        out_csv(&o, "a");
        out_csv_empty(&o);
        out_csv_num(&o, 0.1);
        out_csv_num(&o, NAN);
        out_csv_num(&o, -0.0);
        out_csv_u64(&o, UINT64_MAX);
        out_csv_i64(&o, INT64_MIN);
        out_csv_end(&o);
    }
    ck_assert_str_eq(out_cstr(&o), "a,,0.1,,0,18446744073709551615,-9223372036854775808\n"
                                   "a,,0.1,,0,18446744073709551615,-9223372036854775808\n");
    out_fini(&o);
}
END_TEST

/* --- wire --- */

START_TEST(wire_round_trip)
{
    struct out o = {0};
    struct digest d, e;
    memset(d.b, 0xa5, sizeof d.b);
    wire_put_u8(&o, 0xfe);
    wire_put_u16(&o, 0xfedc);
    wire_put_u32(&o, 0xfedcba98);
    wire_put_u64(&o, 0xfedcba9876543210);
    wire_put_f64(&o, -0.1);
    wire_put_digest(&o, &d);
    wire_put_str(&o, "name");
    wire_put_bytes(&o, NULL, 0);
    wire_put_be32(&o, 1);
    wire_put_be64(&o, 2);
    ck_assert_mem_eq(o.p, "\xfe\xdc\xfe\x98\xba\xdc\xfe\x10\x32\x54\x76\x98\xba\xdc\xfe", 15);
    ck_assert_mem_eq(o.p + o.n - 12, "\0\0\0\1\0\0\0\0\0\0\0\2", 12);
    for (size_t cut = 0; cut <= o.n; cut++) { /* whole, and ended at every byte */
        char *exact = malloc(cut ? cut : 1);
        memcpy(exact, o.p, cut);
        struct wire w = wire_read(exact, cut);
        uint64_t a = wire_u8(&w), b = wire_u16(&w), c = wire_u32(&w), x = wire_u64(&w);
        double f = wire_f64(&w);
        wire_digest(&w, &e);
        size_t n, none;
        const char *s = wire_bytes(&w, &n), *empty = wire_bytes(&w, &none);
        uint64_t y = wire_be32(&w), z = wire_be64(&w);
        if (cut == o.n) {
            ck_assert(a == 0xfe && b == 0xfedc && c == 0xfedcba98 && x == 0xfedcba9876543210 && f == -0.1);
            ck_assert(hash_equal(&d, &e) && n == 4 && memcmp(s, "name", 4) == 0 && none == 0 && empty);
            ck_assert(y == 1 && z == 2 && wire_done(&w) == 0);
        } else {
            ck_assert_int_eq(wire_done(&w), -EBADMSG);
            ck_assert(wire_left(&w) == 0 && wire_u64(&w) == 0);
        }
        free(exact);
    }
    struct wire w = wire_read(o.p, o.n);
    wire_u8(&w);
    ck_assert_int_eq(wire_done(&w), -EBADMSG); /* something left over */
    w = wire_read("\xff\xff\xff\xff"
                  "abc",
                  7);
    size_t n;
    ck_assert(wire_bytes(&w, &n)[0] == 0 && n == 0 && w.bad);
    out_fini(&o);
}
END_TEST

/* --- hash --- */

START_TEST(hash_vectors)
{
    struct digest d, e;
    char hex[HASH_HEX];
    hash_sha256("abc", 3, &d); /* FIPS 180-2 */
    hash_hex(&d, hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert_int_eq(hash_parse(hex, &e), 0);
    ck_assert(hash_equal(&d, &e) && !hash_is_zero(&d));
    struct hash *h = hash_new();
    for (int again = 0; again < 2; again++) {
        hash_update(h, "a", 1);
        hash_update(h, "bc", 2);
        hash_final(h, &e);
        ck_assert(hash_equal(&d, &e));
    }
    hash_free(h);
    hash_free(NULL);
    ck_assert_uint_eq(hash_xxh3("", 0), 0x2d06800538d394c2);
    static const char *const bad[] = {"", "ba78",
                                      "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
                                      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0",
                                      "ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(hash_parse(bad[i], &e), -EINVAL);
    ck_assert(hash_equal(&d, &e)); /* untouched */
}
END_TEST

/* --- arena, fail, utf8 --- */

START_TEST(arena_holds)
{
    static const unsigned char zeros[2000];
    struct arena a = {0};
    char *first = arena_strdup(&a, "first");
    for (size_t i = 0; i < 2000; i++) {
        unsigned char *p = arena_alloc(&a, i);
        ck_assert(p && ((uintptr_t)p & 15) == 0);
        ck_assert(memcmp(p, zeros, i) == 0);
        memset(p, 0xff, i);
    }
    char *big = arena_alloc(&a, 100000);
    memset(big, 1, 100000);
    ck_assert_str_eq(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
    ck_assert_str_eq(arena_strndup(&a, "abc", 2), "ab");
    ck_assert_str_eq(first, "first");
    ck_assert_ptr_null(arena_array(&a, SIZE_MAX / 2, 3));
    ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
    ck_assert_ptr_null(arena_strndup(&a, "", SIZE_MAX));
    arena_fini(&a);
    arena_fini(NULL);
    struct arena limited = {.limit = 1000};
    ck_assert_ptr_null(arena_alloc(&limited, 1001));
    ck_assert_ptr_nonnull(arena_alloc(&limited, 900));
    ck_assert_ptr_null(arena_alloc(&limited, 200));
    ck_assert_ptr_nonnull(arena_alloc(&limited, 80));
    arena_fini(&limited);
}
END_TEST

START_TEST(fail_is_said_once)
{
    ck_assert_int_eq((fail)(-EIO, "%s: broken", "disk"), -EIO); /* not the macro of check.h */
    fail_hint("modelfs check %s", "r");
    ck_assert_str_eq(fail_hint_text(), "modelfs check r");
    ck_assert_str_eq(fail_describe(-EIO), "disk: broken");
    ck_assert_str_eq(fail_describe(-ENOENT), "No such file or directory");
    (fail)(-EBADMSG, "again: %s", fail_text());
    ck_assert_str_eq(fail_text(), "again: disk: broken");
    ck_assert_str_eq(fail_hint_text(), "");
    fail_clear();
    ck_assert_str_eq(fail_text(), "");
    char big[5000];
    memset(big, 'x', sizeof big);
    big[sizeof big - 1] = 0;
    (fail)(-EIO, "%s", big);
    ck_assert_uint_lt(strlen(fail_text()), sizeof big - 1);
}
END_TEST

START_TEST(utf8)
{
    static const struct {
        const char *s;
        size_t n, length; /* 0: invalid */
        uint32_t c;
    } cases[] = {
        {S("a"), 1, 'a'},
        {S("\x7f"), 1, 0x7f},
        {S("\xc2\x80"), 2, 0x80},
        {S("\xdf\xbf"), 2, 0x7ff},
        {S("\xe0\xa0\x80"), 3, 0x800},
        {S("\xed\x9f\xbf"), 3, 0xd7ff},
        {S("\xee\x80\x80"), 3, 0xe000},
        {S("\xf0\x90\x80\x80"), 4, 0x10000},
        {S("\xf4\x8f\xbf\xbf"), 4, 0x10ffff},
        {S(""), 0, 0},
        {S("\x80"), 0, 0},
        {S("\xc0\x80"), 0, 0},
        {S("\xc1\xbf"), 0, 0},
        {S("\xe0\x9f\xbf"), 0, 0},
        {S("\xed\xa0\x80"), 0, 0}, /* a surrogate */
        {S("\xf0\x8f\xbf\xbf"), 0, 0},
        {S("\xf4\x90\x80\x80"), 0, 0},
        {S("\xf5\x80\x80\x80"), 0, 0},
        {S("\xe2\x82"), 0, 0},
        {S("\xe2\x28\xa1"), 0, 0},
        {S("\xff"), 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t c = 0;
        ck_assert_uint_eq(utf8_next(cases[i].s, cases[i].n, &c), cases[i].length);
        ck_assert_uint_eq(c, cases[i].c);
        ck_assert_int_eq(utf8_valid(cases[i].s, cases[i].n), cases[i].length != 0 || cases[i].n == 0);
    }
    ck_assert(utf8_valid("h\xc3\xa9llo", 6) && !utf8_valid("h\xc3", 2));
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("base");
    TCase *c = tcase_create("base");
    tcase_add_loop_test(c, canon_numbers, 0, sizeof numbers / sizeof *numbers);
    tcase_add_loop_test(c, canon_values, 0, sizeof canonical / sizeof *canonical);
    tcase_add_test(c, canon_refuses);
    tcase_add_test(c, out_grows);
    tcase_add_test(c, out_text_is_inert);
    tcase_add_test(c, out_csv_is_inert);
    tcase_add_test(c, wire_round_trip);
    tcase_add_test(c, hash_vectors);
    tcase_add_test(c, arena_holds);
    tcase_add_test(c, fail_is_said_once);
    tcase_add_test(c, utf8);
    suite_add_tcase(s, c);
    return s;
}
