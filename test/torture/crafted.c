/* Inputs that were made to break decoders and validators: files that are no modules, and modules
 * wrong in one place each, many of them the shapes of advisories about other runtimes.
 *
 * A module is put together by a small writer: begin_section/end_section patch the size in afterwards,
 * as a padded LEB128, so that what stands inside is free. Every maker writes one input and names what
 * must become of it. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "torture/torture.h"

typedef struct craft {
    uint8_t *data;
    size_t len, max;
    size_t section, body; /* where their contents begin */
} craft;

static void
put(craft *c, const void *from, size_t len)
{
    if (c->len + len > c->max) {
        c->max = (c->len + len) * 2;
        c->data = realloc(c->data, c->max);
        if (!c->data) abort();
    }
    memcpy(c->data + c->len, from, len);
    c->len += len;
}

static void
put_u8(craft *c, unsigned v)
{
    uint8_t const b = (uint8_t)v;
    put(c, &b, 1);
}

static void
put_u32(craft *c, uint32_t v)
{
    do put_u8(c, (v & 0x7f) | (v > 0x7f ? 0x80 : 0));
    while (v >>= 7);
}

static void
put_fill(craft *c, unsigned v, size_t count)
{
    for (size_t i = 0; i < count; i++) put_u8(c, v);
}

#define PUT(c, ...) \
    put(c, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Five bytes always, so that it can be written before the size is known. */
static void
patch_u32(craft *c, size_t at, uint32_t v)
{
    for (int i = 0; i < 5; i++, v >>= 7) c->data[at + (size_t)i] = (uint8_t)((v & 0x7f) | (i < 4 ? 0x80 : 0));
}

static void
begin_section(craft *c, unsigned id)
{
    put_u8(c, id);
    put_fill(c, 0, 5);
    c->section = c->len;
}

static void
end_section(craft *c)
{
    patch_u32(c, c->section - 5, (uint32_t)(c->len - c->section));
}

static void
begin_body(craft *c)
{
    put_fill(c, 0, 5);
    c->body = c->len;
}

static void
end_body(craft *c)
{
    patch_u32(c, c->body - 5, (uint32_t)(c->len - c->body));
}

static void
header(craft *c)
{
    PUT(c, 0, 'a', 's', 'm', 1, 0, 0, 0);
}

#define SECTION(c, id, ...) (begin_section(c, id), PUT(c, __VA_ARGS__), end_section(c))

/* One function () -> () up to its body, with a memory and a table of one page and ten entries. */
static void
open_body(craft *c)
{
    header(c);
    SECTION(c, 1, 1, 0x60, 0, 0);
    SECTION(c, 3, 1, 0);
    SECTION(c, 4, 1, 0x70, 0, 10);
    SECTION(c, 5, 1, 0, 1);
    begin_section(c, 10);
    PUT(c, 1);
    begin_body(c);
}

static void
close_body(craft *c)
{
    end_body(c);
    end_section(c);
}

/* A body whose instructions, after no locals, are these; the caller writes the final `end`. */
#define BODY(c, ...) (open_body(c), PUT(c, 0, __VA_ARGS__), close_body(c))

/* A module with one section of raw contents behind the usual head. */
#define LONE(c, id, ...) (header(c), SECTION(c, id, __VA_ARGS__))

#define MAX5 0xff, 0xff, 0xff, 0xff, 0x0f /* 0xffffffff */

/* Counts of 0xffffffff, section by section (A22). */
static void
huge_count(craft *c, unsigned id)
{
    header(c);
    if (id > 1) SECTION(c, 1, 1, 0x60, 0, 0);
    if (id == 10) SECTION(c, 3, 1, 0);
    begin_section(c, id);
    PUT(c, MAX5);
    put_fill(c, 0, 64);
    end_section(c);
}

static void
nested(craft *c, size_t depth, unsigned opcode)
{
    open_body(c);
    PUT(c, 0);
    for (size_t i = 0; i < depth; i++) {
        if (opcode == 0x04) PUT(c, 0x41, 0);
        put_u8(c, opcode);
        put_u8(c, 0x40);
    }
    put_fill(c, 0x0b, depth + 1);
    close_body(c);
}

static void
locals(craft *c, uint32_t first, uint32_t second)
{
    open_body(c);
    PUT(c, 2);
    put_u32(c, first);
    PUT(c, 0x7f);
    put_u32(c, second);
    PUT(c, 0x7e, 0x0b);
    close_body(c);
}

static void
br_table(craft *c, uint32_t count, size_t written)
{
    open_body(c);
    PUT(c, 0, 0x41, 0, 0x0e);
    put_u32(c, count);
    put_fill(c, 0, written);
    PUT(c, 0x0b);
    close_body(c);
}

static void
many_types(craft *c, uint32_t params)
{
    header(c);
    begin_section(c, 1);
    PUT(c, 1, 0x60);
    put_u32(c, params);
    put_fill(c, 0x7f, params);
    PUT(c, 0);
    end_section(c);
}

/* A body of many pending values and polymorphic ends: quadratic validators never return. */
static void
deep_operands(craft *c)
{
    open_body(c);
    PUT(c, 0);
    for (int i = 0; i < 200000; i++) PUT(c, 0x41, 1);
    put_fill(c, 0x1a, 200000);
    PUT(c, 0x0b);
    close_body(c);
}

static void
many_ends(craft *c)
{
    open_body(c);
    PUT(c, 0);
    for (int i = 0; i < 100000; i++) PUT(c, 0x02, 0x40, 0x00, 0x0b);
    PUT(c, 0x0b);
    close_body(c);
}

static void
many_empty_functions(craft *c)
{
    header(c);
    SECTION(c, 1, 1, 0x60, 0, 0);
    begin_section(c, 3);
    put_u32(c, 50000);
    put_fill(c, 0, 50000);
    end_section(c);
    begin_section(c, 10);
    put_u32(c, 50000);
    for (int i = 0; i < 50000; i++) PUT(c, 2, 0, 0x0b);
    end_section(c);
}

/* Many targets of many labels: n × n records for who keeps one per target and label. */
static void
wide_tables(craft *c)
{
    open_body(c);
    PUT(c, 0);
    for (int i = 0; i < 1000; i++) PUT(c, 0x02, 0x40);
    for (int t = 0; t < 20; t++) {
        PUT(c, 0x02, 0x40, 0x41, 0, 0x0e);
        put_u32(c, 1000);
        for (uint32_t i = 0; i < 1001; i++) put_u32(c, i);
        PUT(c, 0x0b);
    }
    put_fill(c, 0x0b, 1001);
    close_body(c);
}

static void
name_section(craft *c, const uint8_t *contents, size_t len)
{
    BODY(c, 0x0b);
    begin_section(c, 0);
    PUT(c, 4, 'n', 'a', 'm', 'e');
    put(c, contents, len);
    end_section(c);
}

#define NAMES(c, ...) \
    name_section(c, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void
huge_custom(craft *c)
{
    header(c);
    PUT(c, 0, MAX5, 1, 'x');
}

static void
long_name(craft *c)
{
    header(c);
    SECTION(c, 1, 1, 0x60, 0, 0);
    begin_section(c, 2);
    PUT(c, 1, 1, 'm');
    put_u32(c, 200000);
    put_fill(c, 'n', 200000);
    PUT(c, 0, 0);
    end_section(c);
}

/* ORDER: files that are no modules, then A20 to A35 of the list of adversarial cases. R: must be
 * refused, V: must be a module, A: either. */
#define CRAFTED(R, V, A) \
    R("an empty file", (void)c) \
    R("one zero byte", PUT(c, 0)) \
    R("the magic alone", PUT(c, 0, 'a', 's', 'm')) \
    R("half a version", PUT(c, 0, 'a', 's', 'm', 1, 0)) \
    R("version 2", PUT(c, 0, 'a', 's', 'm', 2, 0, 0, 0)) \
    R("a component", PUT(c, 0, 'a', 's', 'm', 0x0d, 0, 1, 0)) \
    R("an ELF file", PUT(c, 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0)) \
    R("a Mach-O file", PUT(c, 0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1)) \
    R("a PE file", PUT(c, 'M', 'Z', 0x90, 0, 3, 0, 0, 0)) \
    R("gzip", PUT(c, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3)) \
    R("zip", PUT(c, 'P', 'K', 3, 4, 20, 0, 0, 0)) \
    R("an archive", put(c, "!<arch>\nmain.o/", 15)) \
    R("HTML", put(c, "<!DOCTYPE html>\n<html><body>404</body></html>\n", 46)) \
    R("JSON", put(c, "{\"error\":\"not found\"}", 21)) \
    R("a script", put(c, "#!/bin/sh\nexit 0\n", 17)) \
    R("Go source", put(c, "package main\n\nfunc main() {}\n", 29)) \
    R("the text format", put(c, "(module (func (export \"_start\")))", 33)) \
    R("terminal escapes", put(c, "\033]0;owned\007\033[2J text", 20)) \
    R("only 0xff", put_fill(c, 0xff, 4096)) \
    R("only zeroes", put_fill(c, 0, 4096)) \
    V("a module without sections", header(c)) \
    R("A20: a section size of six bytes", (header(c), PUT(c, 1, 0x84, 0x80, 0x80, 0x80, 0x80, 0, 1, 0x60, 0, 0))) \
    R("A20: unused bits set in a size", (header(c), PUT(c, 1, 0x84, 0x80, 0x80, 0x80, 0x70, 1, 0x60, 0, 0))) \
    R("A20: an i32 of six bytes", BODY(c, 0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0x1a, 0x0b)) \
    R("A20: an i32 with wrong sign bits", BODY(c, 0x41, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x1a, 0x0b)) \
    R("A20: an i64 of eleven bytes", BODY(c, 0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0x1a, 0x0b)) \
    R("A20: an i64 with unused bits set", BODY(c, 0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7e, 0x1a, 0x0b)) \
    R("A20: a function index of 2^35", BODY(c, 0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 0x0b)) \
    V("A20: numbers padded to their longest", BODY(c, 0x41, 0x80, 0x80, 0x80, 0x80, 0, 0x1a, 0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x1a, 0x0b)) \
    R("A22: 2^32-1 types", huge_count(c, 1)) \
    R("A22: 2^32-1 imports", huge_count(c, 2)) \
    R("A22: 2^32-1 functions", huge_count(c, 3)) \
    R("A22: 2^32-1 tables", huge_count(c, 4)) \
    R("A22: 2^32-1 memories", huge_count(c, 5)) \
    R("A22: 2^32-1 globals", huge_count(c, 6)) \
    R("A22: 2^32-1 exports", huge_count(c, 7)) \
    R("A22: start function 2^32-1", LONE(c, 8, MAX5)) \
    R("A22: 2^32-1 element segments", huge_count(c, 9)) \
    R("A22: 2^32-1 bodies", huge_count(c, 10)) \
    R("A22: 2^32-1 data segments", huge_count(c, 11)) \
    R("A22: a data count of 2^32-1", LONE(c, 12, MAX5)) \
    R("A22: 2^32-1 parameters", LONE(c, 1, 1, 0x60, MAX5, 0x7f)) \
    R("A22: 2^32-1 results", LONE(c, 1, 1, 0x60, 0, MAX5, 0x7f)) \
    R("A22: 2^32-1 elements of a segment", (header(c), SECTION(c, 4, 1, 0x70, 0, 1), SECTION(c, 9, 1, 0, 0x41, 0, 0x0b, MAX5, 0))) \
    R("A22: 2^32-1 bytes of data", (header(c), SECTION(c, 5, 1, 0, 1), SECTION(c, 11, 1, 0, 0x41, 0, 0x0b, MAX5, 0))) \
    R("A22: 2^32-1 bytes of a name", LONE(c, 7, 1, MAX5, 'a')) \
    R("A22: a body of 2^32-1 bytes", (header(c), SECTION(c, 1, 1, 0x60, 0, 0), SECTION(c, 3, 1, 0), SECTION(c, 10, 1, MAX5, 0, 0x0b))) \
    R("A22: 10,000,000 types in no bytes", LONE(c, 1, 0x80, 0xad, 0xe2, 4)) \
    R("A22: 1,000,000 functions, no bodies", LONE(c, 3, 0xc0, 0x84, 0x3d)) \
    R("A23: 50,001 locals", locals(c, 50000, 1)) \
    V("A23: 50,000 locals", locals(c, 49999, 1)) \
    R("A23: 2^32-1 locals", locals(c, UINT32_MAX, 0)) \
    R("A23: locals that wrap to one", locals(c, UINT32_MAX, 2)) \
    R("A23: locals that wrap to none", locals(c, 0x80000000u, 0x80000000u)) \
    R("A23: 2^32-1 groups of locals", (open_body(c), PUT(c, MAX5, 1, 0x7f, 0x0b), close_body(c))) \
    R("A24: 0xfffffffc targets", br_table(c, 0xfffffffcu, 8)) \
    R("A24: 0xfffffffd targets", br_table(c, 0xfffffffdu, 8)) \
    R("A24: 0xfffffffe targets", br_table(c, 0xfffffffeu, 8)) \
    R("A24: 0xffffffff targets", br_table(c, 0xffffffffu, 8)) \
    R("A24: 0x3fffffff targets", br_table(c, 0x3fffffffu, 8)) \
    R("A24: 65,521 targets", br_table(c, 65521, 65522)) \
    V("A24: 65,520 targets", br_table(c, 65520, 65521)) \
    V("A24: no target but the default", br_table(c, 0, 1)) \
    R("A24: a target too deep", BODY(c, 0x41, 0, 0x0e, 1, 0, 1, 0x0b)) \
    R("A25: 100,000 blocks deep", nested(c, 100000, 0x02)) \
    R("A25: 100,000 loops deep", nested(c, 100000, 0x03)) \
    R("A25: 1,000,000 ifs deep", nested(c, 1000000, 0x04)) \
    V("A25: 18,000 blocks deep", nested(c, 18000, 0x02)) \
    V("A25: 18,000 ifs deep", nested(c, 18000, 0x04)) \
    R("A26: block type 1, where there is only 0", BODY(c, 0x02, 1, 0x0b, 0x0b)) \
    R("A26: block type 2^31", BODY(c, 0x02, 0x80, 0x80, 0x80, 0x80, 0x08, 0x0b, 0x0b)) \
    R("A26: block type -5", BODY(c, 0x02, 0x7b, 0x0b, 0x0b)) \
    R("A26: block type -64 in two bytes", BODY(c, 0x02, 0xc0, 0x7f, 0x0b, 0x0b)) \
    R("A26: block type 0x41", BODY(c, 0x02, 0x41, 0x0b, 0x0b)) \
    R("A26: value type 0 of a global", LONE(c, 6, 1, 0, 0, 0x41, 0, 0x0b)) \
    R("A26: mutability 2", LONE(c, 6, 1, 0x7f, 2, 0x41, 0, 0x0b)) \
    R("A26: a table of i32", LONE(c, 4, 1, 0x7f, 0, 1)) \
    R("A26: limits flag 0xff", LONE(c, 5, 1, 0xff, 1, 1)) \
    R("A26: a memory of min > max", LONE(c, 5, 1, 1, 2, 1)) \
    R("A26: a memory of 65,537 pages", LONE(c, 5, 1, 0, 0x81, 0x80, 4)) \
    R("A26: a parameter of type 0x40", LONE(c, 1, 1, 0x60, 1, 0x40, 0)) \
    R("A26: ref.null of i32", LONE(c, 6, 1, 0x70, 0, 0xd0, 0x7f, 0x0b)) \
    R("A26: select of 2^32-1 types", BODY(c, 0x1c, MAX5, 0x0b)) \
    R("A27: else without if", BODY(c, 0x02, 0x40, 0x05, 0x0b, 0x0b)) \
    R("A27: two elses", BODY(c, 0x41, 0, 0x04, 0x40, 0x05, 0x05, 0x0b, 0x0b)) \
    R("A27: an if with a result and no else", BODY(c, 0x41, 0, 0x04, 0x7f, 0x41, 0, 0x0b, 0x1a, 0x0b)) \
    R("A27: br_table to labels of two types", BODY(c, 0x02, 0x7f, 0x02, 0x40, 0x41, 0, 0x41, 0, 0x0e, 1, 0, 1, 0x0b, 0x41, 0, 0x0b, 0x1a, 0x0b)) \
    R("A27: unreachable, then a wrong operand", BODY(c, 0x00, 0x42, 0, 0x41, 0, 0x6a, 0x1a, 0x0b)) \
    V("A27: unreachable, then operands from nowhere", BODY(c, 0x00, 0x6a, 0x1a, 0x1b, 0x1a, 0x0b)) \
    R("A27: a value left over", BODY(c, 0x41, 0, 0x0b)) \
    R("A27: drop of nothing", BODY(c, 0x1a, 0x0b)) \
    R("A27: a block takes from outside", BODY(c, 0x41, 0, 0x02, 0x40, 0x1a, 0x0b, 0x0b)) \
    R("A27: one end too many", BODY(c, 0x0b, 0x0b)) \
    R("A27: no end", BODY(c, 0x01)) \
    R("A27: a body of no bytes", (header(c), SECTION(c, 1, 1, 0x60, 0, 0), SECTION(c, 3, 1, 0), SECTION(c, 10, 1, 0))) \
    R("A28: two type sections", (LONE(c, 1, 1, 0x60, 0, 0), SECTION(c, 1, 1, 0x60, 0, 0))) \
    R("A28: functions before types", (LONE(c, 3, 1, 0), SECTION(c, 1, 1, 0x60, 0, 0))) \
    R("A28: section 14", LONE(c, 14, 0)) \
    R("A28: section 0xff", LONE(c, 0xff, 0)) \
    R("A28: more bodies than functions", (LONE(c, 1, 1, 0x60, 0, 0), SECTION(c, 3, 1, 0), SECTION(c, 10, 2, 2, 0, 0x0b, 2, 0, 0x0b))) \
    R("A28: functions without bodies", (LONE(c, 1, 1, 0x60, 0, 0), SECTION(c, 3, 1, 0))) \
    R("A28: bodies without functions", (LONE(c, 1, 1, 0x60, 0, 0), SECTION(c, 10, 1, 2, 0, 0x0b))) \
    R("A28: a data count that is wrong", (LONE(c, 5, 1, 0, 1), SECTION(c, 12, 2), SECTION(c, 11, 1, 0, 0x41, 0, 0x0b, 1, 'x'))) \
    R("A28: a data count without data", (LONE(c, 5, 1, 0, 1), SECTION(c, 12, 1))) \
    R("A28: a section longer than its contents", (LONE(c, 1, 1, 0x60, 0, 0, 0))) \
    R("A28: a section shorter than its contents", LONE(c, 1, 2, 0x60, 0, 0)) \
    R("A28: a section that ends past the file", (header(c), PUT(c, 1, 10, 1, 0x60))) \
    R("A28: a custom section larger than the file", huge_custom(c)) \
    R("A28: a custom section without a name", LONE(c, 0, 5, 'a')) \
    R("A28: an empty custom section", (header(c), PUT(c, 0, 0))) \
    R("A28: the name of a custom section is no UTF-8", LONE(c, 0, 2, 0xc3, 0x28)) \
    R("A28: two exports of one name", (LONE(c, 5, 1, 0, 1), SECTION(c, 7, 2, 1, 'm', 2, 0, 1, 'm', 2, 0))) \
    R("A28: an export of what there is not", LONE(c, 7, 1, 1, 'f', 0, 0)) \
    R("A28: an export of kind 9", LONE(c, 7, 1, 1, 'f', 9, 0)) \
    R("A28: a start function with a result", (LONE(c, 1, 1, 0x60, 0, 1, 0x7f), SECTION(c, 3, 1, 0), SECTION(c, 8, 0), SECTION(c, 10, 1, 4, 0, 0x41, 0, 0x0b))) \
    R("A29: a constant of a later global", LONE(c, 6, 2, 0x7f, 0, 0x23, 1, 0x0b, 0x7f, 0, 0x41, 0, 0x0b)) \
    R("A29: a constant of a mutable global", LONE(c, 6, 2, 0x7f, 1, 0x41, 0, 0x0b, 0x7f, 0, 0x23, 0, 0x0b)) \
    R("A29: a constant of another type", LONE(c, 6, 1, 0x7f, 0, 0x42, 0, 0x0b)) \
    R("A29: a constant that calls", LONE(c, 6, 1, 0x7f, 0, 0x10, 0, 0x0b)) \
    R("A29: a constant without end", LONE(c, 6, 1, 0x7f, 0, 0x41, 0)) \
    R("A29: a constant of two values", LONE(c, 6, 1, 0x7f, 0, 0x41, 0, 0x41, 0, 0x0b)) \
    V("A29: data at the very end of the address space", (LONE(c, 5, 1, 0, 1), SECTION(c, 11, 1, 0, 0x41, 0x7f, 0x0b, 4, 1, 2, 3, 4))) \
    V("A29: elements at the very end of the index space", (LONE(c, 4, 1, 0x70, 0, 1), SECTION(c, 9, 1, 0, 0x41, 0x7f, 0x0b, 0))) \
    R("A29: data for a memory that there is not", LONE(c, 11, 1, 0, 0x41, 0, 0x0b, 0)) \
    R("A29: elements for a table that there is not", LONE(c, 9, 1, 0, 0x41, 0, 0x0b, 0)) \
    R("A29: ref.func of a function that there is not", LONE(c, 6, 1, 0x70, 0, 0xd2, 5, 0x0b)) \
    R("A30: ends in prefix 0xfb", BODY(c, 0xfb)) \
    R("A30: ends in prefix 0xfc", BODY(c, 0xfc)) \
    R("A30: ends in prefix 0xfd", BODY(c, 0xfd)) \
    R("A30: ends in prefix 0xfe", BODY(c, 0xfe)) \
    R("A30: ends in an operand", BODY(c, 0x41)) \
    R("A30: ends in br_table", BODY(c, 0x41, 0, 0x0e)) \
    R("A30: ends in call_indirect", BODY(c, 0x41, 0, 0x11, 0)) \
    R("A30: ends in half an f64", BODY(c, 0x44, 1, 2, 3, 4)) \
    R("A30: ends in memory.copy", BODY(c, 0xfc, 10, 0)) \
    R("A30: prefix 0xfc with an opcode of 2^32-1", BODY(c, 0xfc, MAX5, 0x0b)) \
    R("A30: an opcode that there is not", BODY(c, 0x27, 0x0b)) \
    R("memory alignment above the width", BODY(c, 0x41, 0, 0x28, 3, 0, 0x1a, 0x0b)) \
    R("memory alignment of 2^31", BODY(c, 0x41, 0, 0x28, 0x9f, 0x80, 0x80, 0x80, 0x08, 0, 0x1a, 0x0b)) \
    R("a local that there is not", BODY(c, 0x20, 0, 0x1a, 0x0b)) \
    R("a global that there is not", BODY(c, 0x23, 0, 0x1a, 0x0b)) \
    R("a function that there is not", BODY(c, 0x10, 1, 0x0b)) \
    R("a type that there is not", BODY(c, 0x41, 0, 0x11, 1, 0, 0x0b)) \
    R("a table that there is not", BODY(c, 0x41, 0, 0x11, 0, 1, 0x0b)) \
    R("a label that there is not", BODY(c, 0x0c, 1, 0x0b)) \
    R("memory.init of a segment that there is not", BODY(c, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 8, 0, 0, 0x0b)) \
    V("A31: an index of 2^32-1 in the names", NAMES(c, 1, 8, 1, MAX5, 1, 'f')) \
    V("A31: 2^32-1 names", NAMES(c, 1, 5, MAX5)) \
    V("A31: a name of 1 GiB", NAMES(c, 1, 7, 1, 0, 0x80, 0x80, 0x80, 0x80, 4)) \
    V("A31: a name that is no UTF-8", NAMES(c, 1, 5, 1, 0, 2, 0xc3, 0x28)) \
    V("A31: a name of control characters", NAMES(c, 1, 8, 1, 0, 5, 0x1b, '[', '2', 'J', 0)) \
    V("A31: names out of order, twice", NAMES(c, 1, 7, 2, 1, 1, 'b', 0, 1, 'a')) \
    V("A31: a subsection longer than the section", NAMES(c, 1, 0xff, 0xff, 3, 0)) \
    R("A32: an import of kind 9", LONE(c, 2, 1, 1, 'm', 1, 'n', 9, 0)) \
    R("A32: an import of type 2^32-1", LONE(c, 2, 1, 1, 'm', 1, 'n', 0, MAX5)) \
    R("A32: an import name of 200,000 bytes", long_name(c)) \
    V("A33: 200,000 values pending", deep_operands(c)) \
    V("A33: 100,000 dead blocks", many_ends(c)) \
    V("A33: 20 tables of 1,000 labels", wide_tables(c)) \
    V("A34: 50,000 empty functions", many_empty_functions(c)) \
    R("A12: 1,001 parameters", many_types(c, 1001)) \
    V("A12: 1,000 parameters", many_types(c, 1000)) \
    V("A35: a memory of 65,536 pages", LONE(c, 5, 1, 0, 0x80, 0x80, 4)) \
    A("A35: a table of 2^32-1 entries", LONE(c, 4, 1, 0x70, 0, MAX5)) \
    R("an endless run of custom sections of no size", (header(c), put_fill(c, 0, 1 << 20)))

#define CRAFT_R(name, make) CRAFT_ROW(name, TORTURE_REFUSED, make)
#define CRAFT_V(name, make) CRAFT_ROW(name, TORTURE_VALID, make)
#define CRAFT_A(name, make) CRAFT_ROW(name, TORTURE_ANY, make)

uint32_t
torture_crafted_count(void)
{
#define CRAFT_ROW(name, want, make) +1
    return 0 CRAFTED(CRAFT_R, CRAFT_V, CRAFT_A);
#undef CRAFT_ROW
}

/* One long sequence of rows: each writes its bytes when its number has come. */
uint8_t *
torture_crafted_make(uint32_t i, size_t *len, torture_want *want, const char **name)
{
    craft made = {0};
    craft *const c = &made;
    uint32_t k = 0;
    put_u8(c, 0); /* so that an empty input has an address too */
    c->len = 0;
#define CRAFT_ROW(text, wanted, make) \
    if (k++ == i) { \
        *name = text; \
        *want = wanted; \
        make; \
    }
    CRAFTED(CRAFT_R, CRAFT_V, CRAFT_A)
#undef CRAFT_ROW
    *len = c->len;
    return c->data;
}
