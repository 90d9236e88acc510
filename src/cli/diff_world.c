/* The world that `glovebox diff` shows to each run: nothing in it tells one run from another.
 *
 * Time begins at the same moment, goes on by the same step at every look, and jumps over waits. Random
 * numbers are a sequence drawn from a seed. Standard input is read once and kept in a file without a name;
 * it is opened anew for each run, without times of access. Output goes nowhere but into memory, so that no
 * pipe or terminal can be slow at one run and fast at the other. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/diff.h"

#define WORLD_BEGIN_NS    1767225600000000000u /* 2026-01-01 00:00:00 UTC */
#define WORLD_STEP_NS     1000u                /* that a look at the clock takes */
#define WORLD_INPUT_BYTES ((uint64_t)1 << 30)

static uint64_t
world_now(void *data, uint32_t clock_id)
{
    diff_world *const w = data;
    w->now_ns += WORLD_STEP_NS;
    return clock_id == 0 ? WORLD_BEGIN_NS + w->now_ns : w->now_ns;
}

static void
world_sleep(void *data, uint64_t ns)
{
    ((diff_world *)data)->now_ns += ns;
}

/* SPEC: splitmix64, Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014. */
static bool
world_random(void *data, uint8_t *buf, size_t len)
{
    diff_world *const w = data;
    while (len) {
        uint64_t z = w->random += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        size_t const take = len < sizeof z ? len : sizeof z;
        memcpy(buf, &z, take);
        buf += take;
        len -= take;
    }
    return true;
}

static void
world_write(void *data, const uint8_t *bytes, size_t len)
{
    diff_stream *const s = data;
    size_t const room = DIFF_OUTPUT_KEPT - s->kept.len;
    gbx_cli_text_add(&s->kept, (const char *)bytes, len < room ? len : room);
    s->hash = gbx_trace_hash(s->hash, bytes, len);
    s->bytes += len;
}

static int
world_no_input(const char *why)
{
    return gbx_cli_usage_error("diff-input", "standard input cannot be kept for all runs", why,
                               "give it less, or /dev/null");
}

/* False with errno 0: there is more than will be kept. */
static bool
world_copy(int from, int to)
{
    static char buf[1 << 16];
    uint64_t total = 0;
    for (;;) {
        ssize_t const n = read(from, buf, sizeof buf);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        if (n == 0) return true;
        errno = 0;
        total += (uint64_t)n;
        if (total > WORLD_INPUT_BYTES) return false;
        for (ssize_t done = 0; done < n;) {
            ssize_t const put = write(to, buf + done, (size_t)(n - done));
            if (put < 0 && errno != EINTR) return false;
            if (put > 0) done += put;
        }
    }
}

int
gbx_cli_diff_input(int *fd)
{
    struct timespec const times[2] = {{.tv_nsec = 0}, {.tv_nsec = 0}};
    *fd = memfd_create("glovebox-stdin", MFD_CLOEXEC);
    if (*fd < 0) return world_no_input(strerror(errno));
    errno = 0;
    if (!world_copy(STDIN_FILENO, *fd))
        return world_no_input(errno ? strerror(errno) : "it has more than 1 GiB");
    if (futimens(*fd, times)) return world_no_input(strerror(errno));
    return CLI_EXIT_OK;
}

/* Where the system has no /proc, the one descriptor serves all runs. */
static gbx_code
world_bind_input(int input, gbx_wasi *wasi, gbx_err *err)
{
    (void)lseek(input, 0, SEEK_SET); /* a file in memory: it can */
    int const own = open(gbx_cli_format("/proc/self/fd/%d", input), O_RDONLY | O_NOATIME | O_CLOEXEC);
    gbx_code const code = gbx_wasi_stdio(wasi, 0, own < 0 ? input : own, err);
    if (own >= 0) close(own);
    return code;
}

gbx_code
gbx_cli_diff_world(diff_world *world, const cli_plan *plan, int input, gbx_wasi *wasi, gbx_err *err)
{
    *world = (diff_world){.random = plan->seed};
    gbx_wasi_clock(wasi, world_now, world_sleep, world);
    gbx_wasi_random(wasi, world_random, world);
    gbx_wasi_still(wasi);
    gbx_code code = world_bind_input(input, wasi, err);
    for (int i = 0; code == GBX_OK && i < 2; i++)
        code = gbx_wasi_sink(wasi, i + 1, world_write, &world->streams[i], err);
    return code;
}
