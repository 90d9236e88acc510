/* Names of compiled functions for tools that look at the process from outside: `perf`, by its map file, and
 * gdb, by its JIT interface. Both are off unless somebody asks; neither changes how code runs.
 *
 * Names come from modules: they are handed over without line breaks and control characters. */
#ifndef GBX_RUNTIME_SYMBOLS_H
#define GBX_RUNTIME_SYMBOLS_H

#include "base/base.h"

typedef struct code_symbol {
    uintptr_t start;
    size_t bytes;
    const char *name;
} code_symbol;

/* ---- perf. One map a process; shared with other code makers in it, so it is only appended to. */

typedef struct perf_map {
    int fd;
} perf_map;

/* Open /tmp/perf-PID.map, where perf looks for it. GBX_IO: it cannot be written, or it is not a plain file
 * of this user (in /tmp anyone could have put it there). *p is closed then. */
GBX_MUST_USE gbx_code gbx_runtime_perf_open(perf_map *p, gbx_err *err);
void gbx_runtime_perf_close(perf_map *p); /* a closed one is fine; the file stays, perf reads it later */
/* Thread-safe. A full disk loses lines and nothing else. */
void gbx_runtime_perf_add(const perf_map *p, const code_symbol *symbols, u32 count);

/* ---- gdb */

typedef struct gdb_code gdb_code;

/* Make an object of these symbols known to a debugger, present or to come; the symbols are copied. To be
 * removed before the code goes. NULL: no memory. Thread-safe. */
GBX_MUST_USE gdb_code *gbx_runtime_gdb_add(const code_symbol *symbols, u32 count);
void gbx_runtime_gdb_remove(gdb_code *g); /* NULL is fine */
/* The ELF object that the debugger is shown. */
const u8 *gbx_runtime_gdb_object(const gdb_code *g, size_t *bytes);

#endif
