/* The little of DNS that the generator and the responder share (RFC 1035 section 4.1). */
#ifndef BENCH_DNS_H
#define BENCH_DNS_H

#include <stddef.h>
#include <stdint.h>

enum {
    HEADER = 12, /* octets */
    LABEL_MAX = 63,
    NAME_MAX_OCTETS = 255,
    TYPE_A = 1,
    TYPE_SOA = 6,
    TYPE_OPT = 41,
    CLASS_IN = 1,
    RCODE_NXDOMAIN = 3,
    RCODE_MAX = 15,
    PORT_MAX = 65535,
};

static inline unsigned get16(const uint8_t *at)
{
    return (unsigned)(at[0] << 8 | at[1]);
}

static inline void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

/* Octets of the one question, its name uncompressed; 0 where there is none or it is not whole. */
static inline size_t question_size(const uint8_t *message, size_t size)
{
    size_t at = HEADER;
    if (size < HEADER || get16(message + 4) != 1)
        return 0;
    while (at < size && message[at] != 0) {
        if (message[at] > LABEL_MAX)
            return 0;
        at += 1u + message[at];
    }
    at += 1 + 4; /* the root label, type, class */
    return at <= size && at - HEADER <= NAME_MAX_OCTETS + 4 ? at - HEADER : 0;
}

/* The address that a name is given in every benchmark: a hash (FNV-1a) of the name in lower case.
 *
 * So an answer to another name is seen to be wrong, whatever question stands above it. All addresses lie in
 * 127.128.0.0/10: whoever connects to one does not leave the machine. */
static inline uint32_t address_of(const uint8_t *qname, size_t size)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++) {
        uint8_t octet = qname[i]; /* a length is at most 63, so never taken for a letter */
        if (octet >= 'A' && octet <= 'Z')
            octet += 'a' - 'A';
        hash = (hash ^ octet) * 16777619u;
    }
    return 127u << 24 | 128u << 16 | ((hash ^ hash >> 22) & 0x3fffff);
}

#endif
