/*
 * Kept answers lie in sets of a few places each; a hash of user, method and request says which
 * set. The first place of a set was used last; a new answer goes there and the last one goes. A
 * lock guards some sets. An answer that is being looked at has a reference and outlives its place.
 * Sessions that were let in lie in sets of their own, by value; in a full one a new session takes
 * any other's place. Nobody holds two locks.
 *
 * A look-up: both found and not past their time → where the store's stamps are in sight they are
 * looked at, and the answer given or not, there and then; those of another process only for some ms
 * after that has answered a call, so that a store that stands still or has died is noticed. Else:
 * with those of the same batch the store is asked for the stamps, in one call, without waiting →
 * its answer, on whatever thread, ends the calls or gives them back. Asking and answering may be
 * over in either order: whoever comes second goes on (struct gathered).
 */
#include "rpc/services/answers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/base/metrics.h"
#include "rpc/services/session.h"

/* Powers of two. */
#define SETS ((size_t)65536)
#define LOCKS ((size_t)64)
#define WAYS 4
/* Of sessions that were let in: two million at most. Memory is taken as they come. */
#define SESSION_SETS ((size_t)262144)
#define SESSION_WAYS 8
/* Of all kept answers together, in bytes. */
#define KEPT_BYTES_MAX ((size_t)192 * 1024 * 1024)
/* How long a store's answer vouches for its being there, in ms. */
#define VOUCHED_MS 20
/* A request whose answer is kept at most, packed, in bytes. */
#define REQUEST_BYTES_MAX 512
/* An odd number of random bits: what is multiplied by it is spread over the upper ones. */
#define MIX UINT64_C(0x9e3779b97f4a7c15)

struct answer {
    atomic_uint refs;
    size_t bytes; /* of this */
    size_t method_index;
    int64_t user_id;
    int64_t customer_id;
    int64_t until_ms;
    /* all in `data` */
    struct span request;
    struct span stamps;   /* as long as these … */
    struct span question; /* … are the answer to this, packed … */
    struct span places;   /* … or lie here, where they are in sight … */
    struct span response; /* … this holds, packed */
    uint8_t data[];
};

/* A session that was let in. */
struct admitted {
    uint8_t hash[RPC_SESSION_HASH_BYTES];
    int64_t user_id; /* 0: nobody is here */
    int64_t customer_id;
    int64_t until_ms;
    uint64_t stamp; /* as long as this is the session's, it is */
    uint32_t place; /* where that lies … */
    bool is_near;   /* … if it is in sight */
};

struct answers {
    struct store_client *store;
    atomic_size_t bytes;     /* of what lies in a place */
    atomic_llong vouched_ms; /* on clock_mono_ms(): until then the store is taken to be there */
    pthread_mutex_t locks[LOCKS];
    struct answer *places[SETS][WAYS];
    struct admitted (*sessions)[SESSION_WAYS];
};

/* One look-up, in the call's arena. */
struct look {
    struct look *next;
    struct rpc_server_call *call;
    struct answer *answer; /* a reference */
    uint64_t session_stamp;
    struct span session_question;
    bool holds; /* the store's word */
};

/* The look-ups of a batch. */
struct gathered {
    struct look *first, **last;
    size_t question_bytes;
    size_t stamp_count;
    int64_t deadline_ms; /* the earliest of the calls' */
    int64_t asked_ms;
    struct answers *answers;
    atomic_bool is_met; /* asking or answering is over: the other one goes on */
};

static struct metric metric_hits = METRIC_COUNTER(
    "lotcast_answers_kept_total", "Calls answered by a kept answer that still held.");
static struct metric metric_filled = METRIC_COUNTER(
    "lotcast_answers_filled_total",
    "Of those made, ones copied from a kept answer once their session had been let in.");
static struct metric metric_misses =
    METRIC_COUNTER("lotcast_answers_made_total", "Calls that might have been, and were not.");

struct answers *answers_create(struct store_client *store)
{
    struct answers *answers = calloc(1, sizeof *answers);
    if (answers == NULL)
        return NULL;
    answers->store = store;
    answers->sessions = calloc(SESSION_SETS, sizeof *answers->sessions);
    if (answers->sessions == NULL) {
        free(answers);
        return NULL;
    }
    metrics_register(&metric_hits);
    metrics_register(&metric_misses);
    metrics_register(&metric_filled);
    for (size_t i = 0; i < LOCKS; i++)
        (void)pthread_mutex_init(&answers->locks[i], NULL);
    return answers;
}

/* Touches nothing else: behind the last call's end the answers may be gone. */
static void unref(struct answer *answer)
{
    if (answer != NULL && atomic_fetch_sub(&answer->refs, 1) == 1)
        free(answer);
}

/* Empties a place. */
static void take_out(struct answers *answers, struct answer **place)
{
    if (*place == NULL)
        return;
    (void)atomic_fetch_sub(&answers->bytes, (*place)->bytes);
    unref(*place);
    *place = NULL;
}

void answers_destroy(struct answers *answers)
{
    if (answers == NULL)
        return;
    for (size_t set = 0; set < SETS; set++)
        for (size_t way = 0; way < WAYS; way++)
            take_out(answers, &answers->places[set][way]);
    for (size_t i = 0; i < LOCKS; i++)
        (void)pthread_mutex_destroy(&answers->locks[i]);
    free(answers->sessions);
    free(answers);
}

struct store_partition answers_session_partition(const uint8_t hash[static RPC_SESSION_HASH_BYTES])
{
    return (struct store_partition){.record = &lotcast__v1__session_record__descriptor,
                                    .has_key = true,
                                    .key = store_data(hash, RPC_SESSION_HASH_BYTES)};
}

/* Copies bytes and moves on behind them. */
static struct span append(uint8_t **at, struct span bytes)
{
    struct span copy = span_of(*at, bytes.len);
    if (bytes.len > 0)
        memcpy(*at, bytes.data, bytes.len);
    *at += bytes.len;
    return copy;
}

/* --- places --- */

/* Who asks what. */
struct wanted {
    int64_t user_id;
    int64_t customer_id;
    size_t method_index;
    struct span request;
};

static struct wanted wanted_by(const struct rpc_server_call *call, int64_t user_id,
                               int64_t customer_id)
{
    return (struct wanted){.user_id = user_id,
                           .customer_id = customer_id,
                           .method_index = rpc_server_call_method(call)->index,
                           .request = rpc_server_call_packed(call)};
}

static size_t set_of(const struct wanted *wanted)
{
    uint64_t hash = (uint64_t)wanted->user_id * MIX + wanted->method_index + 1;
    for (size_t i = 0; i < wanted->request.len; i++)
        hash = (hash ^ wanted->request.data[i]) * MIX;
    return (size_t)((hash * MIX) >> 32) % SETS;
}

static bool is_for(const struct answer *answer, const struct wanted *wanted)
{
    return answer->method_index == wanted->method_index && answer->user_id == wanted->user_id &&
           answer->customer_id == wanted->customer_id &&
           span_equal(answer->request, wanted->request);
}

/* Makes room at the front of a set by moving what is before `way` on. */
static void move_on(struct answer **places, size_t way)
{
    memmove(&places[1], &places[0], way * sizeof places[0]);
}

/* A reference, or NULL. */
static struct answer *find(struct answers *answers, const struct wanted *wanted)
{
    size_t set = set_of(wanted);
    struct answer **places = answers->places[set];
    struct answer *found = NULL;
    (void)pthread_mutex_lock(&answers->locks[set % LOCKS]);
    for (size_t way = 0; way < WAYS && found == NULL; way++) {
        if (places[way] == NULL || !is_for(places[way], wanted))
            continue;
        found = places[way];
        (void)atomic_fetch_add(&found->refs, 1);
        move_on(places, way);
        places[0] = found;
    }
    (void)pthread_mutex_unlock(&answers->locks[set % LOCKS]);
    return found;
}

/* Takes the reference. Where all places hold too much together, its own set makes room. */
static void place(struct answers *answers, const struct wanted *wanted, struct answer *answer)
{
    size_t set = set_of(wanted);
    struct answer **places = answers->places[set];
    (void)pthread_mutex_lock(&answers->locks[set % LOCKS]);
    size_t way = 0;
    while (way < WAYS - 1 && places[way] != NULL && !is_for(places[way], wanted))
        way++;
    take_out(answers, &places[way]);
    move_on(places, way);
    places[0] = answer;
    (void)atomic_fetch_add(&answers->bytes, answer->bytes);
    for (way = WAYS; way-- > 0 && atomic_load(&answers->bytes) > KEPT_BYTES_MAX;)
        take_out(answers, &places[way]);
    (void)pthread_mutex_unlock(&answers->locks[set % LOCKS]);
}

/* --- sessions --- */

/* A session's hash is as good as random: some of its bits say where, others who goes. */
static size_t session_set(const uint8_t *hash)
{
    uint64_t bits;
    memcpy(&bits, hash, sizeof bits);
    return (size_t)bits % SESSION_SETS;
}

static bool session_find(struct answers *answers, const uint8_t *hash,
                         struct admitted *ret_admitted)
{
    size_t set = session_set(hash);
    const struct admitted *places = answers->sessions[set];
    bool found = false;
    (void)pthread_mutex_lock(&answers->locks[set % LOCKS]);
    for (size_t way = 0; way < SESSION_WAYS && !found; way++) {
        found =
            places[way].user_id != 0 && memcmp(places[way].hash, hash, RPC_SESSION_HASH_BYTES) == 0;
        if (found)
            *ret_admitted = places[way];
    }
    (void)pthread_mutex_unlock(&answers->locks[set % LOCKS]);
    return found;
}

static void session_place(struct answers *answers, const struct admitted *admitted)
{
    size_t set = session_set(admitted->hash);
    struct admitted *places = answers->sessions[set];
    size_t chosen = admitted->hash[RPC_SESSION_HASH_BYTES - 1] % SESSION_WAYS;
    (void)pthread_mutex_lock(&answers->locks[set % LOCKS]);
    for (size_t way = 0; way < SESSION_WAYS; way++) {
        if (places[way].user_id == 0)
            chosen = way;
        if (memcmp(places[way].hash, admitted->hash, RPC_SESSION_HASH_BYTES) == 0) {
            chosen = way;
            break;
        }
    }
    places[chosen] = *admitted;
    (void)pthread_mutex_unlock(&answers->locks[set % LOCKS]);
}

/* --- the early stage --- */

/* Whether nothing but the session says who calls, and nothing what the answer might depend on. */
static bool is_plain(const struct rpc_server_call *call)
{
    static const char *const fine[] = {RPC_METADATA_SESSION, RPC_METADATA_REQUEST_ID,
                                       RPC_METADATA_TRACEPARENT, RPC_METADATA_ADDRESS,
                                       RPC_METADATA_HTTP_METHOD};
    const struct rpc_metadata *metadata = rpc_server_call_all_metadata(call);
    for (size_t i = 0; i < metadata->count; i++) {
        size_t k = 0;
        while (k < sizeof fine / sizeof fine[0] && strcmp(metadata->entries[i].key, fine[k]) != 0)
            k++;
        if (k == sizeof fine / sizeof fine[0])
            return false;
    }
    return true;
}

static void conclude(const struct look *look)
{
    struct rpc_server_call *call = look->call;
    struct answer *answer = look->answer;
    metric_add(look->holds ? &metric_hits : &metric_misses, 1);
    if (look->holds) {
        struct rpc_principal *principal = rpc_server_call_principal(call);
        principal->kind = RPC_PRINCIPAL_CUSTOMER;
        principal->user_id = answer->user_id;
        principal->customer_id = answer->customer_id;
        rpc_server_call_finish_packed(call, answer->response); /* `look` is gone */
    } else {
        rpc_server_call_resume(call);
    }
    unref(answer);
}

static void conclude_all(struct gathered *gathered)
{
    struct look *look = gathered->first;
    rpc_channel_hold();
    while (look != NULL) {
        struct look *next = look->next;
        conclude(look);
        look = next;
    }
    rpc_channel_release();
    free(gathered);
}

static void on_stamps(void *arg, const struct rpc_status *status, struct rpc_payload *payload)
{
    struct gathered *gathered = arg;
    uint64_t *stamps =
        status->code == RPC_OK ? store_stamps_unpack(payload->bytes, gathered->stamp_count) : NULL;
    rpc_payload_release(payload);
    if (stamps != NULL)
        atomic_store(&gathered->answers->vouched_ms, gathered->asked_ms + VOUCHED_MS);
    const uint64_t *at = stamps;
    for (struct look *look = gathered->first; look != NULL && stamps != NULL; look = look->next) {
        struct span kept = look->answer->stamps;
        look->holds = at[0] == look->session_stamp && memcmp(&at[1], kept.data, kept.len) == 0;
        at += 1 + kept.len / sizeof *at;
    }
    free(stamps);
    if (atomic_exchange(&gathered->is_met, true))
        conclude_all(gathered);
}

/* All questions, one behind the other; NULL when out of memory. */
static uint8_t *join_questions(const struct gathered *gathered)
{
    uint8_t *joined = malloc(gathered->question_bytes);
    uint8_t *at = joined;
    for (const struct look *look = gathered->first; look != NULL && joined != NULL;
         look = look->next) {
        (void)append(&at, look->session_question);
        (void)append(&at, look->answer->question);
    }
    return joined;
}

static void flush(void *self, void *batch)
{
    static const struct rpc_call_events events = {.done = on_stamps};
    struct answers *answers = self;
    struct gathered *gathered = batch;
    struct rpc_context context = *rpc_server_call_context(gathered->first->call);
    context.cancelled = NULL; /* one caller's going is not the others' */
    context.deadline_ms = gathered->deadline_ms;
    gathered->answers = answers;
    gathered->asked_ms = clock_mono_ms();
    uint8_t *question = join_questions(gathered);
    if (question != NULL)
        rpc_call_unref(store_stamps_start(answers->store, &context,
                                          span_of(question, gathered->question_bytes), &events,
                                          gathered));
    free(question);
    if (question == NULL || atomic_exchange(&gathered->is_met, true))
        conclude_all(gathered);
}

/* Whether nothing has changed, as the stamps in sight say. */
static bool holds_near(const struct answers *answers, const struct answer *answer)
{
    for (size_t i = 0; i < answer->places.len / sizeof(uint32_t); i++) {
        uint32_t at;
        uint64_t stamp;
        memcpy(&at, answer->places.data + i * sizeof at, sizeof at);
        memcpy(&stamp, answer->stamps.data + i * sizeof stamp, sizeof stamp);
        if (store_near_stamp(answers->store, at) != stamp)
            return false;
    }
    return true;
}

static bool is_vouched(const struct answers *answers)
{
    return store_near_is_here(answers->store) ||
           clock_mono_ms() < atomic_load(&answers->vouched_ms);
}

/* Answers with it, whose reference is taken, or says that it does not hold. */
static bool answer_near(const struct answers *answers, struct rpc_server_call *call,
                        const struct admitted *admitted, struct answer *answer)
{
    const struct look look = {.call = call, .answer = answer, .holds = true};
    bool holds = store_near_stamp(answers->store, admitted->place) == admitted->stamp &&
                 holds_near(answers, answer);
    if (holds) {
        conclude(&look);
        return true;
    }
    metric_add(&metric_misses, 1);
    unref(answer);
    return false;
}

static struct gathered *make_gathered(void)
{
    struct gathered *made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->last = &made->first;
    made->deadline_ms = INT64_MAX;
    return made;
}

static void gather(struct gathered *gathered, struct look *look)
{
    const struct rpc_context *context = rpc_server_call_context(look->call);
    *gathered->last = look;
    gathered->last = &look->next;
    gathered->question_bytes += look->session_question.len + look->answer->question.len;
    gathered->stamp_count += 1 + look->answer->stamps.len / sizeof(uint64_t);
    if (context->deadline_ms < gathered->deadline_ms)
        gathered->deadline_ms = context->deadline_ms;
}

/* A look at an answer, in the call's arena; NULL when out of memory. */
static struct look *make_look(const struct answers *answers, struct rpc_server_call *call,
                              const struct admitted *admitted, struct answer *answer)
{
    struct arena *arena = rpc_server_call_arena(call);
    struct store_partition session = answers_session_partition(admitted->hash);
    struct look *look = arena_calloc(arena, 1, sizeof *look);
    if (look == NULL || answer->question.len == 0 ||
        store_stamps_pack(answers->store, arena, &session, 1, &look->session_question, NULL) !=
            RPC_OK)
        return NULL;
    look->call = call;
    look->answer = answer;
    look->session_stamp = admitted->stamp;
    return look;
}

/* Both, if they are there and not past their time. The answer is a reference. */
static struct answer *find_both(struct answers *answers, const struct rpc_server_call *call,
                                struct admitted *ret_admitted)
{
    uint8_t hash[RPC_SESSION_HASH_BYTES];
    int64_t now_ms = clock_now_ms();
    if (!session_of_call(call, hash) || !session_find(answers, hash, ret_admitted) ||
        ret_admitted->until_ms <= now_ms)
        return NULL;
    struct wanted wanted = wanted_by(call, ret_admitted->user_id, ret_admitted->customer_id);
    struct answer *answer = find(answers, &wanted);
    if (answer == NULL || answer->until_ms > now_ms)
        return answer;
    unref(answer);
    return NULL;
}

static bool take(void *self, struct rpc_server_call *call, void **batch)
{
    struct answers *answers = self;
    struct gathered *gathered = *batch;
    struct admitted admitted;
    struct look *look = NULL;
    if (!rpc_server_call_method(call)->rules->cacheable ||
        rpc_server_call_packed(call).len > REQUEST_BYTES_MAX || !is_plain(call))
        return false;
    struct answer *answer = find_both(answers, call, &admitted);
    if (answer != NULL && answer->places.len > 0 && admitted.is_near && is_vouched(answers))
        return answer_near(answers, call, &admitted, answer);
    if (answer != NULL)
        look = make_look(answers, call, &admitted, answer);
    if (look != NULL && gathered != NULL &&
        gathered->stamp_count + ANSWER_PARTITIONS_MAX + 1 > STORE_STAMPS_ASKED_MAX) {
        flush(self, gathered);
        gathered = NULL;
    }
    if (look != NULL && gathered == NULL)
        gathered = make_gathered();
    *batch = gathered;
    if (look == NULL || gathered == NULL) {
        metric_add(&metric_misses, 1);
        unref(answer);
        return false;
    }
    gather(gathered, look);
    return true;
}

struct rpc_server_early answers_early(struct answers *answers)
{
    return (struct rpc_server_early){.take = take, .flush = flush, .self = answers};
}

/* --- keeping --- */

/* Whether a call is one whose answer may be kept or given. */
static bool is_kept_for(const struct rpc_server_call *call, const struct rpc_principal *principal)
{
    return principal->kind == RPC_PRINCIPAL_CUSTOMER && principal->has_session && is_plain(call) &&
           rpc_server_call_packed(call).len <= REQUEST_BYTES_MAX;
}

/* Whether the stamps that came with the records are those in sight: else it is another store's. */
static bool are_near(const struct answers *answers, const uint32_t *places, const uint64_t *stamps,
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (store_near_stamp(answers->store, places[i]) != stamps[i])
            return false;
    return true;
}

/* Keeps who the call's session is of, which was found to be so in this call. */
static void admit(struct answers *answers, struct rpc_server_call *call,
                  const struct rpc_principal *principal)
{
    struct store_partition partition = answers_session_partition(principal->session_hash);
    struct admitted admitted = {.user_id = principal->user_id,
                                .customer_id = principal->customer_id,
                                .until_ms = principal->session_until_ms,
                                .stamp = principal->session_stamp};
    if (admitted.stamp == STORE_STAMP_NONE || admitted.until_ms <= clock_now_ms())
        return;
    memcpy(admitted.hash, principal->session_hash, sizeof admitted.hash);
    admitted.is_near = store_near_find(answers->store, rpc_server_call_arena(call), &partition, 1,
                                       &admitted.place) &&
                       are_near(answers, &admitted.place, &admitted.stamp, 1);
    session_place(answers, &admitted);
}

/* The session was read in this call, so the store is there: nothing else has to vouch for it. */
bool answers_fill(struct answers *answers, struct rpc_server_call *call, void *response)
{
    const struct rpc_principal *principal = rpc_server_call_principal(call);
    if (!is_kept_for(call, principal))
        return false;
    struct wanted wanted = wanted_by(call, principal->user_id, principal->customer_id);
    struct answer *answer = find(answers, &wanted);
    ProtobufCMessage *kept = NULL;
    if (answer != NULL && answer->places.len > 0 && answer->until_ms > clock_now_ms() &&
        holds_near(answers, answer)) {
        const ProtobufCMessageDescriptor *type = ((ProtobufCMessage *)response)->descriptor;
        kept = protobuf_c_message_unpack(type, &rpc_server_call_arena(call)->protobuf,
                                         answer->response.len, answer->response.data);
        if (kept != NULL)
            memcpy(response, kept, type->sizeof_message);
    }
    unref(answer);
    if (kept == NULL)
        return false;
    metric_add(&metric_filled, 1);
    admit(answers, call, principal);
    return true;
}

static struct answer *make(const struct wanted *wanted, struct span question, struct span places,
                           struct span stamps, const ProtobufCMessage *response)
{
    size_t response_bytes = protobuf_c_message_get_packed_size(response);
    size_t bytes = sizeof(struct answer) + wanted->request.len + question.len + places.len +
                   stamps.len + response_bytes;
    if (response_bytes > ANSWER_BYTES_MAX)
        return NULL;
    struct answer *answer = calloc(1, bytes);
    if (answer == NULL)
        return NULL;
    atomic_init(&answer->refs, 1);
    answer->bytes = bytes;
    answer->method_index = wanted->method_index;
    answer->user_id = wanted->user_id;
    answer->customer_id = wanted->customer_id;
    uint8_t *at = answer->data;
    answer->stamps = append(&at, stamps);
    answer->request = append(&at, wanted->request);
    answer->question = append(&at, question);
    answer->places = append(&at, places);
    answer->response = span_of(at, response_bytes);
    (void)protobuf_c_message_pack(response, at);
    return answer;
}

void answers_keep(struct answers *answers, struct rpc_server_call *call,
                  const struct answer_basis *basis, const void *response)
{
    const struct rpc_principal *principal = rpc_server_call_principal(call);
    uint32_t places[ANSWER_PARTITIONS_MAX];
    struct arena *arena = rpc_server_call_arena(call);
    size_t count = basis->count;
    if (!is_kept_for(call, principal))
        return;
    for (size_t i = 0; i < count; i++)
        if (basis->stamps[i] == STORE_STAMP_NONE)
            return;
    struct span question = {0};
    bool is_near = store_near_find(answers->store, arena, basis->partitions, count, places) &&
                   are_near(answers, places, basis->stamps, count);
    bool is_asked = !is_near || !store_near_is_here(answers->store);
    if (basis->until_ms <= clock_now_ms() ||
        (is_asked && store_stamps_pack(answers->store, arena, basis->partitions, count, &question,
                                       NULL) != RPC_OK))
        return;
    struct wanted wanted = wanted_by(call, principal->user_id, principal->customer_id);
    struct answer *answer =
        make(&wanted, question, span_of(places, is_near ? count * sizeof places[0] : 0),
             span_of(basis->stamps, count * sizeof basis->stamps[0]), response);
    if (answer == NULL)
        return;
    answer->until_ms = basis->until_ms;
    place(answers, &wanted, answer);
    admit(answers, call, principal);
}
