/* What a guest is granted that is no descriptor of the host's: memory and functions as standard streams, files
 * from memory, clocks, randomness; and two instances of one module that are granted different things. */
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>

#include "api/guest.h"

#define P1(name, params) "(import \"wasi_snapshot_preview1\" \"" name "\" (func $" name " (param " params ") (result i32)))"

/* Calls with one buffer at 1024; memory is left as the call made it. `cat` copies 0 to 1 until the end. */
static const char guest_text[] =
        "(module " P1("fd_read", "i32 i32 i32 i32") P1("fd_write", "i32 i32 i32 i32")
        P1("clock_time_get", "i32 i64 i32") P1("random_get", "i32 i32") P1("poll_oneoff", "i32 i32 i32 i32")
        P1("fd_fdstat_set_flags", "i32 i32") P1("fd_filestat_get", "i32 i32") P1("fd_close", "i32")
        P1("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32")
        "(memory (export \"memory\") 4)"
        "(data (i32.const 512) \"templates/a.html\")"
        "(func $iov (param i32) (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (local.get 0)))"
        "(func (export \"read\") (param i32 i32) (result i32) (call $iov (local.get 1))"
        "  (call $fd_read (local.get 0) (i32.const 0) (i32.const 1) (i32.const 8)))"
        "(func (export \"write\") (param i32 i32) (result i32) (call $iov (local.get 1))"
        "  (call $fd_write (local.get 0) (i32.const 0) (i32.const 1) (i32.const 8)))"
        "(func (export \"done\") (result i32) (i32.load (i32.const 8)))"
        "(func (export \"cat\") (result i32) (loop $again"
        "  (call $iov (i32.const 7)) (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))"
        "  (call $iov (i32.load (i32.const 8)))"
        "  (if (i32.load (i32.const 8)) (then (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"
        "    (br $again)))) (i32.const 0))"
        "(func (export \"now\") (param i32) (result i64)"
        "  (drop (call $clock_time_get (local.get 0) (i64.const 1) (i32.const 16))) (i64.load (i32.const 16)))"
        "(func (export \"random\") (result i64)"
        "  (drop (call $random_get (i32.const 16) (i32.const 8))) (i64.load (i32.const 16)))"
        "(func (export \"sleep\") (param i64) (result i32)"
        "  (memory.fill (i32.const 64) (i32.const 0) (i32.const 48))"
        "  (i64.store (i32.const 88) (local.get 0))"
        "  (call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 8)))"
        "(func (export \"poll\") (param i32) (result i32)"
        "  (memory.fill (i32.const 64) (i32.const 0) (i32.const 48)) (i32.store8 (i32.const 72) (i32.const 1))"
        "  (i32.store (i32.const 80) (local.get 0))"
        "  (call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 8)))"
        "(func (export \"nonblock\") (param i32) (result i32) (call $fd_fdstat_set_flags (local.get 0) (i32.const 4)))"
        "(func (export \"mtime\") (param i32) (result i64)"
        "  (drop (call $fd_filestat_get (local.get 0) (i32.const 2048))) (i64.load (i32.const 2096)))"
        "(func (export \"close\") (param i32) (result i32) (call $fd_close (local.get 0)))"
        "(func (export \"open\") (param i32) (result i32)"
        "  (call $path_open (local.get 0) (i32.const 1) (i32.const 512) (i32.const 16) (i32.const 0)"
        "   (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8))))";

static guest_one shared;

static int
setup(void **state)
{
    (void)state;
    return guest_one_open(&shared, guest_text);
}

static int
teardown(void **state)
{
    (void)state;
    return guest_one_close(&shared);
}

typedef struct world {
    gbx_store *store;
    gbx_linker *linker;
    gbx_wasi *wasi;
    gbx_instance *instance;
    gbx_err err;
    gbx_trap trap;
} world;

static void
world_open(world *w, uint64_t timeout_ns, uint64_t output_bytes)
{
    memset(w, 0, sizeof *w);
    gbx_store_opts const opts = {.size = sizeof opts, .timeout_ns = timeout_ns, .output_bytes = output_bytes};
    GUEST_OK(gbx_store_new(shared.engine, &opts, &w->store, &w->err));
    GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
    GUEST_OK(gbx_wasi_new(&w->wasi, &w->err));
}

static void
world_start(world *w)
{
    GUEST_OK(gbx_wasi_link(w->wasi, w->linker, &w->err));
    GUEST_OK(gbx_instance_new(w->store, shared.module, w->linker, &w->instance, &w->trap, &w->err));
}

static void
world_close(world *w)
{
    gbx_wasi_release(w->wasi);
    gbx_linker_release(w->linker);
    gbx_store_release(w->store);
}

/* An export with integers; its result, and how it ended in w->trap. */
static int64_t
ask(world *w, const char *name, int64_t a, int64_t b)
{
    gbx_func *const f = gbx_instance_func(w->instance, name);
    assert_non_null(f);
    const gbx_valtype *types;
    size_t const n = gbx_func_params(f, &types);
    gbx_val args[2], r = {0};
    int64_t const given[2] = {a, b};
    for (size_t i = 0; i < n; i++) {
        args[i].type = types[i];
        if (types[i] == GBX_I32) args[i].of.i32 = (int32_t)given[i];
        else args[i].of.i64 = given[i];
    }
    gbx_func_call(f, args, n, &r, 1, &w->trap);
    return r.type == GBX_I32 ? r.of.i32 : r.of.i64;
}

static uint8_t *
memory_at(world *w, size_t at)
{
    uint8_t *data;
    size_t bytes;
    assert_true(gbx_instance_memory(w->instance, "memory", &data, &bytes) && at < bytes);
    return data + at;
}

#define ENDED(w, name, a, b, how)      \
    do {                               \
        ask((w), (name), (a), (b));    \
        assert_int_equal((w)->trap.code, GBX_TRAP_##how); \
    } while (0)
#define GIVES(w, want, name, a, b)                                       \
    do {                                                                 \
        int64_t const gives_ = ask((w), (name), (a), (b));               \
        if ((w)->trap.code) fail_msg("%s: %s", gbx_trap_slug((w)->trap.code), (w)->trap.message); \
        assert_int_equal(gives_, (want));                                \
    } while (0)

/* ---- memory as streams */

static gbx_bytes
text_bytes(const char *text)
{
    return (gbx_bytes){(const uint8_t *)text, strlen(text)};
}

static void
assert_captured(const world *w, int fd, const char *text)
{
    gbx_bytes const b = gbx_store_captured(w->store, fd);
    assert_int_equal(b.len, strlen(text));
    if (b.len) assert_memory_equal(b.data, text, b.len);
}

static void
test_memory(void **state)
{
    (void)state;
    world here, *const w = &here;
    world_open(w, 0, 0);
    GUEST_OK(gbx_wasi_stdin_bytes(w->wasi, text_bytes("request of some length"), &w->err));
    GUEST_OK(gbx_wasi_capture(w->wasi, 1, 0, &w->err));
    GUEST_OK(gbx_wasi_capture(w->wasi, 2, 5, &w->err));
    world_start(w);
    assert_captured(w, 1, "");
    GIVES(w, 0, "cat", 0, 0);
    assert_captured(w, 1, "request of some length");
    assert_captured(w, 2, "");
    GIVES(w, 0, "cat", 0, 0); /* ended is ended */
    assert_captured(w, 1, "request of some length");
    gbx_store_clear_captured(w->store, 1);
    assert_captured(w, 1, "");
    memcpy(memory_at(w, 1024), "0123456789", 10);
    GIVES(w, 0, "write", 2, 5); /* exactly full */
    GIVES(w, 5, "done", 0, 0);
    ENDED(w, "write", 2, 1, OUTPUT_LIMIT);
    assert_non_null(strstr(w->trap.message, "standard stream 2 has filled the 5 bytes"));
    assert_int_equal(w->trap.limit, 5);
    assert_int_equal(w->trap.used, 5);
    assert_captured(w, 2, "01234");
    const gbx_met *met;
    assert_int_equal(gbx_store_met(w->store, &met), 1);
    assert_string_equal(met[0].slug, "capture-limit");
    gbx_store_clear_captured(w->store, 2);
    ENDED(w, "write", 2, 8, OUTPUT_LIMIT); /* what fits is written first */
    assert_captured(w, 2, "01234");
    world_close(w);

    /* The store's bound counts these bytes, too; a second link begins anew. */
    world_open(w, 0, 8);
    GUEST_OK(gbx_wasi_capture(w->wasi, 1, 100, &w->err));
    GUEST_OK(gbx_wasi_stdin_bytes(w->wasi, text_bytes("again"), &w->err));
    world_start(w);
    GIVES(w, 0, "cat", 0, 0);
    GIVES(w, 0, "read", 0, 4);
    world_start(w);
    assert_captured(w, 1, "");
    GIVES(w, 0, "cat", 0, 0);
    assert_captured(w, 1, "again");
    ENDED(w, "write", 1, 4, OUTPUT_LIMIT);
    assert_string_equal(w->trap.message, "the guest may write 8 bytes");
    assert_int_equal(w->trap.limit, 8);
    assert_int_equal(gbx_store_captured(w->store, 1).len, 8);
    GIVES(w, 8, "read", 1, 4); /* EBADF: it is written to */
    GIVES(w, 8, "write", 0, 4);
    world_close(w);
}

/* A guest that writes on and on, by default: 16 MiB, and no more than that is kept. */
static void
test_output_bomb(void **state)
{
    (void)state;
    world here, *const w = &here;
    world_open(w, 0, 0);
    GUEST_OK(gbx_wasi_capture(w->wasi, 1, GBX_UNLIMITED, &w->err));
    world_start(w);
    uint64_t written = 0;
    for (; ask(w, "write", 1, 200000) == 0 && w->trap.code == GBX_TRAP_NONE; written += 200000)
        assert_true(written < (uint64_t)64 << 20);
    assert_int_equal(w->trap.code, GBX_TRAP_OUTPUT_LIMIT);
    assert_int_equal(gbx_store_captured(w->store, 1).len, (size_t)16 << 20);
    world_close(w);
}

/* ---- the host's own streams */

typedef struct own_stream {
    const char *text; /* to be read */
    size_t at, piece;
    int blocks;       /* so often it has nothing yet; -1: for ever */
    int event;        /* readable when it has; -1: none */
    int64_t answer;   /* not 0: instead */
    char got[64];
    size_t got_len;
    world *calls;     /* calls the guest's `close` */
} own_stream;

static int64_t
own_read(void *data, uint8_t *buf, size_t len)
{
    own_stream *const s = data;
    if (s->answer) return s->answer;
    if (s->blocks && s->blocks--) return GBX_STREAM_BLOCKS;
    s->blocks = 0;
    size_t n = strlen(s->text) - s->at;
    if (n > s->piece) n = s->piece;
    if (n > len) n = len;
    memcpy(buf, s->text + s->at, n);
    s->at += n;
    return (int64_t)n;
}

static int64_t
own_write(void *data, const uint8_t *bytes, size_t len)
{
    own_stream *const s = data;
    if (s->calls) {
        world *const w = s->calls;
        s->calls = NULL;
        assert_int_equal(ask(w, "close", 1, 0), 0); /* the very descriptor that is written to */
    }
    if (s->answer) return s->answer;
    if (s->blocks && s->blocks--) return GBX_STREAM_BLOCKS;
    size_t const n = len < s->piece ? len : s->piece;
    if (s->got_len + n > sizeof s->got) return GBX_STREAM_FAILED;
    memcpy(s->got + s->got_len, bytes, n);
    s->got_len += n;
    return (int64_t)n;
}

static void
bind_own(world *w, own_stream *in, own_stream *out)
{
    gbx_stream r = {.size = sizeof r, .read = own_read, .data = in, .has_ready_fd = in->event >= 0, .ready_fd = in->event};
    gbx_stream const o = {.size = sizeof o, .write = own_write, .data = out};
    GUEST_OK(gbx_wasi_stream(w->wasi, 0, &r, &w->err));
    GUEST_OK(gbx_wasi_stream(w->wasi, 1, &o, &w->err));
}

static void
test_own_streams(void **state)
{
    (void)state;
    world here, *const w = &here;
    own_stream in = {.text = "a few words", .piece = 3, .blocks = 3, .event = -1}, out = {.piece = 2, .blocks = 2, .event = -1};
    world_open(w, 0, 0);
    bind_own(w, &in, &out);
    world_start(w);
    GIVES(w, 0, "cat", 0, 0);
    assert_int_equal(out.got_len, 11);
    assert_memory_equal(out.got, "a few words", 11);
    /* Answers that are errors, and one that is a lie. */
    static const struct {
        int64_t answer;
        int32_t read, write;
    } rows[] = {{GBX_STREAM_FAILED, 29, 29}, {GBX_STREAM_CLOSED, 29, 64}, {-4, 29, 29}, {INT64_MIN, 29, 29},
                {11, 29, 29},                {INT64_MAX, 29, 29}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        in.answer = out.answer = rows[i].answer;
        if (rows[i].answer == GBX_STREAM_CLOSED) in.answer = GBX_STREAM_CLOSED;
        GIVES(w, rows[i].read, "read", 0, 10);
        GIVES(w, rows[i].write, "write", 1, 10);
    }
    /* Non-blocking: the guest is told; and who polls first waits a while. */
    in = (own_stream){.text = "more", .piece = 9, .blocks = 1, .event = -1};
    GIVES(w, 0, "nonblock", 0, 0);
    GIVES(w, 6, "read", 0, 10);
    GIVES(w, 0, "poll", 0, 0);
    GIVES(w, 0, "read", 0, 10);
    GIVES(w, 4, "done", 0, 0);
    world_close(w);

    /* A function that calls the guest, which closes the stream meanwhile. */
    own_stream in2 = {.text = "x", .piece = 1, .event = -1}, out2 = {.piece = 1, .event = -1, .calls = w};
    world_open(w, 0, 0);
    bind_own(w, &in2, &out2);
    world_start(w);
    memcpy(memory_at(w, 1024), "abcd", 4);
    GIVES(w, 0, "write", 1, 4);
    assert_memory_equal(out2.got, "abcd", 4);
    GIVES(w, 8, "write", 1, 4);
    world_close(w);
}

static void *
cancel_late(void *data)
{
    usleep(50000);
    gbx_store_cancel(data);
    return NULL;
}

static void *
ring_late(void *data)
{
    usleep(50000);
    uint64_t const one = 1;
    assert_int_equal(write(*(int *)data, &one, sizeof one), sizeof one);
    return NULL;
}

/* Waits end: by a deadline, by cancelling, by the descriptor that says so. */
static void
test_waits(void **state)
{
    (void)state;
    for (int has_event = 0; has_event < 2; has_event++) {
        world here, *const w = &here;
        own_stream in = {.text = "x", .piece = 1, .blocks = -1, .event = has_event ? eventfd(0, EFD_CLOEXEC) : -1};
        own_stream out = {.piece = 1, .blocks = -1, .event = -1};
        world_open(w, 100000000, 0);
        bind_own(w, &in, &out);
        world_start(w);
        ENDED(w, "read", 0, 1, DEADLINE);
        ENDED(w, "write", 1, 1, DEADLINE);
        pthread_t t;
        world_close(w);
        world_open(w, 0, 0);
        bind_own(w, &in, &out);
        world_start(w);
        assert_int_equal(pthread_create(&t, NULL, cancel_late, w->store), 0);
        ENDED(w, "read", 0, 1, CANCELLED);
        pthread_join(t, NULL);
        if (has_event) {
            in.blocks = 1;
            assert_int_equal(pthread_create(&t, NULL, ring_late, &in.event), 0);
            GIVES(w, 0, "read", 0, 1);
            GIVES(w, 1, "done", 0, 0);
            pthread_join(t, NULL);
            GIVES(w, 0, "poll", 0, 0);
            close(in.event);
        }
        world_close(w);
    }
}

/* ---- files of the host as streams */

static void
test_stdio_file(void **state)
{
    (void)state;
    char dir[] = "/tmp/gbx-test-XXXXXX", in[64], out[64], fifo[64];
    assert_non_null(mkdtemp(dir));
    snprintf(in, sizeof in, "%s/in", dir);
    snprintf(out, sizeof out, "%s/out", dir);
    snprintf(fifo, sizeof fifo, "%s/fifo", dir);
    FILE *const f = fopen(in, "w");
    assert_true(f && fputs("from a file", f) >= 0 && fclose(f) == 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    world here, *const w = &here;
    for (int i = 0; i < 3; i++) {
        world_open(w, 0, 0);
        GUEST_OK(gbx_wasi_stdio_file(w->wasi, 0, in, GBX_TRUNCATE, &w->err));
        GUEST_OK(gbx_wasi_stdio_file(w->wasi, 1, out, i == 1 ? GBX_APPEND : GBX_TRUNCATE, &w->err));
        world_start(w);
        GIVES(w, 0, "cat", 0, 0);
        world_close(w);
        gbx_bytes const b = guest_read_file(out);
        assert_int_equal(b.len, i == 1 ? 22 : 11);
        assert_memory_equal(b.data, "from a filefrom a file", b.len);
        free((void *)(uintptr_t)b.data);
    }
    world_open(w, 0, 0);
    assert_int_equal(gbx_wasi_stdio_file(w->wasi, 0, "/nowhere/at all", GBX_TRUNCATE, &w->err), GBX_NOT_FOUND);
    assert_int_equal(gbx_wasi_stdio_file(w->wasi, 0, fifo, GBX_TRUNCATE, &w->err), GBX_ARGUMENT);
    assert_non_null(strstr(w->err.text, "neither a file nor a device"));
    assert_int_equal(gbx_wasi_stdio_file(w->wasi, 0, dir, GBX_TRUNCATE, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_stdio_file(w->wasi, 1, dir, GBX_TRUNCATE, &w->err), GBX_IO);
    assert_int_equal(gbx_wasi_stdio_file(w->wasi, 3, in, GBX_TRUNCATE, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_stdio_file(w->wasi, 1, in, (gbx_write_mode)2, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_stdio_file(w->wasi, 1, NULL, GBX_APPEND, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_capture(w->wasi, 0, 0, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_stdin_bytes(w->wasi, (gbx_bytes){NULL, 1}, &w->err), GBX_ARGUMENT);
    gbx_stream s = GBX_STREAM_INIT;
    assert_int_equal(gbx_wasi_stream(w->wasi, 0, &s, &w->err), GBX_ARGUMENT);
    s.read = own_read;
    assert_int_equal(gbx_wasi_stream(w->wasi, 1, &s, &w->err), GBX_ARGUMENT);
    s.has_ready_fd = true;
    s.ready_fd = -1;
    assert_int_equal(gbx_wasi_stream(w->wasi, 0, &s, &w->err), GBX_IO);
    world_close(w);
    unlink(in);
    unlink(out);
    unlink(fifo);
    rmdir(dir);
}

/* ---- files from memory */

static void
test_files(void **state)
{
    (void)state;
    world here, *const w = &here;
    world_open(w, 0, 0);
    GUEST_OK(gbx_wasi_file(w->wasi, "/app", "templates/a.html", text_bytes("<p>one"), &w->err));
    GUEST_OK(gbx_wasi_file(w->wasi, "app/.", "./templates//b.html", text_bytes("two"), &w->err));
    assert_int_equal(gbx_wasi_file(w->wasi, "/app", "../x", text_bytes(""), &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_file(w->wasi, "/app", "templates", text_bytes(""), &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_file(w->wasi, "/app", "", text_bytes(""), &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_dir(w->wasi, "/tmp", "/app", GBX_READ_ONLY, &w->err), GBX_ARGUMENT);
    GUEST_OK(gbx_wasi_dir(w->wasi, "/tmp", "/other", GBX_READ_ONLY, &w->err));
    assert_int_equal(gbx_wasi_file(w->wasi, "/other", "x", text_bytes(""), &w->err), GBX_ARGUMENT);
    world_start(w);
    gbx_instance *const first = w->instance;
    GIVES(w, 0, "open", 3, 0);
    GIVES(w, 5, "done", 0, 0);
    GIVES(w, 0, "read", 5, 100);
    GIVES(w, 6, "done", 0, 0);
    assert_memory_equal(memory_at(w, 1024), "<p>one", 6);
    /* Other bytes are for whoever is linked from now on. */
    GUEST_OK(gbx_wasi_file(w->wasi, "/app", "templates/a.html", text_bytes("changed"), &w->err));
    world_start(w);
    GIVES(w, 0, "open", 3, 0);
    GIVES(w, 0, "read", 5, 100);
    assert_memory_equal(memory_at(w, 1024), "changed", 7);
    w->instance = first;
    GIVES(w, 0, "open", 3, 0);
    GIVES(w, 0, "read", 6, 100);
    assert_memory_equal(memory_at(w, 1024), "<p>one", 6);
    world_close(w);
}

/* A Go program in such a world. */
static void
test_go(void **state)
{
    (void)state;
    world here, *const w = &here;
    gbx_bytes const wasm = guest_go("go/world.go");
    gbx_module *m;
    world_open(w, 0, 0);
    GUEST_OK(gbx_module_compile(shared.engine, wasm, NULL, &m, &w->err));
    GUEST_OK(gbx_wasi_arg(w->wasi, "world", &w->err));
    GUEST_OK(gbx_wasi_file(w->wasi, "/files", "a/b.txt", text_bytes("some text"), &w->err));
    GUEST_OK(gbx_wasi_file(w->wasi, "/files", "c", text_bytes(""), &w->err));
    GUEST_OK(gbx_wasi_stdin_bytes(w->wasi, text_bytes("a request"), &w->err));
    GUEST_OK(gbx_wasi_capture(w->wasi, 1, 0, &w->err));
    GUEST_OK(gbx_wasi_capture(w->wasi, 2, 0, &w->err));
    GUEST_OK(gbx_wasi_link(w->wasi, w->linker, &w->err));
    GUEST_OK(gbx_instance_new(w->store, m, w->linker, &w->instance, &w->trap, &w->err));
    gbx_func_call(gbx_instance_func(w->instance, "_start"), NULL, 0, NULL, 0, &w->trap);
    static const char want[] = "in \"a request\"\n"
                               ". true drwx------ 2026-01-01\n"
                               "a true drwx------ 2026-01-01\n"
                               "a/b.txt false -rw------- 2026-01-01\n"
                               "c false -rw------- 2026-01-01\n"
                               "some text\next\n"
                               "true true true true true true true true\n"
                               "2026-01-01 true\n";
    gbx_bytes const out = gbx_store_captured(w->store, 1);
    if (out.len != strlen(want) || memcmp(out.data, want, out.len)) fail_msg("%.*s", (int)out.len, (const char *)out.data);
    assert_captured(w, 2, "to the other");
    gbx_module_release(m);
    world_close(w);
    free((void *)(uintptr_t)wasm.data);
}

/* ---- time and randomness */

#define BEGIN_NS 1767225600000000000

static uint64_t
host_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
test_fixed_clock(void **state)
{
    (void)state;
    world here, *const w = &here;
    world_open(w, 300000000, 0);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    GUEST_OK(gbx_wasi_stdio(w->wasi, 0, ends[0], &w->err));
    world_start(w);
    GIVES(w, BEGIN_NS + 1000, "now", 0, 0);
    GIVES(w, 2000, "now", 1, 0);
    uint64_t const before = host_ns(CLOCK_MONOTONIC);
    GIVES(w, 0, "sleep", 20000000, 0); /* waited for, and told as it was asked for */
    assert_true(host_ns(CLOCK_MONOTONIC) - before >= 20000000);
    GIVES(w, 20003000, "now", 1, 0);
    GIVES(w, BEGIN_NS + 20004000, "now", 0, 0);
    GIVES(w, BEGIN_NS, "mtime", 0, 0); /* a pipe of the host's has the host's times */
    GIVES(w, BEGIN_NS, "mtime", 1, 0);
    ENDED(w, "sleep", INT64_MAX, 0, DEADLINE);
    GIVES(w, 20005000, "now", 1, 0); /* nothing has passed */
    close(ends[0]);
    close(ends[1]);
    world_close(w);
}

static uint64_t
own_now(void *data, uint32_t id)
{
    return *(uint64_t *)data + id;
}

static void
test_clocks_granted(void **state)
{
    (void)state;
    world here, *const w = &here;
    uint64_t own = 77, before = host_ns(CLOCK_REALTIME);
    world_open(w, 0, 0);
    gbx_wasi_clock(w->wasi, own_now, NULL, &own);
    world_start(w);
    GIVES(w, 78, "now", 1, 0);
    gbx_wasi_clock_real(w->wasi); /* the last counts */
    world_start(w);
    uint64_t const told = (uint64_t)ask(w, "now", 0, 0);
    assert_in_range(told, before, host_ns(CLOCK_REALTIME));
    gbx_wasi_clock(w->wasi, NULL, NULL, NULL);
    world_start(w);
    GIVES(w, 1000, "now", 1, 0);
    world_close(w);
}

static bool
own_random(void *data, uint8_t *buf, size_t len)
{
    memset(buf, 0x11, len);
    return *(bool *)data;
}

static void
test_random(void **state)
{
    (void)state;
    world here, *const w = &here;
    bool works = true;
    world_open(w, 0, 0);
    world_start(w);
    int64_t const os[2] = {ask(w, "random", 0, 0), ask(w, "random", 0, 0)};
    assert_true(os[0] != os[1]);
    gbx_wasi_random_seed(w->wasi, 0);
    for (int i = 0; i < 2; i++) { /* RFC 8439, A.1: the zero key's stream; each link from its beginning */
        world_start(w);
        GIVES(w, (int64_t)0x903df1a0ade0b876, "random", 0, 0);
        GIVES(w, (int64_t)0x28bd8653e56a5d40, "random", 0, 0);
        GIVES(w, 1000, "now", 1, 0);
    }
    gbx_wasi_random(w->wasi, own_random, &works);
    world_start(w);
    GIVES(w, 0x1111111111111111, "random", 0, 0);
    gbx_wasi_random(w->wasi, NULL, NULL);
    world_start(w);
    assert_true(ask(w, "random", 0, 0) != 0x1111111111111111);
    gbx_wasi_clock_real(NULL);
    gbx_wasi_random_seed(NULL, 1);
    world_close(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_memory),       cmocka_unit_test(test_output_bomb),
            cmocka_unit_test(test_own_streams),  cmocka_unit_test(test_waits),
            cmocka_unit_test(test_stdio_file),   cmocka_unit_test(test_files),
            cmocka_unit_test(test_fixed_clock),  cmocka_unit_test(test_clocks_granted),
            cmocka_unit_test(test_random),       cmocka_unit_test(test_go),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
