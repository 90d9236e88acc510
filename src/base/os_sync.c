/* Time, wake-ups and threads on Linux; see os_sync.h. */
#include "base/os_sync.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

#define SYNC_NS_PER_S 1000000000u
#define SYNC_THREAD_STACK_BYTES ((size_t)256 << 10) /* our threads' frames are small; sanitizers' not */

u64
gbx_base_os_now_ns(void)
{
    struct timespec t;
    int const rc = clock_gettime(CLOCK_MONOTONIC, &t);
    GBX_ASSERT(rc == 0);
    return (u64)t.tv_sec * SYNC_NS_PER_S + (u64)t.tv_nsec;
}

u64
gbx_base_os_tick_ns(void)
{
    struct timespec t;
    int const rc = clock_getres(CLOCK_MONOTONIC_COARSE, &t);
    GBX_ASSERT(rc == 0);
    return (u64)t.tv_sec * SYNC_NS_PER_S + (u64)t.tv_nsec;
}

bool
gbx_base_os_barrier_begin(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

/* It fails only where a filter was installed after it had begun: then a while does it, which is a thousand times as long
 * as a processor keeps what it wrote to itself. */
void
gbx_base_os_barrier(void)
{
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0) return;
    struct timespec const t = {.tv_nsec = 1000000};
    (void)nanosleep(&t, NULL);
}

u64
gbx_base_os_seed(void)
{
    u64 seed = 0;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == (ssize_t)sizeof seed) return seed;
    /* Early in boot, or refused by a filter: the clock and where the stack happens to lie. */
    return (gbx_base_os_now_ns() ^ (u64)(uintptr_t)&seed) * 0x9e3779b97f4a7c15u;
}

int
gbx_base_os_event_open(void)
{
    return gbx_base_fault_hit() ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void
gbx_base_os_event_set(int fd)
{
    if (fd < 0) return;
    int const saved = errno;
    u64 const one = 1;
    /* EAGAIN means the counter is full, and then the event is set. */
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {}
    errno = saved;
}

void
gbx_base_os_event_clear(int fd)
{
    if (fd < 0) return;
    int const saved = errno;
    u64 count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR) {}
    errno = saved;
}

void
gbx_base_os_event_close(int fd)
{
    if (fd >= 0) (void)close(fd);
}

void
gbx_base_os_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);
    rc |= pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    rc |= pthread_cond_init(c, &attr);
    GBX_ASSERT(rc == 0);
    (void)pthread_condattr_destroy(&attr);
}

void
gbx_base_os_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, u64 ns)
{
    u64 const last = (u64)INT_MAX * SYNC_NS_PER_S; /* 68 years of uptime: time_t is at least 32 bits */
    int rc;
    if (ns >= last) {
        rc = pthread_cond_wait(c, m);
    } else {
        struct timespec const t = {.tv_sec = (time_t)(ns / SYNC_NS_PER_S),
                                   .tv_nsec = (long)(ns % SYNC_NS_PER_S)};
        rc = pthread_cond_timedwait(c, m, &t);
    }
    GBX_ASSERT(rc == 0 || rc == ETIMEDOUT);
}

u32
gbx_base_os_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return max_u32((u32)CPU_COUNT(&set), 1);
    long const online = sysconf(_SC_NPROCESSORS_ONLN); /* more processors than a cpu_set_t has */
    return online > 0 ? (u32)online : 1;
}

/* Keep a thread with these attributes off this processor when it begins. False: it is left to the kernel. */
static bool
sync_place(pthread_attr_t *attr, cpu_set_t *allowed)
{
    if (sched_getaffinity(0, sizeof *allowed, allowed) != 0) return false;
    cpu_set_t others = *allowed;
    int const here = sched_getcpu();
    if (here < 0 || here >= CPU_SETSIZE) return false;
    CPU_CLR((size_t)here, &others);
    return CPU_COUNT(&others) && pthread_attr_setaffinity_np(attr, sizeof others, &others) == 0;
}

/* PERF: the kernel may let a thread begin on the processor of its maker, where it waits for that one to be
 * interrupted: 4 ms, in a tenth of all starts, as long as all of validating hello. So it begins on another
 * one, after 0.1 ms each time, and may go where it likes from then on. */
bool
gbx_base_os_thread_start(pthread_t *out, void *(*run)(void *data), void *data)
{
    if (gbx_base_fault_hit()) return false;
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0) return false;
    long const least = sysconf(_SC_THREAD_STACK_MIN); /* -1 where the system does not say */
    size_t const stack_bytes = max_u64(SYNC_THREAD_STACK_BYTES, least > 0 ? (u64)least * 2 : 0);
    sigset_t all, before;
    cpu_set_t allowed;
    (void)sigfillset(&all);
    bool ok = pthread_attr_setstacksize(&attr, stack_bytes) == 0;
    bool const is_placed = ok && sync_place(&attr, &allowed);
    if (ok) {
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        ok = pthread_create(out, &attr, run, data) == 0;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (ok && is_placed) (void)pthread_setaffinity_np(*out, sizeof allowed, &allowed);
    (void)pthread_attr_destroy(&attr);
    return ok;
}
