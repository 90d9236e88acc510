/* Goroutines and their stacks; see gostack.h.
 *
 * A frame, at its function's return address R on the stack:
 *
 *     sp                     sp + bytes          sp + bytes + 8
 *      | arguments, locals   | R of the caller   | the caller's frame ...   -> higher addresses
 *
 * Go's scheduler and garbage collector run on a stack of their own (g0), on top of what called
 * systemstack, morestack or mcall there. The goroutine that they run for goes on where its `sched` says.
 *
 * SAFETY: nothing is believed. gostack_load compares each read with the memory; a stack is left after
 * GO_TRACE_MOST frames; the stack pointer only ever grows, but for one step to another stack. */
#include "wasm/gostack.h"

#include <string.h>

#include "wasm/fuse.h"
#include "wasm/golines_int.h"
#include "wasm/limits.h"

#define GO_NAME_MOST   64u  /* bytes of names that are looked for */
#define GO_ALLGS_MOST  ((u64)1 << 24)
#define GO_ALLGS_TRIED 8u
#define GO_MODULE_HEADER 8u /* bytes before the first section */

/* A number of 64 bits spread over the rows of a memo: the uppermost bits of a product. */
#define GO_MEMO_MIX   UINT64_C(0x9e3779b97f4a7c15)
#define GO_MEMO_SHIFT 53
_Static_assert(GO_MEMO_ROWS == 1u << (64 - GO_MEMO_SHIFT), "all of a memo is used, and no more");

/* GO: runtime/runtime2.go; the same from Go 1.21 to 1.27. */
enum { GO_G_STACK_LOW = 0, GO_G_STACK_HIGH = 8, GO_G_M = 48, GO_G_SCHED_SP = 56, GO_G_SCHED_PC = 64 };
enum { GO_M_G0 = 0 };
enum { GO_PCDATA_INLINED = 2, GO_FUNCDATA_INLINED = 3 }; /* GO: internal/abi/symtab.go */
enum { GO_INLINED_NAME = 4, GO_INLINED_PARENT = 8, GO_INLINED_BYTES = 16 };
enum { GO_FLAG_TOP = 1 }; /* abi.FuncFlagTopFrame */
enum {
    GO_STATUS_RUNNABLE = 1,
    GO_STATUS_RUNNING,
    GO_STATUS_SYSCALL,
    GO_STATUS_WAITING,
    GO_STATUS_COPY = 8,
    GO_STATUS_PREEMPTED,
    GO_STATUS_LEAKED,
    GO_STATUS_SCAN = 0x1000
};

struct go_layout {
    u32 first, last;
    u32 status, id, reason, parent, gopc, startpc, curg, inlined;
};

static const go_layout go_layouts[] = {
#define GO_LAYOUT(first, last, ...) {first, last, __VA_ARGS__},
#include "wasm/golayout.def"
#undef GO_LAYOUT
};

static const struct {
    u32 first, last;
    const char *text;
} go_waits[] = {
#define GO_WAIT(first, last, text) {first, last, text},
#include "wasm/gowait.def"
#undef GO_WAIT
};

/* ---- Memory */

/* A number of `bytes` at an address; false: it does not lie in memory. */
static bool
gostack_load(go_memory mem, u64 at, u32 bytes, u64 *out)
{
    *out = 0;
    if (mem.bytes < bytes || at > mem.bytes - bytes) return false;
    memcpy(out, mem.base + at, bytes);
    return true;
}

/* The same, and 0 where it does not lie in memory. */
static u64
gostack_word(go_memory mem, u64 at)
{
    u64 v;
    (void)gostack_load(mem, at, sizeof v, &v);
    return v;
}

/* ---- What a module says of itself */

/* A number in the module's data, which stands in two runs of segments: those that the table is in, and those
 * before. What is in neither is zero. */
static u32
gostack_u32(const go_world *w, u64 at)
{
    return (u32)(gbx_wasm_go_number(w->m, w->t, at, 4) | gbx_wasm_go_number(w->m, &w->before, at, 4));
}

/* GO: cmd/link/internal/wasm/asm.go writeProducerSec: a custom section "producers", field "language",
 * value "Go", which stripping leaves. SPEC: WebAssembly/tool-conventions ProducersSection. */
static void
gostack_read_producers(go_world *w, reader r)
{
    for (u32 fields = gbx_base_rd_u32(&r); fields && rd_ok(&r); fields--) {
        (void)gbx_base_rd_name(&r, WASM_MAX_NAME_BYTES);
        for (u32 values = gbx_base_rd_u32(&r); values && rd_ok(&r); values--) {
            rd_name const name = gbx_base_rd_name(&r, WASM_MAX_NAME_BYTES);
            rd_name const version = gbx_base_rd_name(&r, WASM_MAX_NAME_BYTES);
            bool const is_go = rd_ok(&r) && name.len == 2 && memcmp(name.text, "Go", 2) == 0;
            if (!is_go || version.len >= sizeof w->version || w->version[0]) continue;
            memcpy(w->version, version.text, version.len);
        }
    }
}

static void
gostack_read_version(go_world *w)
{
    static const char wanted[] = "producers";
    reader r = rd_init(w->m->bytes, GO_MODULE_HEADER, w->m->len);
    while (rd_left(&r) && rd_ok(&r)) {
        u8 const id = gbx_base_rd_u8(&r);
        u32 const size = gbx_base_rd_u32(&r);
        u64 const off = rd_offset(&r);
        if (!gbx_base_rd_bytes(&r, size) || id != 0) continue;
        reader section = rd_init(w->m->bytes, off, off + size);
        rd_name const name = gbx_base_rd_name(&section, WASM_MAX_NAME_BYTES);
        if (name.len == sizeof wanted - 1 && memcmp(name.text, wanted, name.len) == 0)
            gostack_read_producers(w, section);
    }
}

/* "go1.26.8" and "go1.27rc1 X:nodwarf5" are of a release; "devel go1.28-6fd0b2b" may be anything. */
static u32
gostack_minor(const char *version)
{
    u32 minor = 0;
    if (strncmp(version, "go1.", 4) != 0) return 0;
    for (const char *p = version + 4; *p >= '0' && *p <= '9' && minor < 1000; p++)
        minor = minor * 10 + (u32)(*p - '0');
    return minor;
}

/* Functions that are inlined: runtime.firstmoduledata says where, which begins with the addresses of the
 * header and of the names. Zeros at either end of the first may lie in no segment: what is between is looked
 * for. */
static void
gostack_find_inlined(go_world *w)
{
    u8 header[8] = {0};
    size_t first = 0, len = sizeof header;
    for (u32 i = 0; i < sizeof header; i++) header[i] = (u8)(w->t->at >> 8 * i);
    while (len > 1 && !header[len - 1]) len--;
    while (first + 1 < len && !header[first]) first++;
    for (u32 k = 0; w->layout && k < w->t->end; k++) {
        const wasm_data *const seg = &w->m->datas[k];
        if (seg->is_special) continue;
        const u8 *const begin = w->m->bytes + seg->bytes_off, *const end = begin + seg->bytes_len;
        for (const u8 *p = begin; (p = memmem(p, (size_t)(end - p), header + first, len - first)); p++) {
            u64 const at = (u64)seg->at + (u64)(p - begin) - first;
            if (at % sizeof header || gostack_u32(w, at) != w->t->at || gostack_u32(w, at + 8) != w->t->names)
                continue;
            w->inlined = gostack_u32(w, at + w->layout->inlined);
            return;
        }
    }
}

static void
gostack_find_names(go_world *w)
{
    static const struct {
        const char *name;
        size_t at;
    } wanted[] = {{"runtime.systemstack", offsetof(go_world, systemstack)},
                  {"runtime.morestack", offsetof(go_world, morestack)},
                  {"runtime.mcall", offsetof(go_world, mcall)},
                  {"runtime.allgadd", offsetof(go_world, allgadd)},
                  {"wasm_pc_f_loop", offsetof(go_world, loop)},
                  {"wasm_pc_f_loop_export", offsetof(go_world, loop_export)}};
    for (u32 i = w->m->imported_funcs; i < w->m->func_count; i++) {
        u64 const func = gbx_wasm_go_record(w->m, w->t, i);
        char name[GO_NAME_MOST];
        if (!func) continue;
        u64 const name_at = w->t->names + gbx_wasm_go_number(w->m, w->t, func + GO_FUNC_NAME, 4);
        size_t const len = gbx_wasm_go_text(w->m, w->t, name_at, name, sizeof name);
        for (u32 k = 0; k < GBX_LEN(wanted); k++)
            if (len == strlen(wanted[k].name) && memcmp(name, wanted[k].name, len) == 0)
                memcpy((u8 *)w + wanted[k].at, &i, sizeof i);
    }
}

void
gbx_wasm_go_world_lines(const wasm_module *m, const go_table *t, go_world *out)
{
    *out = (go_world){.m = m, .t = t, .before = *t};
    if (t->func_count == 0) return;
    out->before.first = 0;
    out->before.end = min_u32(gbx_wasm_go_run_end(m, 0), t->first);
    gostack_read_version(out);
    out->minor = gostack_minor(out->version);
    for (const go_layout *l = go_layouts; l < GBX_END(go_layouts); l++)
        if (out->minor >= l->first && out->minor <= l->last) out->layout = l;
    gostack_find_inlined(out);
}

void
gbx_wasm_go_world_find(const wasm_module *m, const go_table *t, go_world *out)
{
    gbx_wasm_go_world_lines(m, t, out);
    if (t->func_count) gostack_find_names(out);
}

/* ---- runtime.allgs: a slice whose three words allgadd loads by its address:
 *
 *     i64.const ADDRESS; i32.wrap_i64; i64.load offset=0, 8 or 16 */

typedef struct gostack_seen {
    u64 at;
    u32 words; /* bits: first, second, third */
} gostack_seen;

static u64
gostack_leb(const u8 *p)
{
    u64 v = 0;
    for (u32 shift = 0; shift < 63; shift += 7) {
        v |= (u64)(*p & 0x7f) << shift;
        if (!(*p++ & 0x80)) break;
    }
    return v;
}

static void
gostack_note(gostack_seen seen[GO_ALLGS_TRIED], u64 at, u64 offset)
{
    if (offset > 16 || offset % 8) return;
    for (u32 i = 0; i < GO_ALLGS_TRIED; i++) {
        if (seen[i].at && seen[i].at != at) continue;
        seen[i].at = at;
        seen[i].words |= 1u << offset / 8;
        return;
    }
}

void
gbx_wasm_go_world_allgs(go_world *w)
{
    gostack_seen seen[GO_ALLGS_TRIED] = {0};
    if (w->allgadd < w->m->imported_funcs || !w->layout) return;
    const wasm_code *const code = &w->m->codes[w->allgadd - w->m->imported_funcs];
    const u8 *const unfuse = gbx_wasm_unfuse[w->m->fuse_set];
    const u8 *const end = w->m->bytes + code->body_end;
    u64 constant = 0;
    bool is_address = false;
    for (const u8 *pc = w->m->bytes + code->insns_off; pc < end; pc += gbx_wasm_insn_len(w->m, pc)) {
        u8 const op = unfuse[*pc];
        if (op == OP_I64_CONST) constant = gostack_leb(pc + 1);
        else if (op == OP_I64_LOAD && is_address)
            gostack_note(seen, constant, gostack_leb(pc + 2));
        is_address = op == OP_I32_WRAP_I64 && constant;
        if (op != OP_I64_CONST && op != OP_I32_WRAP_I64) constant = 0;
    }
    for (u32 i = 0; i < GO_ALLGS_TRIED && !w->allgs; i++)
        if (seen[i].words == 7) w->allgs = seen[i].at;
}

/* ---- Frames */

u64
gbx_wasm_go_pc(const go_world *w, u32 func_idx, u32 block)
{
    return (u64)(GO_FIRST_FUNC + (func_idx - w->m->imported_funcs)) << 16 | (block & 0xffff);
}

/* Go's own backtraces look up what stands before the return address. */
u64
gbx_wasm_go_call_pc(u64 ret)
{
    return ret & 0xffff ? ret - 1 : ret;
}

bool
gbx_wasm_go_returns(go_memory mem, u64 sp, u64 pc)
{
    u64 ret;
    return gostack_load(mem, sp, sizeof ret, &ret) && gbx_wasm_go_call_pc(ret) == pc;
}

u32
gbx_wasm_go_pc_func(const go_world *w, u64 pc)
{
    u64 const number = pc >> 16;
    if (number < GO_FIRST_FUNC || number - GO_FIRST_FUNC >= w->m->func_count - w->m->imported_funcs) return 0;
    return (u32)(number - GO_FIRST_FUNC) + w->m->imported_funcs;
}

/* The record of a pc's function; 0: it is no pc. */
static u64
gostack_record(const go_world *w, u64 pc, u32 *func_idx)
{
    *func_idx = gbx_wasm_go_pc_func(w, pc);
    return *func_idx ? gbx_wasm_go_record(w->m, w->t, *func_idx) : 0;
}

static i32
gostack_depth(const go_world *w, u64 func, u64 pc)
{
    u32 const table = (u32)gbx_wasm_go_number(w->m, w->t, func + GO_FUNC_PCSP, 4);
    return gbx_wasm_go_value(w->m, w->t, table, (u32)(pc & 0xffff));
}

u64
gbx_wasm_go_current(const go_world *w, go_memory mem, u64 g)
{
    if (!w->layout || !g) return 0;
    u64 const m = gostack_word(mem, g + GO_G_M);
    if (!m || gostack_word(mem, m + GO_M_G0) != g) return g;
    return gostack_word(mem, m + w->layout->curg);
}

/* Where the goroutine goes on that function func_idx, at the bottom of the scheduler's stack, runs for. */
static bool
gostack_switch(const go_world *w, go_memory mem, u64 g, u32 func_idx, u64 *pc, u64 *sp)
{
    bool const is_switch = func_idx == w->systemstack || func_idx == w->morestack || func_idx == w->mcall;
    u64 const cur = is_switch ? gbx_wasm_go_current(w, mem, g) : 0;
    if (!cur || cur == g || !gostack_load(mem, cur + GO_G_SCHED_SP, 8, sp) || *sp == 0) return false;
    /* GO: runtime/asm_wasm.s systemstack: its pc is that of systemstack_switch, which has no frame. */
    if (func_idx == w->systemstack) {
        *pc = gostack_word(mem, *sp);
        *sp += 8;
    } else {
        *pc = gostack_word(mem, cur + GO_G_SCHED_PC);
    }
    *pc = gbx_wasm_go_call_pc(*pc);
    return true;
}

/* PERF: a stack's pcs are mostly those of the one before: with the memo a frame takes a few loads, without it
 * two searches of tables. */
static go_step
gostack_step(const go_world *w, u64 pc)
{
    go_step *const kept = w->memo ? &w->memo->rows[(pc ^ pc >> 16) * GO_MEMO_MIX >> GO_MEMO_SHIFT] : NULL;
    go_step step = {.pc = pc, .bytes = -1};
    if (kept && kept->pc == pc) return *kept;
    u64 const func = gostack_record(w, pc, &step.func_idx);
    if (!func) step.func_idx = 0;
    if (func) step.bytes = gostack_depth(w, func, pc);
    if (func) step.is_top = gbx_wasm_go_number(w->m, w->t, func + GO_FUNC_FLAG, 1) & GO_FLAG_TOP;
    bool const is_sure = !w->t->steps || *w->t->steps; /* or there were too few to find out */
    if (kept && is_sure) *kept = step;
    return step;
}

/* Behind what *out has already. SAFETY: what is counted in go_table.steps bounds the whole; a frame is at
 * least its return address. */
static void
gostack_unwind(const go_world *w, go_memory mem, u64 g, u64 pc, u64 sp, i32 bytes, go_trace *out)
{
    bool switched = false;
    go_step step = gostack_step(w, pc);
    step.bytes = bytes;
    out->end = GO_END_LOST;
    for (; step.func_idx; step = gostack_step(w, pc)) {
        if (out->count == GO_TRACE_MOST) {
            out->end = GO_END_MOST;
            return;
        }
        out->pcs[out->count++] = pc;
        if (!switched && gostack_switch(w, mem, g, step.func_idx, &pc, &sp)) {
            switched = true;
            continue;
        }
        if (step.is_top || step.func_idx == w->mcall) {
            out->end = GO_END_TOP;
            return;
        }
        if (step.bytes < 0 || !gostack_load(mem, sp + (u64)step.bytes, 8, &pc)) return;
        sp += (u64)step.bytes + 8;
        pc = gbx_wasm_go_call_pc(pc);
    }
}

void
gbx_wasm_go_unwind(const go_world *w, go_memory mem, u64 g, u64 pc, u64 sp, i32 bytes, go_trace *out)
{
    out->count = 0;
    gostack_unwind(w, mem, g, pc, sp, bytes, out);
}

/* Behind Go's own loop, which calls what stands just below the stack pointer: the function that it has called
 * last has returned there, or another goroutine goes on there.
 * GO: runtime/asm_wasm.s wasm_pc_f_loop (1.21 to 1.27). */
static bool
gostack_goes_on(const go_world *w, go_memory mem, u64 g, u64 pc, u64 sp, go_trace *out)
{
    u32 func_idx;
    u64 const next = gbx_wasm_go_call_pc(sp >= 8 ? gostack_word(mem, sp - 8) : 0);
    u64 const func = gostack_record(w, next, &func_idx);
    out->count = 0;
    if (!func) return false;
    out->pcs[out->count++] = pc;
    gostack_unwind(w, mem, g, next, sp, gostack_depth(w, func, next), out);
    if (out->end != GO_END_LOST) return true;
    out->count = 0;
    return false;
}

bool
gbx_wasm_go_guess(const go_world *w, go_memory mem, u64 g, u32 func_idx, u64 sp, u32 caller, go_trace *out)
{
    u64 const func = gbx_wasm_go_record(w->m, w->t, func_idx);
    u64 const pc = gbx_wasm_go_pc(w, func_idx, 0);
    i32 depth = INT32_MAX;
    out->count = 0;
    if (!func) return false;
    if (func_idx == w->loop || func_idx == w->loop_export) return gostack_goes_on(w, mem, g, pc, sp, out);
    u32 const depths = (u32)gbx_wasm_go_number(w->m, w->t, func + GO_FUNC_PCSP, 4);
    while ((depth = gbx_wasm_go_value_below(w->m, w->t, depths, depth)) >= 0) {
        gbx_wasm_go_unwind(w, mem, g, pc, sp, depth, out);
        bool const is_next = !caller || (out->count > 1 && gbx_wasm_go_pc_func(w, out->pcs[1]) == caller);
        if (is_next && out->end != GO_END_LOST) return true;
    }
    out->count = 0;
    return false;
}

/* ---- Functions that were inlined */

/* The offset of a table that a function's record names behind itself; UINT32_MAX: it has none. */
static u32
gostack_data(const go_world *w, u64 func, u32 i, bool is_funcdata)
{
    u32 const pcdatas = (u32)gbx_wasm_go_number(w->m, w->t, func + GO_FUNC_PCDATA_COUNT, 4);
    u32 const funcdatas = (u32)gbx_wasm_go_number(w->m, w->t, func + GO_FUNC_DATA_COUNT, 1);
    u32 const count = is_funcdata ? funcdatas : pcdatas;
    if (i >= count || pcdatas > 0xff) return UINT32_MAX;
    u32 const skipped = is_funcdata ? pcdatas + i : i;
    return (u32)gbx_wasm_go_number(w->m, w->t, func + GO_FUNC_BYTES + 4 * (u64)skipped, 4);
}

/* Which of a function's inlined calls a block is in; less than 0: none. */
static i32
gostack_inlined(const go_world *w, u64 func, u32 block)
{
    u32 const values = gostack_data(w, func, GO_PCDATA_INLINED, false);
    return values == UINT32_MAX ? -1 : gbx_wasm_go_value(w->m, w->t, values, block);
}

u32
gbx_wasm_go_expand(const go_world *w, u64 pc, go_place out[GO_INLINE_MOST])
{
    u32 func_idx, count = 0, block = (u32)(pc & 0xffff);
    u64 const func = gostack_record(w, pc, &func_idx);
    if (!func) return 0;
    u32 const tree = gostack_data(w, func, GO_FUNCDATA_INLINED, true);
    for (;;) {
        go_place *const place = &out[count++];
        *place = (go_place){0};
        gbx_wasm_go_fill(w->m, w->t, func, block, GO_LINE_CALL, place);
        i32 const i = gostack_inlined(w, func, block);
        if (i < 0 || tree == UINT32_MAX || !w->inlined || count == GO_INLINE_MOST) return count;
        u64 const call = w->inlined + tree + GO_INLINED_BYTES * (u64)(u32)i;
        u32 const name = gostack_u32(w, call + GO_INLINED_NAME);
        place->name_at = w->t->names + name;
        block = gostack_u32(w, call + GO_INLINED_PARENT) & 0xffff;
    }
}

/* ---- Goroutines */

/* What Go calls the reason a goroutine waits for. */
static const char *
gostack_reason(u32 minor, u64 number)
{
    for (u32 i = 0; i < GBX_LEN(go_waits); i++) {
        if (minor < go_waits[i].first || minor > go_waits[i].last) continue;
        if (number-- == 0) return go_waits[i].text;
    }
    return "waiting";
}

static const char *
gostack_state(const go_world *w, u64 status, u64 reason)
{
    switch (status & ~(u64)GO_STATUS_SCAN) {
    case GO_STATUS_RUNNABLE: return "runnable";
    case GO_STATUS_RUNNING: return "running";
    case GO_STATUS_SYSCALL: return "syscall";
    case GO_STATUS_WAITING:
    case GO_STATUS_LEAKED: return gostack_reason(w->minor, reason);
    case GO_STATUS_COPY: return "copystack";
    case GO_STATUS_PREEMPTED: return "preempted";
    default: return NULL;
    }
}

bool
gbx_wasm_go_read(const go_world *w, go_memory mem, u64 g, go_goroutine *out)
{
    *out = (go_goroutine){.g = g};
    const go_layout *const l = w->layout;
    u64 status, reason, low, high;
    if (!l || !g || !gostack_load(mem, g + l->status, 4, &status)) return false;
    bool const is_there = gostack_load(mem, g + l->id, 8, &out->id) &&
                          gostack_load(mem, g + l->parent, 8, &out->parent) &&
                          gostack_load(mem, g + l->reason, 1, &reason) &&
                          gostack_load(mem, g + l->gopc, 8, &out->gopc) &&
                          gostack_load(mem, g + l->startpc, 8, &out->startpc) &&
                          gostack_load(mem, g + GO_G_STACK_LOW, 8, &low) &&
                          gostack_load(mem, g + GO_G_STACK_HIGH, 8, &high) &&
                          gostack_load(mem, g + GO_G_SCHED_SP, 8, &out->sp) &&
                          gostack_load(mem, g + GO_G_SCHED_PC, 8, &out->pc);
    if (!is_there || status > 2 * GO_STATUS_SCAN || low > high || high > mem.bytes) return false;
    out->state = gostack_state(w, status, reason);
    out->is_dead = !out->state;
    return out->is_dead || low < high;
}

u64
gbx_wasm_go_count(const go_world *w, go_memory mem)
{
    u64 const at = gostack_word(mem, w->allgs), count = gostack_word(mem, w->allgs + 8);
    bool const is_slice = w->allgs && w->layout && count <= gostack_word(mem, w->allgs + 16) &&
                          count <= GO_ALLGS_MOST && at <= mem.bytes && count * 8 <= mem.bytes - at;
    return is_slice ? count : 0;
}

bool
gbx_wasm_go_get(const go_world *w, go_memory mem, u64 i, go_goroutine *out)
{
    *out = (go_goroutine){0};
    if (i >= gbx_wasm_go_count(w, mem)) return false;
    return gbx_wasm_go_read(w, mem, gostack_word(mem, gostack_word(mem, w->allgs) + 8 * i), out);
}

void
gbx_wasm_go_trace_of(const go_world *w, go_memory mem, const go_goroutine *g, go_trace *out)
{
    u32 func_idx;
    u64 const pc = gbx_wasm_go_call_pc(g->pc);
    u64 const func = gostack_record(w, pc, &func_idx);
    gbx_wasm_go_unwind(w, mem, 0, pc, g->sp, func ? gostack_depth(w, func, pc) : -1, out);
}
