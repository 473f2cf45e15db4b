/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/eval/row.h"
#include "store/base/fail.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct digest scorer = {{1}};

static struct row parse(const char *line)
{
    struct row r = {0};
    enum row_reason why;
    ck_assert_msg(row_parse(line, strlen(line), &scorer, &r, &why) == 0, "%s: %s", line, fail_text());
    return r;
}

static void refused(const char *line, size_t n, enum row_reason want)
{
    struct row r = {0};
    enum row_reason why = ROW_FINE;
    char *exact = malloc(n + 1); /* ASan sees what lies behind */
    memcpy(exact, line, n);
    fail_clear();
    ck_assert_msg(row_parse(exact, n, &scorer, &r, &why) == -EINVAL, "taken: %.60s", line);
    ck_assert_msg(why == want, "%.60s: %s, not %s (%s)", line, row_reason_name(why), row_reason_name(want),
                  fail_text());
    ck_assert_str_ne(fail_text(), "");
    ck_assert_ptr_null(r.json);
    free(exact);
}
#define REFUSED(line, why) refused(line, sizeof(line) - 1, why)

static const char full[] =
    "{\"id\":\"tx-88121\",\"input\":{\"text\":\"caf\xc3\xa9\"},\"label\":\"fraud\","
    "\"slices\":[\"country=ES\"],\"tags\":[\"t\"],\"weight\":2.5,\"value\":{\"amount\":980.0},"
    "\"group\":\"cust-771\",\"source\":{\"kind\":\"failure\",\"version\":\"v3\"},"
    "\"reason\":\"missed\",\"added_by\":\"amy\",\"mine\":[1,null]}";

START_TEST(all_fields)
{
    struct row r = parse(full);
    ck_assert_str_eq(r.id, "tx-88121");
    ck_assert_str_eq(json_string_value(r.label), "fraud");
    ck_assert_double_eq(r.weight, 2.5);
    ck_assert_str_eq(r.group, "cust-771");
    ck_assert_int_eq(r.cohort, ROW_FAILURES);
    ck_assert(row_in_slice(&r, "country=ES") && !row_in_slice(&r, "country=E") && row_has_tag(&r, "t"));
    ck_assert_double_eq(json_number_value(json_object_get(r.value, "amount")), 980);
    row_fini(&r);
    row_fini(&r); /* empty again */
}
END_TEST

START_TEST(named_by_content)
{
    struct row a = parse("{\"input\":{\"b\":1,\"a\":2.0},\"label\":3}"),
               b = parse(" {\"label\":3.0,\"input\":{\"a\":2,\"b\":1}}");
    struct row c = parse("{\"input\":{\"b\":1,\"a\":2},\"label\":4}"),
               d = parse("{\"input\":{\"b\":1,\"a\":2}}");
    ck_assert(hash_equal(&a.digest, &b.digest) && !strcmp(a.id, b.id));
    ck_assert(!hash_equal(&a.digest, &c.digest) && hash_equal(&a.input_digest, &c.input_digest));
    ck_assert(!hash_equal(&a.digest, &d.digest) && !d.label && a.weight == 1 && a.cohort == ROW_CORE);
    char hex[HASH_HEX];
    hash_hex(&a.digest, hex);
    ck_assert(!strncmp(a.id, "r-", 2) && strlen(a.id) == 18 && !strncmp(a.id + 2, hex, 16));
    /* written out by hand: the digest is of this text */
    const char *text = "{\"input\":{\"a\":2,\"b\":1},\"label\":3,\"scorer\":"
                       "\"0100000000000000000000000000000000000000000000000000000000000000\"}";
    struct digest want;
    hash_sha256(text, strlen(text), &want);
    ck_assert(hash_equal(&a.digest, &want));
    hash_sha256("{\"a\":2,\"b\":1}", 13, &want);
    ck_assert(hash_equal(&a.input_digest, &want));
    row_fini(&a), row_fini(&b), row_fini(&c), row_fini(&d);
}
END_TEST

START_TEST(cohorts)
{
    static const struct {
        const char *rest;
        enum row_cohort want;
    } cases[] = {{"", ROW_CORE},
                 {",\"source\":{\"kind\":\"sample\"}", ROW_CORE},
                 {",\"source\":{\"version\":\"v1\"}", ROW_CORE},
                 {",\"source\":{\"kind\":\"adversarial\"}", ROW_FAILURES},
                 {",\"source\":{\"kind\":\"synthetic\"}", ROW_OTHER},
                 {",\"source\":{\"kind\":\"import\"}", ROW_OTHER},
                 {",\"tags\":[\"leak\"]", ROW_OTHER},
                 {",\"tags\":[\"must-pass\",\"leak\"]", ROW_MUST_PASS},
                 {",\"tags\":[\"must-pass\"],\"source\":{\"kind\":\"failure\"}", ROW_MUST_PASS}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[200];
        snprintf(line, sizeof line, "{\"input\":1%s}", cases[i].rest);
        struct row r = parse(line);
        ck_assert_msg(r.cohort == cases[i].want, "%s: %s", line, row_cohort_name(r.cohort));
        row_fini(&r);
    }
}
END_TEST

START_TEST(refusals)
{
    REFUSED("", ROW_BAD_JSON);
    REFUSED("{bad", ROW_BAD_JSON);
    REFUSED("[1]", ROW_BAD_JSON);
    REFUSED("{\"input\":1} x", ROW_BAD_JSON);
    REFUSED("{\"input\":1,\"input\":2}", ROW_BAD_JSON);
    REFUSED("{\"input\":\"a\\u0000b\"}", ROW_BAD_JSON);
    REFUSED("{\"input\":\"a\0b\"}", ROW_BAD_JSON);
    REFUSED("\xff\xfe{\"input\":1}", ROW_NOT_UTF8);
    REFUSED("{\"input\":\"\xed\xa0\x80\"}", ROW_NOT_UTF8);
    REFUSED("{\"input\":1e999}", ROW_NON_FINITE);
    REFUSED("{\"input\":NaN}", ROW_NON_FINITE);
    REFUSED("{\"input\":[1,Infinity]}", ROW_NON_FINITE);
    REFUSED("{\"input\":[-Infinity]}", ROW_NON_FINITE);
    REFUSED("{}", ROW_NO_INPUT);
    REFUSED("{\"input\":null}", ROW_NO_INPUT);
    REFUSED("{\"inputs\":1,\"label\":2}", ROW_NO_INPUT);
    REFUSED("{\"input\":1,\"label\":[1]}", ROW_BAD_LABEL);
    REFUSED("{\"input\":1,\"label\":{}}", ROW_BAD_LABEL);
    REFUSED("{\"input\":9007199254740993}", ROW_BAD_FIELD);
    REFUSED("{\"input\":1,\"id\":\"a/b\"}", ROW_BAD_FIELD);
    REFUSED("{\"input\":1,\"id\":\"..\"}", ROW_BAD_FIELD);
    REFUSED("{\"input\":1,\"id\":\"\"}", ROW_BAD_FIELD);
    REFUSED("{\"input\":1,\"id\":\"a\\nb\"}", ROW_BAD_FIELD);
    REFUSED("{\"input\":1,\"id\":1.5}", ROW_BAD_FIELD);
    REFUSED("{\"input\":1,\"weight\":-1}", ROW_BAD_FIELD);
    REFUSED("{\"input\":1,\"weight\":\"1\"}", ROW_BAD_FIELD);
    REFUSED("{\"input\":1,\"tags\":\"must-pass\"}", ROW_BAD_FIELD);
    REFUSED("{\"input\":1,\"slices\":[1]}", ROW_BAD_FIELD);
    REFUSED("{\"input\":1,\"value\":{\"amount\":\"980\"}}", ROW_BAD_FIELD);
    REFUSED("{\"input\":1,\"group\":[1]}", ROW_BAD_FIELD);
    REFUSED("{\"input\":1,\"source\":{\"kind\":\"faliure\"}}", ROW_BAD_FIELD);
    REFUSED("{\"input\":1,\"source\":\"failure\"}", ROW_BAD_FIELD);
    REFUSED("{\"input\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", ROW_BAD_JSON); /* 17 levels */
    struct row r = parse("{\"input\":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}");    /* 16 */
    row_fini(&r);
    char *big = malloc(ROW_MAX_BYTES + 2);
    memset(big, ' ', ROW_MAX_BYTES + 1);
    memcpy(big, "{\"input\":1}", 11);
    refused(big, ROW_MAX_BYTES + 1, ROW_TOO_BIG);
    enum row_reason why;
    ck_assert_int_eq(row_parse(big, ROW_MAX_BYTES, &scorer, &r, &why), 0);
    row_fini(&r);
    free(big);
}
END_TEST

START_TEST(every_prefix_is_refused)
{
    for (size_t n = 0; n < sizeof full - 1; n++) {
        struct row r = {0};
        enum row_reason why;
        char *exact = malloc(n ? n : 1);
        memcpy(exact, full, n);
        ck_assert_int_eq(row_parse(exact, n, &scorer, &r, &why), -EINVAL);
        free(exact);
    }
}
END_TEST

START_TEST(numbers_as_ids)
{
    struct row r = parse("{\"input\":1,\"id\":17,\"group\":-3,\"weight\":null,\"label\":null}");
    ck_assert_str_eq(r.id, "17");
    ck_assert_str_eq(r.group, "-3");
    ck_assert(!r.label && r.weight == 1);
    row_fini(&r);
}
END_TEST

START_TEST(nobody_forges_the_stamp)
{
    struct row
        r = parse("{\"input\":1,\"row\":99,\"rev\":9,\"uid\":0,\"pid\":1,\"digest\":\"x\",\"input_digest\":1,"
                  "\"added_at\":\"1970-01-01T00:00:00Z\"}"),
        again = {0};
    struct row_stamp stamp = {.row = 7, .rev = 3, .added_at = 1717754400, .uid = 1000, .pid = 4242}, back;
    struct out o = {0};
    row_format(&r, &stamp, &o);
    char hex[HASH_HEX], id[HASH_HEX], want[400];
    hash_hex(&r.digest, id);
    hash_hex(&r.input_digest, hex);
    snprintf(want, sizeof want,
             "{\"added_at\":\"2024-06-07T10:00:00Z\",\"digest\":\"%s\",\"id\":\"r-%.16s\",\"input\":1,"
             "\"input_digest\":\"%s\",\"pid\":4242,\"rev\":3,\"row\":7,\"uid\":1000}",
             id, id, hex);
    ck_assert_str_eq(out_cstr(&o), want);

    ck_assert_int_eq(row_load(o.p, o.n, &scorer, &again, &back), 0);
    ck_assert(hash_equal(&again.digest, &r.digest) && !strcmp(again.id, r.id));
    ck_assert(back.row == 7 && back.rev == 3 && back.added_at == stamp.added_at && back.uid == 1000 &&
              back.pid == 4242);
    struct out twice = {0};
    row_format(&again, &back, &twice);
    ck_assert_str_eq(out_cstr(&twice), want); /* a fixed point */
    row_fini(&again);

    again = parse(out_cstr(&o)); /* a line copied out of examples.jsonl */
    ck_assert(hash_equal(&again.digest, &r.digest));
    ck_assert_ptr_null(json_object_get(again.json, "row"));
    row_fini(&again);
    ck_assert_int_eq(row_load("{\"input\":1}", 11, &scorer, &again, &back), -EBADMSG);
    out_fini(&o), out_fini(&twice), row_fini(&r);
}
END_TEST

START_TEST(merging)
{
    struct row a = parse("{\"input\":1,\"slices\":[\"x\"]}");
    struct row b = parse("{\"input\":1,\"slices\":[\"x\",\"y\"],\"tags\":[\"must-pass\"]}");
    ck_assert_int_eq(row_merge(&a, &b), 1);
    ck_assert(row_in_slice(&a, "x") && row_in_slice(&a, "y") && json_array_size(a.slices) == 2);
    ck_assert_int_eq(a.cohort, ROW_MUST_PASS);
    ck_assert_int_eq(row_merge(&a, &b), 0);
    row_fini(&a), row_fini(&b);
}
END_TEST

START_TEST(label_texts)
{
    static const char *const cases[][2] = {
        {"\"a \\\"b\\\"\"", "a \"b\""}, {"3", "3"}, {"3.0", "3"}, {"-0.5", "-0.5"}, {"true", "true"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[80];
        snprintf(line, sizeof line, "{\"input\":1,\"label\":%s}", cases[i][0]);
        struct row r = parse(line);
        struct out o = {0};
        row_label_text(r.label, &o);
        ck_assert_str_eq(out_cstr(&o), cases[i][1]);
        out_fini(&o), row_fini(&r);
    }
}
END_TEST

START_TEST(committed_series)
{
    static const char *const paths[] = {
        "tests/data/digits/examples.jsonl", "tests/data/breast_cancer/examples.jsonl",
        "tests/data/switch/examples.jsonl", "tests/data/diabetes/examples.jsonl"};
    for (size_t i = 0; i < 4; i++) {
        char *text = unit_read_file(paths[i], NULL), *next = text;
        size_t rows = 0;
        for (char *end; (end = strchr(next, '\n')); next = end + 1, rows++) {
            *end = 0;
            struct row r = parse(next);
            row_fini(&r);
        }
        ck_assert_uint_gt(rows, 50);
        free(text);
    }
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("row");
    TCase *t = tcase_create("all");
    tcase_add_test(t, all_fields);
    tcase_add_test(t, named_by_content);
    tcase_add_test(t, cohorts);
    tcase_add_test(t, refusals);
    tcase_add_test(t, every_prefix_is_refused);
    tcase_add_test(t, numbers_as_ids);
    tcase_add_test(t, nobody_forges_the_stamp);
    tcase_add_test(t, merging);
    tcase_add_test(t, label_texts);
    tcase_add_test(t, committed_series);
    suite_add_tcase(s, t);
    return s;
}
