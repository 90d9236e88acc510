/* Samples of where a thread's guest is; see sample.h.
 *
 * Stacks that are alike are counted together, in a table whose memory is reserved when the profile begins
 * and touched as it fills. When it is full, ticks are counted as lost.
 *
 * PERF: at 100 samples a second it does not show (RATIONALE.md, where a profile is measured). */
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
#define SAMPLE_ROWS    ((u32)1 << 16) /* a power of two; three quarters are used */
#define SAMPLE_POOL    ((u32)1 << 22) /* frames of all stacks */
#define SAMPLE_TRIED   4u             /* innermost frames that may have none on Go's stack */
#define SAMPLE_NS      1000000000u

typedef struct sample_module {
    gbx_module *module;
    go_table table;
    go_world world;
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
    volatile u64 wanted; /* ticks that the interpreter is to place */
    sample_module modules[SAMPLE_MODULES];
    u32 module_count;
    u32 slot_count, pool_len;
    sample_slot *slots;
    u64 *pool;
    u32 *order; /* rows, by when they were first met */
};

static _Thread_local runtime_profile *sample_mine __attribute__((tls_model("initial-exec")));

/* ---- The table */

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
    for (u32 i = (u32)hash & (SAMPLE_ROWS - 1);; i = (i + 1) & (SAMPLE_ROWS - 1)) {
        sample_slot *const s = &p->slots[i];
        bool const is_alike = s->count && s->hash == hash && s->frame_count == count && s->module == module &&
                              memcmp(p->pool + s->at, frames, count * sizeof *frames) == 0;
        if (is_alike) {
            s->count += ticks;
            return;
        }
        if (s->count) continue;
        if (p->slot_count >= SAMPLE_ROWS / 4 * 3 || SAMPLE_POOL - p->pool_len < count) {
            p->lost += ticks;
            return;
        }
        *s = (sample_slot){hash, ticks, p->pool_len, count, module, is_cut};
        memcpy(p->pool + p->pool_len, frames, count * sizeof *frames);
        p->pool_len += count;
        p->order[p->slot_count++] = i;
        return;
    }
}

/* ---- The guest's frames, innermost first */

typedef struct sample_stack {
    runtime_profile *p;
    u64 frames[SAMPLE_FRAMES_MOST];
    u32 funcs[SAMPLE_FRAMES_MOST];
    u32 count;
    bool is_cut;
    const gbx_instance *inst; /* of the innermost, and of all that are kept */
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

/* Of compiled frames, from the return address at sp outwards, as far as they can be.
 * SAFETY: the stack is compared with its bounds, an address is looked up before it is believed to be one. */
static void
sample_native(sample_stack *s, const gbx_exec *x, const gbx_instance *inst, const u8 *sp)
{
    const code_region *const region = &x->store->engine->compiler.region;
    while (sp >= x->native.low && sp + sizeof(uintptr_t) <= x->native.high &&
           s->count < SAMPLE_FRAMES_MOST) {
        uintptr_t ret;
        memcpy(&ret, sp, sizeof ret);
        const code_blob *const blob = gbx_runtime_code_find(region, ret - 1);
        if (!blob || !blob->table) return;
        u32 const offset = sample_offset(blob->table, (u32)(ret - 1 - (uintptr_t)blob->exec));
        sample_push(s, inst, blob->table->func_idx, SAMPLE_WASM(blob->table->func_idx, offset));
        sp += sizeof ret + blob->table->frame_bytes;
    }
}

/* Of the interpreter, from `rec` outwards, where it stands behind the instruction before pc; up to
 * compiled ones. */
static void
sample_records(sample_stack *s, const gbx_record *rec, const u8 *pc)
{
    while (rec && rec->func && s->count < SAMPLE_FRAMES_MOST) {
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

static sample_module *
sample_module_of(runtime_profile *p, const gbx_instance *inst, u32 *i)
{
    const gbx_module *const m = inst ? instance_of(inst)->module : NULL;
    for (*i = 0; *i < p->module_count; (*i)++)
        if (p->modules[*i].module == m) return &p->modules[*i];
    return NULL;
}

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
sample_go(sample_stack *s, const sample_module *m, const u64 *regs)
{
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

static void
sample_keep(sample_stack *s, const u64 *regs, u64 ticks)
{
    u32 i;
    const sample_module *const m = sample_module_of(s->p, s->inst, &i);
    if (!m) s->count = 0;
    if (s->count) (void)sample_go(s, m, regs);
    sample_add(s->p, s->count ? i : 0, s->frames, s->count, s->is_cut, ticks);
}

/* For the interpreter, on its thread. */
static void
sample_interpreted(gbx_exec *x, const gbx_record *rec, const u8 *pc)
{
    runtime_profile *const p = sample_mine;
    if (!p || &p->store->exec != x || !p->wanted) return;
    sample_stack s = {.p = p};
    u64 const ticks = p->wanted;
    p->wanted = 0;
    sample_records(&s, rec, pc);
    sample_keep(&s, NULL, ticks);
}

/* Where compiled code was interrupted. False: it was not. */
static bool
sample_in_code(sample_stack *s, const gbx_exec *x, const gbx_entry *e, const void *context, u64 ticks)
{
    u64 regs[GBX_FAULT_REGS];
    uintptr_t const pc = (uintptr_t)gbx_runtime_enter_pc(context);
    const code_blob *const blob = gbx_runtime_code_find(&x->store->engine->compiler.region, pc);
    if (!blob || !e || e->exec != x || !x->native.inst) return false;
    gbx_runtime_enter_regs(context, regs);
    const u8 *sp = (const u8 *)(uintptr_t)regs[gbx_codegen_sp_reg()];
    if (blob->table) {
        u32 const func_idx = blob->table->func_idx;
        u32 const offset = sample_offset(blob->table, (u32)(pc - (uintptr_t)blob->exec));
        sample_push(s, x->native.inst, func_idx, SAMPLE_WASM(func_idx, offset));
        sp += blob->table->frame_bytes;
    }
    sample_native(s, x, x->native.inst, sp);
    sample_keep(s, blob->table ? regs : NULL, ticks);
    return true;
}

static void
sample_take(runtime_profile *p, const void *context, u64 ticks)
{
    gbx_exec *const x = &p->store->exec;
    const gbx_entry *const e = gbx_runtime_fault_running;
    gbx_record *const calling = x->calling;
    sample_stack s = {.p = p};
    if (p->store->depth == 0) return;
    if (sample_in_code(&s, x, e, context, ticks)) return;
    bool const is_ours = e && e->exec == x && x->native.inst;
    if (is_ours && (uintptr_t)e > (uintptr_t)calling) {
        sample_native(&s, x, x->native.inst, e->guest_sp);
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
sample_install(void)
{
    struct sigaction mine = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    mine.sa_sigaction = sample_on_signal;
    (void)sigfillset(&mine.sa_mask);
    (void)pthread_mutex_lock(&sample_lock);
    bool const ok = sample_users || sigaction(SIGPROF, &mine, &sample_before) == 0;
    if (ok) sample_users++;
    (void)pthread_mutex_unlock(&sample_lock);
    return ok;
}

/* A tick may still be on its way to its thread: the handler stays where nobody was before, since the
 * default of the signal is death. */
static void
sample_uninstall(void)
{
    (void)pthread_mutex_lock(&sample_lock);
    bool const is_last = --sample_users == 0;
    bool const is_default = !(sample_before.sa_flags & SA_SIGINFO) && sample_before.sa_handler == SIG_DFL;
    if (is_last && is_default) sample_before.sa_handler = SIG_IGN;
    if (is_last) (void)sigaction(SIGPROF, &sample_before, NULL);
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
        u32 known;
        if (sample_module_of(p, &i->abi, &known)) continue;
        sample_module *const m = &p->modules[p->module_count++];
        m->module = gbx_runtime_module_retain(i->module);
        m->table = gbx_runtime_go_table(i->module);
        gbx_wasm_go_world_find(gbx_runtime_module_wasm(i->module), &m->table, &m->world);
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
    runtime_profile *const p = gbx_base_alloc_zero(1, sizeof *p);
    if (!p) return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a profile");
    p->store = s;
    p->period_ns = SAMPLE_NS / hz;
    p->slots = sample_room(SAMPLE_ROWS * sizeof *p->slots);
    p->pool = sample_room(SAMPLE_POOL * sizeof *p->pool);
    p->order = sample_room(SAMPLE_ROWS * sizeof *p->order);
    gbx_code code = GBX_OK;
    if (!p->slots || !p->pool || !p->order)
        code = gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a profile");
    if (code == GBX_OK) {
        sample_add_modules(p);
        (void)clock_gettime(CLOCK_REALTIME, &now);
        p->began_ns = (u64)now.tv_sec * SAMPLE_NS + (u64)now.tv_nsec;
        p->from_ns = gbx_base_os_now_ns();
        s->exec.sampled = sample_interpreted;
        code = sample_start(p, err);
    }
    if (code == GBX_OK) *out = p;
    else gbx_runtime_profile_free(p);
    return code;
}

void
gbx_runtime_profile_end(runtime_profile *p)
{
    if (sample_mine != p) return;
    if (p->has_timer) (void)timer_delete(p->timer);
    p->has_timer = false;
    p->lasted_ns = gbx_base_os_now_ns() - p->from_ns;
    p->store->exec.sampled = NULL;
    p->store = NULL;
    sample_mine = NULL;
    sample_uninstall();
    if (p->wanted) sample_add(p, 0, NULL, 0, false, p->wanted);
    p->wanted = 0;
}

void
gbx_runtime_profile_free(runtime_profile *p)
{
    if (!p) return;
    gbx_runtime_profile_end(p);
    for (u32 i = 0; i < p->module_count; i++) gbx_runtime_module_release(p->modules[i].module);
    if (p->slots) gbx_base_os_unmap(p->slots, SAMPLE_ROWS * sizeof *p->slots);
    if (p->pool) gbx_base_os_unmap(p->pool, SAMPLE_POOL * sizeof *p->pool);
    if (p->order) gbx_base_os_unmap(p->order, SAMPLE_ROWS * sizeof *p->order);
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
    const sample_slot *const s = &p->slots[p->order[i]];
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
