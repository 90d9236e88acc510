/* What a guest waited for when it was stopped: for the words about a program that hangs. Nothing is noted
 * until a wait is stopped, so that no call costs more. */
#include "wasi/guest.h"
#include "wasi/wasi_int.h"

#include <string.h>

static wasi_waited_for
waited_for(const wasi_file *f, u32 fd, bool reads)
{
    if (f->listens) return WASI_WAITED_CLIENT;
    if (f->type == TYPE_SOCKET_STREAM || f->type == TYPE_SOCKET_DGRAM) return WASI_WAITED_SOCKET;
    if (!reads) return WASI_WAITED_OUTPUT;
    return fd == 0 ? WASI_WAITED_INPUT : WASI_WAITED_FILE;
}

void
gbx_wasi_waited_poll(p1_call *c, u32 fds, u32 fd, bool reads, u64 left_ns)
{
    wasi_waited *const to = &c->w->waited;
    bool const has_timer = left_ns != WASI_FOREVER;
    const wasi_file *const f = fds == 1 && !has_timer ? gbx_wasi_fds_find(&c->w->fds, fd) : NULL;
    to->fd = f ? (i32)fd : -1;
    to->timer_ns = has_timer ? left_ns : UINT64_MAX;
    to->what = f                ? waited_for(f, fd, reads)
               : has_timer && fds ? WASI_WAITED_ANY
               : fds              ? WASI_WAITED_FDS
                                  : WASI_WAITED_TIMER;
}

/* Calls whose row names a right have a descriptor as their first argument. */
void
gbx_wasi_waited_note(p1_call *c)
{
    wasi_waited *const to = &c->w->waited;
    bool const is_poll = strcmp(c->w->call, "poll_oneoff") == 0;
    to->call = c->w->call;
    to->calls = c->x->store ? gbx_runtime_store_calls(c->x->store) : 0;
    if (is_poll) return;
    to->fd = -1;
    to->timer_ns = UINT64_MAX;
    to->what = WASI_WAITED_OTHER;
    if (!c->row->rights) return;
    u32 const fd = guest_u32(c, 0);
    const wasi_file *const f = gbx_wasi_fds_find(&c->w->fds, fd);
    if (!f) return;
    to->fd = (i32)fd;
    to->what = waited_for(f, fd, c->row->rights & RIGHT_FD_READ || !(c->row->rights & RIGHT_FD_WRITE));
}

const wasi_waited *
gbx_wasi_waited_get(const wasi_ctx *w)
{
    return w->waited.call ? &w->waited : NULL;
}
