/* Samples of where a thread's guest is; see sample.h.
 *
 * Stacks that are alike are counted together, in a table whose memory is reserved when the profile begins
 * and touched as it fills. When it is full, ticks are counted as lost.
 *
 * The handler may find its thread anywhere: in the guest, in us, in a handler for faults, in the middle of a
 * sample that the interpreter takes. It reads:
 *
 *   - fields of the store's exec, when the store's call is this thread's; which of the guest's parts is the
 *     innermost follows from where their records lie, one behind the other on the guest's stack;
 *   - the native stack, the part that is shown, and the code that return addresses on it belong to, of the
 *     module whose instance runs: it cannot go away meanwhile, as others may;
 *   - the guest's memory, between base and bytes. All of that is accessible: memory is committed before
 *     `bytes` says so, and none is hidden while calls run.
 *
 * SAFETY: none of it is believed. What a guest makes of its memory, and a module of its tables, costs
 * SAMPLE_STEPS at most: a sample must end long before the next one is due.
 *
 * PERF: bench/profile. Where each stack is a new one of 90 frames a sample takes 7,000 to 60,000 cycles, the
 * more the more memory is touched first: at 100 Hz 0.3 % of a processor at most. What is remembered makes it
 * so: code by return address, Go's frames by pc. */
#include "runtime/sample.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_mem.h"
#include "base/os_sync.h"
#include "codegen/codegen.h"
#include "runtime/enter.h"
#include "runtime/fault.h"
#include "runtime/runtime_int.h"

#define SAMPLE_MODULES 8u
#define SAMPLE_ROWS    ((u32)1 << 16) /* a power of two, */
#define SAMPLE_STACKS  (SAMPLE_ROWS / 4 * 3) /* of which so many are used */
#define SAMPLE_POOL    ((u32)1 << 22) /* frames of all stacks */
#define SAMPLE_TRIED   4u             /* innermost frames that may have none on Go's stack */
#define SAMPLE_NS      1000000000u
#define SAMPLE_STEPS   ((u64)1 << 15) /* entries of Go's tables that one sample may read */
#define SAMPLE_CODES   1024u          /* a power of two */

/* Where a return address is: what does not change while the module is there. */
typedef struct sample_code {
    uintptr_t ret; /* 0: nothing */
    u32 func_idx, frame_bytes;
    u64 frame;
} sample_code;

typedef struct sample_module {
    gbx_module *module;
    go_table table;
    go_world world;
    go_memo memo;
    sample_code codes[SAMPLE_CODES];
} sample_module;

typedef struct sample_slot {
    u64 hash, count;
    u32 at, frame_count; /* in the pool */
    u32 module;
    bool is_cut;
} sample_slot;

struct runtime_profile {
    gbx_store *store;
    timer_t timer;
    bool has_timer;
    u64 period_ns, began_ns, from_ns, lasted_ns;
    u64 lost;
    u64 steps; /* what is left to the present sample */
    volatile bool is_busy; /* a sample is being kept: what follows is not as it should be */
    volatile u64 wanted; /* ticks that the interpreter is to place */
    sigset_t mask; /* of the thread, before */
    sample_module *modules; /* SAMPLE_MODULES */
    u32 module_count;
    u32 slot_count, pool_len;
    sample_slot *slots; /* SAMPLE_STACKS, by when they were first met */
    u64 *pool;
    u32 *index; /* SAMPLE_ROWS, by hash: a slot's number + 1; 0: none */
};

static _Thread_local runtime_profile *sample_mine __attribute__((tls_model("initial-exec")));

/* ---- The table
 *
 * PERF: what is touched first costs more than all else of a sample, so that stacks stand behind each
 * other. */

static u64
sample_hash(const u64 *frames, u32 count, u32 module)
{
    u64 h = module + 0x9e3779b97f4a7c15u;
    for (u32 i = 0; i < count; i++) {
        h = (h ^ frames[i]) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

static void
sample_add(runtime_profile *p, u32 module, const u64 *frames, u32 count, bool is_cut, u64 ticks)
{
    u64 const hash = sample_hash(frames, count, module);
    u32 *at = &p->index[(u32)hash & (SAMPLE_ROWS - 1)];
    for (; *at; at = at + 1 < p->index + SAMPLE_ROWS ? at + 1 : p->index) {
        sample_slot *const s = &p->slots[*at - 1];
        bool const is_alike = s->hash == hash && s->frame_count == count && s->module == module &&
                              s->is_cut == is_cut &&
                              memcmp(p->pool + s->at, frames, count * sizeof *frames) == 0;
        if (!is_alike) continue;
        s->count += ticks;
        return;
    }
    if (p->slot_count >= SAMPLE_STACKS || SAMPLE_POOL - p->pool_len < count) {
        p->lost += ticks;
        return;
    }
    p->slots[p->slot_count++] = (sample_slot){hash, ticks, p->pool_len, count, module, is_cut};
    memcpy(p->pool + p->pool_len, frames, count * sizeof *frames);
    p->pool_len += count;
    *at = p->slot_count;
}

/* Ticks in which the guest was not to be seen. */
static void
sample_add_unseen(runtime_profile *p, u64 ticks)
{
    static const u64 none = 0;
    sample_add(p, 0, &none, 0, false, ticks);
}

/* ---- The guest's frames, innermost first */

typedef struct sample_stack {
    runtime_profile *p;
    u64 frames[SAMPLE_FRAMES_MOST];
    u32 funcs[SAMPLE_FRAMES_MOST];
    u32 count;
    bool is_cut;
    const gbx_instance *inst; /* of the innermost, and of all that are kept */
    sample_module *module;    /* its; NULL: the profile does not know it */
    const u8 *sp;             /* the next return address of compiled frames */
} sample_stack;

static void
sample_push(sample_stack *s, const gbx_instance *inst, u32 func_idx, u64 frame)
{
    if (!s->inst) s->inst = inst;
    if (s->inst != inst || s->count == SAMPLE_FRAMES_MOST) {
        s->is_cut = true;
        return;
    }
    s->funcs[s->count] = func_idx;
    s->frames[s->count++] = frame;
}

static sample_module *
sample_module_of(const runtime_profile *p, const gbx_instance *inst)
{
    const gbx_module *const m = inst ? instance_of(inst)->module : NULL;
    for (u32 i = 0; i < p->module_count; i++)
        if (p->modules[i].module == m) return &p->modules[i];
    return NULL;
}

/* The instruction whose row is the last at or before an offset of the code: where it is, or close by. */
static u32
sample_offset(const fault_table *t, u32 code_offset)
{
    u32 low = 0, high = t->row_count;
    while (low < high) {
        u32 const mid = low + (high - low) / 2;
        if (t->rows[mid].code_offset <= code_offset) low = mid + 1;
        else high = mid;
    }
    return t->wasm_start + (low ? FAULT_OFFSET(t->rows[low - 1].what) : 0);
}

/* The function that an address returns to; NULL: to none of the module's.
 * SAFETY: the address may be anything, and is compared with what is known to be the module's. */
static const sample_code *
sample_code_at(sample_module *m, uintptr_t ret)
{
    sample_code *const kept = &m->codes[(ret ^ ret >> 12) & (SAMPLE_CODES - 1)];
    if (kept->ret == ret) return kept;
    const code_blob *const blob = gbx_runtime_code_find_of(&m->module->code.space, ret - 1);
    if (!blob || !blob->table) return NULL;
    const fault_table *const t = blob->table;
    u32 const offset = sample_offset(t, (u32)(ret - 1 - (uintptr_t)blob->exec));
    *kept = (sample_code){ret, t->func_idx, t->frame_bytes, SAMPLE_WASM(t->func_idx, offset)};
    return kept;
}

/* Of compiled frames, from the return address at s->sp outwards, up to `most` frames in all.
 * SAFETY: the stack is compared with the bounds of what is accessible of it. */
static void
sample_native(sample_stack *s, u32 most)
{
    const gbx_native *const n = &s->p->store->exec.native;
    while (s->sp >= n->shown && s->sp + sizeof(uintptr_t) <= n->high && s->count < most) {
        uintptr_t ret;
        memcpy(&ret, s->sp, sizeof ret);
        const sample_code *const code = ret ? sample_code_at(s->module, ret) : NULL;
        if (!code) {
            s->sp = NULL;
            return;
        }
        sample_push(s, s->inst, code->func_idx, code->frame);
        s->sp += sizeof ret + code->frame_bytes;
    }
}

/* Of the interpreter, from `rec` outwards, where it stands behind the instruction before pc; up to
 * compiled ones. */
static void
sample_records(sample_stack *s, const gbx_record *rec, const u8 *pc)
{
    while (rec && rec->func && !s->is_cut) {
        const gbx_instance *const inst = rec->func->inst;
        const wasm_code *const code = rec->func->code;
        u64 const offset = (u64)(pc - inst->module->bytes);
        bool const is_inside =
                pc >= inst->module->bytes && offset > code->insns_off && offset <= code->body_end;
        sample_push(s, inst, code->func_idx,
                    is_inside ? SAMPLE_WASM(code->func_idx, offset) | SAMPLE_IS_BEHIND
                              : SAMPLE_WASM(code->func_idx, code->insns_off));
        const gbx_record *const caller = rec->caller;
        if (!caller || !caller->func) break;
        const wasm_code *const outer = caller->func->code;
        const u8 *const bytes = caller->func->inst->module->bytes;
        bool const is_there =
                rec->ret_pc >= bytes + outer->insns_off && rec->ret_pc <= bytes + outer->body_end;
        pc = is_there ? rec->ret_pc : caller->resume;
        rec = caller;
    }
}

/* ---- One sample */

/* The value of a global that compiled code may have in a register. */
static u64
sample_global(const gbx_instance *inst, u32 global, const u64 *regs)
{
    const codegen_env *const env = &instance_of(inst)->module->code.env;
    for (u32 i = 0; regs && i < CODEGEN_PINS; i++)
        if (env->pins[i] == global) return regs[gbx_codegen_pin_reg(i)];
    return inst->globals[global]->value;
}

/* Put Go's stack in place of WebAssembly's from where the two agree on. The innermost functions may have
 * no frame on Go's: what is written in assembly and takes its arguments as WebAssembly does. */
static bool
sample_go(sample_stack *s, const u64 *regs)
{
    const sample_module *const m = s->module;
    const wasm_module *const w = m->world.m;
    bool const is_go = m->table.func_count && w->global_count > 2 && s->inst->memory_count == 1;
    if (!is_go) return false;
    go_memory const mem = {s->inst->memories[0]->base, s->inst->memories[0]->bytes};
    u64 const sp = (u32)sample_global(s->inst, 0, regs), g = sample_global(s->inst, 2, regs);
    for (u32 i = 0; i < s->count && i < SAMPLE_TRIED; i++) {
        go_trace trace;
        u32 const caller = i + 1 < s->count ? s->funcs[i + 1] : 0;
        if (!(caller && gbx_wasm_go_guess(&m->world, mem, g, s->funcs[i], sp, caller, &trace)) &&
            !gbx_wasm_go_guess(&m->world, mem, g, s->funcs[i], sp, 0, &trace))
            continue;
        u32 const more = min_u32(trace.count - 1, SAMPLE_FRAMES_MOST - (i + 1));
        memcpy(s->frames + i + 1, trace.pcs + 1, more * sizeof *trace.pcs);
        s->is_cut = trace.end != GO_END_TOP || more < trace.count - 1;
        s->count = i + 1 + more;
        return true;
    }
    return false;
}

/* All that is known so far of a stack whose innermost frames are there. */
static void
sample_keep(sample_stack *s, const u64 *regs, u64 ticks)
{
    runtime_profile *const p = s->p;
    if (!s->module) s->module = sample_module_of(p, s->inst);
    if (!s->module) s->count = 0;
    p->steps = SAMPLE_STEPS;
    bool const is_go = s->count && sample_go(s, regs);
    if (s->count && !is_go) sample_native(s, SAMPLE_FRAMES_MOST);
    if (s->count && !is_go && s->sp) s->is_cut |= s->count == SAMPLE_FRAMES_MOST;
    u32 const module = s->count ? (u32)(s->module - p->modules) : 0;
    sample_add(p, module, s->frames, s->count, s->is_cut, ticks);
}

/* For the interpreter, on its thread. */
static void
sample_interpreted(gbx_exec *x, const gbx_record *rec, const u8 *pc)
{
    runtime_profile *const p = sample_mine;
    if (!p || &p->store->exec != x || !p->wanted) return;
    sample_stack s = {.p = p};
    p->is_busy = true;
    atomic_signal_fence(memory_order_seq_cst);
    u64 const ticks = p->wanted;
    p->wanted = 0;
    sample_records(&s, rec, pc);
    sample_keep(&s, NULL, ticks);
    atomic_signal_fence(memory_order_seq_cst);
    p->is_busy = false;
}

/* Compiled frames of the instance that runs, from sp outwards: as many as it takes to go on with Go's. */
static void
sample_compiled(sample_stack *s, const u8 *sp)
{
    s->sp = sp;
    sample_native(s, SAMPLE_TRIED + 1);
}

/* Where compiled code was interrupted. False: it was not. */
static bool
sample_in_code(sample_stack *s, const void *context, u64 ticks)
{
    u64 regs[GBX_FAULT_REGS];
    uintptr_t const pc = (uintptr_t)gbx_runtime_enter_pc(context);
    const code_blob *const blob = gbx_runtime_code_find_of(&s->module->module->code.space, pc);
    if (!blob) return false;
    gbx_runtime_enter_regs(context, regs);
    const u8 *sp = (const u8 *)(uintptr_t)regs[gbx_codegen_sp_reg()];
    if (blob->table) {
        u32 const func_idx = blob->table->func_idx;
        u32 const offset = sample_offset(blob->table, (u32)(pc - (uintptr_t)blob->exec));
        sample_push(s, s->inst, func_idx, SAMPLE_WASM(func_idx, offset));
        sp += blob->table->frame_bytes;
    }
    sample_compiled(s, sp);
    sample_keep(s, blob->table ? regs : NULL, ticks);
    return true;
}

/* RULE: S18. Records of entries and of the interpreter's frames lie on the guest's stack: the highest is the
 * innermost. */
static void
sample_take(runtime_profile *p, const void *context, u64 ticks)
{
    gbx_store *const store = p->store;
    gbx_exec *const x = &store->exec;
    const gbx_record *const calling = x->calling, *const looping = x->looping;
    const gbx_entry *const running = gbx_runtime_fault_running, *e = running;
    sample_stack s = {.p = p};
    if (p->is_busy) {
        p->wanted += ticks;
        (void)atomic_fetch_or(&x->attention, GBX_ATTEND_SAMPLE);
        return;
    }
    if (store->depth == 0 || store->seat != gbx_runtime_seat_mine) return;
    while (e && e->exec != x) e = e->thread_outer; /* a host function of ours runs another store */
    if (e && (uintptr_t)e < (uintptr_t)looping) e = NULL;
    if (e) s.inst = x->native.inst;
    if (e) s.module = sample_module_of(p, s.inst);
    if (e && !s.module) {
        sample_add_unseen(p, ticks);
    } else if (e && e == running && sample_in_code(&s, context, ticks)) {
        return;
    } else if (e) {
        sample_compiled(&s, e->guest_sp);
        sample_keep(&s, NULL, ticks);
    } else if (calling) {
        if (calling->func) sample_records(&s, calling, calling->resume);
        sample_keep(&s, NULL, ticks);
    } else {
        p->wanted += ticks;
        (void)atomic_fetch_or(&x->attention, GBX_ATTEND_SAMPLE);
    }
}

/* ---- The signal */

static pthread_mutex_t sample_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction sample_before; /* who had the signal */
static u32 sample_users;               /* under the lock */

static void
sample_on_signal(int sig, siginfo_t *info, void *context)
{
    int const saved = errno;
    runtime_profile *const p = sample_mine;
    if (info->si_code == SI_TIMER && p && info->si_value.sival_ptr == p)
        sample_take(p, context, 1 + (u64)(info->si_overrun > 0 ? info->si_overrun : 0));
    else if (sample_before.sa_flags & SA_SIGINFO)
        sample_before.sa_sigaction(sig, info, context);
    else if (sample_before.sa_handler != SIG_DFL && sample_before.sa_handler != SIG_IGN)
        sample_before.sa_handler(sig);
    errno = saved;
}

static bool
sample_is_installed(struct sigaction *now)
{
    bool const is_known = sigaction(SIGPROF, NULL, now) == 0;
    return is_known && now->sa_flags & SA_SIGINFO && now->sa_sigaction == sample_on_signal;
}

static bool
sample_install(void)
{
    struct sigaction now, mine = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    mine.sa_sigaction = sample_on_signal;
    (void)sigfillset(&mine.sa_mask);
    (void)pthread_mutex_lock(&sample_lock);
    bool ok = sample_users != 0;
    if (!ok) {
        /* Who was there is known before ours can be called. */
        if (!sample_is_installed(&now)) sample_before = now;
        ok = sigaction(SIGPROF, &mine, NULL) == 0;
    }
    if (ok) sample_users++;
    (void)pthread_mutex_unlock(&sample_lock);
    return ok;
}

/* A tick may still be on its way to a thread of ours: the signal is ignored where nobody was before, since
 * its default is death. A handler that the host has put in place of ours meanwhile stays. */
static void
sample_uninstall(void)
{
    struct sigaction now;
    (void)pthread_mutex_lock(&sample_lock);
    bool const is_last = --sample_users == 0;
    bool const is_default = !(sample_before.sa_flags & SA_SIGINFO) && sample_before.sa_handler == SIG_DFL;
    if (is_last && is_default) sample_before.sa_handler = SIG_IGN;
    if (is_last && sample_is_installed(&now)) (void)sigaction(SIGPROF, &sample_before, NULL);
    (void)pthread_mutex_unlock(&sample_lock);
}

/* ---- Beginning and end */

static gbx_code
sample_start(runtime_profile *p, gbx_err *err)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    event.sigev_value.sival_ptr = p;
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    sigset_t own;
    (void)sigemptyset(&own);
    (void)sigaddset(&own, SIGPROF);
    struct timespec const period = {(time_t)(p->period_ns / SAMPLE_NS), (long)(p->period_ns % SAMPLE_NS)};
    struct itimerspec const every = {period, period};
    if (!sample_install())
        return gbx_base_err_set(err, GBX_UNSUPPORTED, GBX_NO_OFFSET, "the system refuses a handler");
    (void)pthread_sigmask(SIG_SETMASK, NULL, &p->mask);
    p->store->exec.sampled = sample_interpreted;
    atomic_signal_fence(memory_order_seq_cst);
    sample_mine = p;
    p->has_timer = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &p->timer) == 0;
    if (p->has_timer && timer_settime(p->timer, 0, &every, NULL) == 0 &&
        !pthread_sigmask(SIG_UNBLOCK, &own, NULL))
        return GBX_OK;
    gbx_runtime_profile_end(p);
    return gbx_base_err_set(err, GBX_UNSUPPORTED, GBX_NO_OFFSET, "the system has no timer for threads");
}

static void
sample_add_modules(runtime_profile *p)
{
    const runtime_instance *i = p->store->instances;
    for (; i && p->module_count < SAMPLE_MODULES; i = i->next) {
        if (sample_module_of(p, &i->abi)) continue;
        sample_module *const m = &p->modules[p->module_count++];
        m->module = gbx_runtime_module_retain(i->module);
        m->table = gbx_runtime_go_table(i->module);
        gbx_wasm_go_world_find(gbx_runtime_module_wasm(i->module), &m->table, &m->world);
        m->table.steps = &p->steps; /* from here on */
        m->world.memo = &m->memo;
    }
}

static void *
sample_room(size_t bytes)
{
    void *const at = gbx_base_os_reserve(bytes);
    if (at && gbx_base_os_commit(at, bytes)) return at;
    if (at) gbx_base_os_unmap(at, bytes);
    return NULL;
}

gbx_code
gbx_runtime_profile_begin(gbx_store *s, u32 hz, runtime_profile **out, gbx_err *err)
{
    struct timespec now = {0};
    if (sample_mine)
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET, "this thread is being sampled already");
    if (s->exec.sampled)
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET, "the store is being sampled already");
    runtime_profile *const p = gbx_base_alloc_zero(1, sizeof *p);
    if (!p) return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a profile");
    p->store = s;
    p->period_ns = SAMPLE_NS / hz;
    p->slots = sample_room(SAMPLE_STACKS * sizeof *p->slots);
    p->pool = sample_room(SAMPLE_POOL * sizeof *p->pool);
    p->index = sample_room(SAMPLE_ROWS * sizeof *p->index);
    p->modules = sample_room(SAMPLE_MODULES * sizeof *p->modules);
    gbx_code code = GBX_OK;
    if (!p->slots || !p->pool || !p->index || !p->modules)
        code = gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a profile");
    if (code == GBX_OK) {
        sample_add_modules(p);
        (void)clock_gettime(CLOCK_REALTIME, &now);
        p->began_ns = (u64)now.tv_sec * SAMPLE_NS + (u64)now.tv_nsec;
        p->from_ns = gbx_base_os_now_ns();
        code = sample_start(p, err);
    }
    if (code == GBX_OK) *out = p;
    else gbx_runtime_profile_free(p);
    return code;
}

/* What is still to be delivered is, before nobody knows it any more. */
void
gbx_runtime_profile_end(runtime_profile *p)
{
    struct itimerspec const never = {0};
    sigset_t own;
    if (sample_mine != p) return;
    if (p->has_timer) (void)timer_settime(p->timer, 0, &never, NULL);
    sample_mine = NULL;
    atomic_signal_fence(memory_order_seq_cst);
    if (p->has_timer) (void)timer_delete(p->timer);
    p->has_timer = false;
    sample_uninstall();
    (void)sigemptyset(&own);
    if (sigismember(&p->mask, SIGPROF) == 1) (void)sigaddset(&own, SIGPROF);
    (void)pthread_sigmask(SIG_BLOCK, &own, NULL);
    p->lasted_ns = gbx_base_os_now_ns() - p->from_ns;
    p->store->exec.sampled = NULL;
    p->store = NULL;
    if (p->wanted) sample_add_unseen(p, p->wanted);
    p->wanted = 0;
}

void
gbx_runtime_profile_end_of(const gbx_store *s)
{
    if (sample_mine && sample_mine->store == s) gbx_runtime_profile_end(sample_mine);
}

bool
gbx_runtime_profile_has_ended(const runtime_profile *p)
{
    return !p->store;
}

static void
sample_give(void *room, size_t bytes)
{
    if (room) gbx_base_os_unmap(room, bytes);
}

void
gbx_runtime_profile_free(runtime_profile *p)
{
    if (!p) return;
    gbx_runtime_profile_end(p);
    for (u32 i = 0; i < p->module_count; i++) gbx_runtime_module_release(p->modules[i].module);
    sample_give(p->slots, SAMPLE_STACKS * sizeof *p->slots);
    sample_give(p->pool, SAMPLE_POOL * sizeof *p->pool);
    sample_give(p->index, SAMPLE_ROWS * sizeof *p->index);
    sample_give(p->modules, SAMPLE_MODULES * sizeof *p->modules);
    gbx_base_free(p);
}

/* ---- Reading it */

u32
gbx_runtime_profile_count(const runtime_profile *p)
{
    return p->slot_count;
}

sample_row
gbx_runtime_profile_row(const runtime_profile *p, u32 i)
{
    const sample_slot *const s = &p->slots[i];
    return (sample_row){.frames = p->pool + s->at,
                        .frame_count = s->frame_count,
                        .module = s->module,
                        .count = s->count,
                        .is_cut = s->is_cut};
}

const go_world *
gbx_runtime_profile_world(const runtime_profile *p, u32 i, gbx_module **module)
{
    *module = p->modules[i].module;
    return &p->modules[i].world;
}

u64
gbx_runtime_profile_period_ns(const runtime_profile *p)
{
    return p->period_ns;
}

u64
gbx_runtime_profile_began_ns(const runtime_profile *p)
{
    return p->began_ns;
}

u64
gbx_runtime_profile_lasted_ns(const runtime_profile *p)
{
    return p->lasted_ns;
}

u64
gbx_runtime_profile_lost(const runtime_profile *p)
{
    return p->lost;
}
