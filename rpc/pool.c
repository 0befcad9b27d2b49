/*
 * A pool of workers behind one bounded first-in-first-out queue. The queue never blocks the one who
 * submits: a transport's thread must not stall, so a full queue is its caller's to answer.
 *
 * A pool for slow work also knows how long a call runs, a moving mean of what it has measured, and
 * takes none that would wait for more than a part of the time it has: who cannot be served in time
 * hears so at once, and who was taken is.
 *
 * A queue that is full is looked through for calls that nobody waits for any more; who submits ends
 * them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "rpc/base/clock.h"
#include "rpc/internal.h"

/* A call may wait for one part in so many of its time left. */
#define WAIT_PART 2
/* How often a full queue is looked through, in ms. */
#define SWEEP_INTERVAL_MS 10
/* A measurement moves the mean by one part in so many. */
#define MEAN_PART 8

struct rpc__pool {
    void (*run)(struct rpc_server_call *call);
    struct metric *depth; /* may be NULL */
    bool measures;        /* how long calls run */
    pthread_mutex_t lock;
    pthread_cond_t ready;
    struct rpc_server_call *first;
    struct rpc_server_call *last;
    size_t count;
    size_t max;
    int64_t swept_ms; /* when it was looked through last */
    int64_t run_us;   /* that, in the mean */
    unsigned idle;    /* workers that wait */
    unsigned busy;    /* and those that run a call */
    bool waking;      /* one of them was woken and has not come yet */
    bool stopping;
    unsigned thread_count;
    pthread_t threads[];
};

static struct rpc_server_call *take_first(struct rpc__pool *pool)
{
    struct rpc_server_call *call = pool->first;
    pool->first = call->next;
    if (pool->first == NULL)
        pool->last = NULL;
    pool->count--;
    call->next = NULL;
    if (pool->depth != NULL)
        metric_add(pool->depth, -1);
    return call;
}

/*
 * Whether a worker is to be woken, once the lock is free. One at a time: who comes wakes the next
 * if there is still work, and who has finished takes on before that; so a burst of short calls does
 * not wake everybody.
 */
static bool wakes_another(struct rpc__pool *pool)
{
    if (pool->first == NULL || pool->idle == 0 || pool->waking)
        return false;
    pool->waking = true;
    return true;
}

static void *worker_main(void *arg)
{
    struct rpc__pool *pool = arg;
    (void)pthread_mutex_lock(&pool->lock);
    while (!pool->stopping) {
        if (pool->first == NULL) {
            pool->idle++;
            (void)pthread_cond_wait(&pool->ready, &pool->lock);
            pool->idle--;
            pool->waking = false;
            continue;
        }
        struct rpc_server_call *call = take_first(pool);
        pool->busy++;
        bool wake = wakes_another(pool);
        (void)pthread_mutex_unlock(&pool->lock);
        if (wake)
            (void)pthread_cond_signal(&pool->ready);
        int64_t begin_us = pool->measures ? clock_mono_us() : 0;
        pool->run(call);
        int64_t took_us = pool->measures ? clock_mono_us() - begin_us : 0;
        (void)pthread_mutex_lock(&pool->lock);
        pool->busy--;
        pool->run_us += (took_us - pool->run_us) / MEAN_PART;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct rpc__pool *rpc__pool_create(const char *thread_name, unsigned threads, size_t queue_max,
                                   int64_t run_us, struct metric *depth,
                                   void (*run)(struct rpc_server_call *))
{
    struct rpc__pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->threads[0]);
    if (pool == NULL)
        return NULL;
    pool->run = run;
    pool->depth = depth;
    pool->max = queue_max;
    pool->measures = run_us > 0;
    pool->run_us = run_us;
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->ready, NULL);
    for (unsigned i = 0; i < threads; i++) {
        if (pthread_create(&pool->threads[i], NULL, worker_main, pool) != 0)
            break;
        pool->thread_count++;
        char name[16]; /* the kernel's limit */
        (void)snprintf(name, sizeof name, "%.9s-%u", thread_name, i % 100);
        (void)pthread_setname_np(pool->threads[i], name);
    }
    if (pool->thread_count == threads)
        return pool;
    (void)rpc__pool_stop(pool);
    rpc__pool_destroy(pool);
    return NULL;
}

/* Whether the call's turn comes early enough, behind those that are queued. Under the lock. */
static bool is_in_time(const struct rpc__pool *pool, const struct rpc_server_call *call)
{
    if (!pool->measures || pool->thread_count - pool->busy > pool->count)
        return true;
    int64_t left_ms = call->context.deadline_ms - clock_mono_ms();
    int64_t wait_us = pool->run_us * (int64_t)(pool->count + 1) / (int64_t)pool->thread_count;
    return wait_us / 1000 <= left_ms / WAIT_PART;
}

/* Moves the calls that nobody waits for to `dead`. Under the lock. */
static void sweep(struct rpc__pool *pool, struct rpc__call_list *dead)
{
    int64_t now_ms = clock_mono_ms();
    if (now_ms - pool->swept_ms < SWEEP_INTERVAL_MS)
        return;
    pool->swept_ms = now_ms;
    struct rpc_server_call *call = pool->first;
    size_t before = pool->count;
    struct rpc__call_list alive = {0};
    pool->count = 0;
    while (call != NULL) {
        struct rpc_server_call *next = call->next;
        bool stopped = rpc_context_stopped(&call->context);
        rpc__call_list_push(stopped ? dead : &alive, call);
        pool->count += !stopped;
        call = next;
    }
    pool->first = alive.first;
    pool->last = alive.last;
    if (pool->depth != NULL)
        metric_add(pool->depth, (int64_t)pool->count - (int64_t)before);
}

/* Ends them; they do not run. Without the lock. */
static void end_dead(struct rpc__pool *pool, struct rpc_server_call *dead)
{
    while (dead != NULL) {
        struct rpc_server_call *next = dead->next;
        pool->run(dead);
        dead = next;
    }
}

/* Whether the call was taken. Under the lock. */
static bool put_last(struct rpc__pool *pool, struct rpc_server_call *call,
                     struct rpc__call_list *dead)
{
    if (pool->count >= pool->max)
        sweep(pool, dead);
    if (pool->stopping || pool->count >= pool->max || !is_in_time(pool, call))
        return false;
    call->next = NULL;
    if (pool->last == NULL)
        pool->first = call;
    else
        pool->last->next = call;
    pool->last = call;
    pool->count++;
    if (pool->depth != NULL)
        metric_add(pool->depth, 1);
    return true;
}

bool rpc__pool_submit(struct rpc__pool *pool, struct rpc_server_call *call)
{
    struct rpc__call_list dead = {0};
    (void)pthread_mutex_lock(&pool->lock);
    bool fits = put_last(pool, call, &dead);
    bool wake = wakes_another(pool);
    (void)pthread_mutex_unlock(&pool->lock);
    if (wake)
        (void)pthread_cond_signal(&pool->ready);
    end_dead(pool, dead.first);
    return fits;
}

void rpc__pool_submit_all(struct rpc__pool *pool, struct rpc__call_list *list)
{
    struct rpc__call_list refused = {0};
    struct rpc__call_list dead = {0};
    (void)pthread_mutex_lock(&pool->lock);
    for (struct rpc_server_call *call = list->first; call != NULL;) {
        struct rpc_server_call *next = call->next;
        if (!put_last(pool, call, &dead))
            rpc__call_list_push(&refused, call);
        call = next;
    }
    *list = refused;
    bool wake = wakes_another(pool);
    (void)pthread_mutex_unlock(&pool->lock);
    if (wake)
        (void)pthread_cond_signal(&pool->ready);
    end_dead(pool, dead.first);
}

struct rpc_server_call *rpc__pool_stop(struct rpc__pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    (void)pthread_cond_broadcast(&pool->ready);
    (void)pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++)
        (void)pthread_join(pool->threads[i], NULL);
    pool->thread_count = 0;

    struct rpc_server_call *left = pool->first;
    if (pool->depth != NULL)
        metric_add(pool->depth, -(int64_t)pool->count);
    pool->first = NULL;
    pool->last = NULL;
    pool->count = 0;
    return left;
}

void rpc__pool_destroy(struct rpc__pool *pool)
{
    if (pool == NULL)
        return;
    (void)pthread_cond_destroy(&pool->ready);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}
