/* A load generator for DNS over UDP: batches of queries a system call, every answer checked, one JSON object out.
 *
 *   load --queries FILE [options] ADDRESS:PORT...
 *
 *   --queries FILE    messages, each behind its length in two octets (as in TCP, RFC 1035 section 4.2.2); asked in
 *                     their order, again and again. The ID of each is the rcode that its answer must have: with 0 there
 *                     must be a record, with another none, with 3 (NXDOMAIN) an SOA; on its way it has one of its own
 *   --count N         end after so many queries, and/or
 *   --duration-ms N   end after so long
 *   --window N        queries that are outstanding at most; of several servers one at a time
 *   --sockets N       for each server; each has a source port of its own
 *   --rate N          queries a second over all servers; 0: as fast as the window lets
 *   --timeout-ms N    after which a query is lost
 *   --addresses       the first record must be the address that dns.h gives the name, where type A is asked
 *                     and a record expected
 *   --core N          to stay on
 *   --spin            look for answers without pause, so that no server pays for waking this process up
 *   --no-segment      one pass through the kernel for each query, as from as many clients
 *   --seed N          of the order of several servers
 *
 * Several servers are asked in turn, one query at a time, in an order that is shuffled anew each time: so all live
 * through the same moments, and none always comes after the same other. Latency is from just before a query was
 * sent until its answer was read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "answers.h"
#include "dns.h"
#include "histogram.h"
#include "system.h"

enum {
    BATCH = 64,                 /* datagrams a system call */
    QUERY_MAX = 512,            /* octets */
    ANSWER_MAX = 4096,          /* octets; what is longer is cut and therefore wrong */
    QUERIES_MAX = 4000000,
    TARGETS_MAX = 8,
    CHANNELS_MAX = 256,
    SLOTS = 256,                /* outstanding on one socket: the slot is the low octet of the ID */
    BUFFER = 1 << 20,           /* octets of a socket's receive buffer */
    EXPIRY_PERIOD_NS = 5000000, /* between two looks for lost queries */
    PAUSE_MAX_NS = 5000000,
    CATCH_UP_NS = 500000,       /* of queries that are made good when this process was held up; no larger burst */
};

struct flight {
    uint64_t sent_ns; /* 0: the slot is free */
    uint32_t query;
    uint16_t id;
};

/* One socket of one target. Free slots wait in a ring, so that an ID comes again as late as it can. */
struct channel {
    int fd;
    struct target *target;
    unsigned outstanding, limit, next_free, last_free;
    uint8_t free_slots[SLOTS];
    struct flight flights[SLOTS];
};

struct target {
    const char *name;
    struct channel *channels;
    unsigned next_channel;
    uint64_t sent, answered, in_time, lost, unexpected, refused, wrong[FAULTS];
    struct histogram latencies;
};

struct settings {
    const char *queries;
    uint64_t count, duration_ns, timeout_ns;
    unsigned window, sockets, rate;
    bool addresses, spin, segment;
};

static struct settings settings = {
    .window = 128, .sockets = 8, .timeout_ns = 1000000000, .segment = true};
static struct query *queries;
static size_t query_count, next_query;
static struct target targets[TARGETS_MAX];
static struct channel channels[CHANNELS_MAX];
static struct pollfd pollers[CHANNELS_MAX];
static unsigned target_count, channel_count, outstanding;
static uint64_t sent_total, random_state = 1;

/* Queries ---------------------------------------------------------------------------------------------------- */

static void read_queries(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        fail("cannot read %s: %s", path, strerror(errno));
    size_t size = (size_t)ftell(file), at = 0;
    uint8_t *octets = malloc(size + 1);
    rewind(file);
    if (!octets || fread(octets, 1, size, file) != size)
        fail("cannot read %s", path);
    fclose(file);
    queries = malloc((size / (2 + HEADER) + 1) * sizeof *queries);
    if (!queries)
        fail("out of memory");
    while (at + 2 <= size && query_count < QUERIES_MAX) {
        size_t length = get16(octets + at);
        const uint8_t *message = octets + at + 2;
        size_t question = at + 2 + length <= size && length <= QUERY_MAX ? question_size(message, length) : 0;
        if (!question)
            fail("%s: message %zu is no query of at most %d octets", path, query_count + 1, QUERY_MAX);
        unsigned rcode = get16(message);
        if (rcode > RCODE_MAX)
            fail("%s: message %zu expects the rcode %u", path, query_count + 1, rcode);
        bool known = settings.addresses && !rcode && get16(message + HEADER + question - 4) == TYPE_A;
        queries[query_count++] = (struct query){.octets = message,
                                                .size = (uint16_t)length,
                                                .question = (uint16_t)question,
                                                .rcode = (uint16_t)rcode,
                                                .address = known ? address_of(message + HEADER, question - 4) : 0};
        at += 2 + length;
    }
    if (!query_count || at != size)
        fail("%s holds no queries, or more than %d", path, QUERIES_MAX);
}

/* Answers ---------------------------------------------------------------------------------------------------- */

static void land(struct channel *channel, unsigned slot)
{
    channel->flights[slot].sent_ns = 0;
    channel->free_slots[channel->last_free++ % SLOTS] = (uint8_t)slot;
    channel->outstanding--;
    outstanding--;
}

static void take(struct channel *channel, const uint8_t *message, size_t size, uint64_t now)
{
    struct target *target = channel->target;
    unsigned id = size >= 2 ? get16(message) : 0;
    struct flight *flight = &channel->flights[id % SLOTS];
    if (size < 2 || !flight->sent_ns || flight->id != id) { /* late, twice, or to nobody */
        target->unexpected++;
        return;
    }
    enum fault fault = judge(message, size, &queries[flight->query]);
    if (fault == RIGHT) {
        target->answered++;
        note(&target->latencies, now - flight->sent_ns);
    } else {
        target->wrong[fault]++;
    }
    land(channel, id % SLOTS);
}

static unsigned receive(struct channel *channel)
{
    static uint8_t messages[BATCH][ANSWER_MAX];
    static struct iovec parts[BATCH];
    static struct mmsghdr headers[BATCH];
    if (!parts[0].iov_base) {
        for (unsigned i = 0; i < BATCH; i++) {
            parts[i] = (struct iovec){.iov_base = messages[i], .iov_len = ANSWER_MAX};
            headers[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
        }
    }
    int count = recvmmsg(channel->fd, headers, BATCH, MSG_DONTWAIT, NULL);
    if (count < 0) {
        if (errno == ECONNREFUSED) /* nobody listens: the query will be found lost */
            channel->target->refused++;
        else if (errno != EAGAIN && errno != EINTR)
            fail("cannot receive: %s", strerror(errno));
        return 0;
    }
    uint64_t now = now_ns();
    for (int i = 0; i < count; i++)
        take(channel, messages[i], headers[i].msg_len, now);
    return (unsigned)count;
}

static void expire(uint64_t now)
{
    for (unsigned i = 0; i < channel_count; i++)
        for (unsigned slot = 0; slot < SLOTS && channels[i].outstanding; slot++) {
            uint64_t sent_ns = channels[i].flights[slot].sent_ns;
            if (sent_ns && now > sent_ns + settings.timeout_ns) {
                channels[i].target->lost++;
                land(&channels[i], slot);
            }
        }
}

/* Sending ---------------------------------------------------------------------------------------------------- */

/* Sends `count` queries, at most BATCH; returns how many the kernel took.
 *
 * A run of queries of one size goes through the kernel as one, and is cut into datagrams just before the server's
 * socket (UDP_SEGMENT, udp(7)): sending then costs a fraction of what receiving and answering costs the server. */
static unsigned send_some(struct channel *channel, unsigned count)
{
    static uint8_t octets[BATCH * QUERY_MAX];
    static struct iovec parts[BATCH];
    static struct mmsghdr headers[BATCH];
    static union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(uint16_t))];
    } controls[BATCH];
    struct flight flights[BATCH];
    unsigned in_train[BATCH], trains = 0;
    uint8_t *at = octets;
    for (unsigned i = 0; i < count; i++) {
        unsigned slot = channel->free_slots[(channel->next_free + i) % SLOTS];
        unsigned generation = (channel->flights[slot].id >> 8) + 1; /* so that a late answer is known as such */
        flights[i].id = (uint16_t)(generation << 8 | slot);
        flights[i].query = (uint32_t)((next_query + i) % query_count);
        const struct query *query = &queries[flights[i].query];
        memcpy(at, query->octets, query->size);
        put16(at, flights[i].id);
        if (settings.segment && trains && queries[flights[i - 1].query].size == query->size) {
            parts[trains - 1].iov_len += query->size;
            in_train[trains - 1]++;
        } else {
            parts[trains] = (struct iovec){.iov_base = at, .iov_len = query->size};
            in_train[trains++] = 1;
        }
        at += query->size;
    }
    for (unsigned i = 0; i < trains; i++) {
        headers[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
        if (in_train[i] == 1)
            continue;
        uint16_t size = (uint16_t)(parts[i].iov_len / in_train[i]);
        controls[i].header = (struct cmsghdr){
            .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(sizeof size)};
        memcpy(CMSG_DATA(&controls[i].header), &size, sizeof size);
        headers[i].msg_hdr.msg_control = &controls[i];
        headers[i].msg_hdr.msg_controllen = sizeof controls[i];
    }
    uint64_t now = now_ns();
    int gone = sendmmsg(channel->fd, headers, trains, MSG_DONTWAIT);
    if (gone < 0) {
        if (errno == ECONNREFUSED)
            channel->target->refused++;
        else if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
            fail("cannot send: %s", strerror(errno));
        return 0;
    }
    unsigned taken = 0;
    for (int i = 0; i < gone; i++)
        taken += in_train[i];
    for (unsigned i = 0; i < taken; i++) {
        flights[i].sent_ns = now;
        channel->flights[flights[i].id % SLOTS] = flights[i];
    }
    channel->next_free += taken;
    channel->outstanding += taken;
    channel->target->sent += taken;
    outstanding += taken;
    sent_total += taken;
    next_query = (next_query + taken) % query_count;
    return taken;
}

static unsigned random_below(unsigned bound)
{
    random_state ^= random_state << 13; /* xorshift64 */
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % bound);
}

/* Whose turn it is; NULL while the answer to the last of several is awaited. */
static struct target *next_target(void)
{
    static unsigned order[TARGETS_MAX], next;
    if (target_count == 1)
        return targets;
    if (outstanding)
        return NULL;
    if (next == 0)
        for (unsigned i = 0; i < target_count; i++) { /* Fisher and Yates, inside out */
            unsigned j = random_below(i + 1);
            order[i] = order[j];
            order[j] = i;
        }
    struct target *target = &targets[order[next]];
    next = (next + 1) % target_count;
    return target;
}

/* The next socket that has room; NULL when none has. */
static struct channel *next_channel(void)
{
    struct target *target = next_target();
    for (unsigned i = 0; target && i < settings.sockets; i++) {
        struct channel *channel = &target->channels[target->next_channel];
        target->next_channel = (target->next_channel + 1) % settings.sockets;
        if (channel->outstanding < channel->limit)
            return channel;
    }
    return NULL;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Queries that the rate allows now. What it allowed while the window was full, or while others had the core, is
 * let go but for CATCH_UP_NS: a burst would overrun the server's socket and be held against the server. */
static double allowed(uint64_t now)
{
    static double credit = 1;
    static uint64_t spent, before;
    double most = (double)settings.rate * CATCH_UP_NS / 1e9;
    if (before)
        credit += (double)(now - before) * settings.rate / 1e9;
    before = now;
    credit -= (double)(sent_total - spent);
    spent = sent_total;
    if (credit > (most > 1 ? most : 1))
        credit = most > 1 ? most : 1;
    return credit;
}

/* Sends what the window, the rate and the count allow; returns how many. */
static unsigned send_due(uint64_t now)
{
    unsigned sent = 0;
    uint64_t due = settings.rate ? (uint64_t)allowed(now) : UINT64_MAX;
    for (;;) {
        uint64_t room = least(settings.window - outstanding, due - sent);
        if (settings.count)
            room = least(room, settings.count - sent_total);
        struct channel *channel = room ? next_channel() : NULL;
        if (!channel)
            return sent;
        room = least(least(room, channel->limit - channel->outstanding), target_count > 1 ? 1 : BATCH);
        unsigned taken = send_some(channel, (unsigned)room);
        sent += taken;
        if (taken < room)
            return sent;
    }
}

/* How long until the rate allows the next query, at most until the next look for lost ones. */
static uint64_t pause_ns(uint64_t now)
{
    if (!settings.rate || outstanding >= settings.window)
        return PAUSE_MAX_NS;
    double missing = 1 - allowed(now);
    return missing > 0 ? least((uint64_t)(missing * 1e9 / settings.rate) + 1, PAUSE_MAX_NS) : 0;
}

/* The run ---------------------------------------------------------------------------------------------------- */

struct run {
    uint64_t elapsed_ns; /* while queries were sent, or until the last answer where their number was given */
    uint64_t idle_ns;    /* of it, while there was nothing to read or to send */
};

/* What was answered until now counts for the rate. */
static void close_books(struct run *run, uint64_t elapsed_ns)
{
    run->elapsed_ns = elapsed_ns;
    for (unsigned i = 0; i < target_count; i++)
        targets[i].in_time = targets[i].answered;
}

static struct run run(void)
{
    struct run result = {0};
    uint64_t start = now_ns(), before = start, expired = start, last_answer = start;
    bool sending = true, idle = false;
    for (;;) {
        uint64_t now = now_ns();
        if (idle && sending)
            result.idle_ns += now - before;
        before = now;

        unsigned received = 0;
        for (unsigned i = 0; i < channel_count; i++)
            if (channels[i].outstanding || pollers[i].revents) /* late ones too, or poll would not wait */
                received += receive(&channels[i]);
        if (received)
            last_answer = now;
        bool over = settings.duration_ns && now - start >= settings.duration_ns;
        if (sending && over)
            close_books(&result, now - start);
        sending = sending && !over && !(settings.count && sent_total == settings.count);
        unsigned sent = sending ? send_due(now) : 0;
        if (!sending && !outstanding)
            break;
        if (now - expired >= EXPIRY_PERIOD_NS) {
            expire(now);
            expired = now;
        }
        idle = !received && !sent;
        if (idle && !settings.spin) {
            struct timespec pause = timespec_of(pause_ns(now));
            ppoll(pollers, channel_count, &pause, NULL);
        }
    }
    if (!result.elapsed_ns)
        close_books(&result, last_answer > start ? last_answer - start : 1);
    return result;
}

static void open_channels(char **endpoints, unsigned count)
{
    target_count = count;
    if (count * settings.sockets > CHANNELS_MAX)
        fail("%u sockets for each of %u servers are more than %d", settings.sockets, count, CHANNELS_MAX);
    unsigned limit = (settings.window + settings.sockets - 1) / settings.sockets;
    if (limit > SLOTS)
        fail("a window of %u needs more sockets: at most %d queries fit one", settings.window, SLOTS);
    for (unsigned i = 0; i < count; i++) {
        struct sockaddr_in endpoint = parse_endpoint(endpoints[i]);
        targets[i] = (struct target){.name = endpoints[i], .channels = &channels[channel_count]};
        for (unsigned j = 0; j < settings.sockets; j++) {
            struct channel *channel = &channels[channel_count];
            int wanted = BUFFER;
            channel->fd = socket(AF_INET, SOCK_DGRAM, 0);
            setsockopt(channel->fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
            if (connect(channel->fd, (struct sockaddr *)&endpoint, sizeof endpoint))
                fail("cannot reach %s: %s", endpoints[i], strerror(errno));
            channel->target = &targets[i];
            channel->limit = limit;
            channel->last_free = SLOTS;
            for (unsigned slot = 0; slot < SLOTS; slot++)
                channel->free_slots[slot] = (uint8_t)slot;
            pollers[channel_count++] = (struct pollfd){.fd = channel->fd, .events = POLLIN};
        }
    }
}

/* The report ------------------------------------------------------------------------------------------------- */

static void report_target(const struct target *target, double elapsed_s)
{
    const struct histogram *latencies = &target->latencies;
    uint64_t wrong = 0;
    for (int fault = RIGHT + 1; fault < FAULTS; fault++)
        wrong += target->wrong[fault];
    printf("{\"server\":\"%s\",\"sent\":%lu,\"answered\":%lu,\"lost\":%lu,\"wrong\":%lu,\"unexpected\":%lu,"
           "\"refused\":%lu,\"rate_qps\":%.1f,",
           target->name, target->sent, target->answered, target->lost, wrong, target->unexpected, target->refused,
           (double)target->in_time / elapsed_s);
    printf("\"wrong_by\":{");
    for (int fault = RIGHT + 1; fault < FAULTS; fault++)
        printf("%s\"%s\":%lu", fault == RIGHT + 1 ? "" : ",", fault_names[fault], target->wrong[fault]);
    printf("},\"p50_us\":%.3f,\"p90_us\":%.3f,\"p99_us\":%.3f,\"p999_us\":%.3f,\"max_us\":%.3f,\"histogram_ns\":[",
           percentile_us(latencies, 0.5), percentile_us(latencies, 0.9), percentile_us(latencies, 0.99),
           percentile_us(latencies, 0.999), (double)latencies->most_ns / 1e3);
    const char *comma = "";
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++)
        if (latencies->counts[bucket]) {
            printf("%s[%lu,%lu]", comma, bucket_top_ns(bucket), latencies->counts[bucket]);
            comma = ",";
        }
    printf("]}");
}

/* How long this process was ready to run while others had its core (Documentation/scheduler/sched-stats.rst). */
static double waited_s(void)
{
    uint64_t ran_ns, waited_ns;
    FILE *file = fopen("/proc/self/schedstat", "r");
    bool known = file && fscanf(file, "%lu %lu", &ran_ns, &waited_ns) == 2;
    if (file)
        fclose(file);
    return known ? (double)waited_ns / 1e9 : 0;
}

static void report(struct run run)
{
    double elapsed_s = (double)run.elapsed_ns / 1e9;
    printf("{\"elapsed_s\":%.6f,\"idle\":%.4f,\"waited_s\":%.4f,\"servers\":[", elapsed_s,
           (double)run.idle_ns / (double)run.elapsed_ns, waited_s());
    for (unsigned i = 0; i < target_count; i++) {
        printf("%s", i ? "," : "");
        report_target(&targets[i], elapsed_s);
    }
    printf("]}\n");
}

/* The command line ------------------------------------------------------------------------------------------- */

static void parse_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"queries", required_argument, NULL, 'q'},     {"count", required_argument, NULL, 'n'},
        {"duration-ms", required_argument, NULL, 'd'}, {"window", required_argument, NULL, 'w'},
        {"sockets", required_argument, NULL, 's'},     {"rate", required_argument, NULL, 'r'},
        {"timeout-ms", required_argument, NULL, 't'},  {"addresses", no_argument, NULL, 'A'},
        {"core", required_argument, NULL, 'C'},        {"spin", no_argument, NULL, 'S'},
        {"seed", required_argument, NULL, 'e'},        {"no-segment", no_argument, NULL, 'G'},
        {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'q': settings.queries = optarg; break;
        case 'n': settings.count = number(optarg, "count", 1, 1000000000); break;
        case 'd': settings.duration_ns = number(optarg, "duration-ms", 1, 3600000) * 1000000; break;
        case 'w': settings.window = (unsigned)number(optarg, "window", 1, CHANNELS_MAX * SLOTS); break;
        case 's': settings.sockets = (unsigned)number(optarg, "sockets", 1, CHANNELS_MAX); break;
        case 'r': settings.rate = (unsigned)number(optarg, "rate", 0, 100000000); break;
        case 't': settings.timeout_ns = number(optarg, "timeout-ms", 1, 60000) * 1000000; break;
        case 'A': settings.addresses = true; break;
        case 'C': stay_on(number(optarg, "core", 0, CPU_SETSIZE - 1)); break;
        case 'S': settings.spin = true; break;
        case 'e': random_state = number(optarg, "seed", 1, UINT32_MAX); break;
        case 'G': settings.segment = false; break;
        default: exit(2);
        }
    }
    if (!settings.queries || optind == argc || argc - optind > TARGETS_MAX)
        fail("usage: load --queries FILE [options] ADDRESS:PORT... (at most %d)", TARGETS_MAX);
    if (!settings.count && !settings.duration_ns)
        fail("say when to end: --count N or --duration-ms N");
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    wake_on_time();
    read_queries(settings.queries);
    open_channels(argv + optind, (unsigned)(argc - optind));
    report(run());
}
