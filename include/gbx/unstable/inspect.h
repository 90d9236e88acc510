/* What became of a module's functions: their instructions as text, what the compiler found out about them,
 * their machine code, and which of it is of which instruction. For tools that show it; nothing runs.
 *
 * No promise: names, fields and texts may change with every version. Include it by its own name, gbx/gbx.h
 * does not. One thread at a time. All offsets into the module are bytes of its file, as everywhere.
 *
 *     gbx_inspect_info info;
 *     gbx_inspect_insn insn;
 *     if (gbx_inspect_func(inspect, idx, &info, &err) == GBX_OK)
 *         while (gbx_inspect_next(inspect, &insn)) puts(insn.text);
 *
 * Code is made as for a function whose callees are not compiled yet, and for a memory as instances usually
 * have it. Where this machine runs no compiled code, it is made all the same. */
#ifndef GBX_UNSTABLE_INSPECT_H
#define GBX_UNSTABLE_INSPECT_H

#include "gbx/module.h"

GBX_DECLS_BEGIN

typedef struct gbx_inspect gbx_inspect;

#define GBX_INSPECT_NONE UINT32_MAX

/* Of one function. Strings are borrowed until the next function is asked for. */
typedef struct gbx_inspect_info {
    const char *name;      /* escaped; "" where it has none */
    const char *signature; /* "(i32, i64) -> (i32)" */
    uint32_t offset, bytes; /* its body: local declarations and instructions */
    uint32_t insns, blocks; /* that can be executed; blocks are 0 where the compiler did not look for them */
    bool has_dispatch;      /* it can be left and resumed inside, as Go's compiler makes functions */
    const char *beyond;     /* what it has that the compiler lacks: "simd, memory64"; NULL: it compiles */
    gbx_bytes code;         /* calls of stubs are not filled in: see gbx_inspect_mark */
    uint32_t general, fresh, loops; /* entries: offsets of code; GBX_INSPECT_NONE: there is none */
    uint32_t cold;          /* what failing checks lead to, behind the function */
    uint32_t tables;        /* jump tables, which are no code, from here to the end */
    uint32_t frame_bytes;
} gbx_inspect_info;

/* `text` is what the text format has, `comment` ("" or one line, escaped) what indices mean. Borrowed until
 * the next call. */
typedef struct gbx_inspect_insn {
    uint32_t offset, bytes;
    uint32_t depth; /* blocks around it */
    const char *text, *comment;
} gbx_inspect_insn;

/* Something that was found out. offset: the block's first byte it is said of; GBX_INSPECT_NONE: it is said
 * of the whole function. By offset, those of the function first. */
typedef struct gbx_inspect_fact {
    uint32_t offset;
    const char *text;
} gbx_inspect_fact;

/* Code from here on, up to the next line, is of the instruction at `offset`; GBX_INSPECT_NONE: an entry's. */
typedef struct gbx_inspect_line {
    uint32_t code_offset, offset;
} gbx_inspect_line;

/* What to say of the machine instruction that contains code_offset: "stub libcall", "may trap: ...". */
typedef struct gbx_inspect_mark {
    uint32_t code_offset;
    const char *text;
} gbx_inspect_mark;

/* The module is kept until it is released. GBX_NO_MEMORY, GBX_ARGUMENT. */
GBX_API gbx_code gbx_inspect_new(gbx_module *module, gbx_own gbx_inspect **out, gbx_err *err);
GBX_API void gbx_inspect_release(gbx_inspect *inspect); /* NULL is fine */

/* Functions are counted with imports first; those below the second number have no body. */
GBX_API uint32_t gbx_inspect_func_count(const gbx_inspect *inspect);
GBX_API uint32_t gbx_inspect_import_count(const gbx_inspect *inspect);

/* Escaped, "" where it has none or memory is short. Borrowed until the inspect is released. */
GBX_API const char *gbx_inspect_name(gbx_inspect *inspect, uint32_t func_idx);

/* Compile a function that has a body; what follows is about it until this is called again.
 * GBX_NO_MEMORY, GBX_ARGUMENT (no such function). */
GBX_API gbx_code gbx_inspect_func(gbx_inspect *inspect, uint32_t func_idx, gbx_inspect_info *out,
                                  gbx_err *err);

/* Its next instruction, from the first on; false behind the last. */
GBX_API bool gbx_inspect_next(gbx_inspect *inspect, gbx_inspect_insn *out);

/* Made when first asked for; count is 0 where memory is short. */
GBX_API const gbx_inspect_fact *gbx_inspect_facts(gbx_inspect *inspect, size_t *count);
GBX_API const gbx_inspect_line *gbx_inspect_lines(gbx_inspect *inspect, size_t *count); /* by code_offset */
GBX_API const gbx_inspect_mark *gbx_inspect_marks(gbx_inspect *inspect, size_t *count); /* by code_offset */

GBX_DECLS_END

#endif
