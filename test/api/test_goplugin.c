/* Guests of github.com/knqyf263/go-plugin v0.9.0, examples of its own from the module proxy, under a host of ours:
 * the calls that its generated Go host makes, in C. Messages are protobuf, of one field each.
 *
 * Its ABI: `malloc` and `free` are exports; a method takes a pointer and a length and gives both in one i64, the
 * pointer in the upper half, with bit 31 of the length set for an error's text; host functions of "env" likewise.
 * `SERVICE_api_version` gives an i64. */
#include "api/guest.h"

#include <gbx/unstable/trace.h>

static gbx_bytes
plugin_bytes(const char *example)
{
    char out[] = "/tmp/gbx-test-XXXXXX", dir[256], package[128];
    const char *const root = getenv("GBX_ROOT");
    snprintf(dir, sizeof dir, "%s/test/api/go/plugins", root ? root : ".");
    snprintf(package, sizeof package, "github.com/knqyf263/go-plugin/examples/%s", example);
    int const fd = mkstemp(out);
    assert_true(fd >= 0);
    close(fd);
    char *const argv[] = {"go", "-C", dir, "build", "-buildmode=c-shared", "-o", out, package, NULL};
    char *const env[] = {"GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=-mod=readonly", "GO111MODULE=on", NULL};
    guest_run_tool(argv, env);
    gbx_bytes const b = guest_read_file(out);
    unlink(out);
    return b;
}

typedef struct host {
    guest_world w;
    gbx_instance *plugin;
    char log[512];  /* what the guest logged */
    char url[128];  /* what it wanted to get */
    int requests;
} host;

/* A message whose only field, number 1, is text. */
static size_t
put_message(char *buf, const char *text)
{
    size_t const len = strlen(text);
    assert_true(len < 128);
    buf[0] = 0x0a;
    buf[1] = (char)len;
    memcpy(buf + 2, text, len);
    return len + 2;
}

static void
get_message(const char *buf, size_t len, char *text, size_t cap)
{
    *text = 0;
    if (!len) return;
    assert_true(len >= 2 && buf[0] == 0x0a && (uint8_t)buf[1] < 128 && (size_t)buf[1] == len - 2 && len - 2 < cap);
    memcpy(text, buf + 2, len - 2);
    text[len - 2] = 0;
}

static uint32_t
plugin_alloc(gbx_instance *plugin, size_t len)
{
    gbx_val const size = guest_i32((int32_t)len);
    gbx_val at = guest_i32(0);
    assert_int_equal(gbx_func_call(gbx_instance_func(plugin, "malloc"), &size, 1, &at, 1, NULL), GBX_TRAP_NONE);
    return (uint32_t)at.of.i32;
}

static void
plugin_free(gbx_instance *plugin, uint32_t at)
{
    gbx_val const v = guest_i32((int32_t)at);
    assert_int_equal(gbx_func_call(gbx_instance_func(plugin, "free"), &v, 1, NULL, 0, NULL), GBX_TRAP_NONE);
}

static void
plugin_copy(gbx_instance *plugin, uint32_t at, void *buf, size_t len, bool is_in)
{
    uint8_t *mem;
    size_t bytes;
    assert_true(gbx_instance_memory(plugin, "memory", &mem, &bytes));
    assert_true(at <= bytes && len <= bytes - at);
    if (is_in) memcpy(mem + at, buf, len);
    else memcpy(buf, mem + at, len);
}

/* ---- Host functions: read the request, answer in memory that the guest allocates while it waits */

static void
host_read(gbx_caller *caller, const gbx_val *args, char *text, size_t cap)
{
    char buf[256];
    size_t const len = (uint32_t)args[1].of.i32;
    assert_true(len <= sizeof buf);
    assert_true(gbx_caller_read(caller, (uint32_t)args[0].of.i32, buf, len));
    get_message(buf, len, text, cap);
}

static gbx_trap_code
host_http_get(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    host *const h = data;
    char buf[128];
    host_read(caller, args, h->url, sizeof h->url);
    size_t const len = put_message(buf, "192.0.2.7");
    uint32_t const at = plugin_alloc(gbx_caller_instance(caller), len);
    assert_true(gbx_caller_write(caller, at, buf, len));
    results[0].of.i64 = (int64_t)((uint64_t)at << 32 | len);
    h->requests++;
    return GBX_TRAP_NONE;
}

static gbx_trap_code
host_log(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)results;
    host_read(caller, args, ((host *)data)->log, sizeof((host *)data)->log);
    return GBX_TRAP_NONE; /* an empty message */
}

static void
host_out(void *data, const uint8_t *bytes, size_t len)
{
    host *const h = data;
    snprintf(h->log, sizeof h->log, "%.*s", (int)len, (const char *)bytes);
}

/* ---- The host */

static gbx_code
host_open(host *h, const char *example, const char *version, uint32_t major, const char *dir)
{
    static const gbx_valtype i32s[] = {GBX_I32, GBX_I32}, i64s[] = {GBX_I64};
    memset(h, 0, sizeof *h);
    guest_open(&h->w, NULL);
    guest_world *const w = &h->w;
    gbx_wasi *wasi;
    GUEST_OK(gbx_wasi_new(&wasi, &w->err));
    GUEST_OK(gbx_wasi_sink(wasi, 1, host_out, h, &w->err));
    if (dir) GUEST_OK(gbx_wasi_dir(wasi, dir, "/", GBX_READ_ONLY, &w->err));
    GUEST_OK(gbx_wasi_link(wasi, w->linker, &w->err));
    gbx_wasi_release(wasi);
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "http_get", i32s, 2, i64s, 1, host_http_get, h, &w->err));
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "log", i32s, 2, i64s, 1, host_log, h, &w->err));
    gbx_speak_opts const speak = {.size = sizeof speak, .name = version, .required = 1};
    GUEST_OK(gbx_linker_speak(w->linker, major, &speak, &w->err));
    gbx_bytes const b = plugin_bytes(example);
    gbx_module *m;
    GUEST_OK(gbx_module_compile(w->engine, b, NULL, &m, &w->err));
    free((void *)(uintptr_t)b.data);
    gbx_code const code = gbx_instance_new(w->store, m, w->linker, &h->plugin, &w->trap, &w->err);
    gbx_module_release(m);
    return code;
}

/* Call a method; true: `reply` is its message's text; false: an error's. */
static bool
host_call(host *h, const char *method, const char *request, char *reply, size_t cap)
{
    char buf[512];
    size_t const len = put_message(buf, request);
    uint32_t const at = plugin_alloc(h->plugin, len);
    plugin_copy(h->plugin, at, buf, len, true);
    gbx_val const args[] = {guest_i32((int32_t)at), guest_i32((int32_t)len)};
    gbx_val out = {.type = GBX_I64};
    gbx_func *const f = gbx_instance_func(h->plugin, method);
    gbx_trap_code const code = gbx_func_call(f, args, 2, &out, 1, &h->w.trap);
    if (code) fail_msg("%s: %s: %s", method, gbx_trap_slug(code), h->w.trap.message);
    plugin_free(h->plugin, at);
    uint32_t const ptr = (uint32_t)((uint64_t)out.of.i64 >> 32), size = (uint32_t)out.of.i64 & 0x7fffffff;
    bool const is_error = (uint32_t)out.of.i64 >> 31;
    assert_true(size < sizeof buf);
    plugin_copy(h->plugin, ptr, buf, size, false);
    plugin_free(h->plugin, ptr);
    if (is_error) snprintf(reply, cap, "%.*s", (int)size, buf);
    else get_message(buf, size, reply, cap);
    return !is_error;
}

static void
test_greeter(void **state)
{
    (void)state;
    host h;
    char reply[256], name[32], want[64];
    gbx_code const code = host_open(&h, "helloworld/plugin-morning", "greeter_api_version", 1, NULL);
    if (code) fail_msg("%s", h.w.err.text);
    for (int k = 0; k < 1000; k++) {
        snprintf(name, sizeof name, "visitor %d", k);
        snprintf(want, sizeof want, "Good morning, %s", name);
        assert_true(host_call(&h, "greeter_greet", name, reply, sizeof reply));
        assert_string_equal(reply, want);
    }
    assert_int_equal(gbx_instance_reset(h.plugin, NULL, &h.w.err), GBX_OK);
    assert_true(host_call(&h, "greeter_greet", "again", reply, sizeof reply));
    assert_string_equal(reply, "Good morning, again");
    guest_close(&h.w);
}

/* The guest calls the host, which calls the guest's malloc while that waits. */
static void
test_host_functions(void **state)
{
    (void)state;
    host h;
    char reply[256];
    gbx_code const code = host_open(&h, "host-functions/plugin", "greeter_api_version", 1, NULL);
    if (code) fail_msg("%s", h.w.err.text);
    for (int k = 1; k <= 100; k++) {
        assert_true(host_call(&h, "greeter_greet", "go-plugin", reply, sizeof reply));
        assert_string_equal(reply, "Hello, go-plugin from 192.0.2.7");
        assert_string_equal(h.log, "Sending a HTTP request...");
        assert_string_equal(h.url, "http://ifconfig.me");
        assert_int_equal(h.requests, k);
    }
    guest_close(&h.w);
}

/* Files, within what is granted; the error of one that is not there is the method's answer. */
static void
test_files(void **state)
{
    (void)state;
    host h;
    char reply[256], dir[] = "/tmp/gbx-test-XXXXXX", file[64];
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/hello.txt", dir);
    FILE *const f = fopen(file, "w");
    assert_non_null(f);
    fputs("hello from the host", f);
    fclose(f);
    gbx_code const code = host_open(&h, "wasi/plugin", "file_cat_api_version", 1, dir);
    if (code) fail_msg("%s", h.w.err.text);
    assert_true(host_call(&h, "file_cat_cat", "/hello.txt", reply, sizeof reply));
    assert_string_equal(reply, "hello from the host");
    assert_string_equal(h.log, "File loading...\n");
    assert_false(host_call(&h, "file_cat_cat", "/none", reply, sizeof reply));
    assert_string_equal(reply, "open /none: No such file or directory");
    guest_close(&h.w);
    unlink(file);
    rmdir(dir);
}

static void
test_another_version(void **state)
{
    (void)state;
    host h;
    assert_int_equal(host_open(&h, "helloworld/plugin-morning", "greeter_api_version", 2, NULL), GBX_ABI_VERSION);
    assert_string_equal(h.w.err.text, "the module's `greeter_api_version` is 1, this host speaks 2");
    guest_close(&h.w);
    assert_int_equal(host_open(&h, "helloworld/plugin-morning", "file_cat_api_version", 1, NULL), GBX_ABI_VERSION);
    guest_close(&h.w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_greeter),
            cmocka_unit_test(test_host_functions),
            cmocka_unit_test(test_files),
            cmocka_unit_test(test_another_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
