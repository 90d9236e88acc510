/* The module as decoded and validated: immutable, shared by all its instances and any threads.
 *
 * Index spaces hold imports first, then the module's own. Offsets are bytes into the module file:
 * the one coordinate of all messages, traps and dumps. */
#ifndef GBX_WASM_MODULE_H
#define GBX_WASM_MODULE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/reader.h"
#include "gbx/feature.h"
#include "wasm/limits.h"

/* Value types, as the binary format spells them. 0 is the validator's "any" below a branch. */
enum {
    WASM_ANY = 0,
    WASM_I32 = 0x7f,
    WASM_I64 = 0x7e,
    WASM_F32 = 0x7d,
    WASM_F64 = 0x7c,
    WASM_V128 = 0x7b,
    WASM_FUNCREF = 0x70,
    WASM_EXTERNREF = 0x6f,
    WASM_EXNREF = 0x69,
};
typedef u8 wasm_valtype;

static inline bool
wasm_is_ref(wasm_valtype t)
{
    return t == WASM_FUNCREF || t == WASM_EXTERNREF || t == WASM_EXNREF;
}

typedef struct wasm_functype {
    u32 param_count, result_count;
    const wasm_valtype *params, *results;
    u32 canon; /* lowest type index of this module that is structurally equal */
    bool has_v128; /* among parameters or results */
} wasm_functype;

typedef struct wasm_limits {
    u64 min, max; /* pages or elements; max is meaningful with has_max only */
    bool has_max;
    bool is_64; /* addresses, lengths and offsets are i64 */
} wasm_limits;

typedef struct wasm_tabletype {
    wasm_valtype elem;
    bool is_written; /* by an instruction in a body: set, grow, fill, copy, init */
    wasm_limits limits;
} wasm_tabletype;

typedef struct wasm_globaltype {
    wasm_valtype type;
    bool is_mutable;
} wasm_globaltype;

/* A constant expression: validated bytes [off, end), the final `end` included. */
typedef struct wasm_const {
    u32 off, end;
} wasm_const;

/* ORDER: the binary format's kind bytes */
typedef enum wasm_extern {
    WASM_EXTERN_FUNC,
    WASM_EXTERN_TABLE,
    WASM_EXTERN_MEMORY,
    WASM_EXTERN_GLOBAL,
    WASM_EXTERN_TAG,
} wasm_extern;

typedef struct wasm_import {
    rd_name module, name;
    wasm_extern kind;
    u32 idx; /* in the index space of its kind: look there for its type */
} wasm_import;

typedef struct wasm_export {
    rd_name name;
    wasm_extern kind;
    u32 idx;
} wasm_export;

typedef struct wasm_global {
    wasm_globaltype type;
    wasm_const init; /* {0,0} when imported */
    u32 uses;        /* instructions in bodies that read or write it */
} wasm_global;

typedef enum wasm_segment_mode {
    WASM_SEGMENT_ACTIVE,
    WASM_SEGMENT_PASSIVE,
    WASM_SEGMENT_DECLARED, /* element segments only */
} wasm_segment_mode;

/* An element segment: `count` items starting at byte `items_off`, each a LEB128 function index, or a
 * constant expression when `is_exprs`. */
typedef struct wasm_elem {
    wasm_segment_mode mode;
    wasm_valtype type;
    bool is_exprs;
    u32 table_idx;
    wasm_const offset; /* active only */
    u32 count;
    u32 items_off, items_end;
} wasm_elem;

/* A data segment. A Go module has 30,000 to 100,000, of which nearly all are plain: active, in a memory 0 of
 * 32 bits, with a lone i32.const for an offset. What the others are stands in wasm_module.special_datas.
 * PERF: 12 bytes each in place of 28 save hello 0.5 MB, which a start has to touch. */
typedef struct wasm_data {
    u32 at; /* of a plain one, the offset; of a special one, its index there */
    u32 bytes_off;
    u32 bytes_len : 31; /* WASM_MAX_MODULE_BYTES is less */
    u32 is_special : 1;
} wasm_data;

typedef struct wasm_special_data {
    wasm_segment_mode mode;
    u32 mem_idx;
    wasm_const offset; /* active only */
} wasm_special_data;

/* Where a branch goes, in the order the interpreter meets branches. Deltas are relative to the byte
 * behind the branch's opcode and to this very entry.
 * shuffle: 0, or drop << 10 | keep: slide the `keep` topmost slots down over `drop` slots. With
 * WASM_SIDE_V128 a v128 is among those kept: their high halves slide as well. */
typedef struct wasm_side {
    i32 pc_delta;
    i32 side_delta;
    u32 shuffle;
} wasm_side;
#define WASM_SIDE_V128 (1u << 31)
#define WASM_SIDE_KEEP(shuffle) ((shuffle) & 0x3ffu)
#define WASM_SIDE_DROP(shuffle) ((shuffle) >> 10 & 0xfffffu)
/* Of a module that counts fuel: the branch is threaded past a dispatch, which it pays for (wasm/fuel.h). */
#define WASM_SIDE_THREADED_AT 30u
#define WASM_SIDE_THREADED    (1u << WASM_SIDE_THREADED_AT)

/* Exceptions. A try_table has 1 + n entries of the side table at its place, where n is the number of
 * its clauses:
 *   first  what executing the try_table does: pc_delta leads from behind its opcode to its first
 *          instruction, side_delta is 1 + n, shuffle 0: it is a jump over its own immediates;
 *   others one a clause, in their order, never met by running on: pc_delta counts from behind the
 *          try_table's opcode (wasm_try.origin), side_delta from the entry itself; shuffle is 0.
 *
 * Who unwinds, looks in the frame's code at `tries` in their order, which is innermost first, for those
 * with begin < at && at <= end, where `at` is the offset behind the instruction that throws: any
 * byte behind the opcode of throw or throw_ref, or the return address of a call. Of each it takes the first
 * clause that matches the exception's tag, or _ALL. It then sets
 *   pc   = bytes + try.origin + side[clause.side].pc_delta
 *   side = &side[clause.side] + side[clause.side].side_delta
 * and, from operand `clause.height` of the frame on, the exception's values (none for _ALL), and behind
 * them, for _REF, the exception itself. They are what the label receives: no shuffle follows. stack_max
 * has room for them. */
typedef enum wasm_catch_kind { /* ORDER: the binary format's */
    WASM_CATCH,
    WASM_CATCH_REF,
    WASM_CATCH_ALL,
    WASM_CATCH_ALL_REF,
} wasm_catch_kind;

typedef struct wasm_catch {
    u32 kind;    /* wasm_catch_kind */
    u32 tag_idx; /* not for _ALL */
    u32 side;    /* index of its entry in wasm_code.side */
    u32 height;  /* operands below the values that the label receives */
} wasm_catch;

typedef struct wasm_try {
    u32 begin, end; /* offsets of the first instruction inside, and of the matching `end` */
    u32 origin;     /* offset of the byte behind the opcode */
    u32 catch_first, catch_count; /* in wasm_code.catches */
} wasm_try;

/* wasm_code.stack_max of a function that is not ready. More than any stack has room for. */
#define WASM_NOT_READY ((u32)1 << 30)

/* A function with a body. Counts are slots. Of one that is not ready (a module made from a verdict that does
 * not have it) param_count, result_count, func_idx, type_idx, body_off and body_end are known: see
 * gbx_wasm_make_ready. */
typedef struct wasm_code {
    const u8 *entry;       /* first instruction to run, behind the local declarations */
    const wasm_side *side; /* entry of the first branch at or behind `entry`; NULL: there is none */
    u32 side_count;
    u32 param_count, result_count;
    u32 local_count; /* parameters included */
    u32 stack_max;   /* operand slots that are ever live at once; WASM_NOT_READY: read it first, by
                        wasm_code_is_ready, where that may be */
    u32 func_idx, type_idx;
    u32 body_off, body_end; /* local declarations to one past the final `end` */
    u32 insns_off;          /* first instruction, behind the local declarations */
    bool has_v128; /* a parameter, local, operand or result is a v128 somewhere in the body. Without it
                      no high half of a slot is read or written */
    u32 try_count, catch_count;
    const wasm_try *tries;
    const wasm_catch *catches;
} wasm_code;

/* Which sequences the interpreter may find fused in the module's bodies; see fuse.def. */
typedef enum wasm_fuse_set {
    WASM_FUSE_NONE, /* loads and stores of any memory, which no sequence has */
    WASM_FUSE_WIDE,
    WASM_FUSE_NARROW,
    WASM_FUSE_SETS
} wasm_fuse_set;

/* Rows of probes.def. */
enum {
#define WASM_PROBE(name, slug, function) WASM_PROBE_##name,
#include "wasm/probes.def"
#undef WASM_PROBE
    WASM_PROBE_COUNT
};
_Static_assert(WASM_PROBE_COUNT <= 32, "bits of a word");
#define WASM_PROBE_NONE UINT32_MAX

typedef struct wasm_module {
    u8 *bytes; /* a private copy (S1), owned. Inside bodies an opcode may be replaced by a fused one
                  that stands for it and its successors: read bodies through wasm/opcodes.h */
    size_t len;

    u32 type_count;
    wasm_functype *types;

    u32 import_count;
    wasm_import *imports;
    u32 imported_funcs, imported_tables, imported_memories, imported_globals, imported_tags;

    u32 func_count; /* imports included, as in all index spaces below */
    u32 *func_types; /* type index by function index */
    wasm_code *codes; /* by func_idx - imported_funcs */

    u32 table_count;
    wasm_tabletype *tables;
    u32 memory_count;
    wasm_limits *memories;
    u32 global_count;
    wasm_global *globals;
    u32 tag_count;
    u32 *tags; /* type index by tag index; their types have no results */

    u32 export_count;
    wasm_export *exports;

    bool has_start;
    u32 start_func;

    u32 elem_count;
    wasm_elem *elems;
    u32 data_count;
    wasm_data *datas;
    u32 special_data_count;
    wasm_special_data *special_datas;

    u64 code_bytes; /* size of the code section */
    u32 label_base; /* of the interpreter: 0, or WASM_FUSE_SETS where NaNs are canonical */
    wasm_fuse_set fuse_set;

    u64 features_off; /* GBX_FEATURE_BITs that were switched off, and WASM_METERED */
    u64 uses;         /* GBX_FEATURE_BITs of what the module has. MULTI_MEMORY: there are several, or an
                         instruction spells a memory's index otherwise than by one zero byte or none
                         at all; MEMORY64: a memory or table is 64 bits wide; SIMD: a v128 is
                         somewhere; EXCEPTIONS: a tag, an exnref, or an instruction */

    /* Function names, found in the name section when the module is opened ("" where absent). */
    u32 name_off, name_end;         /* the name section's subsections; 0,0: there is none */
    u32 name_sub_off, name_sub_end; /* function-name subsection; 0,0: none */

    u32 probes[WASM_PROBE_COUNT]; /* functions by row of probes.def; WASM_PROBE_NONE: not in the module */
    bool is_go; /* it has Go's table; else nothing is known of what its functions are */

    u8 *verdict; /* NULL, or owned: holds what else validation would have put into the arena */
    struct wasm_again *again; /* owned, NULL until a function is made ready */
    arena arena; /* owns everything above but `bytes` */
} wasm_module;

extern const char *const gbx_wasm_probe_names[WASM_PROBE_COUNT];
extern const char *const gbx_wasm_probe_slugs[WASM_PROBE_COUNT];

/* The row of probes.def that the function is; WASM_PROBE_COUNT: it is none. */
static inline u32
wasm_probe_of(const wasm_module *m, u32 func_idx)
{
    u32 i = 0;
    while (i < WASM_PROBE_COUNT && m->probes[i] != func_idx) i++;
    return i;
}

/* Active: copied into a memory at instantiation, and dropped then. */
static inline bool
wasm_data_is_active(const wasm_module *m, const wasm_data *seg)
{
    return !seg->is_special || m->special_datas[seg->at].mode == WASM_SEGMENT_ACTIVE;
}

static inline u32
wasm_data_memory(const wasm_module *m, const wasm_data *seg)
{
    return seg->is_special ? m->special_datas[seg->at].mem_idx : 0;
}

/* Beside features_off: the module is for an engine that counts fuel. Its side table says where branches are
 * threaded. */
#define WASM_METERED ((u64)1 << 63)

/* Decode and validate `bytes`, which the module takes over (allocated by gbx_base_alloc; freed on
 * failure too). `features_off`: GBX_FEATURE_BITs of what is to be refused. On failure *out is NULL and
 * err says what, at which offset, in which section and function. Thread-safe. */
GBX_MUST_USE gbx_code gbx_wasm_module_new(u8 *bytes, size_t len, u64 features_off, wasm_module **out,
                                          gbx_err *err);
/* Asked once, when all sections have been decoded: a verdict, which is taken over (allocated by
 * gbx_base_alloc; NULL: there is none) and which the caller vouches for: bodies are not validated. One that
 * does not fit the module is not used. `verdict` NULL: not asked. */
typedef struct wasm_known {
    u8 *(*verdict)(void *data, const wasm_module *m, size_t *len);
    void (*failed)(void *data); /* may be NULL: the module that was given there is freed next */
    void *data;
} wasm_known;

/* Behind the bytes of a module: so many more that may be written to. */
#define WASM_PAD_BYTES 32u

/* The same where `bytes` have WASM_PAD_BYTES behind them and stay where they are: they are taken over on
 * success alone, and not written to until `known` was asked. By so many threads at most, the calling one
 * included; 0: as many as there are processors. */
GBX_MUST_USE gbx_code gbx_wasm_module_open(u8 *bytes, size_t len, u64 features_off, u32 threads,
                                           wasm_known known, wasm_module **out, gbx_err *err);
void gbx_wasm_module_free(wasm_module *m); /* NULL is fine */

/* What validation found out about a module of the same bytes and features_off, as bytes of this build of the
 * library: see verdict.c. Of functions it has those that are ready and, by index among those with bodies, not
 * 0 in `keep` (NULL: all). */
size_t gbx_wasm_verdict_bytes(const wasm_module *m, const u8 *keep);
void gbx_wasm_verdict_write(const wasm_module *m, const u8 *keep, u8 *to);

/* Any thread may make functions ready, one at a time, while others look. */
static inline bool
wasm_code_is_ready(const wasm_code *c)
{
    return __atomic_load_n(&c->stack_max, __ATOMIC_ACQUIRE) != WASM_NOT_READY;
}

/* Validate one body again, of a module that is valid, for its side table and what else is known of a function
 * that is ready. False: memory is short. One thread at a time. */
GBX_MUST_USE bool gbx_wasm_make_ready(wasm_module *m, u32 func_idx);

/* The export called `name`, or NULL. */
const wasm_export *gbx_wasm_find_export(const wasm_module *m, const char *name, size_t name_len);

/* The name of a function from the name section, borrowed and not escaped; {"",0} where it has none.
 * Walks the subsection: for messages, not for hot paths. */
rd_name gbx_wasm_func_name(const wasm_module *m, u32 func_idx);

/* Index spaces that the name section names. */
enum {
    WASM_NAMES_FUNCS = 1,
    WASM_NAMES_TYPES = 4,
    WASM_NAMES_TABLES = 5,
    WASM_NAMES_MEMORIES = 6,
    WASM_NAMES_GLOBALS = 7,
    WASM_NAMES_ELEMS = 8,
    WASM_NAMES_DATAS = 9,
    WASM_NAMES_TAGS = 11,
};

/* The names of a whole index space, by index, into out[0..count), which the caller has zeroed; those of the
 * locals of a function. Borrowed, not escaped; what has none is left as it is. One walk over the section. */
void gbx_wasm_names(const wasm_module *m, u8 space, u32 count, rd_name *out);
void gbx_wasm_local_names(const wasm_module *m, u32 func_idx, u32 count, rd_name *out);

/* True when both types have the same parameters and results. */
bool gbx_wasm_functype_equal(const wasm_functype *a, const wasm_functype *b);

/* "(i32, i64) -> (f32)", cut to fit; for messages. */
void gbx_wasm_functype_print(const wasm_functype *t, char *buf, size_t cap);
const char *gbx_wasm_valtype_text(wasm_valtype t);

/* Features whose modules need accesses of any memory, of either width, and so WASM_FUSE_NONE. */
#define WASM_GENERAL_USES \
    (GBX_FEATURE_BIT(GBX_FEATURE_MULTI_MEMORY) | GBX_FEATURE_BIT(GBX_FEATURE_MEMORY64))

/* A value of any type: a slot, and the high half that only a v128 has. */
typedef struct wasm_value {
    u64 low, high;
} wasm_value;

/* Evaluate a validated constant expression. `global_get` gives the value of a global by index, which is
 * one before the global that is being made, and `func_ref` the slot of a function reference; data is
 * passed through. Cannot fail. */
typedef struct wasm_const_env {
    wasm_value (*global_get)(void *data, u32 global_idx);
    u64 (*func_ref)(void *data, u32 func_idx);
    void *data;
} wasm_const_env;
wasm_value gbx_wasm_const_eval(const wasm_module *m, wasm_const c, const wasm_const_env *env);

#endif
