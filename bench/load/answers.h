/* Whether an answer is what it must be. */
#ifndef BENCH_ANSWERS_H
#define BENCH_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dns.h"

/* Why an answer was wrong, the first that holds. */
enum fault { RIGHT, SHORT, HEADER_BITS, RCODE, QUESTION, COUNT, ADDRESS, DENIAL, FAULTS };
static const char *const fault_names[FAULTS] = {"", "short", "header", "rcode", "question", "count", "address", "denial"};

struct query {
    const uint8_t *octets;
    uint16_t size, question, rcode;
    uint32_t address; /* that the answer must have; 0: any */
};

/* Where the record at `at` says its type, which class, TTL and length follow; NULL where it is none of `rtype`. */
static const uint8_t *record_of(const uint8_t *message, size_t size, size_t at, unsigned rtype)
{
    while (at < size && message[at] != 0 && message[at] <= LABEL_MAX)
        at += 1u + message[at];
    if (at >= size)
        return NULL;
    at += message[at] ? 2 : 1; /* a pointer, or the root label */
    bool fits = at + 10 <= size && at + 10 + get16(message + at + 8) <= size;
    return fits && get16(message + at) == rtype ? message + at : NULL;
}

/* Whether the record at `at` is of type A and holds `address`. */
static bool is_address(const uint8_t *message, size_t size, size_t at, uint32_t address)
{
    const uint8_t *record = record_of(message, size, at, TYPE_A);
    return record && get16(record + 8) == 4 && (get16(record + 10) << 16 | get16(record + 12)) == address;
}

static enum fault judge(const uint8_t *message, size_t size, const struct query *query)
{
    if (size < HEADER)
        return SHORT;
    /* QR, the opcode, not truncated, RD as it was */
    if ((message[2] & 0xfb) != (0x80 | (query->octets[2] & 0x79)))
        return HEADER_BITS;
    if ((message[3] & 0x0fu) != query->rcode)
        return RCODE;
    size_t end = HEADER + (size_t)query->question;
    /* letter for letter: who sends mixed case counts on that */
    if (get16(message + 4) != 1 || size < end || memcmp(message + HEADER, query->octets + HEADER, query->question))
        return QUESTION;
    if ((get16(message + 6) > 0) != (query->rcode == 0))
        return COUNT;
    if (query->rcode == RCODE_NXDOMAIN && (!get16(message + 8) || !record_of(message, size, end, TYPE_SOA)))
        return DENIAL; /* nobody may remember it then (RFC 2308 section 5) */
    if (query->address && !is_address(message, size, end, query->address))
        return ADDRESS;
    return RIGHT;
}

#endif
