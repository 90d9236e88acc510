/* libFuzzer's target: a module in three tiers, which must agree.
 *
 * The input is a module. What decodes is instantiated in an engine that interprets, one that compiles all,
 * and one that compiles what has run once over; its imports are made up, and give the same values to each.
 * Every exported function is called a few times. How each call ended, its results, the frames of traps, what
 * imports were called with, memories and globals must be the same; else this aborts and libFuzzer keeps
 * the input. Nothing is compared behind a call that met its deadline or the end of its stack: where those
 * strike is a matter of the tier.
 *
 * Bytes changed at random are seldom a module, so most changes are made here, between instructions: opcodes
 * for others of their type, immediates, pieces of a body in place of others. What does not validate is
 * thrown away.
 *
 * Built by `make fuzz-target` (clang's -fsanitize=fuzzer); test/fuzz/run makes the first inputs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "gbx/gbx.h"
#include "gbx/unstable/tiers.h"
#include "gbx/unstable/trace.h"
#include "runtime/runtime.h"
#include "wasm/opcodes.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size, unsigned seed);

#define FUZZ_TIMEOUT_NS   ((u64)30 * 1000000)
#define FUZZ_MEMORY_BYTES ((u64)8 << 20)
#define FUZZ_STACK_BYTES  ((u64)1 << 20)
#define FUZZ_TABLE_ELEMS  100000u
#define FUZZ_FUEL         200000u /* of all calls of a module: what goes on for ever ends there, and so at one place */
#define FUZZ_CALLS        3u    /* of each function */
#define FUZZ_FUNCS        24u   /* exports that are called */
#define FUZZ_NOTES        4096u /* of what happened; more is not compared */
#define FUZZ_VALUES       64u   /* functions with more are not called */

static const struct fuzz_tier {
    const char *name;
    gbx_tier_mode mode;
    bool is_early;
} fuzz_tiers[] = {{"interp", GBX_TIER_INTERP, false},
                  {"eager", GBX_TIER_EAGER, false},
                  {"auto", GBX_TIER_AUTO, true}};
#define FUZZ_TIERS GBX_LEN(fuzz_tiers)

/* What happened in one tier, a number at a time. */
typedef struct fuzz_note {
    const char *what; /* static */
    u64 at, value;
} fuzz_note;

typedef struct fuzz_log {
    u32 count;
    bool is_over; /* what follows may differ */
    fuzz_note notes[FUZZ_NOTES];
} fuzz_log;

typedef struct fuzz_run {
    fuzz_log *log;
    gbx_store *store;
    gbx_linker *linker;
    gbx_module *module;
    gbx_instance *instance;
    u64 host_calls, host_hash;
} fuzz_run;

static gbx_engine *fuzz_engines[FUZZ_TIERS];

static void
fuzz_note_add(fuzz_log *log, const char *what, u64 at, u64 value)
{
    if (log->is_over) return;
    if (log->count == FUZZ_NOTES) log->is_over = true;
    else log->notes[log->count++] = (fuzz_note){what, at, value};
}

static u64
fuzz_mix(u64 z)
{
    z = (z + 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* A number drawn from `n`: the first are those where mistakes show, and many are small. */
static u64
fuzz_number(u64 n)
{
    static const u64 edges[] = {0,           1,        2,          UINT64_MAX, 0x80000000u,
                                0x7fffffffu, 0x10000u, 1ull << 63, 0xfffcu,    40000};
    u64 const z = fuzz_mix(n);
    if (z % 4 == 0) return edges[z / 4 % GBX_LEN(edges)];
    return z % 4 == 1 ? z / 4 % 256 : z;
}

/* ---- Imports */

static gbx_trap_code
fuzz_host(gbx_exec *x, gbx_instance *caller, void *data, gbx_slot *slots)
{
    (void)x, (void)caller;
    void **const bound = data;
    fuzz_run *const r = bound[0];
    const wasm_functype *const sig = bound[1];
    for (u32 i = 0; i < sig->param_count; i++) {
        u64 v = slots[i];
        if (wasm_is_ref(sig->params[i])) v = v != 0;
        r->host_hash = fuzz_mix(r->host_hash ^ v);
    }
    r->host_calls++;
    for (u32 i = 0; i < sig->result_count; i++) {
        u64 const v = fuzz_number(r->host_calls * 16 + i);
        bool const is_32 = sig->results[i] == WASM_I32 || sig->results[i] == WASM_F32;
        slots[i] = wasm_is_ref(sig->results[i]) ? 0 : is_32 ? (u32)v : v;
        if (sig->results[i] == WASM_V128) slots[i + x->high] = v;
    }
    return GBX_TRAP_NONE;
}

static gbx_code
fuzz_import_func(fuzz_run *r, const wasm_functype *sig, runtime_extern *ext, gbx_err *err)
{
    void **const bound = gbx_base_alloc(2, sizeof *bound);
    GBX_ASSERT(bound);
    bound[0] = r;
    bound[1] = (void *)(uintptr_t)sig;
    if (!gbx_runtime_store_own(r->store, bound, gbx_base_free)) abort();
    return gbx_runtime_host_func(r->store, sig, fuzz_host, bound, &ext->of.func, err);
}

static gbx_code
fuzz_import(fuzz_run *r, const wasm_module *w, const wasm_import *i, gbx_err *err)
{
    runtime_extern ext = {.kind = i->kind};
    gbx_code code = GBX_IMPORT_TYPE; /* tags are of no host */
    wasm_value const value = {0x1234, 0};
    if (i->kind == WASM_EXTERN_FUNC)
        code = fuzz_import_func(r, &w->types[w->func_types[i->idx]], &ext, err);
    else if (i->kind == WASM_EXTERN_MEMORY)
        code = gbx_runtime_host_memory(r->store, &w->memories[i->idx], &ext.of.memory, err);
    else if (i->kind == WASM_EXTERN_TABLE)
        code = gbx_runtime_host_table(r->store, &w->tables[i->idx], &ext.of.table, err);
    else if (i->kind == WASM_EXTERN_GLOBAL)
        code = gbx_runtime_host_global(r->store, &w->globals[i->idx].type,
                                       wasm_is_ref(w->globals[i->idx].type.type) ? (wasm_value){0, 0} : value,
                                       &ext.of.global, err);
    if (code == GBX_OK) code = gbx_runtime_linker_define(r->linker, i->module, i->name, ext, err);
    return code;
}

/* ---- One tier */

static u64
fuzz_value(gbx_val v)
{
    if (v.type == GBX_FUNCREF || v.type == GBX_EXTERNREF || v.type == GBX_EXNREF) return v.of.ref != 0;
    if (v.type == GBX_I32 || v.type == GBX_F32) return (u32)v.of.i32;
    if (v.type != GBX_V128) return (u64)v.of.i64;
    return gbx_base_hash(0, v.of.v128, sizeof v.of.v128);
}

static void
fuzz_ended(fuzz_log *log, u64 at, const gbx_trap *trap)
{
    if (trap->code == GBX_TRAP_DEADLINE || trap->code == GBX_TRAP_STACK_EXHAUSTED ||
        trap->code == GBX_TRAP_NO_HOST_MEMORY) {
        log->is_over = true;
        return;
    }
    fuzz_note_add(log, "end of call", at, trap->code);
    if (trap->code == GBX_TRAP_NONE) return;
    fuzz_note_add(log, "frames of call", at, trap->frames_total);
    for (u32 i = 0; i < trap->frame_count; i++)
        fuzz_note_add(log, "frame", i, (u64)trap->frames[i].func_idx << 32 | trap->frames[i].offset);
}

static void
fuzz_call(fuzz_run *r, u64 at, gbx_func *f)
{
    static gbx_trap trap;
    gbx_val args[FUZZ_VALUES], results[FUZZ_VALUES];
    const gbx_valtype *types;
    size_t const count = gbx_func_params(f, &types), result_count = gbx_func_results(f, NULL);
    if (count > FUZZ_VALUES || result_count > FUZZ_VALUES) return;
    for (size_t i = 0; i < count; i++) {
        args[i] = (gbx_val){.type = types[i]};
        if (types[i] <= GBX_F64) args[i].of.i64 = (i64)fuzz_number(at * 64 + i);
        if (types[i] == GBX_I32 || types[i] == GBX_F32) args[i].of.i64 &= UINT32_MAX;
    }
    gbx_func_call(f, args, count, results, result_count, &trap);
    fuzz_ended(r->log, at, &trap);
    u64 left = 0, used = 0;
    if (!gbx_store_fuel(r->store, &left, &used)) abort();
    fuzz_note_add(r->log, "fuel used", at, used);
    for (size_t i = 0; i < result_count && trap.code == GBX_TRAP_NONE; i++)
        fuzz_note_add(r->log, "result", i, fuzz_value(results[i]));
    fuzz_note_add(r->log, "host calls", r->host_calls, r->host_hash);
}

static void
fuzz_state(const fuzz_run *r)
{
    const u8 *data;
    size_t bytes;
    gbx_val v;
    for (size_t i = 0; gbx_trace_memory(r->instance, i, &data, &bytes); i++)
        fuzz_note_add(r->log, "memory", i, gbx_base_hash(bytes, data, bytes));
    for (size_t i = 0; gbx_trace_global(r->instance, i, &v); i++)
        fuzz_note_add(r->log, "global", i, fuzz_value(v));
}

static void
fuzz_instance(fuzz_run *r)
{
    static gbx_trap trap;
    gbx_err err;
    gbx_code code = GBX_OK;
    const wasm_module *const w = gbx_runtime_module_wasm(r->module);
    for (u32 i = 0; code == GBX_OK && i < w->import_count; i++)
        code = fuzz_import(r, w, &w->imports[i], &err);
    if (code == GBX_OK)
        code = gbx_instance_new(r->store, r->module, r->linker, &r->instance, &trap, &err);
    fuzz_note_add(r->log, "instance", 0, code);
    if (code == GBX_TRAPPED) fuzz_ended(r->log, 0, &trap);
    if (code != GBX_OK) return;
    u64 called = 0;
    for (u32 round = 0; round < FUZZ_CALLS; round++)
        for (u32 i = 0; i < w->export_count && i < FUZZ_FUNCS && !r->log->is_over; i++) {
            gbx_func *const f = gbx_instance_func_at(r->instance, i);
            if (f) fuzz_call(r, called++, f);
        }
    fuzz_state(r);
}

static bool
fuzz_tier(u32 tier, gbx_bytes wasm, fuzz_log *log)
{
    fuzz_run r = {.log = log};
    log->count = 0;
    log->is_over = false;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.timeout_ns = FUZZ_TIMEOUT_NS;
    opts.fuel = FUZZ_FUEL;
    opts.memory_bytes = FUZZ_MEMORY_BYTES;
    opts.stack_bytes = FUZZ_STACK_BYTES;
    opts.table_elems = FUZZ_TABLE_ELEMS;
    bool const is_module = gbx_module_compile(fuzz_engines[tier], wasm, NULL, &r.module, NULL) == GBX_OK;
    if (is_module) {
        if (gbx_store_new(fuzz_engines[tier], &opts, &r.store, NULL) != GBX_OK ||
            gbx_linker_new(r.store, &r.linker, NULL) != GBX_OK)
            abort();
        fuzz_instance(&r);
    }
    gbx_linker_release(r.linker);
    gbx_store_release(r.store);
    gbx_module_release(r.module);
    return is_module;
}

static void
fuzz_compare(u32 tier, const fuzz_log *a, const fuzz_log *b)
{
    u32 i = 0;
    u32 const common = min_u32(a->count, b->count);
    while (i < common && a->notes[i].value == b->notes[i].value && a->notes[i].at == b->notes[i].at) i++;
    if (i == common && (a->count == b->count || (a->count == i ? a->is_over : b->is_over))) return;
    static const fuzz_note none = {.what = "nothing"};
    const fuzz_note *const x = i < a->count ? &a->notes[i] : &none;
    const fuzz_note *const y = i < b->count ? &b->notes[i] : &none;
    fprintf(stderr, "DIFFERENT: %s: %s %" PRIu64 " is %" PRIx64 ", %s: %s %" PRIu64 " is %" PRIx64 "\n",
            fuzz_tiers[0].name, x->what, x->at, x->value, fuzz_tiers[tier].name, y->what, y->at, y->value);
    abort();
}

static void
fuzz_open(void)
{
    for (u32 i = 0; i < FUZZ_TIERS && !fuzz_engines[i]; i++) {
        gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
        opts.tier = fuzz_tiers[i].mode;
        opts.metered = 1;
        if (gbx_engine_new(&opts, &fuzz_engines[i], NULL) != GBX_OK) abort();
        if (fuzz_tiers[i].is_early && gbx_engine_set_warm_factor(fuzz_engines[i], 1, NULL) != GBX_OK) abort();
    }
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static fuzz_log logs[2];
    gbx_bytes const wasm = {data, size};
    fuzz_open();
    if (!fuzz_tier(0, wasm, &logs[0])) return -1;
    for (u32 i = 1; i < FUZZ_TIERS; i++) {
        (void)fuzz_tier(i, wasm, &logs[1]);
        fuzz_compare(i, &logs[0], &logs[1]);
    }
    return 0;
}

/* ---- Changes between instructions */

#define FUZZ_TRIES  40u
#define FUZZ_TRIES_OF_ONE 10u /* body */
#define FUZZ_INSNS  4096u
#define FUZZ_LOCALS 100u
#define FUZZ_PIECE  12u /* instructions that are moved at once, at most */

typedef struct fuzz_body {
    u32 off, end;            /* in the module */
    u32 local_count;         /* the first, whose types are known */
    u8 local_types[FUZZ_LOCALS];
    u32 count;
    u32 insns[FUZZ_INSNS + 1]; /* and where the last one ends */
} fuzz_body;

static u64 fuzz_seed;

static u32
fuzz_below(u32 n)
{
    fuzz_seed = fuzz_mix(fuzz_seed);
    return n ? (u32)(fuzz_seed >> 20) % n : 0;
}

static bool
fuzz_is_module(const u8 *data, size_t size)
{
    gbx_module *m;
    if (gbx_module_compile(fuzz_engines[0], (gbx_bytes){data, size}, NULL, &m, NULL) != GBX_OK) return false;
    gbx_module_release(m);
    return true;
}

static u32
fuzz_leb(const u8 **p)
{
    u32 v = 0;
    for (unsigned shift = 0;; shift += 7) {
        u8 const b = *(*p)++;
        v |= (u32)(b & 0x7f) << (shift & 31);
        if (!(b & 0x80)) return v;
    }
}

/* Parameters, then what the body declares. The module has been validated. */
static void
fuzz_read_locals(const wasm_module *w, const wasm_code *code, fuzz_body *b)
{
    const wasm_functype *const sig = &w->types[code->type_idx];
    b->local_count = min_u32(sig->param_count, FUZZ_LOCALS);
    memcpy(b->local_types, sig->params, b->local_count * sizeof *b->local_types);
    const u8 *p = w->bytes + code->body_off;
    for (u32 groups = fuzz_leb(&p); groups; groups--) {
        u32 const count = min_u32(fuzz_leb(&p), FUZZ_LOCALS - b->local_count);
        memset(b->local_types + b->local_count, *p++, count);
        b->local_count += count;
    }
}

/* Where the instructions of some body stand; the last `end` of the body is not among them. */
static bool
fuzz_pick_body(const u8 *data, size_t size, fuzz_body *b)
{
    gbx_module *m;
    if (gbx_module_compile(fuzz_engines[0], (gbx_bytes){data, size}, NULL, &m, NULL) != GBX_OK) return false;
    const wasm_module *const w = gbx_runtime_module_wasm(m);
    u32 const count = w->func_count - w->imported_funcs;
    b->count = 0;
    if (count) {
        const wasm_code *const code = &w->codes[fuzz_below(count)];
        b->off = code->body_off;
        b->end = code->body_end;
        fuzz_read_locals(w, code, b);
        u32 at = code->insns_off;
        while (at + 1 < code->body_end && b->count < FUZZ_INSNS) {
            b->insns[b->count++] = at;
            at += gbx_wasm_insn_len(w, w->bytes + at);
        }
        b->insns[b->count] = at;
    }
    gbx_module_release(m);
    return b->count > 0;
}

/* Another opcode with the same operands and immediates. */
static void
fuzz_change_opcode(u8 *at)
{
    const op_row *const have = &gbx_wasm_ops[*at];
    u32 const first = fuzz_below(256);
    for (u32 i = 0; i < 256; i++) {
        u8 const op = (u8)(first + i);
        const op_row *const row = &gbx_wasm_ops[op];
        bool const are_accesses = have->imm >= IMM_MEM1 && have->imm <= IMM_MEM8 && row->imm >= IMM_MEM1 &&
                                  row->imm <= IMM_MEM8;
        if (op == *at || !row->text || (row->imm != have->imm && !are_accesses)) continue;
        if (row->a != have->a || row->b != have->b || row->out != have->out) continue;
        *at = op;
        return;
    }
}

/* Another number in as many bytes. */
static void
fuzz_change_immediate(u8 *at, u32 len)
{
    if (len == 0) return;
    u64 const edges[] = {0, 0x7f, 0x3f, 0x40, 1, 0x7ffffff8, 0xffffffff, 0x10000, 8, 16, 31, 32, 63};
    u64 v = fuzz_below(3) ? edges[fuzz_below(GBX_LEN(edges))] : fuzz_mix(fuzz_seed);
    if (fuzz_below(4) == 0) { /* one bit of it */
        at[fuzz_below(len)] ^= (u8)(1u << fuzz_below(7));
        return;
    }
    for (u32 i = 0; i < len; i++, v >>= 7) at[i] = (u8)((v & 0x7f) | (i + 1 < len ? 0x80 : 0));
}

static size_t
fuzz_put_leb(u8 *out, size_t v)
{
    size_t n = 0;
    do {
        out[n++] = (u8)((v & 0x7f) | (v >> 7 ? 0x80 : 0));
        v >>= 7;
    } while (v);
    return n;
}

/* Bytes of the number of up to 5 bytes that ends before `end`: the one that says `value`. */
static size_t
fuzz_leb_before(const u8 *data, size_t end, u64 value)
{
    for (size_t n = 1; n <= 5 && n <= end; n++) {
        u64 v = 0;
        for (size_t i = 0; i < n; i++) v |= (u64)(data[end - n + i] & 0x7f) << (7 * i);
        if (v == value && !(data[end - 1] & 0x80) && (n == 1 || data[end - n] & 0x80)) return n;
    }
    return 0;
}

/* Where the code section's size stands, and that section's end; false where there is none. */
static bool
fuzz_code_section(const u8 *data, size_t size, size_t body_off, size_t *size_at, size_t *begin, size_t *end)
{
    size_t at = 8;
    while (at < size) {
        u64 len = 0;
        unsigned shift = 0;
        *size_at = ++at;
        while (at < size && shift < 35) {
            len |= (u64)(data[at] & 0x7f) << shift;
            shift += 7;
            if (!(data[at++] & 0x80)) break;
        }
        *begin = at;
        if (len > size - at) return false;
        at += len;
        *end = at;
        if (body_off >= *begin && body_off < at) return true;
    }
    return false;
}

/* Put `piece` in the place of [from, to) of the body b; sizes of the body and of its section follow. */
static size_t
fuzz_splice(u8 *data, size_t size, size_t max_size, const fuzz_body *b, u32 from, u32 to, const u8 *piece,
            size_t piece_len)
{
    size_t size_at, begin, end, n = 0;
    static u8 out[1 << 20];
    size_t const old_leb = fuzz_leb_before(data, b->off, b->end - b->off);
    if (!old_leb || size + piece_len + 16 > sizeof out ||
        !fuzz_code_section(data, size, b->off, &size_at, &begin, &end))
        return 0;
    u8 leb[10];
    size_t const body = b->end - b->off - (to - from) + piece_len;
    size_t const leb_len = fuzz_put_leb(leb, body);
    size_t const section = end - begin - (b->end - b->off) - old_leb + body + leb_len;
    memcpy(out, data, size_at);
    n = size_at + fuzz_put_leb(out + size_at, section);
#define FUZZ_PUT(p, len) (memcpy(out + n, (p), (len)), n += (len))
    FUZZ_PUT(data + begin, b->off - old_leb - begin);
    FUZZ_PUT(leb, leb_len);
    FUZZ_PUT(data + b->off, from - b->off);
    FUZZ_PUT(piece, piece_len);
    FUZZ_PUT(data + to, size - to);
#undef FUZZ_PUT
    if (n > max_size || n > sizeof out) return 0;
    memcpy(data, out, n);
    return n;
}

/* A local of that type; where there is none, one of another. */
static u8
fuzz_local(const fuzz_body *b, u32 type)
{
    static const u8 types[] = {WASM_I32, WASM_I64, WASM_F32, WASM_F64};
    u32 const first = fuzz_below(b->local_count);
    for (u32 i = 0; i < b->local_count; i++) {
        u32 const idx = (first + i) % b->local_count;
        if (b->local_types[idx] == types[type]) return (u8)idx;
    }
    return (u8)first;
}

/* An operand of a type, from 0 to 3: bytes of instructions over the locals given. */
static u32
fuzz_make_operand(u8 *out, u32 type, const u8 locals[2])
{
    static const struct {
        u8 add, ops, load, constant;
    } types[] = {{OP_I32_ADD, 15, OP_I32_LOAD, OP_I32_CONST},
                 {OP_I64_ADD, 15, OP_I64_LOAD, OP_I64_CONST},
                 {OP_F32_ADD, 7, OP_F32_LOAD, 0},
                 {OP_F64_ADD, 7, OP_F64_LOAD, 0}};
    u32 const kind = fuzz_below(6);
    u32 n = 0;
    out[n++] = OP_LOCAL_GET;
    out[n++] = locals[0];
    if (kind == 0) return n;
    if (kind == 1 && type == 0) { /* what is added to a local address is folded into the access */
        out[n++] = types[type].load;
        out[n++] = 0;
        out[n++] = (u8)fuzz_below(128);
        return n;
    }
    bool const is_constant = kind == 2 && types[type].constant;
    out[n++] = is_constant ? types[type].constant : OP_LOCAL_GET;
    out[n++] = is_constant ? (u8)fuzz_below(128) : locals[1];
    out[n++] = (u8)(types[type].add + (fuzz_below(2) ? 0 : fuzz_below(types[type].ops)));
    return n;
}

/* Let an operand wait while instructions [i, j) run and while a local that it is made of changes, and then be
 * seen: what compiled code delays, and what it delays it past. */
static size_t
fuzz_wrap(u8 *data, size_t size, size_t max_size, const fuzz_body *b, u32 i, u32 j)
{
    u8 piece[1024];
    u32 const len = b->insns[j] - b->insns[i], type = fuzz_below(6) % 4, end = fuzz_below(3);
    u8 const locals[2] = {fuzz_local(b, type), fuzz_local(b, type)};
    if (len + 64 > sizeof piece) return 0;
    u32 n = 0;
    if (end == 0) {
        piece[n++] = OP_I32_CONST;
        piece[n++] = (u8)fuzz_below(64);
    }
    n += fuzz_make_operand(piece + n, type, locals);
    memcpy(piece + n, data + b->insns[i], len);
    n += len;
    if (fuzz_below(3)) {
        u8 const others[2] = {fuzz_local(b, type), fuzz_local(b, type)};
        n += fuzz_make_operand(piece + n, type, others);
        piece[n++] = OP_LOCAL_SET;
        piece[n++] = locals[fuzz_below(2)];
    }
    if (end == 0) {
        piece[n++] = (u8)(OP_I32_STORE + type);
        piece[n++] = 0;
        piece[n++] = (u8)fuzz_below(128);
    } else {
        piece[n++] = end == 1 ? OP_LOCAL_SET : OP_GLOBAL_SET;
        piece[n++] = end == 1 ? fuzz_local(b, type) : (u8)fuzz_below(6);
    }
    return fuzz_splice(data, size, max_size, b, b->insns[i], b->insns[j], piece, n);
}

/* One change of the module in data; its new size, 0 where it was not possible. */
static size_t
fuzz_change(u8 *data, size_t size, size_t max_size, const fuzz_body *b)
{
    u32 const i = fuzz_below(b->count), kind = fuzz_below(12);
    u32 const op_len = data[b->insns[i]] >= OP_PREFIX_FC ? 2 : 1;
    if (kind < 2) {
        fuzz_change_opcode(data + b->insns[i]);
        return size;
    }
    if (kind < 5) {
        u32 const len = b->insns[i + 1] - b->insns[i];
        if (len <= op_len) return 0;
        u32 const skip = fuzz_below(2) ? min_u32(fuzz_below(3), len - op_len - 1) : 0;
        fuzz_change_immediate(data + b->insns[i] + op_len + skip, len - op_len - skip);
        return size;
    }
    u32 const j = min_u32(i + (kind == 6 ? 0 : fuzz_below(FUZZ_PIECE)), b->count);
    if (kind > 7) return fuzz_wrap(data, size, max_size, b, i, j);
    u32 const k = fuzz_below(b->count);
    u32 const l = min_u32(k + (kind == 7 ? 0 : fuzz_below(FUZZ_PIECE)), b->count);
    u8 piece[1024];
    u32 const len = b->insns[l] - b->insns[k];
    if (len > sizeof piece) return 0;
    memcpy(piece, data + b->insns[k], len);
    return fuzz_splice(data, size, max_size, b, b->insns[i], b->insns[j], piece, len);
}

size_t
LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size, unsigned seed)
{
    static fuzz_body body;
    fuzz_open();
    fuzz_seed = seed;
    if (fuzz_below(16) == 0) return LLVMFuzzerMutate(data, size, max_size);
    u8 *const kept = malloc(size + 1);
    if (!kept) abort();
    size_t now = size;
    memcpy(kept, data, size);
    bool changed = false;
    for (u32 i = 0; i < FUZZ_TRIES && !changed; i++) {
        if (i % FUZZ_TRIES_OF_ONE == 0 && !fuzz_pick_body(data, size, &body)) break;
        now = fuzz_change(data, size, max_size, &body);
        changed = now && (now != size || memcmp(data, kept, size)) && fuzz_is_module(data, now);
        if (!changed) memcpy(data, kept, size), now = size;
    }
    free(kept);
    return changed ? now : LLVMFuzzerMutate(data, size, max_size);
}
