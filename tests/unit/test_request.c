/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol against hostile peers: packets of garbage, of lies about lengths, out of order; and against
 * itself. */
#include "store/base/fail.h"
#include "store/store.h"
#include "tests/unit/unit.h"
#include "tools/client.h"
#include "tools/listen.h"
#include "tools/say.h"
#include "tools/table.h"
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* xorshift64: the same packets in every run */
static uint64_t seed = 88172645463325252u;
static uint64_t any(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* ---- payloads ---- */

START_TEST(round_trips)
{
    struct out o = {0};
    struct arena a = {0};
    struct request q = {.op = REQUEST_TAG, .flags = 7, .name = "prod", .other = "v3", .nbody = 42}, p;
    request_format_ask(&o, &q);
    ck_assert_int_eq(request_parse_ask(wire_read(o.p, o.n), &a, &p), 0);
    ck_assert_int_eq(p.op, REQUEST_TAG);
    ck_assert_uint_eq(p.flags, 7);
    ck_assert_str_eq(p.name, "prod");
    ck_assert_str_eq(p.other, "v3");
    ck_assert_uint_eq(p.nbody, 42);

    struct reply_file f = {"a/b", 0644, -5, 1u << 30, {{1, 2}}}, g;
    out_reset(&o);
    request_format_file(&o, &f);
    ck_assert_int_eq(request_parse_file(wire_read(o.p, o.n), &a, &g), 0);
    ck_assert_str_eq(g.path, "a/b");
    ck_assert_int_eq(g.mtime_ns, -5);
    ck_assert(hash_equal(&f.sha256, &g.sha256));

    out_reset(&o);
    request_format_error(&o, -ENOENT, "no such version", "modelfs log");
    ck_assert_int_eq(request_parse_error(wire_read(o.p, o.n), &a), -ENOENT);
    ck_assert_str_eq(fail_text(), "no such version");
    ck_assert_str_eq(fail_hint_text(), "modelfs log");
    out_fini(&o);
    arena_fini(&a);
}
END_TEST

/* Cut anywhere, or with a byte too many, a payload is refused. */
START_TEST(every_length_but_one_is_refused)
{
    struct out o = {0};
    struct arena a = {0};
    struct request q = {.op = REQUEST_CAT, .name = "v1/model", .other = ""}, p;
    request_format_ask(&o, &q);
    size_t n = o.n;
    out_char(&o, 0);
    for (size_t i = 0; i <= o.n; i++)
        ck_assert_int_eq(request_parse_ask(wire_read(o.p, i), &a, &p), i == n ? 0 : -EPROTO);
    out_fini(&o);
    arena_fini(&a);
}
END_TEST

START_TEST(strings_are_bounded_and_without_nul)
{
    struct out o = {0};
    struct arena a = {0};
    struct request p;
    wire_put_u8(&o, REQUEST_CAT);
    wire_put_u64(&o, 0);
    wire_put_bytes(&o, "a\0b", 3);
    wire_put_str(&o, "");
    wire_put_u64(&o, 0);
    ck_assert_int_eq(request_parse_ask(wire_read(o.p, o.n), &a, &p), -EPROTO);

    out_reset(&o);
    char *big = calloc(1, REQUEST_STRING + 2);
    memset(big, 'x', REQUEST_STRING + 1);
    wire_put_u8(&o, REQUEST_CAT);
    wire_put_u64(&o, 0);
    wire_put_str(&o, big);
    wire_put_str(&o, "");
    wire_put_u64(&o, 0);
    ck_assert_int_eq(request_parse_ask(wire_read(o.p, o.n), &a, &p), -EPROTO);
    free(big);

    out_reset(&o);
    request_format_ask(&o, &(struct request){.op = REQUEST_APPEND, .nbody = (size_t)REQUEST_BODY + 1});
    ck_assert_int_eq(request_parse_ask(wire_read(o.p, o.n), &a, &p), -EMSGSIZE);
    out_fini(&o);
    arena_fini(&a);
}
END_TEST

/* ---- a served connection ---- */

static struct repo *repo;
static void setup(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/repo", unit_tmpdir());
    ck_assert_int_eq(store_init(path), 0);
    ck_assert_int_eq(repo_open(path, 0, &repo), 0);
}
static void teardown(void)
{
    repo_close(repo);
}

struct server {
    pthread_t thread;
    int fd;
};
static void *serve(void *arg)
{
    struct server *s = arg;
    struct who who;
    who_self(&who);
    listen_serve(repo, s->fd, &who);
    close(s->fd);
    return NULL;
}
static int begin(struct server *s)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    s->fd = pair[1];
    ck_assert_int_eq(pthread_create(&s->thread, NULL, serve, s), 0);
    return pair[0];
}
static void end(struct server *s, int fd)
{
    close(fd);
    pthread_join(s->thread, NULL);
}

static uint8_t frame[REQUEST_FRAME];
static enum request_frame receive(int fd, struct wire *w)
{
    enum request_frame type;
    ck_assert_int_eq(request_recv(fd, frame, &type, w), 0);
    return type;
}
static void greet(int fd)
{
    struct out o = {0};
    struct wire w;
    request_format_hello(&o, 1, "");
    ck_assert_int_eq(request_send(fd, FRAME_HELLO, o.p, o.n, 0), 0);
    ck_assert_int_eq(receive(fd, &w), FRAME_HELLO);
    out_fini(&o);
}
static void ask(int fd, struct request q)
{
    struct out o = {0};
    request_format_ask(&o, &q);
    ck_assert_int_eq(request_send(fd, FRAME_ASK, o.p, o.n, 0), 0);
    if (q.nbody)
        ck_assert_int_eq(request_send(fd, FRAME_BODY, q.body, q.nbody, 0), 0);
    out_fini(&o);
}
static int answer(int fd) /* 0, or the error it says */
{
    struct wire w;
    struct arena a = {0};
    enum request_frame type;
    while ((type = receive(fd, &w)) == FRAME_DATA || type == FRAME_PROGRESS)
        ;
    int err = type == FRAME_ERROR ? request_parse_error(w, &a) : type == FRAME_END ? 0 : -EPROTO;
    arena_fini(&a);
    return err;
}

START_TEST(answers_and_goes_on_after_an_error)
{
    struct server s;
    int fd = begin(&s);
    greet(fd);
    ask(fd, (struct request){.op = REQUEST_SHOW, .name = "v9"});
    ck_assert_int_eq(answer(fd), -ENOENT);
    ask(fd, (struct request){.op = (enum request_op)200});
    ck_assert_int_eq(answer(fd), -EPROTO);
    ask(fd, (struct request){.op = REQUEST_HAS, .body = "no digest", .nbody = 9});
    ck_assert_int_eq(answer(fd), -EPROTO);
    ask(fd, (struct request){.op = REQUEST_COMMIT, .body = "no document", .nbody = 11});
    ck_assert_int_lt(answer(fd), 0);
    ask(fd, (struct request){.op = REQUEST_VERSIONS});
    ck_assert_int_eq(answer(fd), 0);
    end(&s, fd);
}
END_TEST

START_TEST(another_protocol_is_told_so)
{
    struct server s;
    struct out o = {0};
    struct arena a = {0};
    struct wire w;
    int fd = begin(&s);
    out_write(&o, "modelfs", 7);
    wire_put_u32(&o, REQUEST_PROTOCOL + 1);
    wire_put_str(&o, "whatever the next one says");
    ck_assert_int_eq(request_send(fd, FRAME_HELLO, o.p, o.n, 0), 0);
    ck_assert_int_eq(receive(fd, &w), FRAME_ERROR);
    ck_assert_int_eq(request_parse_error(w, &a), -ENOTSUP);
    out_fini(&o);
    arena_fini(&a);
    end(&s, fd);
}
END_TEST

/* Sends one packet of one of many wrong kinds; the owner must answer or hang up, and live. */
static void send_garbage(int fd)
{
    uint8_t p[512];
    size_t n = 1 + any() % sizeof p;
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)any();
    if (any() % 4) /* a type that is known: the payload is looked at */
        p[0] = (uint8_t) "HQBDFPEZ"[any() % 8];
    if (p[0] == FRAME_ASK && n > 20) { /* an op that is known, and small lengths */
        p[1] = (uint8_t)(any() % REQUEST_OP_MAX);
        memset(p + 10, 0, 8);
        p[10] = (uint8_t)(any() % 40);
    }
    ssize_t sent = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent; /* the owner may have hung up already */
}

START_TEST(garbage_ends_the_connection_and_nothing_else)
{
    for (int round = 0; round < 400; round++) {
        struct server s;
        int fd = begin(&s);
        if (any() % 8)
            greet(fd);
        for (int i = (int)(any() % 4); i >= 0; i--)
            send_garbage(fd);
        end(&s, fd);
    }
    struct server s;
    int fd = begin(&s);
    greet(fd);
    ask(fd, (struct request){.op = REQUEST_VERSIONS});
    ck_assert_int_eq(answer(fd), 0);
    end(&s, fd);
}
END_TEST

/* A body longer than announced, and one of the wrong type. */
START_TEST(a_body_that_lies_is_refused)
{
    for (int wrong = 0; wrong < 2; wrong++) {
        struct server s;
        struct out o = {0};
        struct arena a = {0};
        struct wire w;
        int fd = begin(&s);
        greet(fd);
        request_format_ask(&o, &(struct request){.op = REQUEST_APPEND, .nbody = 4});
        ck_assert_int_eq(request_send(fd, FRAME_ASK, o.p, o.n, 0), 0);
        ck_assert_int_eq(request_send(fd, wrong ? FRAME_ASK : FRAME_BODY, "12345", wrong ? 4 : 5, 0), 0);
        ck_assert_int_eq(receive(fd, &w), FRAME_ERROR);
        ck_assert_int_eq(request_parse_error(w, &a), -EPROTO);
        struct pollfd p = {fd, POLLIN, 0};
        ck_assert_int_eq(poll(&p, 1, 10000), 1);
        ck_assert_int_eq(recv(fd, frame, sizeof frame, 0), 0); /* hung up */
        out_fini(&o);
        arena_fini(&a);
        end(&s, fd);
    }
}
END_TEST

/* ---- a store of a later modelfs ---- */

START_TEST(a_newer_store_is_exit_12)
{
    char path[160], anchor[200];
    snprintf(path, sizeof path, "%s/newer", unit_tmpdir());
    snprintf(anchor, sizeof anchor, "%s/anchor", path);
    ck_assert_int_eq(store_init(path), 0);
    size_t n;
    char *p = unit_read_file(anchor, &n);
    for (size_t slot = 0; slot + 104 <= n; slot += 4096) { /* u32 version at 8, XXH3 of 96 bytes at 96 */
        p[slot + 8] = 99;
        uint64_t sum = hash_xxh3(p + slot, 96);
        memcpy(p + slot + 96, &sum, 8);
    }
    unit_write_file(anchor, p, n);
    free(p);
    struct client *c;
    int err = client_open(path, 0, &c);
    ck_assert_int_eq(err, -ENOTSUP);
    ck_assert_int_eq(say_code_open(err), SAY_NEWER);
    ck_assert_ptr_nonnull(strstr(fail_text(), "newer"));
}
END_TEST

/* ---- CSV ---- */

static const char *rows(const char *csv, enum table_kind kind, struct out *o)
{
    out_reset(o);
    int err = table_to_json("t.csv", csv, strlen(csv), kind, o);
    return err < 0 ? fail_text() : out_cstr(o);
}

START_TEST(csv_becomes_rows)
{
    struct out o = {0};
    ck_assert_str_eq(rows("\xef\xbb\xbfid,amount,input.country,label,slices,value.amount\r\n"
                          "a,007,ES,fraud,x;y,1.5\r\n\r\n"
                          "b,-7.50e1,\"say \"\"hi\"\",\n\",1\r\n",
                          TABLE_ROWS, &o),
                     "t.csv: line 4: not as many cells as the header has");
    ck_assert_str_eq(rows("id,amount,input.country,label,slices,value.amount\r\n"
                          "a,007,ES,fraud,x;y,1.5\r\n\r\n"
                          "b,-750,\"say \"\"hi\"\",\n\",,,\r\n",
                          TABLE_ROWS, &o),
                     "{\"id\":\"a\",\"input\":{\"amount\":\"007\",\"country\":\"ES\"},\"label\":\"fraud\","
                     "\"slices\":[\"x\",\"y\"],\"value\":{\"amount\":1.5}}\n"
                     "{\"id\":\"b\",\"input\":{\"amount\":-750,\"country\":\"say \\\"hi\\\",\\n\"}}\n");
    ck_assert_str_eq(rows("input,label\n\"[1,2.5]\",3\n", TABLE_ROWS, &o),
                     "{\"input\":[1,2.5],\"label\":3}\n");
    ck_assert_str_eq(rows("x,y\n,1", TABLE_ROWS, &o), "{\"input\":{\"x\":null,\"y\":1}}\n");
    out_fini(&o);
}
END_TEST

START_TEST(csv_says_what_is_wrong)
{
    struct out o = {0};
    ck_assert_str_eq(rows("", TABLE_ROWS, &o), "t.csv: no header line");
    ck_assert_str_eq(rows("a,a\n", TABLE_ROWS, &o), "t.csv: column \"a\" twice");
    ck_assert_str_eq(rows("a\n\"x", TABLE_ROWS, &o), "t.csv: line 2: a quote has no end");
    ck_assert_str_eq(rows("a\n\"x\"y", TABLE_ROWS, &o), "t.csv: line 2: text after a closing quote");
    ck_assert_str_eq(rows("a\n\xff\n", TABLE_ROWS, &o), "t.csv: line 2: column \"a\" is not UTF-8");
    ck_assert_str_eq(rows("input\n[1\n", TABLE_ROWS, &o), "t.csv: line 2: column \"input\" is not JSON");
    ck_assert_str_eq(rows("id,guess\n", TABLE_PREDICTIONS, &o),
                     "t.csv: column \"guess\" is none of id, prediction, probability, p_<label>");
    ck_assert_str_eq(rows("id,p_a\n", TABLE_PREDICTIONS, &o), "t.csv: needs the columns id and prediction");
    ck_assert_str_eq(rows("id,prediction,p_b\n1,b,0.25\n", TABLE_PREDICTIONS, &o),
                     "{\"id\":\"1\",\"prediction\":\"b\",\"p_b\":0.25}\n");
    out_fini(&o);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("request");
    TCase *payloads = tcase_create("payloads");
    tcase_add_test(payloads, round_trips);
    tcase_add_test(payloads, every_length_but_one_is_refused);
    tcase_add_test(payloads, strings_are_bounded_and_without_nul);
    suite_add_tcase(s, payloads);
    TCase *served = tcase_create("served");
    tcase_add_checked_fixture(served, setup, teardown);
    tcase_set_timeout(served, 60);
    tcase_add_test(served, answers_and_goes_on_after_an_error);
    tcase_add_test(served, another_protocol_is_told_so);
    tcase_add_test(served, garbage_ends_the_connection_and_nothing_else);
    tcase_add_test(served, a_body_that_lies_is_refused);
    suite_add_tcase(s, served);
    TCase *newer = tcase_create("newer");
    tcase_add_test(newer, a_newer_store_is_exit_12);
    suite_add_tcase(s, newer);
    TCase *csv = tcase_create("csv");
    tcase_add_test(csv, csv_becomes_rows);
    tcase_add_test(csv, csv_says_what_is_wrong);
    suite_add_tcase(s, csv);
    return s;
}
