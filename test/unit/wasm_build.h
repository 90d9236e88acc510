/* Modules made byte by byte, and a world to run them in: what the tests of wasm/ and interp/ share.
 *
 * Bodies are spelt as bytes because these tests are about bytes: overlong numbers, instructions side by
 * side, offsets of traps. Value types are letters: i l f d for numbers, r for funcref. Function n of a
 * module is exported as "f<n>" (imports come first and are not exported), global n as "g<n>", the memory
 * as "m", the table, which holds every function, as "t"; functions are named "fn<n>". */
#ifndef TEST_UNIT_WASM_BUILD_H
#define TEST_UNIT_WASM_BUILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "gbx/gbx.h"
#include "runtime/runtime.h"
#include "wasm/fuse.h"
#include "wasm/module.h"
#include "wasm/opcodes.h"

#define BUILD_UNUSED __attribute__((unused))

/* A buffer that grows. Zeroed: empty. */
typedef struct build {
    u8 *data;
    size_t len, cap;
} build;

BUILD_UNUSED static void
build_bytes(build *b, const void *data, size_t len)
{
    if (b->len + len > b->cap) {
        b->cap = (b->len + len) * 2;
        b->data = gbx_base_realloc(b->data, b->cap, 1);
        assert_non_null(b->data);
    }
    if (len) memcpy(b->data + b->len, data, len);
    b->len += len;
}

BUILD_UNUSED static void
build_free(build *b)
{
    gbx_base_free(b->data);
    *b = (build){0};
}

/* Bytes one by one: BUILD(&b, 0x41, 0x00) */
#define BUILD(b, ...) build_bytes((b), (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))

BUILD_UNUSED static void
build_u32(build *b, u64 v)
{
    do {
        u8 const low = (u8)(v & 0x7f);
        v >>= 7;
        BUILD(b, (u8)(low | (v ? 0x80 : 0)));
    } while (v);
}

/* The same number in exactly `bytes` bytes. */
BUILD_UNUSED static void
build_u32_wide(build *b, u64 v, u32 bytes)
{
    for (u32 i = 0; i < bytes; i++, v >>= 7) BUILD(b, (u8)((v & 0x7f) | (i + 1 < bytes ? 0x80 : 0)));
    assert_int_equal(v, 0);
}

BUILD_UNUSED static void
build_i64(build *b, i64 v)
{
    for (;;) {
        u8 const low = (u8)((u64)v & 0x7f);
        v >>= 7;
        bool const done = (v == 0 && !(low & 0x40)) || (v == -1 && (low & 0x40));
        BUILD(b, (u8)(low | (done ? 0 : 0x80)));
        if (done) return;
    }
}

BUILD_UNUSED static void
build_text(build *b, const char *text)
{
    build_u32(b, strlen(text));
    build_bytes(b, text, strlen(text));
}

/* Append `id`, the size of `body`, and body, which is freed. */
BUILD_UNUSED static void
build_section(build *b, u8 id, build *body)
{
    BUILD(b, id);
    build_u32(b, body->len);
    build_bytes(b, body->data, body->len);
    build_free(body);
}

BUILD_UNUSED static u8
build_type(char letter)
{
    switch (letter) {
    case 'i': return WASM_I32;
    case 'l': return WASM_I64;
    case 'f': return WASM_F32;
    case 'd': return WASM_F64;
    case 'r': return WASM_FUNCREF;
    default: fail_msg("no type has the letter %c", letter); return 0;
    }
}

BUILD_UNUSED static void
build_types(build *b, const char *letters)
{
    build_u32(b, strlen(letters));
    for (; *letters; letters++) BUILD(b, build_type(*letters));
}

typedef struct build_func {
    const char *params, *results, *locals;
    const u8 *body; /* instructions with the final end; NULL for an import */
    size_t len;
} build_func;
#define BODY(...) (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__})

typedef struct build_module {
    const char *import_from; /* the module that imports come from: "h0", "h1", ... in it */
    const build_func *imports;
    u32 import_count;
    const build_func *funcs;
    u32 func_count;
    u32 pages;           /* 0: no memory */
    const char *globals; /* types of mutable globals, all zero; NULL: none */
} build_module;

BUILD_UNUSED static void
build_func_types(build *b, const build_module *m)
{
    build s = {0};
    build_u32(&s, m->import_count + m->func_count);
    for (u32 i = 0; i < m->import_count + m->func_count; i++) {
        const build_func *const f = i < m->import_count ? &m->imports[i] : &m->funcs[i - m->import_count];
        BUILD(&s, 0x60);
        build_types(&s, f->params);
        build_types(&s, f->results);
    }
    build_section(b, 1, &s);
}

BUILD_UNUSED static void
build_imports(build *b, const build_module *m)
{
    build s = {0};
    build_u32(&s, m->import_count);
    for (u32 i = 0; i < m->import_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "h%u", i);
        build_text(&s, m->import_from);
        build_text(&s, name);
        BUILD(&s, 0);
        build_u32(&s, i);
    }
    build_section(b, 2, &s);
}

BUILD_UNUSED static void
build_globals(build *b, const char *globals)
{
    build s = {0};
    build_u32(&s, strlen(globals));
    for (; *globals; globals++) {
        BUILD(&s, build_type(*globals), 1);
        if (*globals == 'i') BUILD(&s, OP_I32_CONST, 0, OP_END);
        else BUILD(&s, OP_I64_CONST, 0, OP_END);
    }
    build_section(b, 6, &s);
}

BUILD_UNUSED static void
build_exports(build *b, const build_module *m)
{
    build s = {0};
    u32 const globals = m->globals ? (u32)strlen(m->globals) : 0;
    build_u32(&s, m->func_count + globals + 1 + (m->pages != 0));
    for (u32 i = 0; i < m->func_count + globals; i++) {
        bool const is_func = i < m->func_count;
        char name[16];
        snprintf(name, sizeof name, "%s%u", is_func ? "f" : "g", is_func ? i : i - m->func_count);
        build_text(&s, name);
        BUILD(&s, is_func ? 0 : 3);
        build_u32(&s, is_func ? m->import_count + i : i - m->func_count);
    }
    build_text(&s, "t");
    BUILD(&s, 1, 0);
    if (m->pages) {
        build_text(&s, "m");
        BUILD(&s, 2, 0);
    }
    build_section(b, 7, &s);
}

BUILD_UNUSED static void
build_codes(build *b, const build_module *m)
{
    build s = {0};
    build_u32(&s, m->func_count);
    for (u32 i = 0; i < m->func_count; i++) {
        const build_func *const f = &m->funcs[i];
        build body = {0};
        build_u32(&body, strlen(f->locals));
        for (const char *l = f->locals; *l; l++) BUILD(&body, 1, build_type(*l));
        build_bytes(&body, f->body, f->len);
        build_u32(&s, body.len);
        build_bytes(&s, body.data, body.len);
        build_free(&body);
    }
    build_section(b, 10, &s);
}

BUILD_UNUSED static void
build_names(build *b, const build_module *m)
{
    build s = {0}, names = {0};
    build_text(&s, "name");
    build_u32(&names, m->import_count + m->func_count);
    for (u32 i = 0; i < m->import_count + m->func_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "fn%u", i);
        build_u32(&names, i);
        build_text(&names, name);
    }
    BUILD(&s, 1);
    build_u32(&s, names.len);
    build_bytes(&s, names.data, names.len);
    build_free(&names);
    build_section(b, 0, &s);
}

/* The module's bytes. */
BUILD_UNUSED static build
build_whole(const build_module *m)
{
    build b = {0}, s = {0};
    u32 const all = m->import_count + m->func_count;
    BUILD(&b, 0, 'a', 's', 'm', 1, 0, 0, 0);
    build_func_types(&b, m);
    build_imports(&b, m);
    build_u32(&s, m->func_count);
    for (u32 i = 0; i < m->func_count; i++) build_u32(&s, m->import_count + i);
    build_section(&b, 3, &s);
    BUILD(&s, 1, WASM_FUNCREF, 0);
    build_u32(&s, all);
    build_section(&b, 4, &s);
    if (m->pages) {
        BUILD(&s, 1, 0);
        build_u32(&s, m->pages);
        build_section(&b, 5, &s);
    }
    build_globals(&b, m->globals ? m->globals : "");
    build_exports(&b, m);
    BUILD(&s, 1, 0, OP_I32_CONST, 0, OP_END);
    build_u32(&s, all);
    for (u32 i = 0; i < all; i++) build_u32(&s, i);
    build_section(&b, 9, &s);
    build_codes(&b, m);
    build_names(&b, m);
    return b;
}

/* ---- Running */

/* The bytes of a module as validation left them. */
typedef struct world_bytes world_bytes;
struct world_bytes {
    world_bytes *next;
    const wasm_module *module;
    u8 bytes[];
};

typedef struct world {
    world_bytes *fused;
    gbx_engine *engine;
    gbx_store *store;
    gbx_linker *linker;
} world;

BUILD_UNUSED static world
world_open(u64 timeout_ns, u64 stack_bytes)
{
    world w = {0};
    gbx_err err;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.timeout_ns = timeout_ns;
    opts.stack_bytes = stack_bytes;
    gbx_engine_opts const fresh = {.size = sizeof fresh, .keep_ms = GBX_KEEP_OFF};
    assert_int_equal(gbx_engine_new(&fresh, &w.engine, &err), GBX_OK);
    assert_int_equal(gbx_store_new(w.engine, &opts, &w.store, &err), GBX_OK);
    assert_int_equal(gbx_linker_new(w.store, &w.linker, &err), GBX_OK);
    return w;
}

BUILD_UNUSED static void
world_close(world *w)
{
    gbx_linker_release(w->linker);
    gbx_store_release(w->store);
    gbx_engine_release(w->engine);
    while (w->fused) {
        world_bytes *const first = w->fused;
        w->fused = first->next;
        free(first);
    }
}

/* Instantiate bytes, which are freed. */
BUILD_UNUSED static gbx_instance *
world_load(world *w, build bytes)
{
    gbx_module *m;
    gbx_instance *inst = NULL;
    gbx_trap trap;
    gbx_err err;
    gbx_code code = gbx_module_compile(w->engine, (gbx_bytes){bytes.data, bytes.len}, NULL, &m, &err);
    build_free(&bytes);
    if (code == GBX_OK) {
        code = gbx_instance_new(w->store, m, w->linker, &inst, &trap, &err);
        gbx_module_release(m);
    }
    if (code != GBX_OK) fail_msg("%s", err.text);
    return inst;
}

BUILD_UNUSED static const wasm_code *
world_code(gbx_instance *inst, const char *name)
{
    gbx_func *const f = gbx_instance_func(inst, name);
    assert_non_null(f);
    return f->code;
}

/* Run the instance's module with its fused opcodes, as validation left it, or with plain instructions. */
BUILD_UNUSED static void
world_fuse(world *w, gbx_instance *inst, bool fused)
{
    wasm_module *const m = (wasm_module *)(uintptr_t)inst->module;
    world_bytes **at = &w->fused;
    while (*at && (*at)->module != m) at = &(*at)->next;
    if (!*at) {
        *at = calloc(1, sizeof **at + m->len);
        assert_non_null(*at);
        (*at)->module = m;
        memcpy((*at)->bytes, m->bytes, m->len);
    }
    memcpy(m->bytes, (*at)->bytes, m->len);
    if (!fused) gbx_wasm_fuse_undo(m);
}

/* Call with raw slots: arguments before, results after. */
BUILD_UNUSED static gbx_trap_code
world_call(gbx_instance *inst, const char *name, gbx_slot *slots, gbx_trap *trap)
{
    gbx_func *const f = gbx_instance_func(inst, name);
    assert_non_null(f);
    return gbx_runtime_call(inst->store, f, slots, trap);
}

/* Call f() -> () or f(i32) -> i32 and the like, which must return: its first result. */
BUILD_UNUSED static u64
world_value(gbx_instance *inst, const char *name, u64 arg)
{
    gbx_slot slots[64] = {arg};
    gbx_trap trap;
    gbx_trap_code const code = world_call(inst, name, slots, &trap);
    if (code != GBX_TRAP_NONE) fail_msg("%s: %s %s", name, gbx_trap_text(code), trap.message);
    return slots[0];
}

/* A small generator of pseudo-random numbers: the same everywhere. */
BUILD_UNUSED static u32
build_random(u64 *state, u32 below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (u32)((*state >> 33) % below);
}

#endif
