/* A server of plugins: threads take requests from a queue, and each request runs in a store of its own with 2 s and
 * 64 MiB. The module is compiled once; instances come from the engine's pool, as new, in some microseconds. A
 * plugin that loops or eats memory costs its own request and nobody else's. See README.md.
 *
 *     server plugin.wasm REQUESTS THREADS */
#define _GNU_SOURCE
#include <gbx/gbx.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static gbx_engine *engine;
static gbx_module *module;
static int requests;
static atomic_int next_request, answered, wrong, late, died;

/* A file in memory stands for the socket that a server would have. */
static int
memory_file(const char *text, size_t len)
{
    int const fd = memfd_create("request", MFD_CLOEXEC);
    if (fd >= 0 && write(fd, text, len) == (ssize_t)len && lseek(fd, 0, SEEK_SET) == 0) return fd;
    perror("memfd");
    exit(1);
}

/* Run the plugin over one request. Its reply is in `out`; the result says how it ended. */
static gbx_trap_code
serve(int in, int out, gbx_trap *trap)
{
    gbx_store *store = NULL;
    gbx_linker *linker = NULL;
    gbx_wasi *wasi = NULL;
    gbx_instance *plugin = NULL;
    gbx_err err;
    gbx_store_opts bounds = GBX_STORE_OPTS_INIT;
    bounds.timeout_ns = 2000000000u;
    bounds.memory_bytes = (uint64_t)64 << 20;
    bounds.output_bytes = (uint64_t)1 << 20;
    if (gbx_store_new(engine, &bounds, &store, &err) || gbx_linker_new(store, &linker, &err) ||
        gbx_wasi_new(&wasi, &err) || gbx_wasi_arg(wasi, "plugin", &err) || gbx_wasi_stdio(wasi, 0, in, &err) ||
        gbx_wasi_stdio(wasi, 1, out, &err) || gbx_wasi_link(wasi, linker, &err) ||
        gbx_instance_new(store, module, linker, &plugin, trap, &err)) {
        fprintf(stderr, "the host's own fault: %s\n", err.text);
        exit(1);
    }
    gbx_func_call(gbx_instance_func(plugin, "_start"), NULL, 0, NULL, 0, trap);
    gbx_wasi_release(wasi);
    gbx_linker_release(linker);
    gbx_store_release(store);
    return trap->code;
}

static void
one_request(int id)
{
    char request[256], wanted[256], reply[256];
    const char *const act = id % 5000 == 17 ? "loop" : id % 1000 == 500 ? "eat" : "";
    int const in = memory_file(request, (size_t)snprintf(request, sizeof request,
            "{\"id\":%d,\"words\":[\"you\",\"all\",\"hello\",\"%d\"],\"do\":\"%s\"}", id, id, act));
    int const out = memory_file("", 0);
    snprintf(wanted, sizeof wanted, "{\"id\":%d,\"joined\":\"%d all hello you\"}\n", id, id);
    gbx_trap trap;
    gbx_trap_code const code = serve(in, out, &trap);
    ssize_t const len = pread(out, reply, sizeof reply - 1, 0);
    reply[len > 0 ? len : 0] = 0;
    if (gbx_trap_is_success(&trap) && strcmp(reply, wanted) == 0) answered++;
    else if (code == GBX_TRAP_DEADLINE) late++;
    else if (code == GBX_TRAP_EXIT && trap.exit_status == 2) died++; /* Go ran out of memory */
    else if (wrong++ == 0) fprintf(stderr, "request %d: %s %s: %s\n", id, gbx_trap_text(code), trap.message, reply);
    close(in);
    close(out);
}

static void *
worker(void *unused)
{
    (void)unused;
    for (int id; (id = next_request++) < requests;) one_request(id);
    return NULL;
}

int
main(int argc, char **argv)
{
    enum { THREADS_MAX = 64 };
    gbx_err err;
    pthread_t threads[THREADS_MAX];
    if (argc != 4) return 2;
    requests = atoi(argv[2]);
    int const count = atoi(argv[3]);
    if (count < 1 || count > THREADS_MAX) return 2;
    if (gbx_engine_new(NULL, &engine, &err) || gbx_module_compile_file(engine, argv[1], NULL, &module, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, worker, NULL)) return 1;
    for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
    printf("%d requests: %d answered, %d past their deadline, %d out of memory, %d wrong\n", requests, answered, late,
           died, wrong);
    gbx_module_release(module);
    gbx_engine_release(engine);
    return wrong != 0;
}
