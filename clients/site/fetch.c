/*
 * Fetching for a scan. Requests run on the HTTP client's thread; what ends there is handed over
 * under the mutex. Everything else is the scanning thread's.
 *
 * A transfer's states: free (task NULL) → under way → over (is_over, set by the client's thread) →
 * free again when the scan gives it back. The call's handle is ours until then.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "clients/site/feed.h"
#include "clients/site/fetch.h"
#include "clients/site/kept.h"
#include "rpc/base/clock.h"

/* How long one request may take, in ms. */
#define ROBOTS_MS_MAX 10000
#define PAGE_MS_MAX 15000
#define SITEMAP_MS_MAX 60000
#define CONNECT_MS_MAX 8000
/* Slower than this over 10 s is given up: a drip. */
#define RATE_BYTES_MIN 256
/* Headers' and encodings' worth beside a body that is read to its cap. */
#define WIRE_SLACK_BYTES ((size_t)1024 * 1024)
/* Waiting before another attempt, in ms. */
#define BACKOFF_MS_FIRST 500
#define RETRY_AFTER_MS_MAX 10000
/* How long a blocking wait sleeps before it asks again whether to stop. */
#define WAIT_SLICE_MS 50
/* Request headers. */
#define HEADERS_MAX 4
/* robots.txt as it is kept, packed and unpacked. */
#define MEMO_BYTES_MAX ((size_t)4 * 1024 * 1024)

struct fetcher {
    struct http_client *http;
    const struct http_address_policy *policy;
    struct rpc_context *context;
    struct arena *arena;
    const struct site_memory *memory; /* NULL: none */
    struct arena memo;                /* what it says */
    struct fetch_origin origins[FETCH_ORIGINS_MAX];
    size_t origin_count;
    struct fetch_host hosts[FETCH_ORIGINS_MAX];
    size_t host_count;
    struct fetch_transfer transfers[FETCH_IN_FLIGHT_MAX];
    int in_flight;
    pthread_mutex_t mutex; /* guards is_over, response and failure of transfers */
    pthread_cond_t cond;   /* on the monotonic clock */
};

struct fetcher *site__fetcher_create(const struct site_scan_options *options,
                                     struct rpc_context *context, struct arena *arena)
{
    struct fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (fetcher == NULL)
        return NULL;
    fetcher->http = options->http;
    fetcher->policy = options->policy;
    fetcher->context = context;
    fetcher->arena = arena;
    fetcher->memory = options->memory;
    arena_init(&fetcher->memo, MEMO_BYTES_MAX);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&fetcher->cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&fetcher->mutex, NULL);
    return fetcher;
}

void site__fetcher_destroy(struct fetcher *fetcher)
{
    if (fetcher == NULL)
        return;
    for (size_t i = 0; i < FETCH_IN_FLIGHT_MAX; i++) {
        if (fetcher->transfers[i].call != NULL)
            http_call_cancel(fetcher->transfers[i].call);
    }
    while (fetcher->in_flight > 0) {
        struct fetch_transfer *transfer = site__fetcher_wait(fetcher, WAIT_SLICE_MS);
        if (transfer != NULL)
            site__fetcher_release(fetcher, transfer);
    }
    for (size_t i = 0; i < fetcher->host_count; i++)
        site__turns_release(fetcher->hosts[i].turns);
    (void)pthread_cond_destroy(&fetcher->cond);
    (void)pthread_mutex_destroy(&fetcher->mutex);
    arena_fini(&fetcher->memo);
    free(fetcher);
}

int site__fetcher_in_flight(const struct fetcher *fetcher)
{
    return fetcher->in_flight;
}

bool site__fetch_is_transient(const struct http_response *response, enum http_failure failure)
{
    if (response != NULL)
        return response->status == 429 || response->status == 408 || response->status >= 500;
    return failure == HTTP_FAILURE_TIMEOUT || failure == HTTP_FAILURE_CONNECT ||
           failure == HTTP_FAILURE_PROTOCOL || failure == HTTP_FAILURE_DNS;
}

/* Retry-After: seconds, or a date of RFC 9110's preferred form. -1: none that can be read. */
static int64_t retry_after_ms(const char *after)
{
    struct tm parts = {0};
    if (after == NULL)
        return -1;
    if (after[0] >= '0' && after[0] <= '9') {
        long seconds = strtol(after, NULL, 10);
        return seconds >= RETRY_AFTER_MS_MAX / 1000 ? RETRY_AFTER_MS_MAX : seconds * 1000;
    }
    const char *end = strptime(after, "%a, %d %b %Y %H:%M:%S", &parts);
    if (end == NULL || strcmp(end, " GMT") != 0)
        return -1;
    int64_t left_ms = (int64_t)timegm(&parts) * 1000 - clock_now_ms();
    if (left_ms <= 0)
        return 0;
    return left_ms > RETRY_AFTER_MS_MAX ? RETRY_AFTER_MS_MAX : left_ms;
}

int64_t site__fetch_backoff_ms(const struct http_response *response, int attempt)
{
    int64_t after_ms =
        response == NULL ? -1 : retry_after_ms(http_response_header(response, "retry-after"));
    return after_ms >= 0 ? after_ms : (int64_t)BACKOFF_MS_FIRST << (attempt < 4 ? attempt : 4);
}

/* Bytes of a body and time for it, by what it is. */
static const struct {
    size_t bytes;
    int64_t time_ms;
} limits[] = {
    [FETCH_ROBOTS] = {SITE_ROBOTS_BYTES_MAX, ROBOTS_MS_MAX},
    [FETCH_SITEMAP] = {SITE_SITEMAP_BYTES_MAX, SITEMAP_MS_MAX},
    [FETCH_FEED] = {SITE_FEED_BYTES_MAX, SITEMAP_MS_MAX},
    [FETCH_PAGE] = {SITE_PAGE_BYTES_MAX, PAGE_MS_MAX},
};

/* `headers` has room for all, and is used until the request is sent. */
static struct http_request request_of(struct fetcher *fetcher, const struct fetch_request *wanted,
                                      struct http_header headers[static HEADERS_MAX])
{
    const Lotcast__V1__PageRecord *known = wanted->known;
    size_t count = 0;
    headers[count++] = (struct http_header){"User-Agent", SITE_USER_AGENT};
    headers[count++] = (struct http_header){
        "Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"};
    if (known != NULL && known->etag[0] != '\0')
        headers[count++] = (struct http_header){"If-None-Match", known->etag};
    if (known != NULL && known->last_modified[0] != '\0')
        headers[count++] = (struct http_header){"If-Modified-Since", known->last_modified};
    struct http_request request = {
        .verb = HTTP_GET,
        .url = wanted->url,
        .headers = headers,
        .header_count = count,
        .policy = fetcher->policy,
        .connect_ms_max = CONNECT_MS_MAX,
        .body_bytes_max = limits[wanted->kind].bytes,
        .wire_bytes_max = limits[wanted->kind].bytes + WIRE_SLACK_BYTES,
        .deadline_ms = clock_mono_ms() + limits[wanted->kind].time_ms,
        .keep_partial = true,
        .accept_encoded = true,
        .rate_min_bytes = RATE_BYTES_MIN,
    };
    if (fetcher->context->deadline_ms < request.deadline_ms)
        request.deadline_ms = fetcher->context->deadline_ms;
    return request;
}

/* Sleeps until the time has come. False once the scan is to stop. */
static bool wait_until(struct fetcher *fetcher, int64_t until_ms)
{
    while (!rpc_context_stopped(fetcher->context)) {
        int64_t left_ms = until_ms - clock_mono_ms();
        if (left_ms <= 0)
            return true;
        long slice_ms = left_ms < WAIT_SLICE_MS ? (long)left_ms : WAIT_SLICE_MS;
        struct timespec slice = {.tv_nsec = slice_ms * 1000000L};
        (void)nanosleep(&slice, NULL);
    }
    return false;
}

/* Waits for the host's delay and for a turn. False once the scan is to stop. */
static bool wait_for_turn(struct fetcher *fetcher, struct fetch_host *host)
{
    int64_t until_ms = host->not_before_ms;
    while (wait_until(fetcher, until_ms)) {
        if (site__turns_take(host->turns))
            return true;
        until_ms = clock_mono_ms() + WAIT_SLICE_MS;
    }
    return false;
}

enum http_failure site__fetcher_fetch(struct fetcher *fetcher, struct fetch_host *host,
                                      const struct fetch_request *wanted,
                                      struct http_response **ret_response)
{
    for (int attempt = 0;; attempt++) {
        struct http_response *response = NULL;
        struct http_header headers[HEADERS_MAX];
        if (!wait_for_turn(fetcher, host))
            return HTTP_FAILURE_CANCELLED;
        struct http_request request = request_of(fetcher, wanted, headers);
        host->not_before_ms = clock_mono_ms() + host->delay_ms;
        enum http_failure failure =
            http_client_fetch(fetcher->http, fetcher->context, &request, &response);
        site__turns_give(host->turns);
        if (rpc_context_stopped(fetcher->context) && failure != HTTP_FAILURE_NONE)
            return HTTP_FAILURE_CANCELLED;
        if (attempt + 1 == FETCH_ATTEMPTS_MAX || !site__fetch_is_transient(response, failure)) {
            if (failure == HTTP_FAILURE_NONE)
                *ret_response = response;
            return failure;
        }
        int64_t again_ms = clock_mono_ms() + site__fetch_backoff_ms(response, attempt);
        if (again_ms > host->not_before_ms)
            host->not_before_ms = again_ms;
        http_response_free(response);
    }
}

/* ---- origins ---- */

static struct fetch_host *host_of(struct fetcher *fetcher, const char *name)
{
    for (size_t i = 0; i < fetcher->host_count; i++) {
        if (strcmp(fetcher->hosts[i].name, name) == 0)
            return &fetcher->hosts[i];
    }
    struct host_turns *turns = site__turns_acquire(name);
    if (turns == NULL)
        return NULL;
    struct fetch_host *host = &fetcher->hosts[fetcher->host_count++];
    *host = (struct fetch_host){.name = name, .turns = turns};
    return host;
}

static void read_robots(struct fetcher *fetcher, struct fetch_origin *origin, struct span text)
{
    origin->robots = (struct site_robots){0};
    origin->failure = HTTP_FAILURE_NONE;
    if (!site__robots_parse(text, fetcher->arena, &origin->robots)) {
        origin->robots.forbids_all = true;
        origin->failure = HTTP_FAILURE_TOO_LARGE;
    }
    if (origin->robots.crawl_delay_ms > origin->host->delay_ms)
        origin->host->delay_ms = origin->robots.crawl_delay_ms;
}

/* Reads it as it was. False: it is not known. */
static bool read_kept_robots(struct fetcher *fetcher, struct fetch_origin *origin)
{
    struct kept kept;
    const char *url = origin->url.text;
    if (!kept__open(&kept, fetcher->memory, url, &fetcher->memo))
        return false;
    read_robots(fetcher, origin, kept.response.body);
    kept__same(&kept, fetcher->memory, url, &fetcher->memo);
    kept__close(&kept);
    return true;
}

/*
 * RFC 9309, 2.3.1: what says 4xx is not there, and allows everything; what says 5xx or nothing is
 * out of reach, and forbids everything, however it was before. False: it has not changed, and how
 * it was is lost.
 */
static bool take_robots(struct fetcher *fetcher, struct fetch_origin *origin,
                        const struct http_response *response)
{
    int status = response->status;
    if (status >= 200 && status < 300) {
        read_robots(fetcher, origin, response->body);
        kept__write(fetcher->memory, origin->url.text, &fetcher->memo, response);
    } else if (status == 304) {
        bool is_known = read_kept_robots(fetcher, origin);
        origin->failure = is_known ? origin->failure : HTTP_FAILURE_PROTOCOL;
        return is_known;
    } else if (status >= 500) {
        origin->failure = HTTP_FAILURE_PROTOCOL;
    } else {
        origin->robots.forbids_all = false;
    }
    return true;
}

/* Asks for robots.txt once more, or of another place. */
static enum http_failure ask_robots(struct fetcher *fetcher, struct fetch_origin *origin,
                                    const char *url, bool is_plain,
                                    struct http_response **ret_response)
{
    struct fetch_host other = *origin->host;
    struct fetch_request request = {.url = url, .kind = FETCH_ROBOTS};
    bool is_first = url == origin->url.text;
    if (is_first && !is_plain)
        request.known = kept__find(fetcher->memory, url, &fetcher->memo);
    return site__fetcher_fetch(fetcher, is_first ? origin->host : &other, &request, ret_response);
}

/* Redirects are followed, to other hosts too. */
static void fetch_robots(struct fetcher *fetcher, struct fetch_origin *origin)
{
    struct url url = origin->url;
    bool is_plain = false;
    origin->robots.forbids_all = true;
    for (int redirects = 0; redirects <= FETCH_REDIRECTS_MAX; redirects++) {
        struct http_response *response = NULL;
        origin->failure = ask_robots(fetcher, origin, url.text, is_plain, &response);
        if (origin->failure == HTTP_FAILURE_ADDRESS && redirects > 0)
            break;
        if (origin->failure != HTTP_FAILURE_NONE)
            return;
        const char *location = response->status >= 300 && response->status < 400
                                   ? http_response_header(response, "location")
                                   : NULL;
        if (location == NULL) {
            bool is_taken = take_robots(fetcher, origin, response);
            http_response_free(response);
            if (is_taken || is_plain)
                return;
            is_plain = true;
            continue;
        }
        struct url next;
        bool ok = url_resolve(&url, span_of_string(location), fetcher->arena, &next);
        http_response_free(response);
        if (!ok)
            break;
        url = next;
    }
    /* It leads nowhere: "unavailable", which allows everything. */
    origin->failure = HTTP_FAILURE_NONE;
    origin->robots.forbids_all = false;
}

struct fetch_origin *site__fetcher_origin(struct fetcher *fetcher, const struct url *url)
{
    for (size_t i = 0; i < fetcher->origin_count; i++) {
        if (url_same_origin(&fetcher->origins[i].url, url))
            return &fetcher->origins[i];
    }
    struct url robots;
    /* Two servers on one machine are two hosts: neither waits for the other's slow answers. */
    char *host = arena_printf(fetcher->arena, "%s:%u", url->host, url->port);
    if (fetcher->origin_count == FETCH_ORIGINS_MAX || host == NULL ||
        !url_resolve(url, span_of_string("/robots.txt"), fetcher->arena, &robots))
        return NULL;
    struct fetch_host *server = host_of(fetcher, host);
    if (server == NULL)
        return NULL;
    struct fetch_origin *origin = &fetcher->origins[fetcher->origin_count++];
    *origin = (struct fetch_origin){.url = robots, .host = server};
    fetch_robots(fetcher, origin);
    return origin;
}

/* ---- transfers ---- */

static void on_done(void *arg, struct http_response *response, enum http_failure failure)
{
    struct fetch_transfer *transfer = arg;
    struct fetcher *fetcher = transfer->fetcher;
    (void)pthread_mutex_lock(&fetcher->mutex);
    transfer->response = response;
    transfer->failure = failure;
    transfer->is_over = true;
    (void)pthread_cond_signal(&fetcher->cond);
    (void)pthread_mutex_unlock(&fetcher->mutex);
}

bool site__fetcher_may_start(struct fetcher *fetcher, struct fetch_host *host, int64_t *ret_wait_ms)
{
    int64_t now_ms = clock_mono_ms();
    int per_host = host->delay_ms > 0 ? 1 : SITE_REQUESTS_PER_HOST_MAX;
    if (host->in_flight >= per_host || fetcher->in_flight == FETCH_IN_FLIGHT_MAX) {
        *ret_wait_ms = INT64_MAX;
        return false;
    }
    if (host->not_before_ms > now_ms) {
        *ret_wait_ms = host->not_before_ms - now_ms;
        return false;
    }
    if (!site__turns_take(host->turns)) { /* other scans have them all */
        *ret_wait_ms = WAIT_SLICE_MS;
        return false;
    }
    return true;
}

void site__fetcher_start(struct fetcher *fetcher, struct fetch_host *host,
                         const struct fetch_request *wanted, void *task)
{
    struct http_header headers[HEADERS_MAX];
    struct fetch_transfer *transfer = fetcher->transfers;
    while (transfer->task != NULL)
        transfer++;
    *transfer = (struct fetch_transfer){.fetcher = fetcher, .host = host, .task = task};
    host->in_flight++;
    host->not_before_ms = clock_mono_ms() + host->delay_ms;
    fetcher->in_flight++;
    struct http_request request = request_of(fetcher, wanted, headers);
    transfer->call = http_client_send(fetcher->http, &request, on_done, transfer);
}

static struct fetch_transfer *find_over(struct fetcher *fetcher)
{
    for (size_t i = 0; i < FETCH_IN_FLIGHT_MAX; i++) {
        if (fetcher->transfers[i].task != NULL && fetcher->transfers[i].is_over)
            return &fetcher->transfers[i];
    }
    return NULL;
}

struct fetch_transfer *site__fetcher_wait(struct fetcher *fetcher, int64_t wait_ms)
{
    int64_t until_ms = clock_mono_ms() + wait_ms;
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    (void)pthread_mutex_lock(&fetcher->mutex);
    struct fetch_transfer *transfer = find_over(fetcher);
    while (transfer == NULL && clock_mono_ms() < until_ms) {
        (void)pthread_cond_timedwait(&fetcher->cond, &fetcher->mutex, &until);
        transfer = find_over(fetcher);
    }
    (void)pthread_mutex_unlock(&fetcher->mutex);
    return transfer;
}

void site__fetcher_release(struct fetcher *fetcher, struct fetch_transfer *transfer)
{
    http_call_unref(transfer->call);
    http_response_free(transfer->response);
    transfer->host->in_flight--;
    site__turns_give(transfer->host->turns);
    fetcher->in_flight--;
    *transfer = (struct fetch_transfer){0};
}
