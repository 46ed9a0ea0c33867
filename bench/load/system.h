/* What both programs ask of the system: a clock, a core to stay on, an address, and a way to give up. */
#ifndef BENCH_SYSTEM_H
#define BENCH_SYSTEM_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "dns.h"

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list rest;
    va_start(rest, format);
    vfprintf(stderr, format, rest);
    va_end(rest);
    fputc('\n', stderr);
    exit(2);
}

static inline uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
}

static inline unsigned long number(const char *text, const char *name, unsigned long least, unsigned long most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end || *text == '-' || value < least || value > most)
        fail("%s: %s is not a number from %lu to %lu", name, text, least, most);
    return value;
}

static inline void stay_on(unsigned long core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        fail("cannot stay on core %lu: this machine, or this user, does not have it", core);
}

/* By default the kernel may be 50 microseconds late with every wake-up (prctl(2)). */
static inline void wake_on_time(void)
{
    prctl(PR_SET_TIMERSLACK, 1UL);
}

/* ADDRESS:PORT; only loopback, for nothing here may ever load somebody else's server. */
static inline struct sockaddr_in parse_endpoint(const char *text)
{
    struct sockaddr_in endpoint = {.sin_family = AF_INET};
    char address[INET_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof address)
        fail("%s is not of the form ADDRESS:PORT", text);
    memcpy(address, text, (size_t)(colon - text));
    address[colon - text] = 0;
    if (inet_pton(AF_INET, address, &endpoint.sin_addr) != 1 || ntohl(endpoint.sin_addr.s_addr) >> 24 != 127)
        fail("%s is not in 127.0.0.0/8", address);
    endpoint.sin_port = htons((uint16_t)number(colon + 1, "port", 0, PORT_MAX));
    return endpoint;
}

#endif
