/*
 * The logic role over a real store in a private directory, all in this process: what tests of
 * handlers call.
 */
#ifndef TEST_UNIT_SERVICES_FIXTURE_H
#define TEST_UNIT_SERVICES_FIXTURE_H

#include "rpc/services/internal.h"
#include "store/client.h"
#include "test/support/lost_race.h"

struct store;

struct fixture_options {
    const char *graph_url;  /* of a stand-in of Meta; NULL: Meta is not configured */
    const char *stripe_url; /* of a stand-in of Stripe; NULL: Stripe is not configured */
    int64_t signup_credits;
    bool loopback_throttled;
    bool traced;      /* calls have request ids, which come from metadata, as in a real server */
    bool over_nng;    /* calls go over REQ/REP as an operator's do, instead of direct: as rest's */
    bool is_near;     /* the logic reads the store's stamps without a call: as in one process … */
    bool in_sight;    /* … or as in processes of one machine */
    bool over_stream; /* or over ipc://, as rest's do between processes; the store's calls too */
};

struct fixture {
    char directory[64];
    char rpc_url[128];
    struct registry *registry;
    struct store *store;
    struct lost_race race;
    struct rpc_server *store_server;
    struct rpc_channel *store_channel;
    struct store_client *store_client;
    struct store_sight *sight;
    struct http_client *http;
    struct meta_client *meta;
    struct stripe_client *stripe;
    struct services *services;
    struct rpc_server_interceptor interceptors[3];
    struct rpc_server *server;
    struct rpc_channel *channel;
    /* For the test's own thread: reads of the store and the results of fixture_call. */
    struct arena arena;
    struct rpc_context context;
};

/* Fails the test if anything does not start. */
void fixture_start(struct fixture *fixture, const struct fixture_options *options);
void fixture_stop(struct fixture *fixture);

/* Metadata of a browser: `session` and `address` may be NULL. Texts are borrowed. */
struct rpc_metadata fixture_browser(const char *session, const char *address);

/*
 * Makes a call and waits. `method` is lotcast.v1.Auth/LogIn. `arena` holds the response. Any
 * thread.
 */
enum rpc_code fixture_call(struct fixture *fixture, struct arena *arena, const char *method,
                           const void *request, const struct rpc_metadata *metadata,
                           const void **ret_response, struct rpc_status *status);

/* Signs john<number>@acme.com up. Returns the session's token, in the fixture's arena. */
const char *fixture_sign_up(struct fixture *fixture, int number, int64_t *ret_customer_id);
/* Makes an admin and logs in. */
const char *fixture_admin(struct fixture *fixture);
/* Where fixture_options.stripe_url is given. */
#define FIXTURE_WEBHOOK_SECRET "whsec_x"
#define FIXTURE_PASSWORD "korrektes Pferd"

/* Writes a record, whatever is there. */
void fixture_put(struct fixture *fixture, const void *record);
/* The record with this number for its key, or NULL. In the fixture's arena. */
void *fixture_get(struct fixture *fixture, const ProtobufCMessageDescriptor *record, int64_t id);
/* How many records a table has, all keys. */
int64_t fixture_count(struct fixture *fixture, const ProtobufCMessageDescriptor *record);
int64_t fixture_counter(struct fixture *fixture, const char *name);

/* Runs `run(arg + i * size)` on `count` threads at once and waits for all. */
void fixture_parallel(void (*run)(void *arg), void *args, size_t size, size_t count);

#endif
