/* A host for wasm3, so that `bench/interp` can run the same modules on it.
 *
 * The wasm3 sources on the package registries come without a command, so this is one: as much of
 * WASI preview 1 as a Go or C kernel needs that computes and prints (arguments, clocks, output,
 * randomness, waiting). Everything else answers ENOSYS, and there are no preopened directories.
 *
 * It is a yardstick, not part of the product: `bench/peers` compiles it together with wasm3.
 * Usage: wasm3 FILE.wasm [args…] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "m3_env.h"
#include "wasm3.h"

enum {
    WASI_OK = 0,
    WASI_BADF = 8,
    WASI_FAULT = 21,
    WASI_IO = 29,
    WASI_NOSYS = 52,
    HOST_STACK_BYTES = 8 << 20,
    SUBSCRIPTION_BYTES = 48,
    EVENT_BYTES = 32
};

static const char exit_mark[] = "exit";
static int exit_status;
static int guest_argc;
static char **guest_argv;

/* The guest's bytes [at, at + len), or NULL when they are not all inside its memory. */
static uint8_t *
guest(IM3Runtime runtime, uint64_t at, uint64_t len)
{
    uint32_t bytes;
    uint8_t *const mem = m3_GetMemory(runtime, &bytes, 0);
    return at <= bytes && len <= bytes - at ? mem + at : NULL;
}

static uint64_t
guest_word(const uint8_t *at, int bytes)
{
    uint64_t v = 0;
    memcpy(&v, at, (size_t)bytes); /* little-endian hosts only, as wasm3 itself here */
    return v;
}

static bool
guest_put(IM3Runtime runtime, uint64_t at, uint64_t v, int bytes)
{
    uint8_t *const to = guest(runtime, at, (uint64_t)bytes);
    if (to)
        memcpy(to, &v, (size_t)bytes);
    return to != NULL;
}

#define HOST_CALL(name) \
    static const void *name(IM3Runtime runtime, IM3ImportContext ctx, uint64_t *sp, void *mem)
#define HOST_ARG(n) (sp[1 + (n)])
#define HOST_U32(n) ((uint32_t)sp[1 + (n)])
#define HOST_RETURN(errno_value) \
    return (void)ctx, (void)mem, sp[0] = (uint32_t)(errno_value), m3Err_none

HOST_CALL(host_args_sizes)
{
    uint64_t bytes = 0;
    for (int i = 0; i < guest_argc; i++)
        bytes += strlen(guest_argv[i]) + 1;
    bool const ok = guest_put(runtime, HOST_U32(0), (uint64_t)guest_argc, 4) &&
                    guest_put(runtime, HOST_U32(1), bytes, 4);
    HOST_RETURN(ok ? WASI_OK : WASI_FAULT);
}

HOST_CALL(host_args)
{
    uint64_t table = HOST_U32(0), text = HOST_U32(1);
    for (int i = 0; i < guest_argc; i++, table += 4) {
        size_t const len = strlen(guest_argv[i]) + 1;
        uint8_t *const to = guest(runtime, text, len);
        if (!to || !guest_put(runtime, table, text, 4))
            HOST_RETURN(WASI_FAULT);
        memcpy(to, guest_argv[i], len);
        text += len;
    }
    HOST_RETURN(WASI_OK);
}

HOST_CALL(host_environ_sizes)
{
    bool const ok = guest_put(runtime, HOST_U32(0), 0, 4) && guest_put(runtime, HOST_U32(1), 0, 4);
    HOST_RETURN(ok ? WASI_OK : WASI_FAULT);
}

HOST_CALL(host_environ)
{
    (void)runtime;
    HOST_RETURN(WASI_OK);
}

HOST_CALL(host_clock)
{
    struct timespec t;
    clock_gettime(HOST_U32(0) ? CLOCK_MONOTONIC : CLOCK_REALTIME, &t);
    uint64_t const ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
    HOST_RETURN(guest_put(runtime, HOST_U32(2), ns, 8) ? WASI_OK : WASI_FAULT);
}

HOST_CALL(host_write)
{
    uint32_t const fd = HOST_U32(0);
    uint64_t total = 0;
    if (fd != 1 && fd != 2)
        HOST_RETURN(WASI_BADF);
    for (uint32_t i = 0; i < HOST_U32(2); i++) {
        uint8_t *const iov = guest(runtime, HOST_U32(1) + 8ull * i, 8);
        if (!iov)
            HOST_RETURN(WASI_FAULT);
        uint64_t len = guest_word(iov + 4, 4);
        uint8_t *from = guest(runtime, guest_word(iov, 4), len);
        if (!from)
            HOST_RETURN(WASI_FAULT);
        for (total += len; len > 0;) {
            ssize_t const n = write((int)fd, from, (size_t)len);
            if (n < 0)
                HOST_RETURN(WASI_IO);
            from += n;
            len -= (uint64_t)n;
        }
    }
    HOST_RETURN(guest_put(runtime, HOST_U32(3), total, 4) ? WASI_OK : WASI_FAULT);
}

HOST_CALL(host_fdstat)
{
    uint8_t *const to = guest(runtime, HOST_U32(1), 24);
    if (HOST_U32(0) > 2)
        HOST_RETURN(WASI_BADF);
    if (!to)
        HOST_RETURN(WASI_FAULT);
    memset(to, 0, 24);
    to[0] = 2; /* a character device */
    memset(to + 8, 0xff, 16);
    HOST_RETURN(WASI_OK);
}

HOST_CALL(host_random)
{
    uint32_t const len = HOST_U32(1);
    uint8_t *const to = guest(runtime, HOST_U32(0), len);
    if (!to)
        HOST_RETURN(WASI_FAULT);
    for (uint32_t done = 0; done < len;) {
        ssize_t const n = getrandom(to + done, len - done, 0);
        if (n < 0)
            HOST_RETURN(WASI_IO);
        done += (uint32_t)n;
    }
    HOST_RETURN(WASI_OK);
}

/* Waits for the shortest of the relative clock subscriptions, which is all that a kernel uses. */
HOST_CALL(host_poll)
{
    uint32_t const count = HOST_U32(2);
    uint64_t ns = UINT64_MAX, user = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *const sub = guest(runtime, HOST_U32(0) + (uint64_t)i * SUBSCRIPTION_BYTES,
                                   SUBSCRIPTION_BYTES);
        if (!sub)
            HOST_RETURN(WASI_FAULT);
        if (sub[8] == 0 && guest_word(sub + 24, 8) < ns) {
            ns = guest_word(sub + 24, 8);
            user = guest_word(sub, 8);
        }
    }
    uint8_t *const event = guest(runtime, HOST_U32(1), EVENT_BYTES);
    if (!event || ns == UINT64_MAX)
        HOST_RETURN(event ? WASI_NOSYS : WASI_FAULT);
    struct timespec const t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    nanosleep(&t, NULL);
    memset(event, 0, EVENT_BYTES);
    memcpy(event, &user, sizeof(user));
    HOST_RETURN(guest_put(runtime, HOST_U32(3), 1, 4) ? WASI_OK : WASI_FAULT);
}

HOST_CALL(host_exit)
{
    (void)runtime, (void)ctx, (void)mem;
    exit_status = (int)(uint32_t)sp[0];
    return exit_mark;
}

HOST_CALL(host_ok)
{
    (void)runtime;
    HOST_RETURN(WASI_OK);
}

HOST_CALL(host_badf)
{
    (void)runtime;
    HOST_RETURN(WASI_BADF);
}

HOST_CALL(host_nosys)
{
    (void)runtime;
    HOST_RETURN(WASI_NOSYS);
}

static const struct {
    const char *name, *signature;
    M3RawCall call;
} host_calls[] = {
    {"args_get", "i(ii)", host_args},
    {"args_sizes_get", "i(ii)", host_args_sizes},
    {"environ_get", "i(ii)", host_environ},
    {"environ_sizes_get", "i(ii)", host_environ_sizes},
    {"clock_time_get", "i(iIi)", host_clock},
    {"fd_write", "i(iiii)", host_write},
    {"fd_read", "i(iiii)", host_badf},
    {"fd_seek", "i(iIii)", host_nosys},
    {"fd_close", "i(i)", host_ok},
    {"fd_fdstat_get", "i(ii)", host_fdstat},
    {"fd_fdstat_set_flags", "i(ii)", host_ok},
    {"fd_prestat_get", "i(ii)", host_badf},
    {"fd_prestat_dir_name", "i(iii)", host_badf},
    {"poll_oneoff", "i(iiii)", host_poll},
    {"proc_exit", "v(i)", host_exit},
    {"random_get", "i(ii)", host_random},
    {"sched_yield", "i()", host_ok},
};

static uint8_t *
read_file(const char *path, uint32_t *bytes)
{
    FILE *const f = fopen(path, "rb");
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    long const len = ftell(f);
    rewind(f);
    uint8_t *const data = malloc((size_t)len + 1);
    if (data && fread(data, 1, (size_t)len, f) == (size_t)len)
        *bytes = (uint32_t)len;
    fclose(f);
    return data;
}

int
main(int argc, char **argv)
{
    uint32_t bytes = 0;
    uint8_t *const data = argc > 1 ? read_file(argv[1], &bytes) : NULL;
    if (!data) {
        fprintf(stderr, "usage: wasm3 FILE.wasm [args...]\n");
        return 125;
    }
    guest_argc = argc - 1;
    guest_argv = argv + 1;

    IM3Environment const env = m3_NewEnvironment();
    IM3Runtime const runtime = m3_NewRuntime(env, HOST_STACK_BYTES, NULL);
    IM3Module module = NULL;
    IM3Function start = NULL;
    M3Result r = m3_ParseModule(env, &module, data, bytes);
    if (!r)
        r = m3_LoadModule(runtime, module);
    for (size_t i = 0; !r && i < sizeof(host_calls) / sizeof(host_calls[0]); i++) {
        r = m3_LinkRawFunction(module, "wasi_snapshot_preview1", host_calls[i].name,
                               host_calls[i].signature, host_calls[i].call);
        if (r == m3Err_functionLookupFailed)
            r = NULL;
    }
    if (!r)
        r = m3_FindFunction(&start, runtime, "_start");
    if (!r)
        r = m3_CallV(start);
    if (r == exit_mark)
        return exit_status;
    if (r) {
        M3ErrorInfo info;
        m3_GetErrorInfo(runtime, &info);
        fprintf(stderr, "wasm3: %s %s\n", r, info.message ? info.message : "");
        return 134;
    }
    return 0;
}
