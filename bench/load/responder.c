/* A name server that knows every name: the upstream of the benchmarks, and the ceiling of the load generator.
 *
 *   responder [--core N] [--delay-us N] [--ttl S] ADDRESS:PORT
 *
 * Answers A with the address that `address_of` gives the name, and every other type with NODATA. Nothing is looked
 * up, so no cache of anybody's is a limit. With a delay each answer leaves that much after its query came, as
 * from an upstream that is so far away. Port 0 takes a free one. Prints "ready PORT" and serves until it is ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "dns.h"
#include "system.h"

enum {
    BATCH = 64,            /* datagrams a system call */
    QUERY_MAX = 512,       /* octets; a longer one is not answered */
    ANSWER_MAX = QUERY_MAX + 64,
    DELAYED_MAX = 1 << 14, /* answers on their way; more are dropped, as a network would */
    BUFFER = 4 << 20,      /* octets asked of the kernel for waiting queries */
    DELAY_MAX_US = 1000000,
    PAYLOAD = 1232,
};

struct answer {
    uint64_t due_ns;
    struct sockaddr_in client;
    uint16_t size;
    uint8_t octets[ANSWER_MAX];
};

/* Turns the query in `octets` into its answer; returns the answer's size, 0 for what is no query. */
static size_t answer(uint8_t *octets, size_t size, uint32_t ttl)
{
    size_t question = size <= QUERY_MAX ? question_size(octets, size) : 0;
    if (!question || octets[2] & 0xf8) /* an answer, or another opcode than QUERY */
        return 0;
    uint8_t *name = octets + HEADER, *end = name + question;
    bool edns = get16(octets + 10) && octets + size >= end + 11 && end[0] == 0 && get16(end + 1) == TYPE_OPT;
    unsigned qtype = get16(end - 4);
    bool has_address = qtype == TYPE_A;

    octets[2] = 0x80 | (octets[2] & 0x01); /* QR, and RD as it was */
    octets[3] = 0x80 | (octets[3] & 0x10); /* RA, and CD as it was */
    put16(octets + 6, has_address);
    put16(octets + 8, !has_address);
    put16(octets + 10, edns);
    put16(end, 0xc000 | HEADER); /* the owner is the question's name */
    put16(end + 2, has_address ? TYPE_A : TYPE_SOA);
    put16(end + 4, CLASS_IN);
    put32(end + 6, ttl);
    if (has_address) {
        put16(end + 10, 4);
        put32(end + 12, address_of(name, question - 4));
        end += 16;
    } else { /* RFC 2308 section 2.2; the name is its own zone */
        put16(end + 10, 22);
        memset(end + 12, 0, 2); /* primary server and mailbox are the root */
        for (int i = 0; i < 5; i++)
            put32(end + 14 + 4 * i, ttl);
        end += 34;
    }
    if (edns) {
        memset(end, 0, 11);
        put16(end + 1, TYPE_OPT);
        put16(end + 3, PAYLOAD);
        end += 11;
    }
    return (size_t)(end - octets);
}

static int listen_on(struct sockaddr_in *endpoint)
{
    socklen_t size = sizeof *endpoint;
    int wanted = BUFFER, fd = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
    if (bind(fd, (struct sockaddr *)endpoint, size) || getsockname(fd, (struct sockaddr *)endpoint, &size))
        fail("cannot listen: %s", strerror(errno));
    return fd;
}

/* Sends `count` answers, at most BATCH; one that cannot be sent (its client has left) is let go. */
static void send_all(int fd, struct answer *const *answers, size_t count)
{
    static struct mmsghdr headers[BATCH];
    static struct iovec parts[BATCH];
    for (size_t i = 0; i < count; i++) {
        parts[i] = (struct iovec){.iov_base = answers[i]->octets, .iov_len = answers[i]->size};
        headers[i].msg_hdr = (struct msghdr){.msg_name = &answers[i]->client,
                                             .msg_namelen = sizeof answers[i]->client,
                                             .msg_iov = &parts[i],
                                             .msg_iovlen = 1};
    }
    for (size_t done = 0; done < count;) {
        int sent = sendmmsg(fd, headers + done, (unsigned)(count - done), 0);
        done += sent > 0 ? (size_t)sent : 1;
    }
}

/* Takes what has come, at most BATCH, makes answers of it and points `answers` at them; returns how many. */
static size_t receive(int fd, int flags, uint32_t ttl, struct answer **answers)
{
    static struct answer incoming[BATCH];
    static struct mmsghdr headers[BATCH];
    static struct iovec parts[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){.iov_base = incoming[i].octets, .iov_len = sizeof incoming[i].octets};
        headers[i].msg_hdr = (struct msghdr){.msg_name = &incoming[i].client,
                                             .msg_namelen = sizeof incoming[i].client,
                                             .msg_iov = &parts[i],
                                             .msg_iovlen = 1};
    }
    int received = recvmmsg(fd, headers, BATCH, flags, NULL);
    size_t count = 0;
    for (int i = 0; i < received; i++) {
        incoming[i].size = (uint16_t)answer(incoming[i].octets, headers[i].msg_len, ttl);
        if (incoming[i].size)
            answers[count++] = &incoming[i];
    }
    return count;
}

static void serve_at_once(int fd, uint32_t ttl)
{
    struct answer *answers[BATCH];
    for (;;)
        send_all(fd, answers, receive(fd, MSG_WAITFORONE, ttl, answers));
}

/* One delay for all, so answers leave in the order in which they came: a ring holds them, the oldest first. */
static void serve_late(int fd, uint32_t ttl, uint64_t delay_ns)
{
    static struct answer ring[DELAYED_MAX];
    size_t first = 0, waiting = 0;
    struct answer *answers[BATCH];
    for (;;) {
        uint64_t now = now_ns();
        size_t due = 0;
        for (; due < waiting && due < BATCH && ring[(first + due) % DELAYED_MAX].due_ns <= now; due++)
            answers[due] = &ring[(first + due) % DELAYED_MAX];
        send_all(fd, answers, due);
        first = (first + due) % DELAYED_MAX;
        waiting -= due;

        size_t count = receive(fd, MSG_DONTWAIT, ttl, answers);
        now = now_ns();
        for (size_t i = 0; i < count && waiting < DELAYED_MAX; i++, waiting++) {
            answers[i]->due_ns = now + delay_ns;
            ring[(first + waiting) % DELAYED_MAX] = *answers[i];
        }
        if (count || due)
            continue;
        uint64_t until = waiting ? ring[first].due_ns : 0;
        struct timespec pause = timespec_of(until > now ? until - now : 0);
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        ppoll(&readable, 1, waiting ? &pause : NULL, NULL);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"core", required_argument, NULL, 'c'},
        {"delay-us", required_argument, NULL, 'd'},
        {"ttl", required_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    uint64_t delay_ns = 0;
    uint32_t ttl = 3600;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'c')
            stay_on(number(optarg, "core", 0, CPU_SETSIZE - 1));
        else if (option == 'd')
            delay_ns = number(optarg, "delay-us", 0, DELAY_MAX_US) * 1000;
        else if (option == 't')
            ttl = (uint32_t)number(optarg, "ttl", 0, INT32_MAX);
        else
            return 2;
    }
    if (optind + 1 != argc)
        fail("usage: responder [--core N] [--delay-us N] [--ttl S] ADDRESS:PORT");
    wake_on_time();
    struct sockaddr_in endpoint = parse_endpoint(argv[optind]);
    int fd = listen_on(&endpoint);
    printf("ready %u\n", ntohs(endpoint.sin_port));
    fflush(stdout);
    if (delay_ns)
        serve_late(fd, ttl, delay_ns);
    serve_at_once(fd, ttl);
}
