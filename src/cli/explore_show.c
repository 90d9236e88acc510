/* One function side by side: instructions on the left, their machine code on the right, what was found out
 * about a block above it. Rows are in the order of the module's bytes; machine code that is of no
 * instruction (entries) or stands apart from its instruction's (the function's end) says where it is.
 *
 * All text comes from the library, which has escaped what is from the module. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/disasm.h"
#include "cli/explore.h"

#define SHOW_COLUMN      58u /* where machine code begins */
#define SHOW_INDENT_MOST 12u /* blocks that are shown by indentation; deeper ones look alike */

/* Code of one instruction: [from, to). */
typedef struct show_range {
    uint32_t offset, from, to;
} show_range;

typedef struct show_state {
    gbx_inspect *in;
    const gbx_inspect_info *info;
    unsigned stages;
    show_range *ranges; /* by offset, then by place; those of entries are last */
    size_t range_count, range;
    const gbx_inspect_fact *facts;
    size_t fact_count, fact;
    const gbx_inspect_mark *marks;
    size_t mark_count;
} show_state;

static int
show_range_order(const void *a, const void *b)
{
    const show_range *const x = a, *const y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x->from < y->from ? -1 : x->from > y->from;
}

static void
show_make_ranges(show_state *s)
{
    size_t count;
    const gbx_inspect_line *const lines = gbx_inspect_lines(s->in, &count);
    s->ranges = gbx_cli_alloc(count + 1, sizeof *s->ranges);
    for (size_t i = 0; i < count; i++) {
        uint32_t const end = s->info->tables;
        uint32_t const to = i + 1 < count && lines[i + 1].code_offset < end ? lines[i + 1].code_offset : end;
        if (lines[i].code_offset < to)
            s->ranges[s->range_count++] = (show_range){lines[i].offset, lines[i].code_offset, to};
    }
    qsort(s->ranges, s->range_count, sizeof *s->ranges, show_range_order);
}

/* What is to be said of the machine instruction at [from, to); NULL: nothing. */
static const char *
show_mark(const show_state *s, size_t from, size_t to)
{
    size_t low = 0, high = s->mark_count;
    while (low < high) {
        size_t const mid = low + (high - low) / 2;
        if (s->marks[mid].code_offset < from) low = mid + 1;
        else high = mid;
    }
    return low < s->mark_count && s->marks[low].code_offset < to ? s->marks[low].text : NULL;
}

/* The right column. `left` is how much of the left one is written on this line. */
static void
show_code(const show_state *s, uint32_t from, uint32_t to, size_t left)
{
    for (size_t at = from; at < to;) {
        char text[128];
        size_t len = gbx_cli_disasm(s->info->code.data, to, at, text, sizeof text);
        if (!len) {
            snprintf(text, sizeof text, ".byte 0x%02x", s->info->code.data[at]);
            len = 1;
        }
        if (left >= SHOW_COLUMN) {
            putchar('\n');
            left = 0;
        }
        const char *const mark = show_mark(s, at, at + len);
        printf("%*s| %5zx  %s%s%s\n", (int)(SHOW_COLUMN - left), "", at, text, mark ? "  ; " : "",
               mark ? mark : "");
        left = 0;
        at += len;
    }
}

/* All code of the instruction at `offset`; the line is ended. */
static void
show_ranges(show_state *s, uint32_t offset, size_t left)
{
    bool is_first = true;
    while (s->range < s->range_count && s->ranges[s->range].offset < offset) s->range++;
    for (; s->range < s->range_count && s->ranges[s->range].offset == offset; s->range++) {
        show_code(s, s->ranges[s->range].from, s->ranges[s->range].to, is_first ? left : 0);
        is_first = false;
    }
    if (is_first) putchar('\n');
}

static bool
show_has_code(show_state *s, uint32_t offset)
{
    while (s->range < s->range_count && s->ranges[s->range].offset < offset) s->range++;
    return s->range < s->range_count && s->ranges[s->range].offset == offset;
}

/* Columns that a text takes: continuation bytes of UTF-8 take none. */
static size_t
show_width(const char *text)
{
    size_t width = 0;
    for (const char *p = text; *p; p++) width += ((unsigned char)*p & 0xc0) != 0x80;
    return width;
}

static void
show_facts_at(show_state *s, uint32_t offset)
{
    if (!(s->stages & EXPLORE_FACTS)) return;
    for (; s->fact < s->fact_count && s->facts[s->fact].offset <= offset; s->fact++)
        printf("0x%08" PRIx32 "  -- %s\n", s->facts[s->fact].offset, s->facts[s->fact].text);
}

static void
show_instructions(show_state *s)
{
    gbx_inspect_insn insn;
    while (gbx_inspect_next(s->in, &insn)) {
        show_facts_at(s, insn.offset);
        bool const has_code = s->stages & EXPLORE_ASM && show_has_code(s, insn.offset);
        bool const has_text = s->stages & EXPLORE_WAT;
        if (!has_code && !has_text) continue;
        unsigned const depth = insn.depth < SHOW_INDENT_MOST ? insn.depth : SHOW_INDENT_MOST;
        size_t left = (size_t)printf("0x%08" PRIx32, insn.offset);
        if (has_text) {
            left += (size_t)printf("  %*s%s", (int)depth * 2, "", insn.text);
            if (*insn.comment) printf("  ;; %s", insn.comment);
            if (*insn.comment) left += 5 + show_width(insn.comment);
        }
        if (has_code) show_ranges(s, insn.offset, left);
        else putchar('\n');
    }
}

/* What is of no instruction, by entry. */
static void
show_entries(const show_state *s)
{
    const gbx_inspect_info *const info = s->info;
    for (size_t i = 0; i < s->range_count; i++) {
        const show_range *const r = &s->ranges[i];
        if (r->offset != GBX_INSPECT_NONE) continue;
        const char *const what = r->from == info->general ? "entry"
                                 : r->from == info->fresh ? "entry, fresh"
                                 : r->from == info->loops ? "entry into loops"
                                 : r->from >= info->cold  ? "behind the function"
                                                          : "";
        size_t const left = (size_t)printf("            %s", what);
        show_code(s, r->from, r->to, left);
    }
    if (info->tables < info->code.len)
        printf("            %-*s| %5" PRIx32 "  %zu bytes\n", (int)SHOW_COLUMN - 12, "jump tables",
               info->tables, info->code.len - info->tables);
}

static void
show_head(const show_state *s, uint32_t func_idx)
{
    const gbx_inspect_info *const info = s->info;
    printf("function %" PRIu32 " %s %s\n", func_idx, *info->name ? info->name : "(it has no name)",
           info->signature);
    printf("  module: 0x%" PRIx32 " to 0x%" PRIx32 ", %" PRIu32 " bytes\n", info->offset,
           info->offset + info->bytes, info->bytes);
    if (info->beyond) {
        printf("  code: none, it stays interpreted: %s\n", info->beyond);
        return;
    }
    printf("  code: %zu bytes, frame %" PRIu32 " bytes; entry at %" PRIx32, info->code.len,
           info->frame_bytes, info->general);
    if (info->fresh != GBX_INSPECT_NONE) printf(", fresh at %" PRIx32, info->fresh);
    if (info->loops != GBX_INSPECT_NONE) printf(", into loops at %" PRIx32, info->loops);
    printf("; behind the function from %" PRIx32 "\n", info->cold);
}

void
gbx_cli_explore_show(gbx_inspect *in, uint32_t func_idx, const gbx_inspect_info *info,
                     unsigned stages)
{
    show_state s = {.in = in, .info = info, .stages = stages};
    show_head(&s, func_idx);
    if (stages & EXPLORE_FACTS) {
        s.facts = gbx_inspect_facts(in, &s.fact_count);
        for (; s.fact < s.fact_count && s.facts[s.fact].offset == GBX_INSPECT_NONE; s.fact++)
            printf("  %s\n", s.facts[s.fact].text);
    }
    if (stages & EXPLORE_ASM && !info->beyond) {
        s.marks = gbx_inspect_marks(in, &s.mark_count);
        show_make_ranges(&s);
        show_entries(&s);
    }
    show_instructions(&s);
    show_facts_at(&s, GBX_INSPECT_NONE - 1); /* of blocks behind the last instruction */
}
