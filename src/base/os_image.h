/* Bytes that never change again, which any number of private mappings can begin with.
 *
 * They are filled once, in pages of our own, and then sealed: copied into a memfd that nobody can write,
 * shrink or grow any more, so that a private mapping of it reads them as they were for ever (RULE: S1, S4).
 * Where the system refuses the file they stay in pages of our own, read-only, to be copied. */
#ifndef GBX_BASE_OS_IMAGE_H
#define GBX_BASE_OS_IMAGE_H

#include "base/base.h"

typedef struct os_image {
    u8 *bytes;  /* NULL: closed. Writable until it is sealed, read-only afterwards */
    size_t len; /* a multiple of the system's page */
    int fd;     /* of the file, once sealed; -1: there is none, the bytes can be copied only */
} os_image;

/* Zeroed bytes to be filled. False: memory is short; *im is closed. */
GBX_MUST_USE bool gbx_base_os_image_begin(os_image *im, size_t len);
/* All is written. Cannot fail: at worst there is no file. */
void gbx_base_os_image_seal(os_image *im);
void gbx_base_os_image_close(os_image *im); /* a zeroed or closed one is fine; mappings of it live on */

/* Map the image privately over pages of ours at `at`, readable and writable: they read as the image until
 * they are written, and again after gbx_base_os_discard. False where it has no file or the system refuses;
 * the pages are then as they were. */
GBX_MUST_USE bool gbx_base_os_image_map(const os_image *im, void *at);

#endif
