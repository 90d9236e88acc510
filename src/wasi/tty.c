/* What a guest writes to a terminal, made harmless.
 *
 * A terminal obeys what is written to it: sequences put text into the clipboard, rename the window, print,
 * redefine keys, ask questions whose answers are typed into the shell that comes next, or rewrite lines that
 * are already there. What passes is text, the controls of a line (BEL BS HT LF CR), and three kinds of
 * sequences that reach no further than the line and its colours:
 *
 *      CSI digits ; : m            colours (SGR)
 *      CSI digits ; C D G K        right, left, to a column; erase in the line
 *
 * Everything else of C0, DEL, and of C1 in both its forms (a byte 0x80..0x9f by itself, U+0080..U+009F) is
 * shown: ^[ for ESC, \x9b for a C1. Then the rest of the sequence is plain text.
 *
 *      TEXT --ESC--> ESC --[--> CSI --final that passes--> TEXT, the sequence written whole
 *       |             |          `--any other byte-------> TEXT, the sequence written inert
 *       |             `--any other byte---------------> TEXT, ^[ written
 *       `--lead byte--> UTF8 --continuation bytes--> TEXT
 *
 * SAFETY: nothing of a sequence is written before it is known to pass whole, so it cannot be put together of
 * two writes, or of two streams: the terminal has one state, whoever writes. A lead byte of UTF-8 passes at
 * once, so that characters split between writes survive; only 0xC2 waits for what follows, since with 0x80 to
 * 0x9f it is a C1. What waits is bounded by TTY_HELD. */
#include "wasi/wasi_int.h"

#include <string.h>

enum { TTY_TEXT, TTY_ESC, TTY_CSI, TTY_UTF8, TTY_C2 };

/* The first continuation byte may be less than any: overlong forms, surrogates, above U+10FFFF. */
static void
tty_lead(wasi_tty *t, u8 b)
{
    t->mode = TTY_UTF8;
    t->left = b < 0xe0 ? 1 : b < 0xf0 ? 2 : 3;
    t->low = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
    t->high = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
}

static size_t
tty_put(u8 *out, size_t n, const void *bytes, size_t len)
{
    memcpy(out + n, bytes, len);
    return n + len;
}

/* A control character as text. */
static size_t
tty_show(u8 *out, size_t n, u8 b)
{
    static const u8 hex[] = "0123456789abcdef";
    if (b < 0x80) return tty_put(out, n, (const u8[]){'^', b ^ 0x40}, 2);
    return tty_put(out, n, (const u8[]){'\\', 'x', hex[b >> 4], hex[b & 15]}, 4);
}

static bool
tty_is_shown(u8 b)
{
    bool const is_line = b == '\a' || b == '\b' || b == '\t' || b == '\n' || b == '\r';
    return (b < 0x20 && !is_line) || (b >= 0x7f && b < 0xa0);
}

/* One byte outside of all sequences. */
static size_t
tty_text(wasi_tty *t, u8 *out, size_t n, u8 b)
{
    t->mode = TTY_TEXT;
    if (b == 0x1b) {
        t->mode = TTY_ESC;
        t->held_len = 0;
        return n;
    }
    if (b == 0xc2) {
        t->mode = TTY_C2;
        return n;
    }
    if (tty_is_shown(b)) {
        t->shown = true;
        return tty_show(out, n, b);
    }
    if (b > 0xc2 && b < 0xf5) tty_lead(t, b);
    return tty_put(out, n, &b, 1);
}

/* What was held back is no sequence that passes. */
static size_t
tty_inert(wasi_tty *t, u8 *out, size_t n)
{
    t->shown = true;
    n = tty_show(out, n, 0x1b);
    if (t->mode == TTY_CSI) n = tty_put(out, n, "[", 1);
    return tty_put(out, n, t->held, t->held_len);
}

static size_t
tty_csi(wasi_tty *t, u8 *out, size_t n, u8 b)
{
    bool const is_parameter = (b >= '0' && b <= '9') || b == ';' || b == ':';
    if (is_parameter && t->held_len < TTY_HELD) {
        t->held[t->held_len++] = b;
        return n;
    }
    if (!is_parameter && b && strchr("mCDGK", b)) {
        if (b == 'm') t->coloured = t->held_len && !(t->held_len == 1 && t->held[0] == '0');
        t->mode = TTY_TEXT;
        n = tty_put(out, n, "\x1b[", 2);
        n = tty_put(out, n, t->held, t->held_len);
        return tty_put(out, n, &b, 1);
    }
    return tty_text(t, out, tty_inert(t, out, n), b);
}

static size_t
tty_byte(wasi_tty *t, u8 *out, size_t n, u8 b)
{
    switch (t->mode) {
    case TTY_ESC:
        if (b != '[') return tty_text(t, out, tty_inert(t, out, n), b);
        t->mode = TTY_CSI;
        return n;
    case TTY_CSI: return tty_csi(t, out, n, b);
    case TTY_C2:
        t->mode = TTY_TEXT;
        if (b >= 0x80 && b < 0xa0) return tty_text(t, out, n, b);
        n = tty_put(out, n, "\xc2", 1);
        return b >= 0xa0 && b < 0xc0 ? tty_put(out, n, &b, 1) : tty_text(t, out, n, b);
    case TTY_UTF8:
        if (b < t->low || b > t->high) return tty_text(t, out, n, b);
        t->low = 0x80;
        t->high = 0xbf;
        if (!--t->left) t->mode = TTY_TEXT;
        return tty_put(out, n, &b, 1);
    default: return tty_text(t, out, n, b);
    }
}

/* PERF: most of what is written is plain ASCII, which is copied as it is found. */
size_t
gbx_wasi_tty_filter(wasi_tty *t, const u8 *in, size_t len, u8 *out, size_t cap, size_t *taken)
{
    size_t i = 0, n = 0;
    while (i < len && cap - n >= TTY_HELD + TTY_MOST) {
        if (t->mode == TTY_TEXT && in[i] >= 0x20 && in[i] < 0x7f) out[n++] = in[i++];
        else n = tty_byte(t, out, n, in[i++]);
    }
    *taken = i;
    return n;
}

bool
gbx_wasi_tty_filtered(const wasi_ctx *w)
{
    return w->tty.shown;
}
