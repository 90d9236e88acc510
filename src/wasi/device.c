/* The devices that every guest has: /dev/null, zero, full, random and urandom, imitated.
 *
 * Programs open them without a thought (Go's os/exec and tests do), so they are there with no grant at
 * all, and under grants that hold /dev, read-only ones too, whether the host's directory has them or
 * not. They are never a granted directory: Go would take it for its working directory.
 *
 * Two ways lead to them:
 *   by name     "dev/null" where the guest's tree begins (descriptor -1 begins it too: S17), "null" in its
 *               /dev. Names are compared as they are spelt, but for "." and doubled slashes; one with ".."
 *               is left to the host, who knows what it leads through.
 *   by number   what the host has under any name, once it is found: a guest is given the imitation instead,
 *               which is the same in every run.
 *
 * The directories on the way to a grant ("/usr" and "/usr/local" for /usr/local/go) are imitated too, as
 * far as that they can be looked at. GO: path/filepath/symlink.go walkSymlinks looks at each.
 *
 * What must hold: a name that leads here never reaches the host, and is never made, changed or removed
 * there. */
#include "wasi/wasi_int.h"

#include <string.h>
#include <sys/sysmacros.h>

#define DEVICE_MAJOR 1

static const struct {
    const char *name;
    wasi_kind kind;
    u32 minor_no;
} device_rows[] = {
#define WASI_DEVICE(kind, name, minor) {(name), KIND_##kind, (minor)},
#include "wasi/devices.def"
#undef WASI_DEVICE
};

/* The next component that is not ".": its length, 0 at the end. */
static size_t
device_next(const char **path)
{
    const char *p = *path;
    size_t len;
    do {
        while (*p == '/') p++;
        len = strcspn(p, "/");
        *path = p;
        p += len;
    } while (len == 1 && p[-1] == '.');
    return len;
}

static bool
device_is(const char *name, size_t len, const char *other)
{
    return len == strlen(other) && !memcmp(name, other, len);
}

wasi_place
gbx_wasi_place_of(wasi_place from, const char *path)
{
    wasi_place at = from;
    if (at == PLACE_ELSEWHERE) return at;
    for (size_t len = device_next(&path); len && at != PLACE_ELSEWHERE; len = device_next(&path)) {
        at = at == PLACE_ROOT && device_is(path, len, "dev") ? PLACE_DEV : PLACE_ELSEWHERE;
        path += len;
    }
    return at;
}

/* The levels of `base` and `path`, from where the guest's tree begins, if a grant's name goes on behind
 * them; else 0. */
static u32
device_levels_of_way(const char *base, const char *path, const char *grant)
{
    const char *const parts[] = {base, path};
    u32 levels = 0;
    for (size_t i = 0; i < GBX_LEN(parts); i++) {
        const char *p = parts[i];
        for (size_t len = device_next(&p); len; len = device_next(&p)) {
            size_t const grant_len = device_next(&grant);
            if (len != grant_len || memcmp(p, grant, len)) return 0;
            p += len;
            grant += len;
            levels++;
        }
    }
    return device_next(&grant) ? levels : 0;
}

/* SAFETY: names of grants are compared, which the guest may ask for; nothing of the host's is looked up. */
bool
gbx_wasi_device_way(const wasi_ctx *w, const char *base, const char *path, struct stat *st)
{
    for (u32 i = 0; i < w->preopen_count; i++) {
        u32 const levels = device_levels_of_way(base, path, w->preopens[i].name);
        if (!levels) continue;
        st->st_ino = (ino_t)(i + 1) << 16 | levels;
        return true;
    }
    return false;
}

/* SAFETY: nothing is looked up; what no row names is the host's to answer, beneath its grant. */
wasi_kind
gbx_wasi_device_at(wasi_place from, const wasi_path *p, bool *through)
{
    const char *path = p->text;
    size_t len;
    *through = false;
    if (from == PLACE_ELSEWHERE || *path == '/') return KIND_FREE;
    len = device_next(&path);
    if (from == PLACE_ROOT) {
        if (!device_is(path, len, "dev")) return KIND_FREE;
        path += len;
        len = device_next(&path);
    }
    for (size_t i = 0; i < GBX_LEN(device_rows); i++) {
        if (!device_is(path, len, device_rows[i].name)) continue;
        *through = p->slash || path[len];
        return device_rows[i].kind;
    }
    return KIND_FREE;
}

wasi_kind
gbx_wasi_device_of(const struct stat *st)
{
    if (!S_ISCHR(st->st_mode) || major(st->st_rdev) != DEVICE_MAJOR) return KIND_FREE;
    for (size_t i = 0; i < GBX_LEN(device_rows); i++)
        if (minor(st->st_rdev) == device_rows[i].minor_no) return device_rows[i].kind;
    return KIND_FREE;
}

/* They are told apart by inode, on a device number that no file system has. */
void
gbx_wasi_device_stat(wasi_kind kind, struct stat *st)
{
    mode_t const type = kind == KIND_STREAM ? S_IFIFO : S_IFCHR;
    *st = (struct stat){.st_ino = (ino_t)kind, .st_mode = type | 0666, .st_nlink = 1};
}

wasi_file
gbx_wasi_device_file(wasi_kind kind, u16 flags, u64 rights)
{
    return (wasi_file){.kind = kind,
                       .host = -1,
                       .type = TYPE_CHARACTER_DEVICE,
                       .flags = flags,
                       .rights = rights & gbx_wasi_rights_of(TYPE_CHARACTER_DEVICE, false)};
}
