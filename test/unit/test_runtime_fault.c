/* Faults of compiled code become traps of the right kind at the right offset; all others reach whoever was
 * there before. Guest code is made by hand. Every test runs in a child of its own: the handlers are
 * installed once a process, and the test runner has handlers too. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/os_mem.h"
#include "runtime/code.h"
#include "runtime/enter.h"
#include "runtime/runtime_int.h"

#if defined(__x86_64__)

#define WANT(cond)                                                                       \
    do {                                                                                 \
        if (!(cond)) {                                                                   \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);     \
            _exit(99);                                                                   \
        }                                                                                \
    } while (0)

#define STACK_BYTES ((size_t)1 << 20)
#define WASM_START 1000u
#define FUNC_IDX 7u

/* ---- a machine to run code in */

typedef struct rig {
    code_region region;
    code_space space;
    enter_stack stack;
    _Alignas(16) u8 alt[FAULT_ALTSTACK_BYTES];
    gbx_memory mem;
    gbx_memory *mems[1];
    gbx_instance inst;
    gbx_exec x;
    fault_thread thread;
} rig;

static void
rig_open(rig *r)
{
    memset(r, 0, sizeof *r);
    gbx_err err;
    WANT(gbx_runtime_code_region_init(&r->region, (size_t)4 << 20, OS_CODE_ANY, &err) == GBX_OK);
    gbx_runtime_code_space_init(&r->space, &r->region);
    r->space.stubs = (fault_stubs){.exit = (uintptr_t)gbx_runtime_leave, .inst_reg = 14};
    WANT(gbx_runtime_enter_stack_open(&r->stack, STACK_BYTES));
    wasm_limits const two = {.min = 2, .max = 4, .has_max = true};
    WANT(gbx_runtime_memory_init(&r->mem, &two, UINT64_MAX, "memory", &err) == GBX_OK && r->mem.guarded);
    r->mems[0] = &r->mem;
    r->inst = (gbx_instance){.memories = r->mems, .memory_count = 1};
    r->x.native = (gbx_native){.guard = r->stack.guard,
                               .low = r->stack.low,
                               .shown = r->stack.shown,
                               .high = r->stack.high};
    WANT(gbx_runtime_fault_install());
    gbx_runtime_fault_thread_begin(&r->thread, r->alt, sizeof r->alt);
}

static void
rig_close(rig *r)
{
    WANT(!r->x.entry && !gbx_runtime_fault_running);
    gbx_runtime_fault_thread_end(&r->thread);
    gbx_runtime_code_space_deinit(&r->space);
    gbx_runtime_code_region_deinit(&r->region);
    gbx_runtime_enter_stack_close(&r->stack);
    gbx_runtime_memory_deinit(&r->mem);
}

/* Code under construction: bytes, and rows for instructions that may fault. */
typedef struct maker {
    u8 code[256];
    u32 len;
    fault_row rows[8];
    u32 row_count;
} maker;

static void
emit(maker *m, const char *hex)
{
    for (unsigned byte; *hex; hex += 2) {
        while (*hex == ' ') hex++;
        WANT(sscanf(hex, "%2x", &byte) == 1);
        m->code[m->len++] = (u8)byte;
    }
}

static void
emit_u64(maker *m, u64 n)
{
    memcpy(m->code + m->len, &n, sizeof n);
    m->len += (u32)sizeof n;
}

/* The next instruction may fault. */
static void
row(maker *m, u32 kind, u32 offset)
{
    m->rows[m->row_count++] = (fault_row){m->len, FAULT_WHAT(kind, offset)};
}

static const u8 *
make(rig *r, const maker *m)
{
    code_blob *b;
    WANT(gbx_runtime_code_alloc(&r->space, m->len, &b, NULL) == GBX_OK);
    memcpy(b->write, m->code, m->len);
    fault_table *const t = gbx_base_alloc(1, sizeof *t + m->row_count * sizeof *m->rows);
    WANT(t);
    *t = (fault_table){.func_idx = FUNC_IDX, .wasm_start = WASM_START, .row_count = m->row_count};
    memcpy(t->rows, m->rows, m->row_count * sizeof *m->rows);
    b->table = t;
    WANT(gbx_runtime_code_finish(&r->space, b, m->len, NULL) == GBX_OK);
    return b->exec;
}

/* Clobber what C wants back, keep the instance in r14, as compiled code does. */
static void
prologue(maker *m)
{
    emit(m, "49 89 F6");                   /* mov r14, rsi */
    emit(m, "BB 11 11 11 11");             /* mov ebx, 0x11111111 */
    emit(m, "BD 22 22 22 22");             /* mov ebp, 0x22222222 */
    emit(m, "41 BC 33 33 33 33");          /* mov r12d, 0x33333333 */
    emit(m, "41 BD 44 44 44 44");          /* mov r13d, 0x44444444 */
    emit(m, "45 31 FF");                   /* xor r15d, r15d */
}

/* mov eax, [slots[0]]; slots[1] = eax; return OK */
static const u8 *
make_load(rig *r, bool with_row)
{
    maker m = {0};
    prologue(&m);
    emit(&m, "48 8B 0A"); /* mov rcx, [rdx] */
    if (with_row) row(&m, GBX_TRAP_MEM_OOB, 0x123);
    emit(&m, "8B 01");       /* mov eax, [rcx] */
    emit(&m, "89 42 08");    /* mov [rdx+8], eax */
    emit(&m, "31 C0 C3");    /* xor eax, eax; ret */
    return make(r, &m);
}

static gbx_status
load(rig *r, const u8 *code, const u8 *at, gbx_slot slots[2])
{
    slots[0] = (uintptr_t)at;
    slots[1] = 0;
    return gbx_runtime_enter(&r->x, &r->inst, code, slots);
}

/* Whether C keeps what it has in registers across a guest that clobbers them and traps. */
static void __attribute__((noinline))
loads(rig *r, const u8 *code, const u8 *at, u64 a, u64 b, u64 c, u64 d, u64 e, u64 *sum)
{
    gbx_slot slots[2];
    WANT(load(r, code, at, slots) == GBX_STATUS_TRAP);
    *sum = a + b * 3 + c * 5 + d * 7 + e * 11;
}

/* ---- tests */

static void
memory(void)
{
    rig r;
    rig_open(&r);
    const u8 *const code = make_load(&r, true);
    gbx_slot slots[2];
    r.mem.base[4] = 99;
    WANT(load(&r, code, r.mem.base + 4, slots) == GBX_STATUS_OK && slots[1] == 99);
    const u8 *const outside[] = {r.mem.base + r.mem.bytes, r.mem.base - 1 - ((size_t)1 << 31) + 4096,
                                 r.mem.base + r.mem.reserved_bytes - 8, r.mem.base - 8};
    for (u32 i = 0; i < GBX_LEN(outside); i++) {
        u64 sum;
        r.x.fault = (gbx_fault){0};
        loads(&r, code, outside[i], i, i + 1, i + 2, i + 3, i + 4, &sum);
        WANT(sum == i + (i + 1) * 3 + (i + 2) * 5 + (i + 3) * 7 + (i + 4) * 11);
        const gbx_fault *const f = &r.x.fault;
        WANT(f->kind == GBX_TRAP_MEM_OOB && f->offset == WASM_START + 0x123 && f->func_idx == FUNC_IDX);
        WANT(f->addr == (uintptr_t)outside[i] && f->inst == &r.inst);
        WANT(f->pc > (uintptr_t)code && f->pc < (uintptr_t)code + 64);
        WANT(f->regs[1] == (uintptr_t)outside[i] && f->regs[3] == 0x11111111 && f->regs[5] == 0x22222222);
        WANT(f->regs[12] == 0x33333333 && f->regs[13] == 0x44444444 && f->regs[14] == (uintptr_t)&r.inst);
        WANT(f->regs[4] > (uintptr_t)r.stack.low && f->regs[4] < (uintptr_t)r.stack.high);
    }
    /* A page that crosses the end. */
    WANT(load(&r, code, r.mem.base + r.mem.bytes - 2, slots) == GBX_STATUS_TRAP);
    rig_close(&r);
}

static void
arithmetic(void)
{
    rig r;
    rig_open(&r);
    maker m = {0};
    prologue(&m);
    emit(&m, "8B 02 31 D2 31 C9"); /* mov eax, [rdx]; xor edx, edx; xor ecx, ecx */
    row(&m, GBX_TRAP_INT_DIV_ZERO, 5);
    emit(&m, "F7 F1 31 C0 C3"); /* div ecx; xor eax, eax; ret */
    gbx_slot slots[1] = {5};
    WANT(gbx_runtime_enter(&r.x, &r.inst, make(&r, &m), slots) == GBX_STATUS_TRAP);
    WANT(r.x.fault.kind == GBX_TRAP_INT_DIV_ZERO && r.x.fault.offset == WASM_START + 5);
    WANT(r.x.fault.addr == 0 && r.x.fault.regs[0] == 5);

    maker u = {0};
    prologue(&u);
    emit(&u, "90");
    row(&u, GBX_TRAP_INDIRECT_TYPE, 6);
    emit(&u, "0F 0B"); /* ud2 */
    row(&u, GBX_TRAP_UNREACHABLE, 7);
    emit(&u, "0F 0B");
    WANT(gbx_runtime_enter(&r.x, &r.inst, make(&r, &u), slots) == GBX_STATUS_TRAP);
    WANT(r.x.fault.kind == GBX_TRAP_INDIRECT_TYPE && r.x.fault.offset == WASM_START + 6);
    rig_close(&r);
}

/* A function that calls itself until the guard. */
static void
overflow(void)
{
    rig r;
    rig_open(&r);
    WANT(r.thread.is_stack_ours);
    maker m = {0};
    row(&m, GBX_TRAP_STACK_EXHAUSTED, 9);
    emit(&m, "E8 FB FF FF FF"); /* call self */
    const u8 *const code = make(&r, &m);
    for (u32 i = 0; i < 3; i++) {
        WANT(gbx_runtime_enter(&r.x, &r.inst, code, NULL) == GBX_STATUS_TRAP);
        WANT(r.x.fault.kind == GBX_TRAP_STACK_EXHAUSTED && r.x.fault.offset == WASM_START + 9);
        WANT(r.x.fault.addr == (uintptr_t)r.stack.low - 8 && r.x.fault.pc == (uintptr_t)code);
        WANT(r.x.native.shown == r.stack.low && r.x.is_untidy); /* it went through what is hidden at first */
        r.stack.low[0] = 1;
        WANT(gbx_runtime_enter_stack_trim(&r.stack));
        r.x.native.shown = r.stack.shown;
    }
    rig_close(&r);
    stack_t now;
    WANT(sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_DISABLE)); /* as it was */
}

/* A thread that has its own stack for handlers, and signals blocked. */
static void
own_altstack(void)
{
    static u8 own[128 << 10];
    stack_t const mine = {.ss_sp = own, .ss_size = sizeof own};
    WANT(sigaltstack(&mine, NULL) == 0);
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGSEGV);
    (void)sigaddset(&set, SIGUSR1);
    WANT(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    rig r;
    rig_open(&r);
    WANT(!r.thread.is_stack_ours);
    maker m = {0};
    row(&m, GBX_TRAP_STACK_EXHAUSTED, 9);
    emit(&m, "E8 FB FF FF FF");
    WANT(gbx_runtime_enter(&r.x, &r.inst, make(&r, &m), NULL) == GBX_STATUS_TRAP);
    rig_close(&r);
    stack_t now;
    WANT(sigaltstack(NULL, &now) == 0 && now.ss_sp == (void *)own && now.ss_size == sizeof own);
    WANT(pthread_sigmask(SIG_BLOCK, NULL, &set) == 0);
    WANT(sigismember(&set, SIGSEGV) == 1 && sigismember(&set, SIGUSR1) == 1 && sigismember(&set, SIGFPE) == 0);
}

/* ---- guest, host, guest */

typedef struct nest {
    rig *r;
    const u8 *inner;
    uintptr_t host_at;
    u32 calls;
} nest;

static u64
host_function(nest *n)
{
    u8 here;
    WANT((uintptr_t)&here < n->host_at && n->host_at - (uintptr_t)&here < 65536); /* RULE: S18 */
    WANT(((uintptr_t)__builtin_frame_address(0) & 15) == 0);
    n->calls++;
    gbx_slot slots[2];
    gbx_entry *const outer = n->r->x.entry;
    WANT(load(n->r, n->inner, n->r->mem.base + n->r->mem.bytes, slots) == GBX_STATUS_TRAP);
    WANT(n->r->x.entry == outer && gbx_runtime_fault_running == outer);
    WANT(n->r->x.fault.regs[4] < (uintptr_t)outer->guest_sp); /* below the outer guest's frames */
    WANT(load(n->r, n->inner, n->r->mem.base, slots) == GBX_STATUS_OK);
    return 1234;
}

static void
emit_host_call(maker *m, u64 fn, u64 arg)
{
    emit(m, "49 BA"), emit_u64(m, arg);       /* mov r10, arg: its entry is read below */
    emit(m, "4C 89 D7");                      /* mov rdi, r10 */
    emit(m, "4D 89 C2");                      /* mov r10, r8: exec->entry, kept there */
    emit(m, "48 B8"), emit_u64(m, fn);        /* mov rax, fn */
    emit(m, "49 BB"), emit_u64(m, (uintptr_t)gbx_runtime_call_c); /* mov r11, call_c */
    row(m, GBX_TRAP_STACK_EXHAUSTED, 0x40);
    emit(m, "41 FF D3");                      /* call r11 */
}

static void
nested(void)
{
    rig r;
    rig_open(&r);
    u8 here;
    nest n = {.r = &r, .inner = make_load(&r, true), .host_at = (uintptr_t)&here};
    maker m = {0};
    prologue(&m);
    emit(&m, "49 89 D4");                     /* mov r12, rdx */
    emit(&m, "4C 8B 87");                     /* mov r8, [rdi + exec.entry] */
    u32 const at = (u32)offsetof(gbx_exec, entry);
    memcpy(m.code + m.len, &at, 4), m.len += 4;
    emit_host_call(&m, (uintptr_t)host_function, (uintptr_t)&n);
    emit(&m, "49 89 04 24");                  /* mov [r12], rax: r12 has survived */
    emit(&m, "41 81 FD 44 44 44 44");         /* cmp r13d, 0x44444444 */
    emit(&m, "0F 95 C0 0F B6 C0 C3");         /* setne al; movzx eax, al; ret */
    gbx_slot slots[1] = {0};
    WANT(gbx_runtime_enter(&r.x, &r.inst, make(&r, &m), slots) == GBX_STATUS_OK);
    WANT(n.calls == 1 && slots[0] == 1234);
    rig_close(&r);
}

/* No room to begin on: a trap, not a fault in the assembly. */
static void
no_room(void)
{
    rig r;
    rig_open(&r);
    const u8 *const code = make_load(&r, true);
    gbx_slot slots[2];
    gbx_entry almost = {.guest_sp = r.stack.low + 100, .exec = &r.x};
    r.x.entry = &almost;
    WANT(load(&r, code, r.mem.base, slots) == GBX_STATUS_TRAP);
    WANT(r.x.fault.kind == GBX_TRAP_STACK_EXHAUSTED && r.x.fault.pc == 0);
    r.x.entry = NULL;
    rig_close(&r);
}

/* ---- polls */

/* RULE: S14. A poll that finds the word set leaves from where it is; one that does not goes on. */
static void
polls(void)
{
    rig r;
    rig_open(&r);
    maker m = {0};
    emit(&m, "49 89 F6 49 89 D4 83 BF");                      /* r14, r12; cmp dword [rdi + exec.stop], 0 */
    u32 const at = (u32)offsetof(gbx_exec, stop);
    memcpy(m.code + m.len, &at, 4), m.len += 4;
    emit(&m, "00 75 07 49 FF 04 24 31 C0 C3"); /* jne +7; inc qword [r12]; xor eax, eax; ret */
    row(&m, GBX_FAULT_POLL, 3);
    emit(&m, "0F 0B");
    const u8 *const code = make(&r, &m);
    gbx_slot slots[1] = {0};
    WANT(gbx_runtime_enter(&r.x, &r.inst, code, slots) == GBX_STATUS_OK && slots[0] == 1);
    atomic_store(&r.x.stop, GBX_TRAP_DEADLINE);
    WANT(gbx_runtime_enter(&r.x, &r.inst, code, slots) == GBX_STATUS_TRAP && slots[0] == 1);
    WANT(r.x.fault.kind == GBX_FAULT_POLL && r.x.fault.offset == WASM_START + 3 && r.x.fault.addr == 0);
    WANT(atomic_load(&r.x.stop) == GBX_TRAP_DEADLINE);
    rig_close(&r);
}

/* ---- faults of others */

static sigjmp_buf host_jump;
static volatile sig_atomic_t host_signal, host_code, host_mask_ok;
static void *volatile host_addr;

static void
host_handler(int sig, siginfo_t *info, void *context)
{
    WANT(context);
    host_signal = sig;
    host_code = info->si_code;
    host_addr = info->si_addr;
    sigset_t now;
    (void)pthread_sigmask(SIG_BLOCK, NULL, &now);
    host_mask_ok = sigismember(&now, SIGUSR1) == 1 && sigismember(&now, sig) == 1;
    siglongjmp(host_jump, 1);
}

static void
host_plain(int sig)
{
    host_signal = sig;
    siglongjmp(host_jump, 1);
}

static void
host_installs(bool is_info, int flags)
{
    struct sigaction sa = {.sa_flags = flags};
    if (is_info) sa.sa_sigaction = host_handler, sa.sa_flags |= SA_SIGINFO;
    else sa.sa_handler = host_plain;
    (void)sigaddset(&sa.sa_mask, SIGUSR1);
    WANT(sigaction(SIGSEGV, &sa, NULL) == 0 && sigaction(SIGFPE, &sa, NULL) == 0);
}

/* The host touches what it may not, and its handler notices. */
static void
host_faults(u8 *at)
{
    host_signal = 0;
    if (sigsetjmp(host_jump, 1) == 0) {
        *(volatile u8 *)at = 1;
        WANT(host_signal); /* this address may not be written */
    }
    WANT(host_signal == SIGSEGV);
}

static u64
host_wild(u8 *at)
{
    host_faults(at);
    return 0;
}

static void
foreign(void)
{
    u8 *const nowhere = gbx_base_os_reserve(65536);
    WANT(nowhere);
    host_installs(true, 0);
    host_faults(nowhere);
    rig r;
    rig_open(&r);
    host_faults(nowhere + 5);
    WANT(host_code == SEGV_ACCERR && host_addr == nowhere + 5 && host_mask_ok);
    host_faults(r.mem.base + r.mem.bytes); /* the guest's memory, but the host's code */
    const u8 *const code = make_load(&r, true), *const bare = make_load(&r, false);
    gbx_slot slots[2];
    WANT(load(&r, code, r.mem.base - 8, slots) == GBX_STATUS_TRAP);
    host_faults(nowhere);

    /* By a host function, while a guest is running: caught there, and the guest goes on. */
    maker m = {0};
    prologue(&m);
    emit(&m, "4C 8B 87");
    u32 const at = (u32)offsetof(gbx_exec, entry);
    memcpy(m.code + m.len, &at, 4), m.len += 4;
    emit_host_call(&m, (uintptr_t)host_wild, (uintptr_t)nowhere);
    emit(&m, "31 C0 C3");
    WANT(gbx_runtime_enter(&r.x, &r.inst, make(&r, &m), slots) == GBX_STATUS_OK);

    /* Code of ours, but no row, or an address that is none of the instance's: RULE: S6. */
    static const u8 *const *codes[2];
    const u8 *const both[] = {bare, code};
    codes[0] = &both[0], codes[1] = &both[1];
    for (u32 i = 0; i < 2; i++) {
        host_signal = 0;
        r.x.fault = (gbx_fault){0};
        gbx_entry *volatile const none = NULL;
        if (sigsetjmp(host_jump, 1) == 0) {
            (void)load(&r, *codes[i], i ? nowhere : r.mem.base - 8, slots);
            WANT(host_signal); /* it was not ours to take */
        }
        WANT(host_signal == SIGSEGV && r.x.fault.kind == 0);
        r.x.entry = none; /* the host jumped over the call, which it must not, to live on in this test */
        gbx_runtime_fault_running = none;
    }
    /* Sent by somebody while all is well. */
    host_signal = 0;
    if (sigsetjmp(host_jump, 1) == 0) (void)raise(SIGSEGV);
    WANT(host_signal == SIGSEGV && host_code == SI_TKILL);
    WANT(load(&r, code, r.mem.base - 8, slots) == GBX_STATUS_TRAP);
    WANT(gbx_runtime_fault_is_installed());
    rig_close(&r);
    host_faults(nowhere);
}

/* A signal that somebody sends while the guest is at an instruction that may trap is no trap. */
static void
sent_handler(int sig, siginfo_t *info, void *context)
{
    (void)context;
    _exit(sig == SIGILL && info->si_code == SI_TKILL ? 0 : 98);
}

static void *
sent_later(void *data)
{
    (void)usleep(20000);
    (void)pthread_kill(*(pthread_t *)data, SIGILL);
    return NULL;
}

static void
sent(void)
{
    struct sigaction sa = {.sa_flags = SA_SIGINFO};
    sa.sa_sigaction = sent_handler;
    WANT(sigaction(SIGILL, &sa, NULL) == 0);
    rig r;
    rig_open(&r);
    maker m = {0};
    prologue(&m);
    row(&m, GBX_TRAP_UNREACHABLE, 1);
    emit(&m, "EB FE"); /* jmp self */
    pthread_t self = pthread_self(), other;
    WANT(pthread_create(&other, NULL, sent_later, &self) == 0);
    (void)gbx_runtime_enter(&r.x, &r.inst, make(&r, &m), NULL);
    WANT(r.x.fault.kind == 0); /* not reached: the handler ends the process */
}

static void
foreign_plain(void)
{
    u8 *const nowhere = gbx_base_os_reserve(65536);
    host_installs(false, 0);
    rig r;
    rig_open(&r);
    host_faults(nowhere);
    host_faults(nowhere);
    rig_close(&r);
}

static void
dies_by_default(void)
{
    (void)signal(SIGSEGV, SIG_DFL);
    rig r;
    rig_open(&r);
    *(volatile u8 *)r.mem.base = 1;
    *(volatile u8 *)gbx_base_os_reserve(65536) = 1;
}

static void
dies_when_sent(void)
{
    (void)signal(SIGILL, SIG_DFL);
    rig r;
    rig_open(&r);
    (void)kill(getpid(), SIGILL);
    (void)usleep(1000000);
}

static void
dies_though_ignored(void)
{
    (void)signal(SIGSEGV, SIG_IGN);
    (void)signal(SIGBUS, SIG_IGN);
    rig r;
    rig_open(&r);
    (void)raise(SIGSEGV); /* ignored as before */
    (void)raise(SIGBUS);
    *(volatile u8 *)gbx_base_os_reserve(65536) = 1;
}

/* The host's handler is good for one time. */
static void
dies_the_second_time(void)
{
    u8 *const nowhere = gbx_base_os_reserve(65536);
    host_installs(true, (int)SA_RESETHAND);
    rig r;
    rig_open(&r);
    host_faults(nowhere);
    host_faults(nowhere);
}

/* ---- threads */

static void *
thread_run(void *data)
{
    (void)data;
    for (u32 i = 0; i < 60; i++) {
        rig r;
        rig_open(&r);
        const u8 *const code = make_load(&r, true);
        gbx_slot slots[2];
        for (u32 k = 0; k < 5; k++) {
            const u8 *const at = r.mem.base + r.mem.bytes + k;
            WANT(load(&r, code, at, slots) == GBX_STATUS_TRAP && r.x.fault.addr == (uintptr_t)at);
            WANT(load(&r, code, r.mem.base, slots) == GBX_STATUS_OK);
        }
        rig_close(&r);
    }
    return NULL;
}

static void
threads(void)
{
    u8 *const nowhere = gbx_base_os_reserve(65536);
    host_installs(true, 0);
    WANT(gbx_runtime_fault_install());
    pthread_t all[4];
    for (u32 i = 0; i < GBX_LEN(all); i++) WANT(pthread_create(&all[i], NULL, thread_run, NULL) == 0);
    for (u32 i = 0; i < 500; i++) host_faults(nowhere);
    for (u32 i = 0; i < GBX_LEN(all); i++) WANT(pthread_join(all[i], NULL) == 0);
}

/* ---- the table of ranges */

static bool
find_nothing(const fault_range *r, uintptr_t pc, fault_site *out)
{
    (void)r, (void)pc, (void)out;
    return false;
}

static void
ranges(void)
{
    static fault_range all[40];
    for (u32 i = 0; i < 40; i++) {
        u32 const at = (i * 17 % 40 + 1) * 65536;
        all[i] = (fault_range){.start = at, .end = at + 65536, .find = find_nothing};
        WANT(gbx_runtime_fault_register(&all[i]));
    }
    gbx_base_fault_arm(1); /* leaving allocates nothing */
    for (u32 i = 0; i < 40; i += 2) gbx_runtime_fault_unregister(&all[i]);
    WANT(gbx_base_fault_count() == 0);
    fault_range const more = {.start = 1 << 30, .end = (1 << 30) + 1, .find = find_nothing};
    WANT(!gbx_runtime_fault_register(&more));
    gbx_base_fault_arm(0);
    for (u32 i = 0; i < 40; i += 2) WANT(gbx_runtime_fault_register(&all[i]));
    for (u32 i = 0; i < 40; i++) gbx_runtime_fault_unregister(&all[i]);

    fault_table *const t = gbx_base_alloc(1, sizeof *t + 5 * sizeof(fault_row));
    WANT(t);
    *t = (fault_table){.row_count = 5};
    for (u32 i = 0; i < 5; i++) t->rows[i] = (fault_row){i * 10, FAULT_WHAT(i, 0xffffff - i)};
    for (u32 off = 0; off < 60; off++) {
        const fault_row *const row_at = gbx_runtime_fault_row(t, off);
        WANT((row_at != NULL) == (off % 10 == 0 && off < 50));
        WANT(!row_at || (FAULT_KIND(row_at->what) == off / 10 && FAULT_OFFSET(row_at->what) == 0xffffff - off / 10));
    }
    gbx_base_free(t);
}

/* ---- running them */

static int
status_of(void (*body)(void))
{
    (void)fflush(NULL);
    pid_t const pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        static int const all[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
        for (u32 i = 0; i < GBX_LEN(all); i++) (void)signal(all[i], SIG_DFL);
        stack_t const none = {.ss_flags = SS_DISABLE};
        (void)sigaltstack(&none, NULL);
        (void)alarm(60);
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

#define TEST_PASSES(name)                       \
    static void test_##name(void **state)       \
    {                                           \
        (void)state;                            \
        assert_int_equal(status_of(name), 0);   \
    }
#define TEST_DIES(name, sig)                                        \
    static void test_##name(void **state)                           \
    {                                                               \
        (void)state;                                                \
        int const status = status_of(name);                         \
        assert_true(WIFSIGNALED(status));                           \
        assert_int_equal(WTERMSIG(status), sig);                    \
    }

TEST_PASSES(memory)
TEST_PASSES(arithmetic)
TEST_PASSES(overflow)
TEST_PASSES(own_altstack)
TEST_PASSES(nested)
TEST_PASSES(no_room)
TEST_PASSES(polls)
TEST_PASSES(foreign)
TEST_PASSES(sent)
TEST_PASSES(foreign_plain)
TEST_PASSES(threads)
TEST_PASSES(ranges)
TEST_DIES(dies_by_default, SIGSEGV)
TEST_DIES(dies_when_sent, SIGILL)
TEST_DIES(dies_though_ignored, SIGSEGV)
TEST_DIES(dies_the_second_time, SIGSEGV)

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_memory),        cmocka_unit_test(test_arithmetic),
            cmocka_unit_test(test_overflow),      cmocka_unit_test(test_own_altstack),
            cmocka_unit_test(test_nested),        cmocka_unit_test(test_no_room),
            cmocka_unit_test(test_polls),         cmocka_unit_test(test_foreign),
            cmocka_unit_test(test_sent),          cmocka_unit_test(test_foreign_plain),
            cmocka_unit_test(test_threads),
            cmocka_unit_test(test_ranges),        cmocka_unit_test(test_dies_by_default),
            cmocka_unit_test(test_dies_when_sent), cmocka_unit_test(test_dies_though_ignored),
            cmocka_unit_test(test_dies_the_second_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void
test_none(void **state)
{
    (void)state;
    assert_false(gbx_runtime_enter_works());
    assert_false(gbx_runtime_fault_install());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
