/*
 * A probe is one reading of one site for one customer, and the calls that wait for it: a call for
 * the same site joins the probe that waits or runs already, so that a button pressed often costs
 * the site one reading. Nothing of what is read is kept.
 *
 * Threads: at most PROBE_THREADS_MAX, each made when a probe finds none idle, joined at the stop.
 * `lock` guards all lists. A probe is listed from its making until its calls are taken off it to be
 * finished; it is freed by the thread that ran it, or by site_probes_stop if none did. The calls
 * are deferred, so their contexts live until they are finished.
 */
#include "rpc/services/site_probe.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "clients/site/site.h"
#include "rpc/base/clock.h"
#include "rpc/services/deferred.h"
#include "rpc/services/model/onboarding.h"
#include "rpc/services/settings.h"

/* A site is read for so long. */
#define PROBE_MS 25000
/* Sites read at once, and those that wait for their turn. */
#define PROBE_THREADS_MAX 16
#define PROBE_WAITING_MAX 64
/* Calls that wait for one reading. */
#define PROBE_CALLS_MAX 64
/* After so long a refused one may come again. */
#define PROBE_RETRY_MS 5000
/* What one reading may hold. */
#define PROBE_ARENA_BYTES_MAX ((size_t)256 * 1024 * 1024)

#define FAIL(status, reason, field) \
    rpc_status_fail(status, LOTCAST__V1__REASON__REASON_##reason, field)

struct probe_call {
    struct rpc_server_call *call;
    void *response; /* the handler's, in the call's arena */
};

struct probe {
    struct probe *next; /* of `waiting` or `running` */
    int64_t customer_id;
    char *url;
    int64_t until_ms;
    atomic_bool cancelled;
    size_t call_count;
    struct probe_call calls[PROBE_CALLS_MAX];
};

struct site_probes {
    struct services *services;
    pthread_mutex_t lock; /* what follows */
    pthread_cond_t ready;
    bool stopping;
    struct probe *waiting, *running; /* waiting: newest last */
    size_t waiting_count;
    unsigned thread_count, idle_count;
    pthread_t threads[PROBE_THREADS_MAX];
};

struct site_probes *site_probes_create(struct services *services)
{
    struct site_probes *probes = calloc(1, sizeof *probes);
    if (probes == NULL)
        return NULL;
    probes->services = services;
    (void)pthread_mutex_init(&probes->lock, NULL);
    (void)pthread_cond_init(&probes->ready, NULL);
    return probes;
}

static void probe_free(struct probe *probe)
{
    free(probe->url);
    free(probe);
}

static void probe_unlink(struct probe **list, struct probe *probe)
{
    while (*list != probe)
        list = &(*list)->next;
    *list = probe->next;
}

/* Ends all calls of a probe that is in no list any more. */
static void probe_finish(struct probe *probe, int64_t items_found, const struct rpc_status *status)
{
    for (size_t i = 0; i < probe->call_count; i++) {
        Lotcast__V1__TestWebsiteResponse *response = probe->calls[i].response;
        response->success = status->code == RPC_OK;
        response->items_found = items_found;
        rpc_server_call_finish(probe->calls[i].call, status->code, status);
    }
    probe_free(probe);
}

/* --- reading --- */

struct reading {
    struct site_probes *probes;
    struct probe *probe;
};

/* Goes on while somebody waits and there is time. */
static bool progress(void *reading_, int64_t items_found, int64_t pages_fetched)
{
    const struct reading *reading = reading_;
    bool wanted = false;
    (void)items_found;
    (void)pages_fetched;
    (void)pthread_mutex_lock(&reading->probes->lock);
    for (size_t i = 0; i < reading->probe->call_count && !wanted; i++)
        wanted = !rpc_context_stopped(rpc_server_call_context(reading->probe->calls[i].call));
    (void)pthread_mutex_unlock(&reading->probes->lock);
    return wanted && !atomic_load(&reading->probe->cancelled) &&
           clock_mono_ms() < reading->probe->until_ms;
}

/* What the reading comes to. */
static int64_t probe_read(struct reading *reading, struct rpc_status *status)
{
    const struct services_options *options = &reading->probes->services->options;
    struct arena arena;
    struct site_scan scan = {0};
    arena_init(&arena, PROBE_ARENA_BYTES_MAX);
    struct rpc_context context = {.arena = &arena,
                                  .deadline_ms = reading->probe->until_ms,
                                  .cancelled = &reading->probe->cancelled};
    const struct site_scan_options scan_options = {.http = options->http,
                                                   .policy = options->scan_policy,
                                                   .url = reading->probe->url,
                                                   .items_max = options->scan_items_max,
                                                   .progress = progress,
                                                   .progress_arg = reading};
    enum rpc_code code = site_scan_run(&scan_options, &context, &scan, status);
    int64_t items_found = code == RPC_OK ? (int64_t)scan.item_count : 0;
    if (atomic_load(&reading->probe->cancelled))
        (void)FAIL(status, UNAVAILABLE, NULL);
    else if (code == RPC_OK && items_found == 0 && scan.complete)
        (void)FAIL(status, NO_ITEMS_FOUND, NULL);
    else if (code == RPC_OK || code == RPC_DEADLINE_EXCEEDED || code == RPC_CANCELLED)
        rpc_status_clear(status); /* in all that time nothing yet, which is no failure */
    status->field[0] = '\0';      /* the request has none */
    arena_fini(&arena);
    return items_found;
}

static void *thread_main(void *probes_)
{
    struct site_probes *probes = probes_;
    (void)pthread_mutex_lock(&probes->lock);
    while (!probes->stopping) {
        struct probe *probe = probes->waiting;
        if (probe == NULL) {
            probes->idle_count++;
            (void)pthread_cond_wait(&probes->ready, &probes->lock);
            probes->idle_count--;
            continue;
        }
        probes->waiting = probe->next;
        probes->waiting_count--;
        probe->next = probes->running;
        probes->running = probe;
        (void)pthread_mutex_unlock(&probes->lock);
        struct reading reading = {probes, probe};
        struct rpc_status status;
        rpc_status_clear(&status);
        int64_t items_found = probe_read(&reading, &status);
        (void)pthread_mutex_lock(&probes->lock);
        probe_unlink(&probes->running, probe);
        (void)pthread_mutex_unlock(&probes->lock);
        probe_finish(probe, items_found, &status);
        (void)pthread_mutex_lock(&probes->lock);
    }
    (void)pthread_mutex_unlock(&probes->lock);
    return NULL;
}

/* --- starting --- */

/* Signals are the main thread's. Under lock. */
static void thread_add(struct site_probes *probes)
{
    sigset_t all, before;
    if (probes->idle_count > probes->waiting_count || probes->thread_count == PROBE_THREADS_MAX)
        return;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&probes->threads[probes->thread_count], NULL, thread_main, probes) == 0)
        probes->thread_count++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static struct probe *probe_find(struct probe *probe, int64_t customer_id, const char *url)
{
    while (probe != NULL && (probe->customer_id != customer_id || strcmp(probe->url, url) != 0))
        probe = probe->next;
    return probe;
}

/* Lists a new probe and sees to it that a thread takes it. NULL when out of memory. Under lock. */
static struct probe *probe_add(struct site_probes *probes, int64_t customer_id, const char *url,
                               int64_t until_ms)
{
    struct probe *probe = calloc(1, sizeof *probe);
    char *copy = strdup(url);
    struct probe **end = &probes->waiting;
    if (probe == NULL || copy == NULL) {
        free(probe);
        free(copy);
        return NULL;
    }
    thread_add(probes);
    if (probes->thread_count == 0) {
        free(probe);
        free(copy);
        return NULL;
    }
    probe->customer_id = customer_id;
    probe->url = copy;
    probe->until_ms = until_ms;
    while (*end != NULL)
        end = &(*end)->next;
    *end = probe;
    probes->waiting_count++;
    (void)pthread_cond_signal(&probes->ready);
    return probe;
}

/* Joins the probe of the site, or makes one. RPC_DEFERRED. */
static enum rpc_code probe_join(struct site_probes *probes, struct rpc_server_call *call,
                                void *response, const char *url, struct rpc_status *status)
{
    int64_t customer_id = rpc_server_call_principal(call)->customer_id;
    enum rpc_code code = RPC_DEFERRED;
    (void)pthread_mutex_lock(&probes->lock);
    struct probe *probe = probe_find(probes->running, customer_id, url);
    if (probe == NULL)
        probe = probe_find(probes->waiting, customer_id, url);
    if (probes->stopping) {
        code = FAIL(status, UNAVAILABLE, NULL);
    } else if (probe != NULL && probe->call_count == PROBE_CALLS_MAX) {
        code = FAIL(status, RATE_LIMITED, NULL);
    } else if (probe == NULL && probes->waiting_count >= PROBE_WAITING_MAX) {
        code = FAIL(status, UNAVAILABLE, NULL);
    } else if (probe == NULL) {
        probe = probe_add(probes, customer_id, url, deferred_until_ms(call, PROBE_MS));
        if (probe == NULL)
            code = rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    }
    if (code == RPC_DEFERRED)
        probe->calls[probe->call_count++] = (struct probe_call){call, response};
    else if (status != NULL)
        status->retry_after_ms = PROBE_RETRY_MS;
    (void)pthread_mutex_unlock(&probes->lock);
    return code;
}

enum rpc_code settings__test_website(struct rpc_server_call *call, const void *request,
                                     void *response, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    const Lotcast__V1__WebsiteRecord *website;
    (void)request;
    enum rpc_code code =
        store_get(services->options.store, rpc_server_call_context(call),
                  &lotcast__v1__website_record__descriptor, NULL,
                  store_key(store_number(rpc_server_call_principal(call)->customer_id)), &website,
                  NULL, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    if (!onboarding_website_connected(website))
        return FAIL(status, WEBSITE_NOT_CONNECTED, NULL);
    return probe_join(services->probes, call, response, website->url, status);
}

/* --- the end --- */

void site_probes_stop(struct site_probes *probes)
{
    (void)pthread_mutex_lock(&probes->lock);
    probes->stopping = true;
    struct probe *waiting = probes->waiting;
    probes->waiting = NULL;
    probes->waiting_count = 0;
    for (struct probe *probe = probes->running; probe != NULL; probe = probe->next)
        atomic_store(&probe->cancelled, true);
    (void)pthread_cond_broadcast(&probes->ready);
    (void)pthread_mutex_unlock(&probes->lock);
    struct rpc_status status;
    (void)FAIL(&status, UNAVAILABLE, NULL);
    while (waiting != NULL) {
        struct probe *next = waiting->next;
        probe_finish(waiting, 0, &status);
        waiting = next;
    }
    /* No thread is made any more: probe_join refuses. */
    for (unsigned i = 0; i < probes->thread_count; i++)
        (void)pthread_join(probes->threads[i], NULL);
    probes->thread_count = 0;
}

void site_probes_destroy(struct site_probes *probes)
{
    if (probes == NULL)
        return;
    (void)pthread_cond_destroy(&probes->ready);
    (void)pthread_mutex_destroy(&probes->lock);
    free(probes);
}
