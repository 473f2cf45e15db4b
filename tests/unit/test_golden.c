/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reports about fixed versions, byte for byte as tests/golden has them: checkpoints of tests/data and a
 * few made up here, committed with a fixed author, time and mtimes, so that every digest is fixed too. `make
 * golden` (GOLDEN=write) rewrites them; the difference is for a reviewer to read.
 */
#include "fs/eval/eval.h"
#include "fs/report/report.h"
#include "tests/unit/trees.h"
#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <time.h>

#define NOW INT64_C(1767225600000000000) /* 2026-01-01 00:00 UTC */

/* Copies the regular files of a folder of tests/data, with fixed times and modes. */
static char *fixed(const char *name, const char *from)
{
    char *dir = trees_path(name), path[4600];
    mkdir(dir, 0755);
    DIR *d = from ? opendir(from) : NULL;
    ck_assert(d || !from);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        size_t n;
        snprintf(path, sizeof path, "%s/%s", from, e->d_name);
        char *p = unit_read_file(path, &n);
        trees_write(dir, e->d_name, p, n);
        free(p);
    }
    if (d)
        closedir(d);
    return dir;
}

static void commit(struct store *s, const char *dir, const char *message, const char *lineage)
{
    struct out doc = {0};
    struct commit_result c;
    char path[4600];
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.') {
            const struct timespec t[2] = {{NOW / 1000000000, 0}, {NOW / 1000000000, 0}};
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
            ck_assert_int_eq(utimensat(AT_FDCWD, path, t, 0), 0);
            ck_assert_int_eq(chmod(path, 0644), 0);
        }
    closedir(d);
    struct prepare p = {.repo = store_path(s),
                        .paths = &dir,
                        .npaths = 1,
                        .message = message,
                        .author = "amy",
                        .time_ns = NOW,
                        .lineage = lineage,
                        .auto_parent = 1};
    struct prepare_owner owner = prepare_direct(s);
    ck_ok(prepare_run(&p, &owner, &doc));
    ck_ok(commit_apply(s, doc.p, doc.n, &c));
    out_fini(&doc);
}

static char *render(struct store *s, struct eval *e, const struct report *r, uint32_t a, uint32_t b,
                    size_t *ret_n)
{
    struct arena arena = {0};
    struct out o = {0};
    struct subject subject = {.store = s, .eval = e, .arena = &arena};
    ck_ok(version_by_number(s, a, &subject.a));
    if (b)
        ck_ok(version_by_number(s, b, &subject.b));
    ck_ok(r->render(&subject, &o));
    ck_ok(out_error(&o));
    version_unref(subject.a);
    version_unref(subject.b);
    arena_fini(&arena);
    return out_take(&o, ret_n);
}

/* How many bytes a chunk takes is zstd's affair, and another release may do better. */
static void hide_stored(char *text)
{
    static const char word[] = ", stored in ";
    for (char *p = text; (p = strstr(p, word)) != NULL;) {
        char *from = p + sizeof word - 1, *end = strchr(from, '\n');
        *from = '?';
        memmove(from + 1, end, strlen(end) + 1);
        p = from;
    }
}

static void expect(struct store *s, struct eval *e, const char *repo, const struct report *r, uint32_t a,
                   uint32_t b)
{
    char path[256];
    size_t n, want_n;
    char *text = render(s, e, r, a, b, &n);
    if (b)
        snprintf(path, sizeof path, "tests/golden/%s.v%u..v%u.%s", repo, a, b, r->name);
    else
        snprintf(path, sizeof path, "tests/golden/%s.v%u.%s", repo, a, r->name);
    hide_stored(text);
    n = strlen(text);
    if (getenv("GOLDEN") && strcmp(getenv("GOLDEN"), "write") == 0) {
        unit_write_file(path, text, n);
    } else {
        char *want = unit_read_file(path, &want_n);
        ck_assert_msg(n == want_n && memcmp(text, want, n) == 0, "%s is not what is rendered:\n%s", path,
                      text);
        free(want);
    }
    if (strcmp(r->name, "summary.txt") == 0) {
        int lines = 0;
        for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1, lines++)
            ck_assert_msg(end - line <= 80, "%s: %.*s", path, (int)(end - line), line);
        ck_assert_int_le(lines, 45);
    }
    free(text);
}

static void open_eval(struct store *s, struct eval **ret)
{
    ck_ok(eval_open(s, ret));
}

static const char *const digits[][2] = {{"v1-baseline", "baseline, 20 epochs"},
                                        {"v2-longer", "12 epochs more"},
                                        {"v3-finetune", "head only, shifted digits too"},
                                        {"v4-lowrank", "LoRA of rank 4"},
                                        {"v5-cast", "in bf16"}};

static struct store *digits_repo(void)
{
    static const char *const lineage[] = {
        "{\"code\":{\"commit\":{\"v\":\"1111111111111111111111111111111111111111\",\"how\":\"observed\"}}}",
        "{\"code\":{\"commit\":{\"v\":\"2222222222222222222222222222222222222222\",\"how\":\"observed\"},"
        "\"dirty\":{\"v\":false,\"how\":\"observed\"},\"commits\":{\"v\":3,\"how\":\"observed\"},"
        "\"files\":{\"v\":5,\"how\":\"observed\"},\"added\":{\"v\":81,\"how\":\"observed\"},"
        "\"removed\":{\"v\":20,\"how\":\"observed\"}},\"data\":{\"n_rows\":{\"v\":600,\"how\":\"declared\"}},"
        "\"hardware\":{\"train\":{\"accelerator\":{\"v\":\"H100\",\"how\":\"declared\"}}}}",
        NULL, NULL, NULL};
    struct store *s = trees_repo("digits");
    for (size_t i = 0; i < 5; i++) {
        char from[256];
        snprintf(from, sizeof from, "tests/data/digits/%s", digits[i][0]);
        commit(s, fixed(digits[i][0], from), digits[i][1], lineage[i]);
    }
    return s;
}

extern const struct report report_diff_summary;

START_TEST(networks)
{
    struct store *s = digits_repo();
    struct eval *e;
    open_eval(s, &e);
    for (uint32_t v = 1; v < 5; v++)
        expect(s, e, "digits", &report_diff_summary, v, v + 1);
    expect(s, e, "digits", &report_diff_summary, 3, 3);
    expect(s, e, "digits", &report_diff_blocks, 3, 4);
    expect(s, e, "digits", &report_diff_tensors, 4, 5);
    expect(s, e, "digits", &report_diff_files, 1, 2);
    expect(s, e, "digits", &report_diff_lineage, 1, 2);
    expect(s, e, "digits", &report_diff_config, 1, 2);
    expect(s, e, "digits", &report_info_summary, 2, 0);
    expect(s, e, "digits", &report_info_tensors, 3, 0);
    expect(s, e, "digits", &report_info_lineage, 2, 0);
    eval_close(e);
    store_close(s);
}
END_TEST

START_TEST(boosters_and_a_switch)
{
    struct store *s = trees_repo("boosters");
    struct eval *e;
    static const char *const from[] = {"tests/data/breast_cancer/v1-10-rounds",
                                       "tests/data/breast_cancer/v2-60-rounds",
                                       "tests/data/breast_cancer/v3-retrained",
                                       "tests/data/switch/v2-booster-longer", "tests/data/switch/v3-network"};
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        commit(s, fixed(name, from[i]), strrchr(from[i], '/') + 1, NULL);
    }
    open_eval(s, &e);
    for (uint32_t v = 1; v < 5; v++)
        expect(s, e, "boosters", &report_diff_summary, v, v + 1);
    expect(s, e, "boosters", &report_info_summary, 2, 0);
    expect(s, e, "boosters", &report_info_summary, 5, 0);
    eval_close(e);
    store_close(s);
}
END_TEST

/* With an evaluation set: the whole screen. XGBoost's numbers are the same on every processor. */
START_TEST(with_behaviour)
{
    struct store *s = trees_repo("scored");
    struct eval *e;
    static const char *const from[] = {"tests/data/breast_cancer/v1-10-rounds",
                                       "tests/data/breast_cancer/v2-60-rounds",
                                       "tests/data/breast_cancer/v3-retrained"};
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        commit(s, fixed(name, from[i]), strrchr(from[i], '/') + 1, NULL);
    }
    open_eval(s, &e);
    size_t n;
    char *rows = unit_read_file("tests/data/breast_cancer/examples.jsonl", &n);
    struct eval_added added;
    ck_ok(eval_append(e, &(struct eval_writer){.name = "amy"}, rows, n, &added));
    ck_assert_uint_eq(added.rejected, 0);
    free(rows);
    expect(s, e, "scored", &report_info_summary, 1, 0); /* nothing is known yet, and nothing is run */
    expect(s, e, "scored", &report_diff_summary, 1, 2);
    expect(s, e, "scored", &report_diff_summary, 2, 3);
    expect(s, e, "scored", &report_diff_review, 1, 2);
    expect(s, e, "scored", &report_diff_gate, 1, 2);
    expect(s, e, "scored", &report_diff_verdict, 1, 2);
    expect(s, e, "scored", &report_diff_page, 1, 2);
    expect(s, e, "scored", &report_info_card, 2, 0);
    expect(s, e, "scored", &report_info_summary, 2, 0);
    eval_close(e);
    store_close(s);
}
END_TEST

/* A network of `layers` layers whose weights depend on the seeds; the last value is NaN when asked for. */
static void write_seeded(const char *dir, int layers, int classes, uint64_t changed, int nan, uint64_t seed)
{
    struct out head = {0}, body = {0}, all = {0};
    out_char(&head, '{');
    for (int i = 0; i < layers + 2; i++) {
        char name[64];
        size_t n = i == layers + 1 ? 16 * (size_t)classes : 256;
        snprintf(name, sizeof name,
                 i == 0       ? "bert.embeddings.word.weight"
                 : i > layers ? "classifier.weight"
                              : "bert.encoder.layer.%d.dense.weight",
                 i - 1);
        out_printf(&head, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%zu,16],\"data_offsets\":[%zu,%zu]}",
                   i ? "," : "", name, n / 16, body.n, body.n + 4 * n);
        for (size_t k = 0; k < n; k++) {
            float x = (float)((double)(int64_t)trees_random(&seed) * 0x1p-63);
            if (changed >> i & 1)
                x += (float)(1e-4 * (i + 1) * ((int)(k % 5) - 2));
            if (nan && i == 2 && k < 3)
                x = NAN;
            out_write(&body, &x, 4);
        }
    }
    out_char(&head, '}');
    uint64_t n = head.n;
    out_write(&all, &n, 8);
    out_write(&all, head.p, head.n);
    out_write(&all, body.p, body.n);
    trees_write(dir, "model.safetensors", all.p, all.n);
    out_fini(&head);
    out_fini(&body);
    out_fini(&all);
}

static void write_network(const char *dir, int layers, int classes, uint64_t changed, int nan)
{
    write_seeded(dir, layers, classes, changed, nan, 1);
}

START_TEST(alerts_and_shapes)
{
    struct store *s = trees_repo("made");
    struct eval *e;
    static const struct {
        const char *name;
        int layers, classes;
        uint64_t changed;
        int nan;
    } v[] = {{"base", 12, 2, 0, 0},
             {"layers", 12, 2, 0x30, 0},
             {"nan", 12, 2, 0x30, 1},
             {"class", 12, 3, 0, 0},
             {"all", 40, 2, UINT64_MAX, 0}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        char *dir = fixed(v[i].name, NULL);
        write_network(dir, v[i].layers, v[i].classes, v[i].changed, v[i].nan);
        trees_write(dir, "notes.txt", v[i].name, strlen(v[i].name));
        commit(s, dir, v[i].name, NULL);
    }
    char *dir = fixed("broken", NULL); /* a header that ends nowhere */
    trees_write(dir, "model.safetensors", "\x40\0\0\0\0\0\0\0{\"a", 11);
    commit(s, dir, "broken", NULL);
    static const char *const dtypes[] = {"F32", "I8"}; /* tensors added; tensors of another kind of number */
    for (size_t i = 0; i < 2; i++) {
        struct trees_tensor t[] = {{"exp_avg", dtypes[i], i ? 1 : 4, 100}};
        uint64_t seed = 3;
        size_t n;
        uint8_t *p = trees_safetensors(&seed, t, 1, &n);
        dir = fixed(dtypes[i], NULL);
        write_network(dir, 12, 2, 0, 0);
        trees_write(dir, "state.safetensors", p, n);
        commit(s, dir, dtypes[i], NULL);
        free(p);
    }
    open_eval(s, &e);
    expect(s, e, "made", &report_diff_summary, 1, 2);
    expect(s, e, "made", &report_diff_summary, 2, 3);
    expect(s, e, "made", &report_diff_summary, 1, 4);
    expect(s, e, "made", &report_diff_summary, 1, 5);
    expect(s, e, "made", &report_diff_summary, 1, 6);
    expect(s, e, "made", &report_diff_summary, 1, 7);
    expect(s, e, "made", &report_diff_summary, 7, 8);
    expect(s, e, "made", &report_diff_tensors, 2, 3);
    expect(s, e, "made", &report_info_summary, 5, 0);
    expect(s, e, "made", &report_info_summary, 6, 0);
    eval_close(e);
    store_close(s);
}
END_TEST

/* Checkpoints whose training is known: the sentence is right on every pair. */
START_TEST(looks_like_what_it_is)
{
    static const char *const from[] = {"digits/v1-baseline", "digits/v2-longer", "digits/v3-finetune",
                                       "digits/v4-lowrank",  "digits/v5-cast",   "digits/v6-worse"};
    static const char tuned[] = "continued training or full fine-tune, largest in ";
    static const struct {
        uint32_t a, b;
        const char *sentence; /* its beginning */
    } pairs[] = {{1, 2, tuned},
                 {2, 3, "head retrained, body frozen\n"},
                 {3, 2, "head retrained, body frozen\n"},
                 {3, 4, "low-rank (LoRA-style) tune, rank <= 4\n"},
                 {2, 4, "low-rank (LoRA-style) tune, rank <= 4, and a retrained head\n"},
                 {4, 5, "precision cast to bf16, nothing else\n"},
                 {5, 4, "precision cast to bf16 undone, nothing else\n"},
                 {3, 5, "low-rank (LoRA-style) tune, rank <= 4\n"},
                 {4, 6, tuned},
                 {1, 6, tuned},
                 {7, 8, "unrelated weights (trained from scratch or reordered)\n"},
                 {7, 9, "small continued-training step\n"}};
    struct store *s = trees_repo("labelled");
    struct eval *e;
    char path[64];
    size_t n;
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        snprintf(path, sizeof path, "tests/data/%s", from[i]);
        commit(s, fixed(strchr(from[i], '/') + 1, path), from[i], NULL);
    }
    for (uint64_t i = 0; i < 3; i++) {
        char *dir = fixed(i == 0 ? "seed" : i == 1 ? "other-seed" : "step", NULL);
        write_seeded(dir, 1, 2, i == 2 ? UINT64_MAX : 0, 0, i == 1 ? 9 : 1);
        commit(s, dir, "made", NULL);
    }
    open_eval(s, &e);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char *text = render(s, e, &report_diff_summary, pairs[i].a, pairs[i].b, &n);
        const char *at = strstr(text, "looks like: ");
        ck_assert_msg(at && strncmp(at + 12, pairs[i].sentence, strlen(pairs[i].sentence)) == 0,
                      "v%u..v%u: %s", pairs[i].a, pairs[i].b, at);
        free(text);
    }
    eval_close(e);
    store_close(s);
}
END_TEST

/* Two stores, another time zone, another locale (where there is one): the same bytes. */
START_TEST(same_bytes_anywhere)
{
    char *first[2];
    for (int round = 0; round < 2; round++) {
        size_t n;
        struct eval *e;
        if (round) {
            setenv("TZ", "Pacific/Kiritimati", 1);
            tzset();
            setlocale(LC_ALL, "");
        }
        struct store *s = trees_repo(round ? "again" : "once");
        for (int i = 0; i < 2; i++) {
            char from[256];
            snprintf(from, sizeof from, "tests/data/digits/%s", digits[i][0]);
            commit(s, fixed(digits[i][0], from), digits[i][1], NULL);
        }
        open_eval(s, &e);
        char *text[2] = {render(s, e, &report_diff_summary, 1, 2, &n),
                         render(s, e, &report_diff_tensors, 1, 2, &n)};
        for (int i = 0; i < 2; i++) {
            if (round) {
                ck_assert_str_eq(text[i], first[i]);
                free(text[i]);
                free(first[i]);
            } else {
                first[i] = text[i];
            }
        }
        eval_close(e);
        store_close(s);
    }
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("golden");
    TCase *c = tcase_create("golden");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, networks);
    tcase_add_test(c, boosters_and_a_switch);
    tcase_add_test(c, with_behaviour);
    tcase_add_test(c, alerts_and_shapes);
    tcase_add_test(c, looks_like_what_it_is);
    tcase_add_test(c, same_bytes_anywhere);
    suite_add_tcase(s, c);
    return s;
}
