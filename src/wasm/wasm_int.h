/* What the files of this folder share: the decoder's state, and the steps it consists of. */
#ifndef GBX_WASM_WASM_INT_H
#define GBX_WASM_WASM_INT_H

#include "wasm/module.h"

typedef struct decoder {
    wasm_module *m;
    reader r;             /* over the section being read */
    gbx_err *err;
    u32 declared_funcs;   /* in the function section */
    bool has_data_count;
    u32 data_count;
    bool uses_data_idx;   /* a body names a data segment, which asks for a data count section */
    wasm_valtype const_types[1024]; /* pending in the constant expression being read; CONST_EXPR_STACK */
    u32 const_len;
    wasm_known known;     /* may have what is restored in place of validating bodies */
    u32 threads;          /* that may validate; 0: as many as there are processors */
    u8 *func_refs;        /* by function index: 1 where ref.func may name it; module arena */
} decoder;

/* An error found by validation, at `offset`, remembered in d->r like a malformed byte. */
void gbx_wasm_invalid(decoder *d, u64 offset, const char *why);

/* Note that the module has a feature; false where it is not to have it. */
GBX_MUST_USE bool gbx_wasm_use(wasm_module *m, gbx_feature feature);
/* Why not, with the feature's name. Static. */
const char *gbx_wasm_refusal(gbx_feature feature);
/* The same for a reader, which remembers the refusal. */
void gbx_wasm_need(wasm_module *m, reader *r, u64 offset, gbx_feature feature);

/* Readers of types; each fails stickily with the feature's name for types we know and refuse. */
wasm_valtype gbx_wasm_read_valtype(wasm_module *m, reader *r);
wasm_valtype gbx_wasm_read_reftype(wasm_module *m, reader *r);
/* What ref.null names: a reference type without its own byte in front. */
wasm_valtype gbx_wasm_read_heaptype(wasm_module *m, reader *r);
/* Reads and checks the flags byte; `is_table` chooses the words of messages. */
wasm_limits gbx_wasm_read_limits(wasm_module *m, reader *r, bool is_table);

/* Reads a constant expression that must give `type`. */
wasm_const gbx_wasm_read_const(decoder *d, wasm_valtype type);

gbx_code gbx_wasm_decode_elems(decoder *d);
gbx_code gbx_wasm_decode_datas(decoder *d);

/* Validate all bodies and make their side tables. `m` is complete but for the codes' facts. */
gbx_code gbx_wasm_validate_bodies(decoder *d);

void gbx_wasm_again_free(struct wasm_again *a); /* NULL is fine */

/* Make of a decoded module what validating its bodies would make of it, but for functions that the verdict
 * does not have, which are not ready then, and give it the verdict's bytes. False: they are not of this
 * module, which is unchanged. */
GBX_MUST_USE bool gbx_wasm_verdict_restore(wasm_module *m, u8 *bytes, size_t len);

/* Fill m->probes and m->is_go. */
void gbx_wasm_find_probes(wasm_module *m);

/* Find the function-name subsection; damaged name sections are ignored, as the text wants it. */
void gbx_wasm_index_names(wasm_module *m);

#endif
