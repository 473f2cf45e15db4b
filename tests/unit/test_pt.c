/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/wire.h"
#include "tests/unit/formats.h"
#include <math.h>
#include <unistd.h>

/* A zip under construction; the fields are what the next member's headers say. */
struct zip {
    struct out bytes, dir;
    unsigned n;
    uint16_t method, flags;
    const char *local_name; /* NULL: the same */
    uint32_t claimed;       /* 0: the true size */
};

static void header(struct out *o, const struct zip *z, uint32_t size)
{
    wire_put_u16(o, z->flags);
    wire_put_u16(o, z->method);
    wire_put_u32(o, 0);          /* time */
    wire_put_u32(o, 0x12345678); /* CRC: wrong, which does not matter, as to PyTorch */
    wire_put_u32(o, size);
    wire_put_u32(o, z->claimed ? z->claimed : size);
}

static void zip_add(struct zip *z, const char *name, const void *p, size_t n)
{
    const char *local = z->local_name ? z->local_name : name;
    uint32_t at = (uint32_t)z->bytes.n;
    out_str(&z->bytes, "PK\3\4");
    wire_put_u16(&z->bytes, 20);
    header(&z->bytes, z, (uint32_t)n);
    wire_put_u16(&z->bytes, (uint16_t)strlen(local));
    wire_put_u16(&z->bytes, 4);
    out_str(&z->bytes, local);
    out_write(&z->bytes, "FB\0\0", 4); /* an extra field, as PyTorch pads with */
    out_write(&z->bytes, p, n);
    out_str(&z->dir, "PK\1\2");
    wire_put_u32(&z->dir, 20 << 16 | 20);
    header(&z->dir, z, (uint32_t)n);
    wire_put_u16(&z->dir, (uint16_t)strlen(name));
    wire_put_u64(&z->dir, 0);
    wire_put_u32(&z->dir, 0);
    wire_put_u32(&z->dir, at);
    out_str(&z->dir, name);
    z->n++;
    z->method = z->flags = 0;
    z->local_name = NULL;
    z->claimed = 0;
}

/* Ends it: the file's bytes, to be freed with out_fini. */
static struct out zip_end(struct zip *z)
{
    struct out o = z->bytes;
    uint32_t at = (uint32_t)o.n;
    out_write(&o, z->dir.p, z->dir.n);
    out_str(&o, "PK\5\6");
    wire_put_u32(&o, 0);
    wire_put_u32(&o, z->n << 16 | z->n);
    wire_put_u32(&o, (uint32_t)z->dir.n);
    wire_put_u32(&o, at);
    wire_put_u16(&o, 0);
    out_fini(&z->dir);
    memset(z, 0, sizeof *z);
    return o;
}

/* An archive of one pickle and a storage "0" of `data` bytes 0, 1, 2, … */
static struct out archive(const char *pickle, size_t n, size_t data)
{
    struct zip z = {0};
    char bytes[64];
    for (size_t i = 0; i < data; i++)
        bytes[i] = (char)i;
    zip_add(&z, "archive/data.pkl", pickle, n);
    zip_add(&z, "archive/data/0", bytes, data);
    zip_add(&z, "archive/version", "3\n", 2);
    return zip_end(&z);
}

/* Pickle fragments, in opcodes of protocols 0 to 2. Integers are text ("I4\n"), tuples between ( and t. */
#define STORE(type, key, count) "(S'storage'\nctorch\n" type "\nS'" key "'\nS'cpu'\nI" count "\ntQ"
#define DIMS1(a)                "(I" a "\nt"
#define DIMS2(a, b)             "(I" a "\nI" b "\nt"
#define REBUILD                 "ctorch._utils\n_rebuild_tensor_v2\n"
#define TENSOR(storage, off, dims, strides) \
    REBUILD "(" storage "I" off "\n" dims strides "I00\nccollections\nOrderedDict\n)RtR"
#define KEY(name) "S'" name "'\n"
#define F4        STORE("FloatStorage", "0", "4")

START_TEST(reads_tensors_and_values)
{
    static const char pickle[] = "ccollections\nOrderedDict\n)R(" /* the root, a mark */
        KEY("w") REBUILD "(" F4 "p7\n"
                         "I0\n" DIMS2("2", "2") DIMS2("2", "1") "NNtR" /* storage remembered */
        KEY("view") REBUILD "(g7\nI1\n" DIMS1("2") DIMS1("1") "NNtR" KEY("t") REBUILD
        "(g7\nI0\n" DIMS2("2", "2") DIMS2("1", "2") "NNtR" KEY("none") REBUILD "(g7\nI4\n" DIMS1("0")
            DIMS1("1") "NNtR" KEY("opt") "}(" KEY(
                "lr") "F0.5\n"
                      "I7\n"
                      "]("
                      "I1\n" KEY("x") "e" KEY("on") "I01\n" KEY("inf") "Finf\n" KEY("far") "F1.5e19\n" KEY(
                          "seed") "I9223372036854775807\n" KEY("big") "L123456789012345678901234567890L\n"
                                                                      "u" KEY("p") "ctorch._utils\n_rebuild_"
                                                                                   "parameter\n(" TENSOR(
                                                                                       "g7\n", "3", "(t",
                                                                                       "(t") "I01\nNtR"
                                                                                             "u.";
    struct out o = archive(pickle, sizeof pickle - 1, 16);
    struct arena a = {0};
    struct layout l = formats_parse("model.bin", o.p, o.n, &a);
    ck_assert_msg(!l.problem, "%s", l.problem);
    ck_assert_int_eq(l.format, FORMAT_PT);
    ck_assert_uint_eq(l.ntensors, 5);
    const struct tensor *w = formats_tensor(&l, "w"), *t = formats_tensor(&l, "view");
    ck_assert(w->flags == TENSOR_SEGMENT && w->len == 16 && w->rank == 2 && w->dtype == DTYPE_F32);
    ck_assert_mem_eq(o.p + w->off, "\0\1\2\3", 4);
    ck_assert(t->flags == TENSOR_VIEW && t->off == w->off + 4 && t->len == 8);
    t = formats_tensor(&l, "t");
    ck_assert(t->flags == TENSOR_STRIDED && t->off == w->off && t->len == 16);
    t = formats_tensor(&l, "none");
    ck_assert(t->flags == TENSOR_VIEW && t->len == 0);
    t = formats_tensor(&l, "p");
    ck_assert(t->flags == TENSOR_VIEW && t->off == w->off + 12 && t->rank == 0 && t->count == 1);
    ck_assert_str_eq(l.structure,
                     "{\"root\":\"dict\",\"values\":{\"opt.lr\":0.5,\"opt.7.0\":1,\"opt.7.1\":\"x\","
                     "\"opt.on\":true,\"opt.inf\":\"Infinity\",\"opt.far\":1.5e+19,"
                     "\"opt.seed\":9223372036854775807},\"strided\":1}");
    arena_fini(&a);
    out_fini(&o);
}
END_TEST

#define P(text, what)                \
    {                                \
        text, sizeof(text) - 1, what \
    }
static const struct {
    const char *pickle;
    size_t n;
    const char *problem;
} refused[] = {
    P("cos\nsystem\n(S'touch modelfs-canary'\ntR.", "unsafe global os.system at offset 0x32"),
    P("\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93)R.", "unsafe global os.system at offset 0x42"),
    P("\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\0h\1\x93.", "unsafe global os.system"), /* by the memo */
    P("(ios\nsystem\n.", "unsafe global os.system"),
    P("(ccollections\nOrderedDict\no.", "opcode not supported"),
    P("ctorch\nFakeStorage\n.", "unsafe global torch.FakeStorage"),
    P("ctorch.storage\nFloatStorage\n.", "unsafe global torch.storage.FloatStorage"),
    P("ccollections\nOrderedDict.x\n.", "unsafe global"),
    P("c__builtin__\neval\n(S'1'\ntR.", "unsafe global __builtin__.eval"),
    P("ctorch\nFloatStorage\n)R.", "wrong arguments"),
    P("ctorch\nfloat32\n)R.", "wrong arguments"),
    P("ctorch\nSize\n)R.", "wrong arguments"),
    P("ccollections\nOrderedDict\n(I1\ntR.", "wrong arguments"),
    P("ccollections\nOrderedDict\n((I1\nttR.", "wrong arguments"),
    P("R.", "a call of no function"),
    P("I1\n)R.", "a call of no function"),
    P("0.", "the stack is empty"),
    P("1.", "no mark"),
    P("2.", "the stack is empty"),
    P("(2.", "the stack is empty"),
    P("t.", "not enough values"),
    P("\x85.", "not enough values"),
    P("I1\n(\x86.", "not enough values"),
    P("(I1\nd.", "a key without a value"),
    P("}(I1\nu.", "a key without a value"),
    P("I1\nI2\na.", "no container"),
    P("](a.", "no container"),
    P("a.", "no container"),
    P("}I1\n(s.", "no container"),
    P("](I1\na.", "no container"),
    P("Nb.", "state for what has none"),
    P("b.", "state for what has none"),
    P("Q.", "no storage"),
    P("(S'other'\ntQ.", "no storage"),
    P("P1\n.", "opcode not supported"),
    P("\xff.", "opcode 0xff"),
    P("\x82\1.", "opcode not supported"),
    P("\x80\x06.", "unknown protocol"),
    P("\x80", "ends inside an argument"),
    P("N", "ends without STOP"),
    P("", "ends without STOP"),
    P(".", "no value"),
    P("(.", "no value"),
    P("\x8e\0\0\0\0\0\0\0\x80.", "a length past the end"),
    P("\x8b\xff\xff\xff\x7f.", "a length past the end"),
    P("\x95\0\0\0\0\0\0\0\x80.", "a frame past the end"),
    P("Nr\xff\xff\xff\xff.", "memo index too large"),
    P("Np99999999999999999999\n.", "no memo index"),
    P("q\0.", "nothing to remember"),
    P("h\5.", "memo index not set"),
    P("S'x\n.", "without quotes"),
    P("Ix\n.", "no number"),
    P("I\n.", "no number"),
    P("I1", "a line without end"),
    P("\x93.", "without names"),
    P("](2e.", "the stack is empty"),
    P("]2a.", "nested deeper than 64"), /* a list that holds itself */
    P("}" KEY("w")
          TENSOR(STORE("FloatStorage", "0", "4611686018427387905"), "0", DIMS1("1"), DIMS1("1")) "s.",
      "not 4611686018427387905 elements"),
    P("}" KEY("w") TENSOR(STORE("FloatStorage", "0", "3"), "0", DIMS1("1"), DIMS1("1")) "s.",
      "not 3 elements"),
    P("}" KEY("w") TENSOR(STORE("FloatStorage", "../0", "4"), "0", DIMS1("1"), DIMS1("1")) "s.",
      "no member's name"),
    P("}" KEY("w") TENSOR(STORE("FloatStorage", "1", "4"), "0", DIMS1("1"), DIMS1("1")) "s.",
      "not in the archive"),
    P("}" KEY("w") TENSOR(STORE("OddStorage", "0", "4"), "0", DIMS1("1"), DIMS1("1")) "s.", "unsafe global"),
    P("}" KEY("w") TENSOR(F4, "0", DIMS1("5"), DIMS1("1")) "s.", "reaches past its storage"),
    P("}" KEY("w") TENSOR(F4, "1", DIMS1("4"), DIMS1("1")) "s.", "reaches past its storage"),
    P("}" KEY("w") TENSOR(F4, "0", DIMS1("3"), DIMS1("2")) "s.", "reaches past its storage"),
    P("}" KEY("w") TENSOR(F4, "0", DIMS1("3"), DIMS1("9223372036854775807")) "s.",
      "reaches past its storage"),
    P("}" KEY("w") TENSOR(F4, "9223372036854775807", DIMS1("1"), DIMS1("1")) "s.",
      "reaches past its storage"),
    P("}" KEY("w") TENSOR(F4, "0", DIMS2("9223372036854775807", "9223372036854775807"), DIMS2("0", "0")) "s.",
      "63 bits"),
    P("}" KEY("w") TENSOR(F4, "-1", DIMS1("1"), DIMS1("1")) "s.", "wrong arguments"),
    P("}" KEY("w") TENSOR(F4, "0", DIMS1("-1"), DIMS1("1")) "s.", "wrong arguments"),
    P("}" KEY("w") TENSOR(F4, "0", DIMS1("1"), DIMS1("-1")) "s.", "wrong arguments"),
    P("}" KEY("w") TENSOR(F4, "0", DIMS2("1", "1"), DIMS1("1")) "s.", "wrong arguments"),
    P("}" KEY("w") REBUILD ")Rs.", "wrong arguments"),
    P("}" KEY("w") REBUILD "(NNNNtRs.", "wrong arguments"),
    P("}(U\x03"
      "a\0b" TENSOR(F4, "0", DIMS1("1"), DIMS1("1")) "u.",
      "a NUL"),
    P("}(" KEY("a.b") TENSOR(F4, "0", DIMS1("1"), DIMS1("1")) KEY("a") "}" KEY("b")
          TENSOR(F4, "0", DIMS1("1"), DIMS1("1")) "su.",
      "two tensors are named \"a.b\""),
};

START_TEST(refuses)
{
    struct out o = archive(refused[_i].pickle, refused[_i].n, 16);
    formats_refused("model.pt", o.p, o.n, refused[_i].problem);
    out_fini(&o);
    ck_assert_int_ne(access("modelfs-canary", F_OK), 0);
}
END_TEST

START_TEST(billion_laughs)
{
    struct out p = {0};
    out_write(&p, "]q\0", 3);
    for (int i = 0; i < 40; i++) {
        out_char(&p, '(');
        for (int k = 0; k < 10; k++)
            out_write(&p, (char[]){'h', (char)i}, 2);
        out_write(&p, (char[]){'l', 'q', (char)(i + 1)}, 3);
    }
    out_char(&p, '.');
    struct out o = archive(p.p, p.n, 0);
    formats_refused("model.pt", o.p, o.n, "more than 4000000 values");
    out_fini(&o);
    out_reset(&p); /* many small values: the arena's limit */
    for (int i = 0; i < 9000000; i++)
        out_write(&p,
                  "K\0"
                  "0",
                  3);
    out_char(&p, '.');
    o = archive(p.p, p.n, 0);
    formats_refused("model.pt", o.p, o.n, "more than 256 MiB");
    out_fini(&o);
    out_reset(&p);
    for (int i = 0; i < 5000000; i++)
        out_char(&p, 'N');
    o = archive(p.p, p.n, 0);
    formats_refused("model.pt", o.p, o.n, "stack or memo index too large");
    out_fini(&o);
    out_fini(&p);
}
END_TEST

#define PICKLE "}."

/* What a member's headers can say wrong; each entry spoils data.pkl of an otherwise good archive. */
START_TEST(refuses_members)
{
    static const struct {
        struct zip says;
        const char *name, *problem;
    } cases[] = {
        {{.method = 8}, "archive/data.pkl", "not stored as it is (method 8"},
        {{.flags = 1}, "archive/data.pkl", "encrypted"},
        {{.local_name = "archive/data.pkx"}, "archive/data.pkl", "another name"},
        {{.local_name = "archive/data"}, "archive/data.pkl", "differs from the directory"},
        {{.claimed = 2200000000u}, "archive/data.pkl", "not stored as it is"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zip z = cases[i].says;
        zip_add(&z, cases[i].name, PICKLE, sizeof PICKLE - 1);
        struct out o = zip_end(&z);
        formats_refused("model.bin", o.p, o.n, cases[i].problem);
        out_fini(&o);
    }
}
END_TEST

START_TEST(refuses_archives)
{
    static const struct {
        const char *name, *data, *problem;
    } cases[] = {
        {"../x", "", "leaves the archive"},
        {"/etc/passwd", "", "leaves the archive"},
        {"a\\..\\b", "", "leaves the archive"},
        {"archive/..", "", "leaves the archive"},
        {"archive/data.pkl", PICKLE, "two members are named"},
        {"archive/constants.pkl", "", "TorchScript archive, not read"},
        {"archive/byteorder", "big", "big-endian"},
        {"archive/byteorder", "little", NULL},
        {"archive/..x", "", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zip z = {0};
        zip_add(&z, "archive/data.pkl", PICKLE, sizeof PICKLE - 1);
        zip_add(&z, cases[i].name, cases[i].data, strlen(cases[i].data));
        struct out o = zip_end(&z);
        struct arena a = {0};
        if (cases[i].problem)
            formats_refused("model.bin", o.p, o.n, cases[i].problem);
        else
            ck_assert_int_eq(formats_parse("model.bin", o.p, o.n, &a).format, FORMAT_PT);
        arena_fini(&a);
        out_fini(&o);
    }
}
END_TEST

/* The end of central directory record is the last 22 bytes. */
START_TEST(refuses_directories)
{
    static const struct {
        size_t at, n; /* in that record */
        const char *bytes, *problem;
    } cases[] = {
        {0, 4, "XXXX", "no central directory"},   {16, 4, "\xff\xff\xff\x7f", "no central directory"},
        {8, 4, "\xff\xff\xff\xff", "damaged"},    {8, 4, "\0\0\0\0", "no data.pkl"},
        {8, 4, "\1\0\1\0", "not in the archive"},
    };
    static const char pickle[] = "}" KEY("w") TENSOR(F4, "0", DIMS1("1"), DIMS1("1")) "s.";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct out o = archive(pickle, sizeof pickle - 1, 16);
        memcpy(o.p + o.n - 22 + cases[i].at, cases[i].bytes, cases[i].n);
        if (strcmp(cases[i].problem, "no data.pkl") == 0) {
            struct arena a = {0}; /* an empty zip is no archive of PyTorch's */
            ck_assert_int_eq(formats_parse("model.pt", o.p, o.n, &a).format, FORMAT_OPAQUE);
            arena_fini(&a);
        } else {
            formats_refused("model.pt", o.p, o.n, cases[i].problem);
        }
        out_fini(&o);
    }
    struct out o = archive(PICKLE, sizeof PICKLE - 1, 0);
    memcpy(o.p + o.n - 2, "\xff\xff", 2); /* a comment of 65535 bytes that is not there */
    formats_try("model.pt", o.p, o.n);
    out_fini(&o);
}
END_TEST

START_TEST(other_files)
{
    struct zip z = {0};
    zip_add(&z, "word/document.xml", "<x/>", 4);
    struct out o = zip_end(&z);
    struct arena a = {0};
    struct layout l = formats_parse("report.pt", o.p, o.n, &a);
    ck_assert(l.format == FORMAT_OPAQUE && !l.problem);
    l = formats_parse("half.docx", o.p, o.n - 30, &a);
    ck_assert(l.format == FORMAT_OPAQUE && !l.problem);
    formats_refused("half.pt", o.p, o.n - 30, "no central directory");
    out_fini(&o);
    static const char magic[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    formats_refused("old.pt", magic, sizeof magic - 1, "legacy format, not read");
    formats_refused("old.bin", magic, sizeof magic - 1, "legacy format, not read");
    static const char evil[] = "cos\nsystem\n(S'touch modelfs-canary'\ntR.";
    formats_refused("evil.pth", evil, sizeof evil - 1, "unsafe global os.system at offset 0x0");
    formats_refused("empty.pt", "", 0, "ends without STOP");
    formats_refused("text.pt", "hello", 5, "pickle: ");
    l = formats_parse("text.bin", "hello", 5, &a);
    ck_assert(l.format == FORMAT_OPAQUE && !l.problem);
    arena_fini(&a);
    ck_assert_int_ne(access("modelfs-canary", F_OK), 0);
}
END_TEST

START_TEST(damage)
{
    static const char pickle[] = "}" KEY("w") TENSOR(F4, "0", DIMS2("2", "2"), DIMS2("2", "1")) "s.";
    struct out o = archive(pickle, sizeof pickle - 1, 16);
    formats_damage("model.pt", o.p, o.n, 30 + 16 + 4 + sizeof pickle - 1);
    out_fini(&o);
}
END_TEST

/* The committed checkpoints, saved by PyTorch: every tensor is there, and the same bytes as in the
 * safetensors. */
START_TEST(reads_what_pytorch_wrote)
{
    size_t n, sn;
    char *p = unit_read_file("tests/data/digits/pt/model.pt", &n);
    char *s = unit_read_file("tests/data/digits/v1-baseline/model.safetensors", &sn);
    struct arena a = {0};
    struct layout pt = formats_parse("model.pt", p, n, &a),
                  st = formats_parse("model.safetensors", s, sn, &a);
    ck_assert_uint_eq(pt.ntensors, 15);
    ck_assert_uint_eq(st.ntensors, pt.ntensors);
    for (size_t i = 0; i < st.ntensors; i++) {
        const struct tensor *x = &st.tensors[i], *y = formats_tensor(&pt, x->name);
        ck_assert(x->dtype == y->dtype && x->rank == y->rank && x->len == y->len);
        ck_assert_mem_eq(x->shape, y->shape, x->rank * sizeof *x->shape);
        ck_assert_mem_eq(s + x->off, p + y->off, x->len);
    }
    free(p);
    p = unit_read_file("tests/data/digits/pt/checkpoint.pt", &n);
    struct layout l = formats_parse("checkpoint.pt", p, n, &a);
    json_t *v = formats_structure(&l), *values = json_object_get(v, "values");
    ck_assert_int_eq(json_integer_value(json_object_get(values, "epoch")), 20);
    ck_assert(json_number_value(json_object_get(values, "optimizer.param_groups.0.lr")) == 0.02);
    ck_assert_uint_eq(formats_tensor(&l, "optimizer.state.0.momentum_buffer")->count, 144);
    json_decref(v);
    free(p);
    free(s);
    arena_fini(&a);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("pt");
    TCase *c = tcase_create("pt");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, reads_tensors_and_values);
    tcase_add_loop_test(c, refuses, 0, sizeof refused / sizeof *refused);
    tcase_add_test(c, billion_laughs);
    tcase_add_test(c, refuses_members);
    tcase_add_test(c, refuses_archives);
    tcase_add_test(c, refuses_directories);
    tcase_add_test(c, other_files);
    tcase_add_test(c, damage);
    tcase_add_test(c, reads_what_pytorch_wrote);
    suite_add_tcase(s, c);
    return s;
}
