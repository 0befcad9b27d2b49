/*
 * What tests turn: failures of the next calls, counts of calls, the stand-ins' clock. Under
 * /_control/ on both listeners; the list of endpoints is at the top of main.c.
 */
#ifndef TEST_SANDBOX_CONTROL_H
#define TEST_SANDBOX_CONTROL_H

#include <pthread.h>

#include "test/sandbox/http.h"

#define CONTROL_RULES_MAX 64
#define CONTROL_COUNTERS_MAX 8192

struct control_rule {
    char *service; /* "meta", "site", or NULL for both */
    char *method;  /* or NULL */
    char *path;    /* a part of the path */
    int64_t skip;  /* calls to let through first */
    int64_t times; /* calls left; below 0: for ever */
    int64_t delay_ms;
    bool drop_before; /* close without doing anything */
    bool drop_after;  /* do the work, then close: the caller never learns its outcome */
    int64_t status;   /* of an answer instead of the work; 0: do the work */
    char *body;
    char *header_name;
    char *header_value;
};

struct control {
    pthread_mutex_t lock;
    struct control_rule rules[CONTROL_RULES_MAX];
    size_t rule_count;
    struct {
        char *method;
        char *path;
        int64_t count;
    } counters[CONTROL_COUNTERS_MAX];
    size_t counter_count;
    int64_t requests;
    int64_t unchanged; /* of them, answered with 304 */
    int64_t running;
    int64_t running_max;
    bool stopping;
    pthread_cond_t stopped;
    atomic_int_fast64_t clock_shift_ms; /* beyond rpc/base/clock.h's */
};

void control_init(struct control *control);
/* Ends all delays, so that the listeners can be stopped. */
void control_stop(struct control *control);
/* The stand-ins' wall clock. */
int64_t control_now_ms(const struct control *control);

/*
 * Runs `work` as the rules have it: late, not at all, or without an answer. Counts it.
 */
void control_run(struct control *control, const char *service, struct exchange *x,
                 exchange_handler *work, void *arg);
/* Answers /_control/fail, /clear, /requests, /reset, /clock. False: not one of these. */
bool control_handle(struct control *control, struct exchange *x);

/* Texts of a control request with a default. */
int64_t control_param_integer(struct exchange *x, const char *name, int64_t otherwise);

#endif
