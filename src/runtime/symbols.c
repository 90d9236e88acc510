/* Names of compiled functions for perf and gdb; see symbols.h.
 * SPEC: tools/perf/Documentation/jit-interface.txt of Linux; "JIT Compilation Interface" in the manual of
 * gdb; ELF-64 Object File Format. */
#include "runtime/symbols.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define SYMBOL_NAME_MAX 400u /* bytes of a name that tools are shown */

/* Copy a name for a line or a string table: one line, no control characters. Returns its length. */
static u32
symbol_clean(char out[SYMBOL_NAME_MAX + 1], const char *name)
{
    u32 len = 0;
    for (; name[len] && len < SYMBOL_NAME_MAX; len++) {
        u8 const c = (u8)name[len];
        out[len] = c < 0x20 || c == 0x7f ? '?' : name[len];
    }
    out[len] = 0;
    return len;
}

/* ---- perf */

gbx_code
gbx_runtime_perf_open(perf_map *p, gbx_err *err)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/tmp/perf-%ld.map", (long)getpid());
    /* O_NONBLOCK: opening must not wait where somebody put a pipe. */
    p->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (p->fd < 0) return gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "%s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(p->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_nlink == 1)
        return GBX_OK;
    gbx_runtime_perf_close(p);
    return gbx_base_err_set(err, GBX_IO, GBX_NO_OFFSET, "%s is not a plain file of this user", path);
}

void
gbx_runtime_perf_close(perf_map *p)
{
    if (p->fd >= 0) (void)close(p->fd);
    p->fd = -1;
}

void
gbx_runtime_perf_add(const perf_map *p, const code_symbol *symbols, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        char name[SYMBOL_NAME_MAX + 1], line[SYMBOL_NAME_MAX + 64];
        (void)symbol_clean(name, symbols[i].name);
        int const len = snprintf(line, sizeof line, "%llx %llx %s\n", (unsigned long long)symbols[i].start,
                                 (unsigned long long)symbols[i].bytes, name);
        GBX_ASSERT(len > 0 && (size_t)len < sizeof line);
        /* One write, so that lines of several threads do not mix. */
        while (write(p->fd, line, (size_t)len) < 0 && errno == EINTR) {}
    }
}

/* ---- gdb. Names and layout are the debugger's. They are static: a host may contain another code maker that
 * defines the same names, and gdb looks at the symbols of each object, local ones too. */

struct gdb_code {
    gdb_code *next, *prev; /* the beginning is struct jit_code_entry */
    const u8 *object;
    u64 object_bytes;
    u8 bytes[];
};

typedef struct gdb_descriptor {
    u32 version;
    u32 action;
    gdb_code *relevant;
    gdb_code *first;
} gdb_descriptor;

enum { GDB_NOTHING, GDB_REGISTER, GDB_UNREGISTER };

static pthread_mutex_t gdb_lock = PTHREAD_MUTEX_INITIALIZER;
static gdb_descriptor __attribute__((used)) __jit_debug_descriptor = {.version = 1};

/* The debugger has a breakpoint here, and then looks at the descriptor. */
static void __attribute__((noinline, used))
__jit_debug_register_code(void)
{
    __asm__ volatile("" : : "r"(&__jit_debug_descriptor) : "memory");
}

static void
gdb_tell(gdb_code *g, u32 action)
{
    __jit_debug_descriptor.relevant = g;
    __jit_debug_descriptor.action = action;
    __jit_debug_register_code();
    __jit_debug_descriptor.action = GDB_NOTHING;
    __jit_debug_descriptor.relevant = NULL;
}

#if defined(__x86_64__)
#define GDB_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define GDB_MACHINE EM_AARCH64
#else
#define GDB_MACHINE EM_NONE
#endif

enum { GDB_TEXT = 1, GDB_SYMTAB, GDB_STRTAB, GDB_SHSTRTAB, GDB_SECTIONS };
static const char gdb_section_names[] = "\0.text\0.symtab\0.strtab\0.shstrtab";

/* What is where in an object. */
typedef struct gdb_layout {
    u64 symtab, strtab, shstrtab, sections, bytes;
} gdb_layout;

static u64
gdb_align(u64 n)
{
    return (n + 7) & ~(u64)7;
}

static gdb_layout
gdb_plan(const code_symbol *symbols, u32 count)
{
    u64 names = 1;
    for (u32 i = 0; i < count; i++) names += min_u64(strlen(symbols[i].name), SYMBOL_NAME_MAX) + 1;
    gdb_layout l = {.symtab = sizeof(Elf64_Ehdr)};
    l.strtab = l.symtab + ((u64)count + 1) * sizeof(Elf64_Sym);
    l.shstrtab = l.strtab + names;
    l.sections = gdb_align(l.shstrtab + sizeof gdb_section_names);
    l.bytes = l.sections + GDB_SECTIONS * sizeof(Elf64_Shdr);
    return l;
}

/* Addresses are absolute, as in a program that is linked. The text itself is in the process. */
static void
gdb_write_headers(u8 *object, const gdb_layout *l, u64 start, u64 end)
{
    Elf64_Ehdr const head = {
            .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
                        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB, EV_CURRENT},
            .e_type = ET_EXEC,
            .e_machine = GDB_MACHINE,
            .e_version = EV_CURRENT,
            .e_shoff = l->sections,
            .e_ehsize = sizeof head,
            .e_shentsize = sizeof(Elf64_Shdr),
            .e_shnum = GDB_SECTIONS,
            .e_shstrndx = GDB_SHSTRTAB,
    };
    memcpy(object, &head, sizeof head);
    Elf64_Shdr const sections[GDB_SECTIONS] = {
            [GDB_TEXT] = {.sh_name = 1, .sh_type = SHT_NOBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
                          .sh_addr = start, .sh_offset = l->symtab, .sh_size = end - start,
                          .sh_addralign = 1},
            [GDB_SYMTAB] = {.sh_name = 7, .sh_type = SHT_SYMTAB, .sh_offset = l->symtab,
                            .sh_size = l->strtab - l->symtab, .sh_link = GDB_STRTAB, .sh_info = 1,
                            .sh_addralign = 8, .sh_entsize = sizeof(Elf64_Sym)},
            [GDB_STRTAB] = {.sh_name = 15, .sh_type = SHT_STRTAB, .sh_offset = l->strtab,
                            .sh_size = l->shstrtab - l->strtab, .sh_addralign = 1},
            [GDB_SHSTRTAB] = {.sh_name = 23, .sh_type = SHT_STRTAB, .sh_offset = l->shstrtab,
                              .sh_size = sizeof gdb_section_names, .sh_addralign = 1},
    };
    memcpy(object + l->sections, sections, sizeof sections);
}

static void
gdb_write_symbols(u8 *object, const gdb_layout *l, const code_symbol *symbols, u32 count)
{
    u64 name_at = 1;
    for (u32 i = 0; i < count; i++) {
        char name[SYMBOL_NAME_MAX + 1];
        u32 const len = symbol_clean(name, symbols[i].name);
        Elf64_Sym const sym = {.st_name = (Elf64_Word)name_at,
                               .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                               .st_shndx = GDB_TEXT,
                               .st_value = symbols[i].start,
                               .st_size = symbols[i].bytes};
        memcpy(object + l->symtab + ((u64)i + 1) * sizeof sym, &sym, sizeof sym);
        memcpy(object + l->strtab + name_at, name, len + 1);
        name_at += len + 1;
    }
    memcpy(object + l->shstrtab, gdb_section_names, sizeof gdb_section_names);
}

gdb_code *
gbx_runtime_gdb_add(const code_symbol *symbols, u32 count)
{
    GBX_ASSERT(count > 0);
    u64 start = symbols[0].start, end = start;
    for (u32 i = 0; i < count; i++) {
        start = min_u64(start, symbols[i].start);
        end = max_u64(end, symbols[i].start + symbols[i].bytes);
    }
    gdb_layout const l = gdb_plan(symbols, count);
    if (l.shstrtab > UINT32_MAX) return NULL;
    gdb_code *const g = gbx_base_alloc_zero(1, sizeof *g + l.bytes);
    if (!g) return NULL;
    g->object = g->bytes;
    g->object_bytes = l.bytes;
    gdb_write_headers(g->bytes, &l, start, end);
    gdb_write_symbols(g->bytes, &l, symbols, count);

    (void)pthread_mutex_lock(&gdb_lock);
    g->next = __jit_debug_descriptor.first;
    if (g->next) g->next->prev = g;
    __jit_debug_descriptor.first = g;
    gdb_tell(g, GDB_REGISTER);
    (void)pthread_mutex_unlock(&gdb_lock);
    return g;
}

void
gbx_runtime_gdb_remove(gdb_code *g)
{
    if (!g) return;
    (void)pthread_mutex_lock(&gdb_lock);
    if (g->next) g->next->prev = g->prev;
    if (g->prev) g->prev->next = g->next;
    else __jit_debug_descriptor.first = g->next;
    gdb_tell(g, GDB_UNREGISTER);
    (void)pthread_mutex_unlock(&gdb_lock);
    gbx_base_free(g);
}

const u8 *
gbx_runtime_gdb_object(const gdb_code *g, size_t *bytes)
{
    *bytes = g->object_bytes;
    return g->object;
}
