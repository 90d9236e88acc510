/* How fast modules are decoded and validated: MB of code section per second of one thread's own
 * processor time, which a busy machine disturbs least.
 *
 * validate [-n ROUNDS] FILE.wasm ... loads each file ROUNDS times through gbx_module_compile, which
 * includes the copy of the bytes and the interpreter's side table, and prints the best and the
 * median round. MB are 10^6 bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gbx/gbx.h>

enum { ROUNDS_MAX = 1000 };

static double
now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int
compare_doubles(const void *a, const void *b)
{
    double const x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Size of the code section, 0 where there is none. The file was accepted: it is well formed. */
static size_t
code_section_bytes(const uint8_t *data, size_t len)
{
    for (size_t at = 8; at < len;) {
        uint8_t const id = data[at++];
        size_t size = 0;
        for (unsigned shift = 0;; shift += 7) {
            uint8_t const b = data[at++];
            size |= (size_t)(b & 0x7f) << shift;
            if (b < 0x80) break;
        }
        if (id == 10) return size;
        at += size;
    }
    return 0;
}

static uint8_t *
read_file(const char *path, size_t *len)
{
    FILE *const f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) return NULL;
    long const size = ftell(f);
    rewind(f);
    uint8_t *const data = size > 0 ? malloc((size_t)size) : NULL;
    *len = data ? fread(data, 1, (size_t)size, f) : 0;
    fclose(f);
    return data;
}

static int
measure(gbx_engine *engine, const char *path, int rounds)
{
    static double ms[ROUNDS_MAX];
    size_t len;
    uint8_t *const data = read_file(path, &len);
    if (!data) {
        fprintf(stderr, "validate: %s cannot be read\n", path);
        return 1;
    }
    for (int i = 0; i < rounds; i++) {
        gbx_err err;
        gbx_module *module;
        double const begin = now_ms();
        gbx_code const code =
            gbx_module_compile(engine, (gbx_bytes){data, len}, NULL, &module, &err);
        ms[i] = now_ms() - begin;
        gbx_module_release(module);
        if (code) {
            fprintf(stderr, "validate: %s: %s\n", path, err.text);
            free(data);
            return 1;
        }
    }
    qsort(ms, (size_t)rounds, sizeof(ms[0]), compare_doubles);
    double const code_mb = (double)code_section_bytes(data, len) / 1e6;
    double const best = ms[0], median = ms[rounds / 2];
    printf("%-40s %8.2f MB file %8.2f MB code", path, (double)len / 1e6, code_mb);
    printf("  best %8.2f ms %6.1f MB/s", best, code_mb / best * 1e3);
    printf("  median %8.2f ms %6.1f MB/s\n", median, code_mb / median * 1e3);
    free(data);
    return 0;
}

int
main(int argc, char **argv)
{
    int rounds = 15, first = 1;
    if (argc > 2 && !strcmp(argv[1], "-n")) {
        rounds = atoi(argv[2]);
        first = 3;
    }
    if (first >= argc || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: validate [-n ROUNDS] FILE.wasm ...\n");
        return 2;
    }
    gbx_err err;
    gbx_engine *engine;
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.compile_threads = 1;
    opts.keep_ms = GBX_KEEP_OFF;
    if (gbx_engine_new(&opts, &engine, &err)) {
        fprintf(stderr, "validate: %s\n", err.text);
        return 1;
    }
    int status = 0;
    for (int i = first; i < argc; i++) status |= measure(engine, argv[i], rounds);
    gbx_engine_release(engine);
    return status;
}
