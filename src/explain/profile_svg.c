/* A profile as a flame graph: a drawing that needs nothing but itself. Who called stands below, the width
 * of a box is the time spent in it and in what it called, and its title says both.
 *
 * SAFETY: names are escaped for XML here, on top of what they are for terminals. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "explain/profile.h"

#define SVG_WIDTH   1200.0
#define SVG_ROW     18u
#define SVG_LEAST   0.4 /* of a pixel: narrower boxes are not drawn */
#define SVG_LETTER  6.6 /* pixels */
#define SVG_DEEPEST 256u
#define SVG_TEXT    120u /* letters of a name in a box at most */

/* A function with those who called it. Children are a list, in the order they were met. */
typedef struct svg_node svg_node;
struct svg_node {
    const profile_func *func; /* NULL: all */
    svg_node *child, *next;
    u64 ticks;
};

static svg_node *
svg_child(profile_book *b, svg_node *node, const profile_func *func)
{
    svg_node **at = &node->child;
    while (*at && (*at)->func != func) at = &(*at)->next;
    if (*at) return *at;
    *at = gbx_base_arena_alloc(&b->texts, 1, sizeof **at);
    if (*at) (*at)->func = func;
    else b->failed = true;
    return *at;
}

/* One stack, outermost first. Returns how deep it is. */
static u32
svg_add(profile_book *b, svg_node *root, const sample_row *row)
{
    u32 depth = 0;
    svg_node *node = root;
    root->ticks += row->count;
    for (u32 i = row->frame_count ? row->frame_count : 1; i-- && node;) {
        const profile_place *const place =
                row->frame_count ? gbx_explain_place(b, row->module, row->frames[i])
                                 : gbx_explain_place_none(b);
        for (u32 k = place ? place->line_count : 0; k-- && node && depth < SVG_DEEPEST;) {
            node = svg_child(b, node, place->lines[k].func);
            if (node) node->ticks += row->count;
            depth++;
        }
    }
    return depth;
}

static void
svg_text(profile_out *o, const char *text, size_t most)
{
    for (size_t i = 0; text[i] && i < most; i++) {
        switch (text[i]) {
        case '<': gbx_explain_out_text(o, "&lt;"); break;
        case '>': gbx_explain_out_text(o, "&gt;"); break;
        case '&': gbx_explain_out_text(o, "&amp;"); break;
        case '"': gbx_explain_out_text(o, "&quot;"); break;
        default: gbx_explain_out_add(o, text + i, 1); break;
        }
    }
}

/* The same function has the same colour in each drawing. */
static u32
svg_hue(const char *name)
{
    u32 h = 2166136261u;
    for (; *name; name++) h = (h ^ (u8)*name) * 16777619u;
    return h % 60;
}

/* Names that are not ASCII are cut between characters. */
static size_t
svg_letters(const char *name, double width)
{
    size_t n = (size_t)min_u64((u64)(width / SVG_LETTER), SVG_TEXT);
    while (n && n < strlen(name) && ((u8)name[n] & 0xc0) == 0x80) n--;
    return n;
}

static void
svg_box(profile_out *o, const svg_node *node, const svg_node *root, double x, double width, u32 y,
        u64 period_ns)
{
    const char *const name = node->func ? node->func->name : "all";
    gbx_explain_out_text(o, "<g><title>");
    svg_text(o, name, SIZE_MAX);
    gbx_explain_out_text(o, " %.2f s, %.1f %%</title><rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%u\" "
                            "fill=\"hsl(%u,85%%,68%%)\"/>",
                         (double)node->ticks * (double)period_ns / 1e9,
                         100.0 * (double)node->ticks / (double)root->ticks, x, y, width, SVG_ROW - 1,
                         svg_hue(name));
    size_t const letters = svg_letters(name, width);
    if (letters > 2) {
        gbx_explain_out_text(o, "<text x=\"%.1f\" y=\"%u\">", x + 2, y + SVG_ROW - 6);
        svg_text(o, name, letters);
        gbx_explain_out_text(o, "</text>");
    }
    gbx_explain_out_text(o, "</g>\n");
}

typedef struct svg_open {
    const svg_node *node;
    double x;
} svg_open;

/* All boxes, without recursion: what is open is at most SVG_DEEPEST and one deep. */
static void
svg_boxes(profile_out *o, const svg_node *root, u32 deepest, u64 period_ns)
{
    svg_open open[SVG_DEEPEST + 2];
    double const scale = SVG_WIDTH / (double)(root->ticks ? root->ticks : 1);
    u32 depth = 1;
    open[0] = (svg_open){root, 0};
    while (depth) {
        svg_open *const top = &open[depth - 1];
        const svg_node *const node = top->node;
        if (!node) {
            depth--;
            continue;
        }
        double const width = (double)node->ticks * scale, x = top->x;
        top->node = depth == 1 ? NULL : node->next;
        top->x += width;
        if (width < SVG_LEAST) continue;
        svg_box(o, node, root, x, width, (deepest - (depth - 1)) * SVG_ROW + SVG_ROW, period_ns);
        open[depth++] = (svg_open){node->child, x};
    }
}

void
gbx_explain_svg(profile_book *b, profile_out *out)
{
    svg_node root = {0};
    u32 deepest = 0;
    for (u32 i = 0; i < gbx_runtime_profile_count(b->p); i++) {
        sample_row const row = gbx_runtime_profile_row(b->p, i);
        deepest = max_u32(deepest, svg_add(b, &root, &row));
    }
    u32 const height = (deepest + 3) * SVG_ROW;
    gbx_explain_out_text(out,
                         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                         "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%u\" "
                         "viewBox=\"0 0 %.0f %u\" font-family=\"monospace\" font-size=\"11\">\n"
                         "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                         SVG_WIDTH, height, SVG_WIDTH, height);
    if (root.ticks) svg_boxes(out, &root, deepest, gbx_runtime_profile_period_ns(b->p));
    gbx_explain_out_text(out, "</svg>\n");
    out->failed |= b->failed;
}
