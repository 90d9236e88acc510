/* Bad input: what no module may do to the host that loads it.
 *
 * torture FILE.wasm loads, through the public API, everything that crafted.c makes and every kind
 * of damage to the real module FILE: cuts, and single bytes or bits changed at random places. Each
 * must give a known error with words, or a module; a module is then instantiated and run for a
 * moment with nothing granted. It must never crash, hang, or take more than 64 MiB beyond the
 * file itself.
 *
 * The work is done in a child process which notes what it is at in shared memory: when it dies, the
 * parent says on which variant, how to repeat that one alone, and goes on behind it. Damage is made
 * from a seed, so a variant is named by group, number and seed. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gbx/gbx.h>

#include "torture/torture.h"

#if defined(__SANITIZE_ADDRESS__)
#define TORTURE_SANITIZED 1 /* the sanitizer's own memory hides what is measured */
#else
#define TORTURE_SANITIZED 0
#endif

enum {
    RSS_MAX_KIB = 64 << 10,      /* beyond the file: the promise that is tested */
    GUEST_MEMORY = 16 << 20,     /* what a variant that runs may have */
    RUN_NS = 50 * 1000 * 1000,
    HANG_SECONDS = 60,           /* generous: a loaded machine under sanitizers */
    CUT_HEAD = 2000,             /* every cut up to here is tried */
    FAILURES_MAX = 20            /* of one group, before it is given up */
};

typedef struct torture_input {
    const uint8_t *data;
    size_t len;
    const char *path;
    uint64_t seed;
    uint32_t cuts, flips;
} torture_input;

/* What the child is at and what it has counted; shared with the parent. */
typedef struct torture_progress {
    uint32_t at;
    uint32_t failures;
    uint32_t refused, ran;
    long rss_max_kib;
    uint32_t codes[GBX_CODE_COUNT];
    uint32_t traps[GBX_TRAP_CODE_COUNT];
} torture_progress;

typedef struct torture_group torture_group;
struct torture_group {
    const char *name;
    uint32_t (*count)(const torture_input *in);
    /* Makes variant `i`: returns bytes that the caller frees, and what is expected of them. */
    uint8_t *(*make)(const torture_input *in, uint32_t i, size_t *len, torture_want *want,
                     char *what, size_t what_max);
};

static torture_progress *progress;

static uint64_t
random_next(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* The seed module's sections: where each begins, and where its last one ends. */
typedef struct torture_sections {
    uint32_t count;
    size_t begin[64]; /* of the id byte */
    uint8_t id[64];
    size_t end;
} torture_sections;

static void
find_sections(const torture_input *in, torture_sections *s)
{
    size_t at = 8;
    memset(s, 0, sizeof(*s));
    while (at < in->len && s->count < 64) {
        s->begin[s->count] = at;
        s->id[s->count++] = in->data[at++];
        uint64_t size = 0;
        for (uint32_t shift = 0; at < in->len && shift < 35; shift += 7) {
            uint8_t const b = in->data[at++];
            size |= (uint64_t)(b & 0x7f) << shift;
            if (b < 0x80) break;
        }
        at += size;
    }
    s->end = in->len;
}

static uint8_t *
copy_bytes(const uint8_t *from, size_t len)
{
    uint8_t *const to = malloc(len ? len : 1);
    if (!to) abort();
    if (len) memcpy(to, from, len);
    return to;
}

static uint32_t
count_cuts(const torture_input *in)
{
    return in->cuts;
}

/* First all cuts below CUT_HEAD, then those around section borders, then random ones. */
static uint8_t *
make_cut(const torture_input *in, uint32_t i, size_t *len, torture_want *want, char *what,
         size_t what_max)
{
    torture_sections s;
    find_sections(in, &s);
    uint32_t const around = s.count * 8;
    size_t at;
    if (i < CUT_HEAD) {
        at = i;
    } else if (i - CUT_HEAD < around) {
        uint32_t const k = i - CUT_HEAD;
        at = s.begin[k / 8] + k % 8 - 2;
    } else {
        uint64_t state = in->seed ^ (uint64_t)i << 20;
        at = (size_t)(random_next(&state) % in->len);
    }
    *len = at < in->len ? at : in->len - 1;
    *want = *len < 8 ? TORTURE_REFUSED : TORTURE_ANY;
    snprintf(what, what_max, "the first %zu bytes", *len);
    return copy_bytes(in->data, *len);
}

static uint32_t
count_flips(const torture_input *in)
{
    return in->flips;
}

/* Three of four anywhere, one in what stands before the code: types, imports, tables. Half of them
 * change a byte, half a bit. */
static uint8_t *
make_flip(const torture_input *in, uint32_t i, size_t *len, torture_want *want, char *what,
          size_t what_max)
{
    torture_sections s;
    find_sections(in, &s);
    uint64_t state = in->seed ^ (uint64_t)(i + 1) << 32;
    size_t range = in->len;
    for (uint32_t k = 0; i % 4 == 3 && k < s.count; k++)
        if (s.id[k] == 10) range = s.begin[k] + 12;
    size_t const at = (size_t)(random_next(&state) % range);
    uint8_t *const bytes = copy_bytes(in->data, in->len);
    uint8_t const was = bytes[at];
    if (i % 2) {
        bytes[at] = (uint8_t)(was ^ 1u << (random_next(&state) & 7));
    } else {
        while (bytes[at] == was) bytes[at] = (uint8_t)random_next(&state);
    }
    *len = in->len;
    *want = TORTURE_ANY;
    snprintf(what, what_max, "byte 0x%zx changed from 0x%02x to 0x%02x", at, was, bytes[at]);
    return bytes;
}

static uint32_t
count_crafted(const torture_input *in)
{
    (void)in;
    return torture_crafted_count();
}

static uint8_t *
make_crafted(const torture_input *in, uint32_t i, size_t *len, torture_want *want, char *what,
             size_t what_max)
{
    (void)in;
    const char *name;
    uint8_t *const bytes = torture_crafted_make(i, len, want, &name);
    snprintf(what, what_max, "%s", name);
    return bytes;
}

static const torture_group groups[] = {
    {"crafted", count_crafted, make_crafted},
    {"cuts", count_cuts, make_cut},
    {"flips", count_flips, make_flip},
};

/* Peak and present memory of this process in KiB. Writing "5" sets the peak back to the present. */
static long
status_kib(const char *key)
{
    char text[4096];
    int const fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t const n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0) close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *const line = strstr(text, key);
    return line ? strtol(line + strlen(key), NULL, 10) : 0;
}

static long
reset_peak(void)
{
    int const fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, "5", 1) != 1) perror("clear_refs");
        close(fd);
    }
    return status_kib("VmRSS:");
}

static void
fail(const torture_input *in, const torture_group *g, uint32_t i, const char *what,
     const char *why)
{
    printf("    %s %u (%s): %s\n      again: torture --seed %llu --only %s:%u %s\n", g->name, i,
           what, why, (unsigned long long)in->seed, g->name, i, in->path);
    fflush(stdout);
    progress->failures++;
}

static bool
printable(const char *text)
{
    size_t const len = strnlen(text, GBX_ERR_TEXT_MAX);
    for (size_t k = 0; k < len; k++)
        if (iscntrl((unsigned char)text[k])) return false;
    return len > 0 && len < GBX_ERR_TEXT_MAX;
}

/* Instantiate and run what still validates; NULL or what was wrong. */
static const char *
run_variant(gbx_engine *engine, const gbx_module *module)
{
    gbx_err err = {0};
    gbx_trap trap = {0};
    gbx_store *store = NULL;
    gbx_linker *linker = NULL;
    gbx_wasi *wasi = NULL;
    gbx_instance *instance = NULL;
    const char *bad = NULL;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.timeout_ns = RUN_NS;
    opts.memory_bytes = GUEST_MEMORY;
    if (gbx_store_new(engine, &opts, &store, &err) || gbx_linker_new(store, &linker, &err) ||
        gbx_wasi_new(&wasi, &err) || gbx_wasi_arg(wasi, "torture", &err) ||
        gbx_wasi_link(wasi, linker, &err)) {
        bad = "the host side could not be set up";
        goto out;
    }
    gbx_code const code = gbx_instance_new(store, module, linker, &instance, &trap, &err);
    if (code) {
        if ((unsigned)code >= GBX_CODE_COUNT || !printable(err.text))
            bad = "instantiation failed without a code or words";
        goto out;
    }
    gbx_func *const start = gbx_instance_func(instance, "_start");
    const gbx_valtype *types;
    if (start && !gbx_func_params(start, &types) && !gbx_func_results(start, &types)) {
        gbx_trap_code const ended = gbx_func_call(start, NULL, 0, NULL, 0, &trap);
        if ((unsigned)ended >= GBX_TRAP_CODE_COUNT || ended != trap.code)
            bad = "the run ended without a known trap code";
        else
            progress->traps[ended]++;
    }
    progress->ran++;
out:
    gbx_wasi_release(wasi);
    gbx_linker_release(linker);
    gbx_store_release(store);
    return bad;
}

static void
try_variant(gbx_engine *engine, const torture_input *in, const torture_group *g, uint32_t i)
{
    char what[160];
    size_t len;
    torture_want want;
    uint8_t *const bytes = g->make(in, i, &len, &want, what, sizeof(what));
    gbx_module *module = NULL;
    gbx_err err;
    memset(&err, 0x5a, sizeof(err));
    alarm(HANG_SECONDS);
    long const before = reset_peak();
    gbx_code const code = gbx_module_compile(engine, (gbx_bytes){bytes, len}, NULL, &module, &err);
    long const grown = status_kib("VmHWM:") - before - (long)(len >> 10);
    if (grown > progress->rss_max_kib) progress->rss_max_kib = grown;
    progress->refused += code != GBX_OK;
    if ((unsigned)code < GBX_CODE_COUNT) progress->codes[code]++;

    const char *bad = NULL;
    if ((unsigned)code >= GBX_CODE_COUNT) {
        bad = "a code that there is not";
    } else if (code && (module || err.code != code || !printable(err.text))) {
        bad = "an error without its code or its words";
    } else if (code == GBX_NO_MEMORY) {
        bad = "took all memory there is";
    } else if (!code && !module) {
        bad = "no error and no module";
    } else if (!code && want == TORTURE_REFUSED) {
        bad = "was taken for a module";
    } else if (code && want == TORTURE_VALID) {
        bad = err.text;
    } else if (grown > RSS_MAX_KIB && !TORTURE_SANITIZED) {
        bad = "took more than 64 MiB beyond the file";
    } else if (!code) {
        bad = run_variant(engine, module);
    }
    if (bad) fail(in, g, i, what, bad);
    gbx_module_release(module);
    free(bytes);
    alarm(0);
}

static void
child_run(const torture_input *in, const torture_group *g, uint32_t from, uint32_t to)
{
    gbx_err err;
    gbx_engine *engine = NULL;
    if (gbx_engine_new(NULL, &engine, &err)) {
        fprintf(stderr, "no engine: %s\n", err.text);
        _exit(1);
    }
    for (uint32_t i = from; i < to && progress->failures < FAILURES_MAX; i++) {
        progress->at = i;
        try_variant(engine, in, g, i);
    }
    gbx_engine_release(engine);
    fflush(stdout);
    exit(0); /* not _exit: the leak checker of a sanitized build looks at exit */
}

static void
print_counts(const torture_group *g, uint32_t total)
{
    printf("    %s: %u variants, %u refused, %u run; at most %ld KiB beyond the file\n", g->name,
           total, progress->refused, progress->ran, progress->rss_max_kib);
    printf("     ");
    for (uint32_t k = 0; k < GBX_CODE_COUNT; k++)
        if (progress->codes[k]) printf(" %s %u", gbx_code_slug((gbx_code)k), progress->codes[k]);
    printf(";");
    for (uint32_t k = 0; k < GBX_TRAP_CODE_COUNT; k++)
        if (progress->traps[k])
            printf(" %s %u", gbx_trap_slug((gbx_trap_code)k), progress->traps[k]);
    printf("\n");
}

/* Runs variants [from, to) of a group in children; returns whether all were well. */
static bool
run_group(const torture_input *in, const torture_group *g, uint32_t from, uint32_t to)
{
    memset(progress, 0, sizeof(*progress));
    for (uint32_t at = from; at < to && progress->failures < FAILURES_MAX;) {
        fflush(stdout);
        pid_t const pid = fork();
        if (pid < 0) {
            perror("fork");
            return false;
        }
        if (!pid) child_run(in, g, at, to);
        int status;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
        char what[160], why[80];
        size_t len;
        torture_want want;
        free(g->make(in, progress->at, &len, &want, what, sizeof(what)));
        if (WIFSIGNALED(status))
            snprintf(why, sizeof(why), "%s by signal %d",
                     WTERMSIG(status) == SIGALRM ? "hung, ended" : "died", WTERMSIG(status));
        else
            snprintf(why, sizeof(why), "ended the process with status %d", WEXITSTATUS(status));
        fail(in, g, progress->at, what, why);
        at = progress->at + 1;
    }
    bool const ok = !progress->failures;
    printf("%s torture/%s%s\n", ok ? "PASS" : "FAIL", g->name, TORTURE_SANITIZED ? " (asan)" : "");
    print_counts(g, to - from);
    return ok;
}

static bool
read_input(torture_input *in)
{
    FILE *const f = fopen(in->path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) return false;
    long const len = ftell(f);
    rewind(f);
    uint8_t *const data = malloc((size_t)(len > 0 ? len : 1));
    bool const ok = data && len > 8 && fread(data, 1, (size_t)len, f) == (size_t)len;
    fclose(f);
    in->data = data;
    in->len = (size_t)len;
    return ok;
}

static int
usage(void)
{
    fprintf(stderr, "usage: torture [--seed N] [--cuts N] [--flips N] [--only GROUP[:N]] FILE.wasm\n"
                    "       torture --write DIR    (the crafted modules, as files)\n");
    return 2;
}

static int
write_crafted(const char *dir)
{
    for (uint32_t i = 0; i < torture_crafted_count(); i++) {
        size_t len;
        torture_want want;
        const char *name;
        char path[4096];
        uint8_t *const bytes = torture_crafted_make(i, &len, &want, &name);
        snprintf(path, sizeof(path), "%s/%03u.wasm", dir, i);
        FILE *const f = fopen(path, "wb");
        if (!f || fwrite(bytes, 1, len, f) != len || fclose(f)) {
            perror(path);
            return 1;
        }
        static const char *const words[] = {"refused", "valid", "either"}; /* ORDER: torture_want */
        printf("%s %s %s\n", path, words[want], name);
        free(bytes);
    }
    return 0;
}

int
main(int argc, char **argv)
{
    torture_input in = {.seed = 1, .cuts = 3000, .flips = 10000};
    const char *only = "";
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-') {
            in.path = argv[i];
            continue;
        }
        if (i + 1 == argc) return usage();
        const char *const value = argv[++i];
        if (!strcmp(argv[i - 1], "--seed")) in.seed = strtoull(value, NULL, 0);
        else if (!strcmp(argv[i - 1], "--cuts")) in.cuts = (uint32_t)strtoul(value, NULL, 0);
        else if (!strcmp(argv[i - 1], "--flips")) in.flips = (uint32_t)strtoul(value, NULL, 0);
        else if (!strcmp(argv[i - 1], "--only")) only = value;
        else if (!strcmp(argv[i - 1], "--write")) return write_crafted(value);
        else return usage();
    }
    if (!in.path) return usage();
    if (!read_input(&in)) {
        fprintf(stderr, "torture: %s cannot be read or is too short\n", in.path);
        return 2;
    }
    progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                    -1, 0);
    if (progress == MAP_FAILED) return 2;
    printf("seed %llu, %zu bytes of %s\n", (unsigned long long)in.seed, in.len, in.path);
    bool ok = true, any = false;
    for (size_t k = 0; k < sizeof(groups) / sizeof(groups[0]); k++) {
        size_t const n = strcspn(only, ":");
        if (n && (strncmp(only, groups[k].name, n) != 0 || groups[k].name[n])) continue;
        any = true;
        bool const one = only[n] == ':';
        uint32_t const from = one ? (uint32_t)strtoul(only + n + 1, NULL, 0) : 0;
        ok = run_group(&in, &groups[k], from, one ? from + 1 : groups[k].count(&in)) && ok;
    }
    free((void *)(uintptr_t)in.data);
    return !any ? usage() : !ok;
}
