/* Sealed images on Linux; see os_image.h. SPEC: memfd_create(2), fcntl(2) F_ADD_SEALS, mmap(2).
 *
 * What must hold: no writable shared mapping of the file ever exists, and its size is sealed before anyone
 * maps it, so that no access to a mapping of it can raise SIGBUS. Its pages are there from the start: they
 * are written with write(2), which fails where the system has no memory for them. */
#include "base/os_image.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_file.h"
#include "base/os_mem.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3: the file cannot be made a program */
#endif

bool
gbx_base_os_image_begin(os_image *im, size_t len)
{
    GBX_ASSERT(len && len % gbx_base_os_page_bytes() == 0);
    *im = (os_image){.bytes = gbx_base_os_reserve(len), .len = len, .fd = -1};
    if (!im->bytes) return false;
    if (gbx_base_os_commit(im->bytes, len)) return true;
    gbx_base_os_image_close(im);
    return false;
}

/* A write beyond this limit would raise SIGXFSZ. */
static bool
image_file_may_have(size_t bytes)
{
    struct rlimit r;
    return getrlimit(RLIMIT_FSIZE, &r) == 0 && (r.rlim_cur == RLIM_INFINITY || r.rlim_cur >= bytes);
}

/* -1: refused. */
static int
image_file(const u8 *bytes, size_t len)
{
    if (!image_file_may_have(len) || gbx_base_fault_hit()) return -1;
    unsigned const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create("gbx-image", flags | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) fd = memfd_create("gbx-image", flags);
    if (fd < 0) return -1;
    int const seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (gbx_base_os_write_all(fd, bytes, len) && fcntl(fd, F_ADD_SEALS, seals) == 0) return fd;
    (void)close(fd);
    return -1;
}

void
gbx_base_os_image_seal(os_image *im)
{
    im->fd = image_file(im->bytes, im->len);
    /* Our own pages are given up for those of the file: one copy is enough. */
    if (im->fd >= 0 &&
        mmap(im->bytes, im->len, PROT_READ, MAP_SHARED | MAP_FIXED, im->fd, 0) != MAP_FAILED)
        return;
    (void)mprotect(im->bytes, im->len, PROT_READ); /* may fail for want of a mapping: nobody writes them */
}

void
gbx_base_os_image_close(os_image *im)
{
    if (im->bytes) {
        gbx_base_os_unmap(im->bytes, im->len);
        if (im->fd >= 0) (void)close(im->fd);
    }
    *im = (os_image){.fd = -1};
}

bool
gbx_base_os_image_map(const os_image *im, void *at)
{
    if (im->fd < 0 || gbx_base_fault_hit()) return false;
    return mmap(at, im->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, im->fd, 0) != MAP_FAILED;
}
