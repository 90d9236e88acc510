/* What the tests of the API share: guests written as text, and a world to run them in.
 *
 * Guests are WebAssembly text inside the test, turned into modules by wat2wasm (Debian's wabt), or Go
 * programs under test/api/, built by the go command. A tool that is missing fails the test. */
#ifndef TEST_API_GUEST_H
#define TEST_API_GUEST_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <gbx/gbx.h>

/* Run a tool found on PATH and wait; `env` is added to the environment ("NAME=value", NULL: nothing). */
static inline void
guest_run_tool(char *const argv[], char *const env[])
{
    char *all[512];
    size_t n = 0;
    extern char **environ;
    for (char *const *e = env; e && *e; e++) all[n++] = *e; /* of two of a name the first holds */
    for (char **e = environ; *e && n < 500; e++) all[n++] = *e;
    all[n] = NULL;
    pid_t pid;
    int status = 0;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, all) != 0) fail_msg("cannot run %s", argv[0]);
    while (waitpid(pid, &status, 0) < 0) assert_int_equal(errno, EINTR);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("%s failed", argv[0]);
}

/* The bytes of a whole file, from malloc. */
static inline gbx_bytes
guest_read_file(const char *path)
{
    FILE *const f = fopen(path, "rb");
    if (!f) fail_msg("cannot open %s", path);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long const len = ftell(f);
    assert_true(len >= 0);
    rewind(f);
    uint8_t *const data = malloc((size_t)len + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)len, f), len);
    fclose(f);
    return (gbx_bytes){data, (size_t)len};
}

/* A module's bytes from its text; the caller frees .data. */
static inline gbx_bytes
guest_wat(const char *text)
{
    char dir[] = "/tmp/gbx-test-XXXXXX";
    char wat[64], wasm[64];
    assert_non_null(mkdtemp(dir));
    snprintf(wat, sizeof wat, "%s/m.wat", dir);
    snprintf(wasm, sizeof wasm, "%s/m.wasm", dir);
    FILE *const f = fopen(wat, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
    char *const argv[] = {"wat2wasm", "--debug-names", "--enable-tail-call", "--enable-extended-const",
                          wat, "-o", wasm, NULL};
    guest_run_tool(argv, NULL);
    gbx_bytes const b = guest_read_file(wasm);
    unlink(wat);
    unlink(wasm);
    rmdir(dir);
    return b;
}

/* A Go program of one file under test/api/, built for wasip1, with flags for `go build` (NULL at the end; NULL:
 * none); the caller frees .data. */
static inline gbx_bytes
guest_go_with(const char *file, const char *const flags[])
{
    char out[] = "/tmp/gbx-test-XXXXXX";
    char path[256];
    const char *const root = getenv("GBX_ROOT");
    snprintf(path, sizeof path, "%s/test/api/%s", root ? root : ".", file);
    int const fd = mkstemp(out);
    assert_true(fd >= 0);
    close(fd);
    char *argv[16] = {"go", "build", "-o", out};
    size_t n = 4;
    for (size_t k = 0; flags && flags[k] && n < 14; k++) argv[n++] = (char *)(uintptr_t)flags[k];
    argv[n] = path;
    char *const env[] = {"GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "GO111MODULE=off", NULL};
    guest_run_tool(argv, env);
    gbx_bytes const b = guest_read_file(out);
    unlink(out);
    return b;
}

static inline gbx_bytes
guest_go(const char *file)
{
    return guest_go_with(file, NULL);
}

/* A store with a linker, and what went wrong last. */
typedef struct guest_world {
    gbx_engine *engine;
    gbx_store *store;
    gbx_linker *linker;
    gbx_err err;
    gbx_trap trap;
} guest_world;

#define GUEST_OK(call)                                                        \
    do {                                                                      \
        gbx_code const guest_code_ = (call);                                  \
        if (guest_code_ != GBX_OK) fail_msg("%s: %s: %s", #call, gbx_code_slug(guest_code_), w->err.text); \
    } while (0)

static inline void
guest_open(guest_world *w, const gbx_store_opts *opts)
{
    memset(w, 0, sizeof *w);
    GUEST_OK(gbx_engine_new(NULL, &w->engine, &w->err));
    GUEST_OK(gbx_store_new(w->engine, opts, &w->store, &w->err));
    GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
}

static inline void
guest_close(guest_world *w)
{
    gbx_linker_release(w->linker);
    gbx_store_release(w->store);
    gbx_engine_release(w->engine);
}

static inline gbx_module *
guest_compile(guest_world *w, const char *text)
{
    gbx_bytes const b = guest_wat(text);
    gbx_module *m;
    GUEST_OK(gbx_module_compile(w->engine, b, NULL, &m, &w->err));
    free((void *)(uintptr_t)b.data);
    return m;
}

/* Compile and instantiate; the store keeps the module. */
static inline gbx_instance *
guest_instance(guest_world *w, const char *text)
{
    gbx_module *const m = guest_compile(w, text);
    gbx_instance *i;
    GUEST_OK(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err));
    gbx_module_release(m);
    return i;
}

/* One module, in an engine of its own, that all tests of a program share. */
typedef struct guest_one {
    gbx_bytes bytes;
    gbx_engine *engine;
    gbx_module *module;
} guest_one;

/* What a group's set-up gives to cmocka: 0, or what went wrong. */
static inline int
guest_one_open(guest_one *one, const char *text)
{
    one->bytes = guest_wat(text);
    if (gbx_engine_new(NULL, &one->engine, NULL)) return -1;
    return (int)gbx_module_compile(one->engine, one->bytes, NULL, &one->module, NULL);
}

static inline int
guest_one_close(guest_one *one)
{
    gbx_module_release(one->module);
    gbx_engine_release(one->engine);
    free((void *)(uintptr_t)one->bytes.data);
    return 0;
}

static inline gbx_val
guest_i32(int32_t v)
{
    return (gbx_val){.type = GBX_I32, .of.i32 = v};
}

/* Call export `name` with i32 arguments. */
static inline gbx_trap_code
guest_call(guest_world *w, gbx_instance *i, const char *name, const int32_t *args, size_t arg_count,
           int32_t *result)
{
    gbx_func *const f = gbx_instance_func(i, name);
    assert_non_null(f);
    gbx_val a[8], r = {.type = GBX_I32};
    assert_true(arg_count <= 8);
    for (size_t k = 0; k < arg_count; k++) a[k] = guest_i32(args[k]);
    gbx_trap_code const code = gbx_func_call(f, a, arg_count, &r, result ? 1 : 0, &w->trap);
    assert_int_equal(w->trap.code, code);
    if (result && code == GBX_TRAP_NONE) *result = r.of.i32;
    return code;
}

#endif
