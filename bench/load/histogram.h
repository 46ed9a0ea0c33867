/* Latencies in buckets that are 1/128 of their value wide, so that every percentile is right to 1 %. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    SUB_BITS = 7,
    BUCKETS = 64 << SUB_BITS,
};

struct histogram {
    uint64_t values, most_ns, counts[BUCKETS];
};

static inline unsigned bucket_of(uint64_t ns)
{
    if (ns < 1u << SUB_BITS)
        return (unsigned)ns;
    unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - SUB_BITS;
    return ((shift + 1) << SUB_BITS) + (unsigned)(ns >> shift) - (1u << SUB_BITS);
}

/* The largest latency that falls into `bucket`. */
static inline uint64_t bucket_top_ns(unsigned bucket)
{
    if (bucket < 1u << SUB_BITS)
        return bucket;
    unsigned shift = (bucket >> SUB_BITS) - 1;
    uint64_t lead = (bucket & ((1u << SUB_BITS) - 1)) + (1u << SUB_BITS);
    return ((lead + 1) << shift) - 1;
}

static inline void note(struct histogram *histogram, uint64_t ns)
{
    histogram->values++;
    histogram->counts[bucket_of(ns)]++;
    if (ns > histogram->most_ns)
        histogram->most_ns = ns;
}

/* The top of the bucket in which the value lies that `share` of all are not above, in microseconds. */
static inline double percentile_us(const struct histogram *histogram, double share)
{
    double wanted = (double)histogram->values * share;
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        seen += histogram->counts[bucket];
        if (histogram->counts[bucket] && (double)seen >= wanted) {
            uint64_t top = bucket_top_ns(bucket);
            return (double)(top < histogram->most_ns ? top : histogram->most_ns) / 1e3;
        }
    }
    return 0;
}

#endif
