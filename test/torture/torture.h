/* What the parts of the torture test agree on. */
#ifndef TORTURE_H
#define TORTURE_H

#include <stddef.h>
#include <stdint.h>

typedef enum torture_want {
    TORTURE_REFUSED, /* must give an error */
    TORTURE_VALID,   /* must give a module */
    TORTURE_ANY      /* either, but never a crash */
} torture_want;

/* The crafted inputs: number `i` of them, in bytes that the caller frees, with a static name. */
uint32_t torture_crafted_count(void);
uint8_t *torture_crafted_make(uint32_t i, size_t *len, torture_want *want, const char **name);

#endif
