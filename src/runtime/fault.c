/* Faults of compiled code become typed traps; see fault.h. SPEC: sigaction(2), sigaltstack(2).
 *
 * What must hold: everything the handler calls is async-signal-safe, takes no lock and allocates nothing; a
 * fault that is not ours reaches the handler that was there before with its signal, its siginfo and its
 * context as they were, under the signal mask that handler asked for.
 *
 * Ranges are read by handlers of any thread while others register. They stand in a sorted snapshot,
 * published whole; leaving it empties an entry in place. An older snapshot is freed once no handler is
 * looking anything up. Only start and end are read of an entry the pc is not in: the fault_range behind it
 * may be gone.
 *
 * The record of the running guest is in thread-local storage of the initial-exec model: its address is a
 * constant from the thread pointer, where the models that suit shared libraries may call the allocator on
 * a thread's first access, which a handler must not. It is 8 bytes, far below what glibc keeps for
 * libraries that are loaded late. A key of pthread_getspecific is not async-signal-safe by its contract. */
#include "runtime/fault.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_mem.h"
#include "runtime/enter.h"
#include "runtime/runtime_int.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
/* Of the handler's own frames, and of a short one it passes a fault on to. */
#define FAULT_HANDLER_BYTES ((size_t)4 << 10)

/* ---- ranges */

typedef struct fault_entry {
    uintptr_t start;
    _Atomic uintptr_t end; /* start: the range has left */
    const fault_range *range;
} fault_entry;

typedef struct fault_list fault_list;
struct fault_list {
    fault_list *older; /* once replaced: to be freed */
    u32 count;
    fault_entry entries[];
};

static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(fault_list *) fault_published;
static _Atomic u32 fault_readers; /* handlers that are looking something up */
static fault_list *fault_replaced; /* under lock */

static pthread_once_t fault_once = PTHREAD_ONCE_INIT;
static bool fault_survives_forks;

static void
fault_fork_prepare(void)
{
    (void)pthread_mutex_lock(&fault_lock);
}

static void
fault_fork_parent(void)
{
    (void)pthread_mutex_unlock(&fault_lock);
}

static void
fault_fork_child(void)
{
    atomic_store(&fault_readers, 0); /* those of other threads are not there */
    (void)pthread_mutex_unlock(&fault_lock);
}

static void
fault_watch_forks(void)
{
    fault_survives_forks =
            pthread_atfork(fault_fork_prepare, fault_fork_parent, fault_fork_child) == 0;
}

/* Publish `next` in place of `old`, under lock. A handler that counted itself before the count was seen as
 * 0 has finished; one that counts itself later sees `next`. */
static void
fault_publish(fault_list *old, fault_list *next)
{
    atomic_store(&fault_published, next);
    if (old) {
        old->older = fault_replaced;
        fault_replaced = old;
    }
    if (atomic_load(&fault_readers) != 0) return; /* next time */
    while (fault_replaced) {
        fault_list *const gone = fault_replaced;
        fault_replaced = gone->older;
        gbx_base_free(gone);
    }
}

static void
fault_append(fault_list *l, uintptr_t start, uintptr_t end, const fault_range *r)
{
    fault_entry *const e = &l->entries[l->count++];
    e->start = start;
    atomic_init(&e->end, end);
    e->range = r;
}

bool
gbx_runtime_fault_register(const fault_range *r)
{
    GBX_ASSERT(r->start < r->end);
    (void)pthread_once(&fault_once, fault_watch_forks);
    if (!fault_survives_forks) return false;
    (void)pthread_mutex_lock(&fault_lock);
    fault_list *const old = atomic_load(&fault_published);
    u32 const count = old ? old->count : 0;
    fault_list *const next = gbx_base_alloc_zero(1, sizeof *next + (count + 1) * sizeof(fault_entry));
    bool is_in = false;
    for (u32 i = 0; next && i < count; i++) {
        const fault_entry *const e = &old->entries[i];
        uintptr_t const end = atomic_load(&e->end);
        if (end == e->start) continue;
        GBX_ASSERT(end <= r->start || r->end <= e->start);
        if (!is_in && r->start < e->start) {
            fault_append(next, r->start, r->end, r);
            is_in = true;
        }
        fault_append(next, e->start, end, e->range);
    }
    if (next && !is_in) fault_append(next, r->start, r->end, r);
    if (next) fault_publish(old, next);
    (void)pthread_mutex_unlock(&fault_lock);
    return next != NULL;
}

void
gbx_runtime_fault_unregister(const fault_range *r)
{
    (void)pthread_mutex_lock(&fault_lock);
    fault_list *const l = atomic_load(&fault_published);
    u32 left = 0;
    for (u32 i = 0; l && i < l->count; i++) {
        if (l->entries[i].range == r) atomic_store(&l->entries[i].end, l->entries[i].start);
        left += atomic_load(&l->entries[i].end) != l->entries[i].start;
    }
    if (l && left == 0) fault_publish(l, NULL); /* nothing is kept for engines that are gone */
    (void)pthread_mutex_unlock(&fault_lock);
}

static const fault_range *
fault_range_at(const fault_list *l, uintptr_t pc)
{
    u32 low = 0, high = l ? l->count : 0; /* entries below `low` start at or below pc */
    while (low < high) {
        u32 const mid = low + (high - low) / 2;
        if (l->entries[mid].start <= pc) low = mid + 1;
        else high = mid;
    }
    if (low == 0 || pc >= atomic_load(&l->entries[low - 1].end)) return NULL;
    return l->entries[low - 1].range;
}

static bool
fault_find(uintptr_t pc, fault_site *out)
{
    atomic_fetch_add(&fault_readers, 1);
    const fault_range *const r = fault_range_at(atomic_load(&fault_published), pc);
    bool const is_found = r && r->find(r, pc, out);
    atomic_fetch_sub(&fault_readers, 1);
    return is_found;
}

const fault_row *
gbx_runtime_fault_row(const fault_table *t, u32 code_offset)
{
    u32 low = 0, high = t->row_count;
    while (low < high) {
        u32 const mid = low + (high - low) / 2;
        if (t->rows[mid].code_offset < code_offset) low = mid + 1;
        else high = mid;
    }
    return low < t->row_count && t->rows[low].code_offset == code_offset ? &t->rows[low] : NULL;
}

/* ---- the running guest */

_Thread_local gbx_entry *gbx_runtime_fault_running __attribute__((tls_model("initial-exec")));

/* Where on its stack this thread's handler is asking whoever was there before, and about which signal. A
 * host's handler may jump out of it, so that this says nothing of later signals: one that asks us back is
 * called from further down, about the same one. */
static _Thread_local struct {
    const void *frame, *context;
} fault_passing __attribute__((tls_model("initial-exec")));

/* ---- the handler */

static int const fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
static struct sigaction fault_before[GBX_LEN(fault_signals)];
static atomic_bool fault_spent[GBX_LEN(fault_signals)]; /* SA_RESETHAND, and it was called */
static _Atomic int fault_state; /* 0: not tried, 1: installed, -1: refused */

/* The kernel raised it for an instruction of this thread: not kill() and its like, whose codes are not
 * positive, not protection keys, not a failing memory chip. */
static bool
fault_is_of_instruction(int sig, const siginfo_t *info)
{
    switch (sig) {
    case SIGSEGV: return info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR;
    case SIGBUS: return info->si_code == BUS_ADRERR;
    case SIGFPE: return info->si_code == FPE_INTDIV || info->si_code == FPE_INTOVF;
    default: return info->si_code > 0;
    }
}

/* Where an access of the guest's finds nothing: in a memory's reservation, outside what is accessible. */
static bool
fault_is_in_memory(const gbx_instance *inst, uintptr_t addr)
{
    for (u32 i = 0; inst && i < inst->memory_count; i++) {
        const gbx_memory *const m = inst->memories[i];
        uintptr_t const base = (uintptr_t)m->base;
        uintptr_t const start = base - (m->guarded ? MEMORY_PRE_GUARD_BYTES : 0);
        if (addr >= start && addr - start < base - start + m->reserved_bytes)
            return addr < base || addr - base >= m->bytes;
    }
    return false;
}

/* RULE: S6. An instruction with a row of this kind may have raised this signal for this address. */
static bool
fault_is_expected(u8 kind, int sig, uintptr_t addr, const gbx_exec *x, const gbx_instance *inst)
{
    if (sig == SIGILL) return true;
    if (sig == SIGFPE) return kind == GBX_TRAP_INT_DIV_ZERO || kind == GBX_TRAP_INT_OVERFLOW;
    const gbx_native *const n = &x->native;
    switch (kind) {
    case GBX_TRAP_MEM_OOB: return fault_is_in_memory(inst, addr);
    case GBX_TRAP_STACK_EXHAUSTED: return addr >= (uintptr_t)n->guard && addr < (uintptr_t)n->shown;
    default: return false;
    }
}

/* The guest reaches the part of its stack that is shown only to calls that go so deep: the instruction runs
 * again. It is one of compiled code, or of what enters it: nobody else has a reason to touch that part. */
static bool
fault_deepens(gbx_exec *x, uintptr_t addr)
{
    gbx_native *const n = &x->native;
    if (addr < (uintptr_t)n->low || addr >= (uintptr_t)n->shown) return false;
    if (!gbx_base_os_commit(n->low, (size_t)(n->shown - n->low))) return false;
    n->shown = n->low;
    x->is_untidy = true;
    return true;
}

/* SAFETY: the pc is looked up before anything of a thread is believed but that it runs a guest; the record, exec and instance are those of code that runs now on this thread. */
static bool
fault_take(int sig, const siginfo_t *info, void *context)
{
    if (!fault_is_of_instruction(sig, info)) return false;
    gbx_entry *const e = gbx_runtime_fault_running;
    if (e && sig == SIGSEGV && fault_deepens(e->exec, (uintptr_t)info->si_addr)) return true;
    u64 const pc = gbx_runtime_enter_pc(context);
    fault_site site;
    if (!fault_find((uintptr_t)pc, &site)) return false;
    const fault_row *const row = gbx_runtime_fault_row(site.table, (u32)(pc - site.start));
    if (!e || !row) return false;

    u64 regs[GBX_FAULT_REGS];
    gbx_runtime_enter_regs(context, regs);
    const gbx_instance *inst = NULL;
    if (site.stubs.inst_reg < GBX_FAULT_REGS)
        inst = (const gbx_instance *)(uintptr_t)regs[site.stubs.inst_reg];
    else if (site.stubs.inst_reg == FAULT_OF_EXEC)
        inst = e->exec->native.inst;
    bool const is_access = sig == SIGSEGV || sig == SIGBUS;
    uintptr_t const addr = is_access ? (uintptr_t)info->si_addr : 0;
    u8 const kind = FAULT_KIND(row->what);
    if (!fault_is_expected(kind, sig, addr, e->exec, inst)) return false;

    gbx_fault *const f = &e->exec->fault;
    *f = (gbx_fault){.kind = kind,
                     .func_idx = site.table->func_idx,
                     .offset = site.table->wasm_start + FAULT_OFFSET(row->what),
                     .pc = pc,
                     .addr = addr,
                     .inst = inst};
    memcpy(f->regs, regs, sizeof regs);
    gbx_runtime_enter_redirect(context, site.stubs.exit, e);
    return true;
}

/* What the kernel would have done without us. */
static void
fault_default(int sig, const siginfo_t *info, bool is_ignored)
{
    bool const is_repeated = info->si_code > 0 && !(sig == SIGBUS && info->si_code == BUS_MCEERR_AO);
    if (is_ignored && !is_repeated) return;
    /* Back to the instruction, which raises it again, with everything a core dump wants to know. The kernel
     * does not let a fault be ignored. */
    struct sigaction const def = {.sa_handler = SIG_DFL};
    (void)sigaction(sig, &def, NULL);
    /* One that was sent is sent again, and arrives as soon as this handler returns. */
    if (!is_repeated) (void)syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), sig);
}

static void
fault_pass_on(int sig, siginfo_t *info, void *context)
{
    u32 i = 0;
    while (fault_signals[i] != sig) i++;
    const struct sigaction *const before = &fault_before[i];
    const void *const frame = __builtin_frame_address(0);
    bool const asks_back = fault_passing.context == context && frame < fault_passing.frame;
    bool const is_info = (before->sa_flags & SA_SIGINFO) != 0;
    bool const is_handler =
            is_info || (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN);
    bool const is_spent = is_handler && ((unsigned)before->sa_flags & SA_RESETHAND) &&
                          atomic_exchange(&fault_spent[i], true);
    if (!is_handler || is_spent || asks_back) {
        fault_default(sig, info, !is_handler && before->sa_handler == SIG_IGN);
        return;
    }
    fault_passing.frame = frame;
    fault_passing.context = context;
    if (is_info) before->sa_sigaction(sig, info, context);
    else before->sa_handler(sig);
    fault_passing.context = NULL;
}

static void
fault_handle(int sig, siginfo_t *info, void *context)
{
    int const saved = errno;
    if (!fault_take(sig, info, context)) fault_pass_on(sig, info, context);
    errno = saved;
}

/* Ours has the mask and the flags of the one before, so that it runs under the conditions it asked for. */
static bool
fault_install_one(u32 i)
{
    if (sigaction(fault_signals[i], NULL, &fault_before[i]) != 0) return false;
    struct sigaction ours = {.sa_mask = fault_before[i].sa_mask};
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (fault_before[i].sa_flags & (SA_NODEFER | SA_RESTART));
    ours.sa_sigaction = fault_handle;
    return sigaction(fault_signals[i], &ours, NULL) == 0;
}

bool
gbx_runtime_fault_install(void)
{
    GBX_ASSERT(WASM_MAX_BODY_BYTES <= FAULT_OFFSET(UINT32_MAX)); /* a row can say any offset in a body */
    int state = atomic_load(&fault_state);
    if (state != 0) return state > 0;
    (void)pthread_mutex_lock(&fault_lock);
    state = atomic_load(&fault_state);
    if (state == 0) {
        bool ok = gbx_runtime_enter_works();
        for (u32 i = 0; ok && i < GBX_LEN(fault_signals); i++) ok = fault_install_one(i);
        state = ok ? 1 : -1;
        atomic_store(&fault_state, state);
    }
    (void)pthread_mutex_unlock(&fault_lock);
    return state > 0;
}

void
gbx_runtime_fault_reinstall(void)
{
    if (gbx_runtime_fault_is_installed()) return;
    (void)pthread_mutex_lock(&fault_lock);
    for (u32 i = 0; i < GBX_LEN(fault_signals); i++) {
        struct sigaction now;
        if (sigaction(fault_signals[i], NULL, &now) != 0) continue;
        if (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != fault_handle) (void)fault_install_one(i);
    }
    (void)pthread_mutex_unlock(&fault_lock);
}

bool
gbx_runtime_fault_is_installed(void)
{
    for (u32 i = 0; i < GBX_LEN(fault_signals); i++) {
        struct sigaction now;
        if (sigaction(fault_signals[i], NULL, &now) != 0 || !(now.sa_flags & SA_SIGINFO) ||
            now.sa_sigaction != fault_handle)
            return false;
    }
    return true;
}

/* ---- threads */

/* What the kernel writes for a signal on this processor, and what the handler needs. */
static size_t
fault_altstack_least(void)
{
    unsigned long const said = getauxval(AT_MINSIGSTKSZ); /* 0 before Linux 5.14 */
    return (said ? said : 4096) + FAULT_HANDLER_BYTES;
}

static void
fault_thread_unblock(fault_thread *t)
{
    sigset_t four, before;
    (void)sigemptyset(&four);
    for (u32 i = 0; i < GBX_LEN(fault_signals); i++) (void)sigaddset(&four, fault_signals[i]);
    int const rc = pthread_sigmask(SIG_UNBLOCK, &four, &before);
    GBX_ASSERT(rc == 0);
    for (u32 i = 0; i < GBX_LEN(fault_signals); i++) {
        if (sigismember(&before, fault_signals[i]) != 1) continue;
        t->mask = before;
        t->is_mask_ours = true;
        return;
    }
}

/* Where the thread has no stack that will do, it gets t->own. */
static void
fault_thread_stack(fault_thread *t)
{
    stack_t now;
    int rc = sigaltstack(NULL, &now);
    GBX_ASSERT(rc == 0);
    bool const is_enabled = !(now.ss_flags & SS_DISABLE);
    if (t->is_stack_ours && is_enabled && now.ss_sp == t->own.ss_sp) return;
    t->is_stack_ours = false;
    t->before = now;
    /* A call made by a handler that runs on it cannot change it, and has what is left of it. */
    if (now.ss_flags & SS_ONSTACK) return;
    if (is_enabled && now.ss_size >= fault_altstack_least()) return;
    rc = sigaltstack(&t->own, NULL);
    GBX_ASSERT(rc == 0);
    t->is_stack_ours = true;
}

void
gbx_runtime_fault_thread_begin(fault_thread *t, void *alt, size_t bytes)
{
    GBX_ASSERT(bytes >= FAULT_ALTSTACK_BYTES);
    memset(t, 0, sizeof *t);
    t->own = (stack_t){.ss_sp = alt, .ss_size = bytes};
    gbx_runtime_fault_thread_again(t);
}

void
gbx_runtime_fault_thread_again(fault_thread *t)
{
    fault_thread_unblock(t);
    fault_thread_stack(t);
}

bool
gbx_runtime_fault_thread_is_lent(const fault_thread *t)
{
    return t->is_mask_ours || (!t->is_stack_ours && t->before.ss_flags & SS_ONSTACK);
}

void
gbx_runtime_fault_thread_end(fault_thread *t)
{
    if (t->is_stack_ours) {
        stack_t now;
        int rc = sigaltstack(&t->before, &now);
        /* The host set another one meanwhile, and means it to stay. */
        if (rc == 0 && now.ss_sp != t->own.ss_sp) rc = sigaltstack(&now, NULL);
        GBX_ASSERT(rc == 0);
        t->is_stack_ours = false;
    }
    if (!t->is_mask_ours) return;
    sigset_t back;
    (void)sigemptyset(&back);
    for (u32 i = 0; i < GBX_LEN(fault_signals); i++)
        if (sigismember(&t->mask, fault_signals[i]) == 1) (void)sigaddset(&back, fault_signals[i]);
    (void)pthread_sigmask(SIG_BLOCK, &back, NULL);
    t->is_mask_ours = false;
}
