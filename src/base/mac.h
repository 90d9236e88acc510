/* A keyed hash that tells bytes of ours from all others: nobody without the key finds bytes for a tag, or
 * two inputs of one tag (RULE: S2). BLAKE3 in its keyed mode, from the project's own C sources; a build that
 * has none of them has no MAC, and what needs one is switched off. */
#ifndef GBX_BASE_MAC_H
#define GBX_BASE_MAC_H

#include "base/base.h"

typedef struct mac_key {
    u8 bytes[32];
} mac_key;

typedef struct mac_tag {
    u8 bytes[32];
} mac_tag;

typedef struct mac_part {
    const void *data;
    size_t len;
} mac_part;

/* False: this build has none, and gbx_base_mac must not be called. */
bool gbx_base_mac_works(void);

/* The tag of the parts' concatenation. Callers see to it that it can be split in one way only. */
void gbx_base_mac(const mac_key *key, const mac_part *parts, u32 count, mac_tag *out);

/* A key for one purpose alone: tags of two purposes are never those of one input. PERF: a word for the
 * purpose before the input does that too, but BLAKE3 hashes whole trees from its beginning on: 256 KiB
 * behind a word take a tenth longer. */
void gbx_base_mac_subkey(const mac_key *key, const char purpose[8], mac_key *out);

/* In a time that does not depend on where they differ. */
bool gbx_base_mac_equal(const mac_tag *a, const mac_tag *b);

#endif
