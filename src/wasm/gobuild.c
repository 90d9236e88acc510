/* Reads what a module says of its making.
 *
 * Go's build information is one text in the data. The linker leaves runs of 8 zeros out of segments, and the
 * text has none, so all of it lies in one segment: it is found by its marks, where it lies.
 *
 * The version stands in the `producers` section. Where a tool took that away, it is still the value of
 * runtime.buildVersion: a text "go1..." to which somewhere in the data a string points, address and length.
 *
 * SAFETY: segments lie inside the module, which the decoder has checked; nothing is read outside of one.
 * How much is looked through is bounded by the size of the data, times VERSIONS_TRIED. */
#include "wasm/gobuild.h"

#include <string.h>

enum {
    GO_MARK_BYTES = 16,
    VERSIONS_TRIED = 16,
    VERSION_LEAST = 5,
    VERSION_MOST = 64,
    WASM_HEAD_BYTES = 8
};

static const u8 gobuild_begin[GO_MARK_BYTES] = {0x30, 0x77, 0xaf, 0x0c, 0x92, 0x74, 0x08, 0x02,
                                                0x41, 0xe1, 0xc1, 0x07, 0xe6, 0xd6, 0x18, 0xe6};
static const u8 gobuild_end[GO_MARK_BYTES] = {0xf9, 0x32, 0x43, 0x31, 0x86, 0x18, 0x20, 0x72,
                                              0x00, 0x82, 0x42, 0x10, 0x41, 0x16, 0xd8, 0xf2};

static const rd_name gobuild_none = {"", 0};

static bool
gobuild_is(rd_name a, const char *text)
{
    return a.len == strlen(text) && !memcmp(a.text, text, a.len);
}

/* ---- The section `producers`. SPEC: github.com/WebAssembly/tool-conventions, ProducersSection.md */

/* SAFETY: the sections were decoded, so they fill the module; they are read as if they had not been. */
bool
gbx_wasm_next_custom(const wasm_module *m, u32 *at, wasm_custom *out)
{
    reader r = rd_init(m->bytes, min_u64(max_u32(*at, WASM_HEAD_BYTES), m->len), m->len);
    while (rd_left(&r)) {
        u8 const id = gbx_base_rd_u8(&r);
        u32 const size = gbx_base_rd_u32(&r);
        u64 const off = rd_offset(&r);
        if (!gbx_base_rd_bytes(&r, size) || !rd_ok(&r)) break;
        *at = (u32)(off + size);
        if (id != 0) continue;
        reader in = rd_init(m->bytes, off, off + size);
        out->name = gbx_base_rd_name(&in, UINT32_MAX);
        out->off = (u32)rd_offset(&in);
        out->end = *at;
        if (rd_ok(&in)) return true;
    }
    return false;
}

static void
gobuild_field(reader *r, rd_name field, go_build *out)
{
    u32 const values = gbx_base_rd_u32(r);
    for (u32 i = 0; i < values && rd_ok(r); i++) {
        rd_name const name = gbx_base_rd_name(r, UINT32_MAX),
                      version = gbx_base_rd_name(r, UINT32_MAX);
        if (!rd_ok(r) || i) continue;
        if (gobuild_is(field, "language")) {
            out->language = name;
            out->version = version;
        } else if (gobuild_is(field, "processed-by")) {
            out->tool = name;
            out->tool_version = version;
        }
    }
}

static void
gobuild_producers(const wasm_module *m, go_build *out)
{
    wasm_custom c;
    for (u32 at = 0; gbx_wasm_next_custom(m, &at, &c);) {
        if (!gobuild_is(c.name, "producers")) continue;
        reader r = rd_init(m->bytes, c.off, c.end);
        u32 const fields = gbx_base_rd_u32(&r);
        for (u32 k = 0; k < fields && rd_ok(&r); k++) {
            rd_name const field = gbx_base_rd_name(&r, UINT32_MAX);
            gobuild_field(&r, field, out);
        }
        return;
    }
}

/* ---- Texts among the data */

static rd_name
gobuild_info(const wasm_module *m)
{
    for (u32 k = 0; k < m->data_count; k++) {
        const wasm_data *const seg = &m->datas[k];
        const u8 *const from = m->bytes + seg->bytes_off, *const to = from + seg->bytes_len;
        const u8 *const begin = memmem(from, seg->bytes_len, gobuild_begin, GO_MARK_BYTES);
        if (!begin) continue;
        const u8 *const text = begin + GO_MARK_BYTES;
        const u8 *const end = memmem(text, (size_t)(to - text), gobuild_end, GO_MARK_BYTES);
        if (end) return (rd_name){(const char *)text, (u32)(end - text)};
    }
    return gobuild_none;
}

static bool
gobuild_is_version_byte(u8 c)
{
    return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == ' ' || c == ':' ||
           c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* How long the string is that begins at `address`, if a word of the data points there and the word behind it
 * is a length that the text can have; else 0. The upper half of the address is zero, and more of the word
 * behind it may be left out as zeros at the end of a segment. */
static u32
gobuild_string_len(const wasm_module *m, u64 address, u32 most)
{
    u8 word[8];
    for (u32 i = 0; i < sizeof word; i++) word[i] = (u8)(address >> 8 * i);
    for (u32 k = 0; k < m->data_count; k++) {
        const wasm_data *const seg = &m->datas[k];
        const u8 *at = m->bytes + seg->bytes_off;
        const u8 *const to = at + seg->bytes_len;
        while ((at = memmem(at, (size_t)(to - at), word, sizeof word))) {
            u64 len = 0;
            for (u32 i = 0; i < 8 && (size_t)(to - at) > sizeof word + i; i++)
                len |= (u64)at[sizeof word + i] << 8 * i;
            if (len >= VERSION_LEAST && len <= most) return (u32)len;
            at++;
        }
    }
    return 0;
}

static rd_name
gobuild_version(const wasm_module *m)
{
    u32 tried = 0;
    for (u32 k = 0; k < m->data_count && tried < VERSIONS_TRIED; k++) {
        const wasm_data *const seg = &m->datas[k];
        const u8 *const from = m->bytes + seg->bytes_off, *const to = from + seg->bytes_len;
        const u8 *at = from;
        if (seg->is_special) continue;
        for (; tried < VERSIONS_TRIED && (at = memmem(at, (size_t)(to - at), "go1.", 4)); at++) {
            u32 most = 0;
            while (most < VERSION_MOST && at + most < to && gobuild_is_version_byte(at[most]))
                most++;
            tried++;
            u32 const len = gobuild_string_len(m, (u64)seg->at + (u64)(at - from), most);
            if (len) return (rd_name){(const char *)at, len};
        }
    }
    return gobuild_none;
}

void
gbx_wasm_go_build(const wasm_module *m, go_build *out)
{
    *out = (go_build){gobuild_none, gobuild_none, gobuild_none, gobuild_none, gobuild_none};
    gobuild_producers(m, out);
    out->info = gobuild_info(m);
    if (out->version.len) return;
    go_table table;
    if (!out->info.len && !gbx_wasm_go_find(m, &table)) return;
    out->version = gobuild_version(m);
}

/* ---- Lines */

/* The text up to `stop` or the end; it and the byte are taken off. */
static rd_name
gobuild_until(rd_name *rest, char stop)
{
    const char *const at = rest->len ? memchr(rest->text, stop, rest->len) : NULL;
    rd_name const taken = {rest->text, at ? (u32)(at - rest->text) : rest->len};
    u32 const gone = taken.len + (at != NULL);
    *rest = (rd_name){rest->text + gone, rest->len - gone};
    return taken;
}

/* GO: runtime/debug/mod.go ParseBuildInfo. A setting is NAME=VALUE, of which either may be quoted as in Go;
 * the quotes stay. */
bool
gbx_wasm_go_build_line(rd_name *rest, go_build_line *out)
{
    *out = (go_build_line){gobuild_none, gobuild_none, gobuild_none};
    if (!rest->len) return false;
    rd_name line = gobuild_until(rest, '\n');
    out->kind = gobuild_until(&line, '\t');
    out->name = gobuild_until(&line, gobuild_is(out->kind, "build") ? '=' : '\t');
    out->value = gobuild_is(out->kind, "build") ? line : gobuild_until(&line, '\t');
    return true;
}

/* ---- Packages */

static i32
gobuild_hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* GO: debug/gosym/symtab.go PackageName; cmd/internal/objabi/path.go PathToPrefix writes bytes of the last
 * element as %xx. What stands in brackets belongs to type arguments, and has paths of its own. */
u32
gbx_wasm_go_package(const char *name, u32 len, char *out, u32 cap)
{
    for (u32 i = 0; i < 2 && len && *name == "(*"[i]; i++, len--)
        name++; /* as TinyGo writes methods */
    const char *const bracket = len ? memchr(name, '[', len) : NULL;
    u32 const end = bracket ? (u32)(bracket - name) : len;
    u32 dot = end, put = 0;
    for (u32 i = end; i-- && name[i] != '/';)
        if (name[i] == '.') dot = i;
    bool const is_made =
            end > 3 && (!memcmp(name, "go:", 3) || (end > 5 && !memcmp(name, "type:", 5)));
    if (dot == end || is_made) return 0;
    for (u32 i = 0; i < dot && put < cap; i++) {
        i32 const high = name[i] == '%' && dot - i > 2 ? gobuild_hex(name[i + 1]) : -1;
        i32 const low = high < 0 ? -1 : gobuild_hex(name[i + 2]);
        out[put++] = (char)(low < 0 ? name[i] : (high << 4 | low));
        if (low >= 0) i += 2;
    }
    return put;
}
