/* Whether an answer is what it must be. */
#ifndef BENCH_ANSWERS_H
#define BENCH_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dns.h"

/* Why an answer was wrong, the first that holds. */
enum fault { RIGHT, SHORT, HEADER_BITS, RCODE, QUESTION, TOO_FEW, ADDRESS, FAULTS };
static const char *const fault_names[FAULTS] = {"", "short", "header", "rcode", "question", "count", "address"};

struct query {
    const uint8_t *octets;
    uint16_t size, question;
    uint32_t address; /* that the answer must have; 0: any */
};

/* What every answer must have. */
struct expected {
    unsigned rcode, answers_min;
};

/* Whether the record at `at` is of type A and holds `address`. */
static bool is_address(const uint8_t *message, size_t size, size_t at, uint32_t address)
{
    while (at < size && message[at] != 0 && message[at] <= LABEL_MAX)
        at += 1u + message[at];
    if (at >= size)
        return false;
    at += message[at] ? 2 : 1; /* a pointer, or the root label */
    if (at + 14 > size || get16(message + at) != TYPE_A || get16(message + at + 8) != 4)
        return false;
    return (get16(message + at + 10) << 16 | get16(message + at + 12)) == address;
}

static enum fault judge(const uint8_t *message, size_t size, const struct query *query,
                        const struct expected *expected)
{
    if (size < HEADER)
        return SHORT;
    /* QR, the opcode, not truncated, RD as it was */
    if ((message[2] & 0xfb) != (0x80 | (query->octets[2] & 0x79)))
        return HEADER_BITS;
    if ((message[3] & 0x0fu) != expected->rcode)
        return RCODE;
    size_t end = HEADER + (size_t)query->question;
    /* letter for letter: who sends mixed case counts on that */
    if (get16(message + 4) != 1 || size < end || memcmp(message + HEADER, query->octets + HEADER, query->question))
        return QUESTION;
    if (get16(message + 6) < expected->answers_min)
        return TOO_FEW;
    if (query->address && !is_address(message, size, end, query->address))
        return ADDRESS;
    return RIGHT;
}

#endif
