/* What the files of explain/ share: a module looked at, one function at a time. inspect.c is the whole,
 * insn.c instructions as text, facts.c what pass A found as text.
 *
 * SAFETY: the module is validated, its names are not: they are shown through gbx_base_text_escape only. All
 * that is kept for a function is bounded by its body; lists in texts are cut. */
#ifndef GBX_EXPLAIN_EXPLAIN_H
#define GBX_EXPLAIN_EXPLAIN_H

#include "base/arena.h"
#include "base/text.h"
#include "codegen/codegen.h"
#include "gbx/unstable/inspect.h"
#include "runtime/tier.h"
#include "wasm/module.h"

#define EXPLAIN_NAME_SHOWN 200u /* bytes of a name in a comment */

/* A block that is open where the walk stands. */
typedef struct explain_open {
    u32 offset;
    bool is_loop;
} explain_open;

/* The names of an index space, all of them. */
typedef struct explain_names {
    rd_name *names;
    u32 count;
} explain_names;

enum { EXPLAIN_SPACES = WASM_NAMES_TAGS + 1 };

struct gbx_inspect {
    gbx_module *module;
    const wasm_module *w;
    codegen_env env;
    gbx_cell *cells;
    runtime_closed closed;
    u8 stubs[CODEGEN_STUB_COUNT]; /* their addresses stand for those of stubs */
    codegen_space *space;
    facts_space *facts_space;
    arena names_arena;
    explain_names names[EXPLAIN_SPACES]; /* by WASM_NAMES_ */
    const char **shown;                  /* escaped names of functions; NULL: not made yet */

    /* Of the present function. */
    const wasm_code *code;
    facts f;
    codegen_out out;
    arena texts;
    rd_name *local_names; /* NULL: not looked for yet, or memory is short */
    const gbx_inspect_fact *facts;
    const gbx_inspect_line *lines;
    const gbx_inspect_mark *marks;
    size_t fact_count, line_count, mark_count;
    reader at; /* next instruction */
    explain_open *open;
    u32 depth, open_cap;
    char text[1024], comment[1024];
};

/* Name `idx` of a space, {"",0} where it has none. */
rd_name gbx_explain_name(const gbx_inspect *in, u32 space, u32 idx);
/* The same of a local of the present function. */
rd_name gbx_explain_local_name(gbx_inspect *in, u32 idx);

/* ---- insn.c */

void gbx_explain_rewind(gbx_inspect *in);
bool gbx_explain_next(gbx_inspect *in, gbx_inspect_insn *out);

/* ---- facts.c */

/* False: memory is short. */
GBX_MUST_USE bool gbx_explain_facts(gbx_inspect *in);

/* ---- inspect.c: what the API stands on */

GBX_MUST_USE gbx_code gbx_explain_new(gbx_module *m, gbx_inspect **out, gbx_err *err);
void gbx_explain_free(gbx_inspect *in); /* NULL is fine */
const char *gbx_explain_shown(gbx_inspect *in, u32 func_idx);
/* func_idx has a body. */
GBX_MUST_USE gbx_code gbx_explain_func(gbx_inspect *in, u32 func_idx, gbx_inspect_info *out, gbx_err *err);
GBX_MUST_USE bool gbx_explain_lines(gbx_inspect *in);
GBX_MUST_USE bool gbx_explain_marks(gbx_inspect *in);

#endif
