/*
 * Polls dashboards of many sessions and checks what each is answered.
 *
 *   bench_load URL SESSIONS CONNECTIONS SECONDS RATE    (RATE 0: as fast as answers come)
 *   bench_load URL -        CONNECTIONS                 (opens them, one answer each, and holds
 *                                                        them)
 *   bench_load URL =        CONNECTIONS SECONDS TEXT [HEADER …]
 *                                                       (the same again and again, as fast as
 *                                                        answers come)
 *
 * SESSIONS is what bench_customers has printed; the sessions are asked one after another in a
 * shuffled order, over keep-alive connections, one request at a time on each. With a rate, the
 * moments at which requests are due are fixed beforehand, and an answer's latency counts from
 * there, not from when a connection was free for it: a server that stalls cannot hide it (no
 * "coordinated omission"). What was due and not answered 5 s after the end is an error, as is any
 * answer but 200 with a running customer and the session's own itemCount. Prints one line:
 *
 *   answered A rate R p50_ms X p99_ms X p999_ms X max_ms X max_at_s S wrong W unanswered U
 *
 * R are right answers a second within the time. One thread, epoll. Holding ends with standard
 * input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 65536
#define SESSIONS_AT_FIRST 4096
#define TOKEN_BYTES 43
#define ANSWER_BYTES_MAX 8192
#define REQUEST_BYTES_MAX 1024
#define HEAD_BYTES_MAX 768
#define TAG_BYTES_MAX 128
/* Of a body that is to stay the same, beside one a second. */
#define CHANGES_FREE 2
#define EVENTS_MAX 256
#define NS_A_S INT64_C(1000000000)
/* Requests that are due are looked for so often. */
#define TICK_NS 100000
#define GRACE_NS (5 * NS_A_S)
/* An answer that comes later than this is late; and how many seconds are looked at for such. */
#define LATE_NS (10 * INT64_C(1000000))
#define SECONDS_MAX 3600
/* Latencies: so many steps within each power of two of ns. */
#define STEP_BITS 6
#define STEPS ((size_t)1 << STEP_BITS)
#define SLOTS (64 * STEPS)

struct session {
    int64_t items;
    char token[TOKEN_BYTES];
};

struct connection {
    int fd; /* below 0: closed */
    bool busy;
    size_t session;
    int64_t due_ns;
    size_t received;
    char answer[ANSWER_BYTES_MAX];
};

/* What was due in one second. */
struct second {
    uint32_t answers, late;
    int64_t latency_ns_max;
};

/* Where all answers are to be the same. */
struct same {
    const char *text;
    bool sends_tag;
    size_t head_len; /* of the request, without the tag */
    size_t tag_at;   /* in the last answer */
    char body[ANSWER_BYTES_MAX];
    size_t body_len;
    char tag[TAG_BYTES_MAX], tag_before[TAG_BYTES_MAX]; /* empty: none */
    int64_t changes;
};

struct load {
    struct sockaddr_in address;
    char head[HEAD_BYTES_MAX]; /* of every request, up to the cookie's value */
    size_t head_len;
    struct session *sessions;
    size_t session_count, next_session;
    struct connection *connections;
    size_t connection_count;
    size_t *idle; /* a ring of connections */
    size_t idle_first, idle_count;
    int epoll_fd;
    bool holds;                /* no sessions: any answer will do */
    struct same *same;         /* or NULL */
    size_t length_at, body_at; /* of the last answer: most have the same head */
    int64_t last_ns;           /* when a right answer came last */
    bool timed;                /* there is a rate */
    int64_t begin_ns, end_ns;
    struct second seconds[SECONDS_MAX];
    int64_t answered, answered_in_time, wrong, unanswered, in_flight;
    uint64_t slots[SLOTS];
    int64_t latency_ns_max, latency_ns_max_at; /* the answer's time */
};

static _Noreturn void give_up(const char *what)
{
    (void)fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_A_S + now.tv_nsec;
}

/* --- latencies --- */

static size_t slot_of(int64_t ns)
{
    uint64_t value = ns < 0 ? 0 : (uint64_t)ns;
    if (value < STEPS)
        return value;
    size_t power = 63 - (size_t)__builtin_clzll(value);
    return (power - STEP_BITS + 1) * STEPS + ((value >> (power - STEP_BITS)) & (STEPS - 1));
}

/* The largest value that counts in the slot. */
static int64_t slot_end(size_t slot)
{
    if (slot < STEPS)
        return (int64_t)slot;
    size_t shift = slot / STEPS - 1;
    return (int64_t)(((STEPS + slot % STEPS + 1) << shift) - 1);
}

static double percentile_ms(const struct load *load, double part)
{
    uint64_t all = 0;
    uint64_t seen = 0;
    for (size_t i = 0; i < SLOTS; i++)
        all += load->slots[i];
    for (size_t i = 0; i < SLOTS; i++) {
        seen += load->slots[i];
        if (all > 0 && (double)seen >= part * (double)all)
            return (double)slot_end(i) / 1e6;
    }
    return 0;
}

static void count_latency(struct load *load, int64_t due_ns, int64_t ns)
{
    int64_t at_s = (due_ns - load->begin_ns) / NS_A_S;
    struct second *second = &load->seconds[at_s < 0 || at_s >= SECONDS_MAX ? 0 : at_s];
    second->answers++;
    second->late += ns > LATE_NS;
    if (ns > second->latency_ns_max)
        second->latency_ns_max = ns;
    load->slots[slot_of(ns)]++;
    if (ns > load->latency_ns_max) {
        load->latency_ns_max = ns;
        load->latency_ns_max_at = now_ns();
    }
}

/* --- connections --- */

static void idle_push(struct load *load, struct connection *connection)
{
    size_t at = (load->idle_first + load->idle_count) % load->connection_count;
    load->idle[at] = (size_t)(connection - load->connections);
    load->idle_count++;
}

static struct connection *idle_pop(struct load *load)
{
    struct connection *connection = &load->connections[load->idle[load->idle_first]];
    load->idle_first = (load->idle_first + 1) % load->connection_count;
    load->idle_count--;
    return connection;
}

static void connection_open(struct load *load, struct connection *connection)
{
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&load->address, sizeof load->address) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        give_up("a connection");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        give_up("epoll");
    connection->fd = fd;
}

/* The server has closed it: it counts only where an answer was due. */
static void connection_lost(struct load *load, struct connection *connection)
{
    (void)close(connection->fd);
    connection->fd = -1;
    if (!connection->busy)
        return; /* opened again when it is used */
    connection->busy = false;
    load->unanswered++;
    load->in_flight--;
    idle_push(load, connection);
}

static void ask(struct load *load, int64_t due_ns)
{
    struct connection *connection = idle_pop(load);
    char request[REQUEST_BYTES_MAX];
    size_t len = load->head_len;
    memcpy(request, load->head, len);
    if (load->session_count > 0) {
        connection->session = load->next_session;
        load->next_session = (load->next_session + 1) % load->session_count;
        memcpy(request + len, load->sessions[connection->session].token, TOKEN_BYTES);
        len += TOKEN_BYTES;
    }
    memcpy(request + len, "\r\n\r\n", 4);
    len += 4;
    if (connection->fd < 0)
        connection_open(load, connection);
    connection->busy = true;
    connection->due_ns = due_ns;
    connection->received = 0;
    load->in_flight++;
    /* So little always fits; if the server has just closed it, reading tells. */
    if (send(connection->fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
        connection_lost(load, connection);
}

/* --- answers --- */

/* What comes behind `name` in the answer's text, or NULL. */
static const char *behind(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at == NULL ? NULL : at + strlen(name);
}

/* An answer's ETag; empty if it has none. Mostly where the last one had it. */
static void read_tag(struct same *same, const char *answer, const char *body,
                     char tag[static TAG_BYTES_MAX])
{
    static const char name[] = "\r\netag: ";
    const char *at = answer + same->tag_at;
    tag[0] = '\0';
    if (same->body_len > 0 && same->tag[0] == '\0')
        return; /* they have none */
    if (at >= body || strncasecmp(at, name, sizeof name - 1) != 0)
        at = strcasestr(answer, name);
    same->tag_at = at == NULL || at >= body ? 0 : (size_t)(at - answer);
    size_t len = 0;
    if (at != NULL && at < body) {
        at += sizeof name - 1;
        while (len < TAG_BYTES_MAX - 1 && at[len] != '\r')
            len++;
    }
    memcpy(tag, at, len);
    tag[len] = '\0';
}

static void send_tag(struct load *load)
{
    struct same *same = load->same;
    load->head_len = same->head_len;
    if (!same->sends_tag || same->tag[0] == '\0')
        return;
    load->head_len += (size_t)snprintf(load->head + same->head_len, HEAD_BYTES_MAX - same->head_len,
                                       "\r\nIf-None-Match: %s", same->tag);
    if (load->head_len >= HEAD_BYTES_MAX)
        give_up("a tag");
}

/* A body that is another one than before. */
static bool take_change(struct load *load, const char *tag, const char *body, size_t len)
{
    struct same *same = load->same;
    bool is_first = same->body_len == 0;
    if ((!is_first && strcmp(tag, same->tag) == 0) || strstr(body, same->text) == NULL)
        return false;
    memcpy(same->body, body, len);
    same->body_len = len;
    memcpy(same->tag_before, same->tag, TAG_BYTES_MAX);
    memcpy(same->tag, tag, TAG_BYTES_MAX);
    same->changes += !is_first;
    send_tag(load);
    return true;
}

static bool is_same(struct load *load, const struct connection *connection, const char *body)
{
    struct same *same = load->same;
    size_t len = connection->received - (size_t)(body - connection->answer);
    char tag[TAG_BYTES_MAX];
    read_tag(same, connection->answer, body, tag);
    if (strncmp(connection->answer, "HTTP/1.1 304 ", 13) == 0)
        return same->sends_tag && len == 0 && tag[0] != '\0' &&
               (strcmp(tag, same->tag) == 0 || strcmp(tag, same->tag_before) == 0);
    if (strncmp(connection->answer, "HTTP/1.1 200 ", 13) != 0)
        return false;
    if (len == same->body_len && memcmp(body, same->body, len) == 0)
        return strcmp(tag, same->tag) == 0;
    return take_change(load, tag, body, len);
}

static bool is_right(struct load *load, const struct connection *connection, const char *body)
{
    if (load->same != NULL)
        return is_same(load, connection, body);
    if (strncmp(connection->answer, "HTTP/1.1 200 ", 13) != 0)
        return false;
    if (load->holds)
        return true;
    const char *items = behind(body, "\"itemCount\":");
    return items != NULL && strstr(body, "\"status\":\"running\"") != NULL &&
           strstr(body, "\"impressions\":") != NULL &&
           strtoll(items, NULL, 10) == load->sessions[connection->session].items;
}

static void answer_done(struct load *load, struct connection *connection, const char *body)
{
    int64_t at_ns = now_ns();
    load->in_flight--;
    connection->busy = false;
    idle_push(load, connection);
    count_latency(load, connection->due_ns, at_ns - connection->due_ns);
    if (!is_right(load, connection, body)) {
        if (load->wrong++ == 0)
            (void)fprintf(stderr, "bench_load: a wrong answer:\n%s\n", connection->answer);
        return;
    }
    load->answered++;
    load->last_ns = at_ns;
    if (at_ns <= load->end_ns)
        load->answered_in_time++;
}

static const char length_name[] = "\r\ncontent-length:";
static const char head_end[] = "\r\n\r\n";

/* Where an answer's head has its end and its length; most have them where the last one had. False
 * while the head is not all there. */
static bool find_head(struct load *load, const struct connection *connection, bool has_body)
{
    const char *answer = connection->answer;
    if (load->body_at > 0 && connection->received >= load->body_at &&
        memcmp(answer + load->body_at - 4, head_end, 4) == 0 &&
        (!has_body ||
         strncasecmp(answer + load->length_at, length_name, sizeof length_name - 1) == 0))
        return true;
    const char *body = behind(answer, head_end);
    if (body == NULL)
        return false;
    const char *length = strcasestr(answer, length_name);
    load->body_at = (size_t)(body - answer);
    load->length_at = length == NULL || length > body ? 0 : (size_t)(length - answer);
    return true;
}

/* How long the whole answer is; 0 while its head is not all there. One without a length never
 * ends. */
static size_t answer_length(struct load *load, const struct connection *connection)
{
    bool has_body = strncmp(connection->answer, "HTTP/1.1 304 ", 13) != 0;
    if (!find_head(load, connection, has_body))
        return 0;
    if (!has_body)
        return load->body_at;
    if (load->length_at == 0)
        return SIZE_MAX;
    const char *length = connection->answer + load->length_at + sizeof length_name - 1;
    return load->body_at + strtoul(length, NULL, 10);
}

static void receive(struct load *load, struct connection *connection)
{
    size_t room = sizeof connection->answer - 1 - connection->received;
    ssize_t got =
        recv(connection->fd, connection->answer + connection->received, room, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 || !connection->busy) {
        connection_lost(load, connection);
        return;
    }
    connection->received += (size_t)got;
    connection->answer[connection->received] = '\0';
    size_t whole = answer_length(load, connection);
    if (whole > 0 && connection->received >= whole)
        answer_done(load, connection, connection->answer + load->body_at);
}

/* Answers, or so long. */
static void wait_for_events(struct load *load, int64_t wait_ns)
{
    struct epoll_event events[EVENTS_MAX];
    const struct timespec wait = {wait_ns / NS_A_S, wait_ns % NS_A_S};
    int count = epoll_pwait2(load->epoll_fd, events, EVENTS_MAX, &wait, NULL);
    if (count < 0 && errno != EINTR)
        give_up("epoll");
    for (int i = 0; i < count; i++)
        receive(load, events[i].data.ptr);
}

/* --- running --- */

static int64_t due_of(const struct load *load, int64_t poll, double rate)
{
    return load->begin_ns + (int64_t)((double)poll * (double)NS_A_S / rate);
}

/* Asks what is due by now, as far as connections are free; how many have been asked in all. */
static int64_t ask_due(struct load *load, int64_t asked, int64_t due, double rate)
{
    int64_t now = now_ns();
    while (load->idle_count > 0 && asked < due && due_of(load, asked, rate) <= now) {
        ask(load, due_of(load, asked, rate));
        asked++;
    }
    return asked;
}

static void report(const struct load *load, int64_t seconds)
{
    double span_s = (double)(load->last_ns - load->begin_ns) / (double)NS_A_S;
    double rate = (double)load->answered_in_time / (double)seconds;
    if (load->timed)
        rate = (double)load->answered / (span_s > (double)seconds ? span_s : (double)seconds);
    printf("answered %" PRId64 " rate %.0f p50_ms %.3f p99_ms %.3f p999_ms %.3f max_ms %.3f "
           "max_at_s %.1f wrong %" PRId64 " unanswered %" PRId64 " changes %" PRId64 "\n",
           load->answered, rate, percentile_ms(load, 0.5), percentile_ms(load, 0.99),
           percentile_ms(load, 0.999), (double)load->latency_ns_max / 1e6,
           (double)(load->latency_ns_max_at - load->begin_ns) / (double)NS_A_S, load->wrong,
           load->unanswered, load->same == NULL ? 0 : load->same->changes);
    for (size_t i = 0; load->timed && i < SECONDS_MAX; i++) {
        const struct second *second = &load->seconds[i];
        if (100 * (uint64_t)second->late > second->answers)
            printf("late %zu of %" PRIu32 " in second %zu max_ms %.1f\n", (size_t)second->late,
                   second->answers, i, (double)second->latency_ns_max / 1e6);
    }
}

static void run(struct load *load, int64_t seconds, double rate)
{
    int64_t due = (int64_t)(rate * (double)seconds);
    int64_t asked = 0;
    load->timed = rate > 0;
    load->begin_ns = now_ns();
    load->end_ns = load->begin_ns + seconds * NS_A_S;
    while (now_ns() < load->end_ns) {
        while (!load->timed && load->idle_count > 0)
            ask(load, now_ns());
        asked = ask_due(load, asked, due, rate);
        wait_for_events(load, TICK_NS);
    }
    while ((load->in_flight > 0 || asked < due) && now_ns() < load->end_ns + GRACE_NS) {
        asked = ask_due(load, asked, due, rate);
        wait_for_events(load, TICK_NS);
    }
    /* Of those that never came, the wait so far is known. */
    load->unanswered += load->in_flight;
    for (; asked < due; asked++) {
        int64_t due_ns = due_of(load, asked, rate);
        load->unanswered++;
        count_latency(load, due_ns, now_ns() - due_ns);
    }
    report(load, seconds);
}

static void hold(struct load *load)
{
    char byte;
    load->end_ns = INT64_MAX;
    for (size_t i = 0; i < load->connection_count; i++) {
        ask(load, now_ns());
        while (load->in_flight > 0)
            wait_for_events(load, TICK_NS);
    }
    printf("open %zu wrong %" PRId64 "\n", load->connection_count, load->wrong);
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

/* --- beginning --- */

static void take_url(struct load *load, const char *url, bool has_sessions)
{
    char host[128];
    char port[8];
    char path[128];
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    errno = EINVAL;
    if (sscanf(url, "http://%127[^:/]:%7[0-9]%127s", host, port, path) != 3 ||
        getaddrinfo(host, port, &hints, &found) != 0)
        give_up(url);
    memcpy(&load->address, found->ai_addr, sizeof load->address);
    freeaddrinfo(found);
    load->head_len =
        (size_t)snprintf(load->head, sizeof load->head, "GET %s HTTP/1.1\r\nHost: %s:%s%s", path,
                         host, port, has_sessions ? "\r\nCookie: lotcast_session=" : "");
}

/* Headers of every request, where all are the same. */
static void take_headers(struct load *load, char **headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(headers[i], "If-None-Match") == 0) {
            load->same->sends_tag = true;
            continue;
        }
        load->head_len += (size_t)snprintf(load->head + load->head_len,
                                           HEAD_BYTES_MAX - load->head_len, "\r\n%s", headers[i]);
        if (load->head_len >= HEAD_BYTES_MAX)
            give_up("headers");
    }
    load->same->head_len = load->head_len;
}

static void read_sessions(struct load *load, const char *path)
{
    FILE *file = fopen(path, "re");
    size_t room = 0;
    struct session session;
    char token[TOKEN_BYTES + 1];
    if (file == NULL)
        give_up(path);
    while (fscanf(file, "%43s %" SCNd64, token, &session.items) == 2) {
        if (load->session_count == room) {
            room = room == 0 ? SESSIONS_AT_FIRST : 2 * room;
            load->sessions = realloc(load->sessions, room * sizeof *load->sessions);
            if (load->sessions == NULL)
                give_up("memory");
        }
        memcpy(session.token, token, TOKEN_BYTES);
        load->sessions[load->session_count++] = session;
    }
    (void)fclose(file);
    errno = ENOENT;
    if (load->session_count == 0)
        give_up(path);
    /* The same order in every run. */
    uint64_t seed = 1;
    for (size_t i = load->session_count - 1; i > 0; i--) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        size_t other = (size_t)(seed >> 20) % (i + 1);
        session = load->sessions[i];
        load->sessions[i] = load->sessions[other];
        load->sessions[other] = session;
    }
}

int main(int argc, char **argv)
{
    static struct load load;
    static struct same same;
    bool holds = argc == 4 && strcmp(argv[2], "-") == 0;
    bool asks_same = argc >= 6 && strcmp(argv[2], "=") == 0;
    size_t connections = argc >= 4 ? strtoul(argv[3], NULL, 10) : 0;
    int64_t seconds = argc == 6 || asks_same ? strtoll(argv[4], NULL, 10) : 0;
    if (connections < 1 || connections > CONNECTIONS_MAX || !(holds || seconds > 0)) {
        (void)fprintf(stderr, "bench_load URL SESSIONS|-|= CONNECTIONS [SECONDS RATE|TEXT …]\n");
        return 2;
    }
    load.holds = holds;
    take_url(&load, argv[1], !holds && !asks_same);
    if (asks_same) {
        load.same = &same;
        same.text = argv[5];
        take_headers(&load, argv + 6, (size_t)argc - 6);
    } else if (!holds) {
        read_sessions(&load, argv[2]);
    }
    load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load.connections = calloc(connections, sizeof *load.connections);
    load.idle = calloc(connections, sizeof *load.idle);
    if (load.epoll_fd < 0 || load.connections == NULL || load.idle == NULL)
        give_up("memory");
    load.connection_count = connections;
    for (size_t i = 0; i < connections; i++) {
        connection_open(&load, &load.connections[i]);
        idle_push(&load, &load.connections[i]);
    }
    if (holds)
        hold(&load);
    else
        run(&load, seconds, asks_same ? 0 : strtod(argv[5], NULL));
    if (load.wrong > 0 || same.changes > seconds + CHANGES_FREE)
        return 1;
    return load.answered > 0 || holds ? 0 : 1; /* too few are no failure of the bench */
}
