/* A profile as a file; what gbx/profile.h stands on. profile.c gives frames their names, profile_pprof.c and
 * profile_svg.c write them. */
#ifndef GBX_EXPLAIN_PROFILE_H
#define GBX_EXPLAIN_PROFILE_H

#include "base/arena.h"
#include "base/map.h"
#include "gbx/profile.h"
#include "runtime/sample.h"

/* A function with its file. Texts are UTF-8. */
typedef struct profile_func {
    map_node node;
    const char *name, *file;
    u32 id; /* from 1 */
} profile_func;

/* A place of a stack: the functions there, innermost first, that were inlined in each other. */
typedef struct profile_line {
    const profile_func *func;
    u32 line;
} profile_line;

typedef struct profile_place {
    map_node node;
    u64 frame;
    u32 module, id; /* from 1 */
    u32 line_count;
    profile_line *lines;
} profile_place;

/* The frames of a profile with their names. */
typedef struct profile_book {
    const runtime_profile *p;
    arena texts;
    map funcs, places;
    profile_func **all_funcs; /* by id - 1 */
    profile_place **all_places;
    u32 func_count, place_count, func_cap, place_cap;
    u64 steps, walk_bytes; /* what is left to the look-ups of all: entries of Go's tables, and of bodies */
    bool failed; /* memory is short */
} profile_book;

/* Bytes that are written piece by piece. */
typedef struct profile_out {
    u8 *bytes;
    size_t len, cap;
    bool failed;
} profile_out;

void gbx_explain_out_add(profile_out *o, const void *bytes, size_t len);
void gbx_explain_out_text(profile_out *o, const char *fmt, ...) GBX_PRINTF(2, 3);

void gbx_explain_book_open(profile_book *b, const runtime_profile *p);
void gbx_explain_book_close(profile_book *b);
/* The place of a frame; NULL: memory is short, and b->failed. */
const profile_place *gbx_explain_place(profile_book *b, u32 module, u64 frame);
/* What stands for ticks in which the guest was not to be seen. */
const profile_place *gbx_explain_place_none(profile_book *b);

void gbx_explain_pprof(profile_book *b, profile_out *out);
void gbx_explain_svg(profile_book *b, profile_out *out);

#endif
