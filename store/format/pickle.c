/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pickle machine (Python's pickletools.py describes the opcodes): a stack of values with marks, and a
 * memo. Time is linear in the bytes; memory is the arena's, which is limited, and two tables of at most
 * MAX_TABLE.
 */
#include "store/format/pickle.h"
#include "store/base/fail.h"
#include "store/format/pickle_torch.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TABLE   (1u << 21)
#define MAX_OPCODES 50000000u

struct table {
    const struct pickle **v;
    size_t n, cap;
};

struct machine {
    const struct input *in;
    struct arena *a;
    const char *p;
    size_t n, at, op; /* next byte; the opcode under way */
    uint64_t base;
    struct table stack, memo;
    uint64_t remembered; /* entries of the memo that are set */
};

static const struct pickle mark, none = {.kind = PICKLE_NONE}, other = {.kind = PICKLE_OTHER};
static const struct pickle yes = {.kind = PICKLE_BOOL, .u.i = 1}, no = {.kind = PICKLE_BOOL, .u.i = 0};

int pickle_is(const struct pickle *v, enum pickle_kind kind)
{
    return v && v->kind == kind;
}

const struct pickle *pickle_at(const struct pickle *list, size_t i)
{
    const struct pickle_item *it = list->u.list.first;
    for (; it && i; i--)
        it = it->next;
    return it ? it->value : NULL;
}

int pickle_add(struct arena *a, struct pickle *to, const struct pickle *key, const struct pickle *value)
{
    struct pickle_item *it = arena_alloc(a, sizeof *it);
    if (!it)
        return -ENOMEM;
    it->key = key;
    it->value = value;
    if (to->u.list.last)
        to->u.list.last->next = it;
    else
        to->u.list.first = it;
    to->u.list.last = it;
    to->u.list.n++;
    return 0;
}

static int bad(const struct machine *m, const char *what)
{
    fail(-EBADMSG, "%s: pickle: %s (opcode 0x%02x at offset 0x%llx)", m->in->name, what,
         (unsigned char)m->p[m->op], (unsigned long long)(m->base + m->op));
    return -EBADMSG; /* itself, so that the compiler sees that it is negative */
}

static int nomem(const struct machine *m)
{
    return fail(-ENOMEM, "%s: out of memory", m->in->name);
}

static int table_set(struct machine *m, struct table *t, uint64_t i, const struct pickle *v)
{
    if (i >= MAX_TABLE)
        return bad(m, "stack or memo index too large");
    if (i >= t->cap) {
        size_t cap = t->cap ? t->cap : 256;
        while (cap <= i)
            cap *= 2;
        const struct pickle **p = realloc(t->v, cap * sizeof *p);
        if (!p)
            return nomem(m);
        memset(p + t->cap, 0, (cap - t->cap) * sizeof *p);
        t->v = p;
        t->cap = cap;
    }
    t->v[i] = v;
    if (i >= t->n)
        t->n = (size_t)i + 1;
    return 0;
}

static int push(struct machine *m, const struct pickle *v)
{
    return table_set(m, &m->stack, m->stack.n, v);
}

/* The top value, not a mark; NULL when there is none. */
static const struct pickle *top(const struct machine *m)
{
    const struct pickle *v = m->stack.n ? m->stack.v[m->stack.n - 1] : NULL;
    return v == &mark ? NULL : v;
}

static const struct pickle *pop(struct machine *m)
{
    const struct pickle *v = top(m);
    m->stack.n -= v != NULL;
    return v;
}

/* Index of the first value above the topmost mark, or -1. */
static int64_t above_mark(const struct machine *m)
{
    for (size_t i = m->stack.n; i > 0; i--)
        if (m->stack.v[i - 1] == &mark)
            return (int64_t)i;
    return -1;
}

static struct pickle *make(struct machine *m, enum pickle_kind kind)
{
    struct pickle *v = arena_alloc(m->a, sizeof *v);
    if (v)
        v->kind = kind;
    return v;
}

static int push_new(struct machine *m, struct pickle *v)
{
    return v ? push(m, v) : nomem(m);
}

static int push_int(struct machine *m, int64_t i)
{
    struct pickle *v = make(m, PICKLE_INT);
    if (v)
        v->u.i = i;
    return push_new(m, v);
}

static int push_float(struct machine *m, double f)
{
    struct pickle *v = make(m, PICKLE_FLOAT);
    if (v)
        v->u.f = f;
    return push_new(m, v);
}

static int push_str(struct machine *m, const char *s, size_t n)
{
    struct pickle *v = make(m, PICKLE_STR);
    if (v) {
        v->u.str.s = s;
        v->u.str.n = n;
    }
    return push_new(m, v);
}

/* The next n bytes, or NULL when the pickle ends before. */
static const char *take(struct machine *m, uint64_t n)
{
    if (n > m->n - m->at)
        return NULL;
    const char *p = m->p + m->at;
    m->at += (size_t)n;
    return p;
}

static int take_uint(struct machine *m, int bytes, uint64_t *ret)
{
    const char *p = take(m, (uint64_t)bytes);
    if (!p)
        return bad(m, "ends inside an argument");
    *ret = 0;
    for (int i = 0; i < bytes; i++)
        *ret |= (uint64_t)(unsigned char)p[i] << 8 * i;
    return 0;
}

/* A length of `bytes` bytes, then that many. */
static int take_counted(struct machine *m, int bytes, const char **ret, size_t *ret_n)
{
    uint64_t n;
    int r = take_uint(m, bytes, &n);
    if (r < 0)
        return r;
    if (!(*ret = take(m, n)))
        return bad(m, "a length past the end");
    *ret_n = (size_t)n;
    return 0;
}

/* Up to the next newline, which is consumed. */
static int take_line(struct machine *m, const char **ret, size_t *ret_n)
{
    const char *nl = memchr(m->p + m->at, '\n', m->n - m->at);
    if (!nl)
        return bad(m, "a line without end");
    *ret = m->p + m->at;
    *ret_n = (size_t)(nl - *ret);
    m->at += *ret_n + 1;
    return 0;
}

static int counted_str(struct machine *m, int bytes, int text)
{
    const char *s;
    size_t n;
    int r = take_counted(m, bytes, &s, &n);
    return r < 0 ? r : text ? push_str(m, s, n) : push(m, &other);
}

static int long_int(struct machine *m, int bytes)
{
    const char *s;
    size_t n;
    int r = take_counted(m, bytes, &s, &n);
    if (r < 0)
        return r;
    if (n > 8)
        return push(m, &other);
    uint64_t x = n && (s[n - 1] & 0x80) ? UINT64_MAX : 0; /* two's complement, the sign extended */
    for (size_t i = n; i > 0; i--)
        x = x << 8 | (unsigned char)s[i - 1];
    return push_int(m, (int64_t)x);
}

/* The text opcodes of protocol 0: I (01 and 00 are True and False), L, F, S, V */
static int text_value(struct machine *m, char op)
{
    const char *s;
    size_t n;
    char buf[64], *end;
    int r = take_line(m, &s, &n);
    if (r < 0)
        return r;
    if (op == 'V')
        return push_str(m, s, n);
    if (op == 'S')
        return n >= 2 && (*s == '\'' || *s == '"') && s[n - 1] == *s ? push_str(m, s + 1, n - 2)
                                                                     : bad(m, "a string without quotes");
    if (op == 'I' && n == 2 && s[0] == '0' && (s[1] == '0' || s[1] == '1'))
        return push(m, s[1] == '1' ? &yes : &no);
    if (n && op == 'L' && s[n - 1] == 'L')
        n--;
    if (n == 0 || n >= sizeof buf)
        return n ? push(m, &other) : bad(m, "no number");
    memcpy(buf, s, n);
    buf[n] = 0;
    errno = 0;
    double f = op == 'F' ? strtod(buf, &end) : 0;
    long long i = op == 'F' ? 0 : strtoll(buf, &end, 10);
    if (*end)
        return bad(m, "no number");
    return op == 'F' ? push_float(m, f) : errno ? push(m, &other) : push_int(m, i);
}

static int push_global(struct machine *m, const char *module, size_t mn, const char *name, size_t nn)
{
    const struct pickle_global *g = pickle_torch_global(module, mn, name, nn);
    if (!g)
        return fail(-EBADMSG, "%s: unsafe global %.*s.%.*s at offset 0x%llx", m->in->name,
                    (int)(mn < 200 ? mn : 200), module, (int)(nn < 200 ? nn : 200), name,
                    (unsigned long long)(m->base + m->op));
    struct pickle *v = make(m, PICKLE_GLOBAL);
    if (v)
        v->u.global = g;
    return push_new(m, v);
}

static int global_lines(struct machine *m)
{
    const char *module, *name = NULL;
    size_t mn, nn = 0;
    int r = take_line(m, &module, &mn);
    if (r == 0)
        r = take_line(m, &name, &nn);
    return r < 0 ? r : push_global(m, module, mn, name, nn);
}

static int global_stack(struct machine *m)
{
    const struct pickle *name = pop(m), *module = pop(m);
    if (!pickle_is(name, PICKLE_STR) || !pickle_is(module, PICKLE_STR))
        return bad(m, "a global without names");
    return push_global(m, module->u.str.s, module->u.str.n, name->u.str.s, name->u.str.n);
}

/* Moves the values from index i up into a LIST or DICT; they leave the stack. */
static int fill(struct machine *m, struct pickle *to, size_t i)
{
    size_t step = to->kind == PICKLE_DICT ? 2 : 1, from = i;
    if ((m->stack.n - i) % step)
        return bad(m, "a key without a value");
    for (; i < m->stack.n; i += step) {
        const struct pickle *key = step == 2 ? m->stack.v[i] : NULL;
        if (pickle_add(m->a, to, key, m->stack.v[i + step - 1]) < 0)
            return nomem(m);
    }
    m->stack.n = from;
    return 0;
}

/* A new container of the top `count` values, or of those above the mark (count < 0). */
static int collect(struct machine *m, enum pickle_kind kind, int count)
{
    int64_t from = count < 0 ? above_mark(m) : (int64_t)m->stack.n - count;
    if (from < 0)
        return bad(m, "not enough values");
    for (size_t i = (size_t)from; i < m->stack.n; i++)
        if (m->stack.v[i] == &mark)
            return bad(m, "not enough values");
    struct pickle *v = make(m, kind);
    if (!v)
        return nomem(m);
    int r = fill(m, v, (size_t)from);
    if (r < 0)
        return r;
    m->stack.n -= count < 0; /* the mark */
    return push(m, v);
}

/* Adds the top `count` values, or those above the mark, to the container below. */
static int extend(struct machine *m, enum pickle_kind kind, int count)
{
    int64_t from = count < 0 ? above_mark(m) : (int64_t)m->stack.n - count, below = from - 1 - (count < 0);
    if (below < 0 || m->stack.v[below] == &mark || m->stack.v[below]->kind != kind ||
        (count > 0 && (m->stack.v[from] == &mark || !top(m))))
        return bad(m, "no container to add to");
    int r =
        fill(m, (struct pickle *)m->stack.v[below], (size_t)from); /* made by collect or a call: not const */
    m->stack.n = r < 0 ? m->stack.n : (size_t)below + 1;
    return r;
}

static int call(struct machine *m)
{
    const struct pickle *args = pop(m), *fn = pop(m), *v;
    if (!pickle_is(args, PICKLE_LIST) || !pickle_is(fn, PICKLE_GLOBAL))
        return bad(m, "a call of no function");
    int r = pickle_torch_call(m->a, fn->u.global, args, &v);
    return r == -ENOMEM ? nomem(m) : r < 0 ? bad(m, "a call with wrong arguments") : push(m, v);
}

static int persistent(struct machine *m)
{
    const struct pickle *id = pop(m), *v;
    int r = pickle_torch_storage(m->a, id, &v);
    return r == -ENOMEM ? nomem(m) : r < 0 ? bad(m, "a persistent id that is no storage") : push(m, v);
}

/* Of a dict: its attributes (a state dict's _metadata), of a tensor: its hooks. Neither is kept. */
static int build(struct machine *m)
{
    const struct pickle *state = pop(m), *to = top(m);
    if (!state || !(pickle_is(to, PICKLE_DICT) || pickle_is(to, PICKLE_TENSOR)))
        return bad(m, "state for what has none");
    return 0;
}

static int memo_put(struct machine *m, uint64_t i)
{
    if (!top(m))
        return bad(m, "nothing to remember");
    m->remembered += i >= m->memo.n || !m->memo.v[i];
    return table_set(m, &m->memo, i, top(m));
}

static int memo_get(struct machine *m, uint64_t i)
{
    return i < m->memo.n && m->memo.v[i] ? push(m, m->memo.v[i]) : bad(m, "memo index not set");
}

static int memo_line(struct machine *m, int put)
{
    const char *s;
    size_t n;
    uint64_t i = 0;
    int r = take_line(m, &s, &n);
    if (r < 0)
        return r;
    for (size_t k = 0; k < n; k++) {
        if (s[k] < '0' || s[k] > '9' || i > UINT32_MAX)
            return bad(m, "no memo index");
        i = i * 10 + (uint64_t)(s[k] - '0');
    }
    return put ? memo_put(m, i) : memo_get(m, i);
}

static int memo_bytes(struct machine *m, int bytes, int put)
{
    uint64_t i;
    int r = take_uint(m, bytes, &i);
    return r < 0 ? r : put ? memo_put(m, i) : memo_get(m, i);
}

static int binary_number(struct machine *m, char op)
{
    uint64_t x;
    int bytes = op == 'G' ? 8 : op == 'J' ? 4 : op == 'M' ? 2 : 1, r = take_uint(m, bytes, &x);
    if (r < 0)
        return r;
    if (op != 'G')
        return push_int(m, op == 'J' ? (int32_t)(uint32_t)x : (int64_t)x);
    double f;
    x = __builtin_bswap64(x); /* the only big-endian argument */
    memcpy(&f, &x, 8);
    return push_float(m, f);
}

static int pop_one(struct machine *m)
{
    if (m->stack.n == 0)
        return bad(m, "the stack is empty");
    m->stack.n--; /* a mark too */
    return 0;
}

static int pop_mark(struct machine *m)
{
    int64_t i = above_mark(m);
    if (i < 0)
        return bad(m, "no mark");
    m->stack.n = (size_t)i - 1;
    return 0;
}

static int protocol(struct machine *m)
{
    uint64_t x;
    int r = take_uint(m, 1, &x);
    return r < 0 ? r : x > 5 ? bad(m, "unknown protocol") : 0;
}

static int frame(struct machine *m)
{
    uint64_t n;
    int r = take_uint(m, 8, &n);
    return r < 0 ? r : n > m->n - m->at ? bad(m, "a frame past the end") : 0;
}

static int step(struct machine *m, unsigned char op)
{
    switch (op) {
    case 0x80:
        return protocol(m);
    case 0x95:
        return frame(m);
    case '(':
        return push(m, &mark);
    case '0':
        return pop_one(m);
    case '1':
        return pop_mark(m);
    case '2':
        return top(m) ? push(m, top(m)) : bad(m, "the stack is empty");
    case 'N':
        return push(m, &none);
    case 0x88:
        return push(m, &yes);
    case 0x89:
        return push(m, &no);
    case 'I':
    case 'L':
    case 'F':
    case 'S':
    case 'V':
        return text_value(m, (char)op);
    case 'J':
    case 'K':
    case 'M':
    case 'G':
        return binary_number(m, (char)op);
    case 0x8a:
        return long_int(m, 1);
    case 0x8b:
        return long_int(m, 4);
    case 'U': /* Python 2's str */
    case 0x8c:
        return counted_str(m, 1, 1);
    case 'T':
    case 'X':
        return counted_str(m, 4, 1);
    case 0x8d:
        return counted_str(m, 8, 1);
    case 'C':
        return counted_str(m, 1, 0);
    case 'B':
        return counted_str(m, 4, 0);
    case 0x8e:
    case 0x96:
        return counted_str(m, 8, 0);
    case 'c':
        return global_lines(m);
    case 0x93:
        return global_stack(m);
    case ')':
    case ']':
    case 0x8f:
        return collect(m, PICKLE_LIST, 0);
    case '}':
        return collect(m, PICKLE_DICT, 0);
    case 't':
    case 'l':
    case 0x91:
        return collect(m, PICKLE_LIST, -1);
    case 'd':
        return collect(m, PICKLE_DICT, -1);
    case 0x85:
    case 0x86:
    case 0x87:
        return collect(m, PICKLE_LIST, op - 0x84);
    case 'a':
        return extend(m, PICKLE_LIST, 1);
    case 'e':
    case 0x90:
        return extend(m, PICKLE_LIST, -1);
    case 's':
        return extend(m, PICKLE_DICT, 2);
    case 'u':
        return extend(m, PICKLE_DICT, -1);
    case 'R':
    case 0x81: /* cls.__new__(cls, *args) */
        return call(m);
    case 'b':
        return build(m);
    case 'Q':
        return persistent(m);
    case 'p':
    case 'g':
        return memo_line(m, op == 'p');
    case 'q':
    case 'h':
        return memo_bytes(m, 1, op == 'q');
    case 'r':
    case 'j':
        return memo_bytes(m, 4, op == 'r');
    case 0x94:
        return memo_put(m, m->remembered);
    case 'i': { /* module and class in two lines, to be called: only the check of the name matters */
        int r = global_lines(m);
        return r < 0 ? r : bad(m, "opcode not supported");
    }
    default:
        return bad(m, "opcode not supported");
    }
}

int pickle_walk(const struct input *in, struct arena *a, const char *p, size_t n, uint64_t base,
                const struct pickle **ret)
{
    struct machine m = {.in = in, .a = a, .p = p, .n = n, .base = base};
    int r = 0;
    for (unsigned count = 0; r == 0; count++) {
        if (m.at == n) {
            r = fail(-EBADMSG, "%s: pickle: ends without STOP (offset 0x%llx)", in->name,
                     (unsigned long long)(base + n));
            break;
        }
        m.op = m.at++;
        if (count == MAX_OPCODES)
            r = bad(&m, "more than 50000000 opcodes");
        else if (p[m.op] == '.')
            break;
        else
            r = step(&m, (unsigned char)p[m.op]);
    }
    if (r == 0 && !(*ret = top(&m)))
        r = bad(&m, "no value");
    free(m.stack.v);
    free(m.memo.v);
    return r;
}
