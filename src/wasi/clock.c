/* The fixed clock: what a guest is told of the time that was granted none, or is seeded.
 *
 * It begins at a moment that is the same for all, goes on by the same step at every look, and by exactly what
 * was waited for, however long that took: nothing of the host's time is in it. Who is not seeded does wait
 * (p1_poll.c), so that a deadline and a cancellation cut sleeps, and a plug-in that paces itself by sleeping
 * keeps its pace; the seeded are told at once that the time is over.
 *
 * What must hold: of what a guest finds under the fixed clock without being granted it, nothing has a time of
 * the host's: devices and streams have the clock's beginning, files in scratch directories have times by
 * the clock (seeded.c). Those beneath directories of the host are the file system's, part of the grant. */
#include <sys/stat.h>

#include "wasi/wasi_int.h"

#define CLOCK_STEP_NS 1000u /* that a look takes */

u64
gbx_wasi_clock_now(void *data, u32 clock_id)
{
    wasi_clock *const c = data;
    u64 const begin = (u64)WASI_CLOCK_BEGIN_S * WASI_NS_PER_S;
    c->past_ns = min_u64(c->past_ns + CLOCK_STEP_NS, (u64)INT64_MAX - begin);
    return clock_id == CLOCK_ID_REALTIME ? begin + c->past_ns : c->past_ns;
}

/* A wait without end ends the clock: it stands still there rather than begin again. */
void
gbx_wasi_clock_pass(void *data, u64 ns)
{
    wasi_clock *const c = data;
    u64 const most = (u64)INT64_MAX - (u64)WASI_CLOCK_BEGIN_S * WASI_NS_PER_S;
    c->past_ns += min_u64(ns, most - min_u64(most, c->past_ns));
}

/* `waits`: for as long as it is told to. */
void
gbx_wasi_clock_fix(wasi_ctx *w, bool waits)
{
    w->clock_now = gbx_wasi_clock_now;
    w->clock_sleep = waits ? NULL : gbx_wasi_clock_pass;
    w->clock_data = &w->clock;
    w->clock_fixed = waits;
}

void
gbx_wasi_clock_hide(const wasi_ctx *w, const wasi_file *f, struct stat *st)
{
    bool const is_stored = f->type == TYPE_REGULAR_FILE || f->type == TYPE_DIRECTORY;
    if (!w->clock_fixed || (is_stored && !f->inherited)) return;
    st->st_atim = st->st_mtim = st->st_ctim = (struct timespec){.tv_sec = WASI_CLOCK_BEGIN_S};
}
