/* Time, wake-ups and threads from the operating system. */
#ifndef GBX_BASE_OS_SYNC_H
#define GBX_BASE_OS_SYNC_H

#include <pthread.h>
#include <time.h>

#include "base/base.h"

/* Nanoseconds of the monotonic clock. Async-signal-safe, cannot fail. */
GBX_MUST_USE u64 gbx_base_os_now_ns(void);
/* Processor time of the calling thread, in nanoseconds. Cannot fail. A system call. */
GBX_MUST_USE u64 gbx_base_os_cpu_ns(void);

/* A barrier for one side alone: what each other thread of the process wrote before it is seen after it,
 * and what the caller wrote before it each other thread sees from then on. So those, who run often, need
 * none. gbx_base_os_barrier_begin: false where the system has none, and all sides need fences. */
GBX_MUST_USE bool gbx_base_os_barrier_begin(void);
void gbx_base_os_barrier(void);

/* The same clock as it was when the system last looked at it: a number that changes every few
 * milliseconds, for a quarter of what now_ns costs; and how many nanoseconds those are at most. Cannot
 * fail. *room is written: PERF, a variable of the caller's would have its stack guarded. */
GBX_MUST_USE u64 gbx_base_os_tick_ns(void);
static inline u64
gbx_base_os_tick(struct timespec *room)
{
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, room); /* it is there since Linux 2.6.32 */
    return (u64)room->tv_sec << 32 | (u64)room->tv_nsec;
}

/* 64 bits that a module's author cannot guess, for keyed hashes. */
GBX_MUST_USE u64 gbx_base_os_seed(void);

/* An event: a descriptor that polls readable from `set` until `clear`. -1 where none can be had (no
 * descriptors left). */
GBX_MUST_USE int gbx_base_os_event_open(void);
void gbx_base_os_event_set(int fd); /* async-signal-safe, keeps errno; fd -1: nothing */
void gbx_base_os_event_clear(int fd);
void gbx_base_os_event_close(int fd); /* -1: nothing */

/* A mutex and a condition whose waits end at a time of gbx_base_os_now_ns. Cannot fail on Linux. */
void gbx_base_os_cond_init(pthread_cond_t *c);
void gbx_base_os_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, u64 ns /* UINT64_MAX: ever */);

/* Processors that this thread may run on, at least 1. */
u32 gbx_base_os_processors(void);

/* Start a thread of ours: small stack, all signals blocked, so that handlers of the host's run on the
 * host's own threads. False where the system refuses one. */
GBX_MUST_USE bool gbx_base_os_thread_start(pthread_t *out, void *(*run)(void *data), void *data);

#endif
