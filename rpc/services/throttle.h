/*
 * Throttling of log-ins and sign-ups: so many attempts for a subject (an e-mail, an address) within
 * a window of 10 minutes, kept in the store, so that it counts across processes and restarts.
 *
 * An attempt is reserved before anything is looked at and released if it turns out to be a good
 * one: hundreds at once cannot slip through between a check and a count.
 */
#ifndef RPC_SERVICES_THROTTLE_H
#define RPC_SERVICES_THROTTLE_H

#include "rpc/services/internal.h"

#define THROTTLE_WINDOW_MS (INT64_C(10) * 60 * 1000)
#define THROTTLE_LOGIN_EMAIL_MAX 10
#define THROTTLE_LOGIN_ADDRESS_MAX 50
#define THROTTLE_SIGNUP_ADDRESS_MAX 20
#define THROTTLE_PASSWORD_USER_MAX 10
/* Subjects of one attempt at most. */
#define THROTTLE_SUBJECTS_MAX 2
#define THROTTLE_SUBJECT_BYTES 32

struct throttle_attempt {
    struct {
        uint8_t hash[THROTTLE_SUBJECT_BYTES];
        size_t limit;
    } subjects[THROTTLE_SUBJECTS_MAX];
    size_t count;
    int64_t at_ms;
};

/* Begins an attempt at `now_ms` that counts for nobody yet. */
void throttle_attempt_init(struct throttle_attempt *attempt, int64_t now_ms);
/* Counts it for `value` under `purpose` ("login-email"): at most `limit` in the window. */
void throttle_attempt_add(const struct services *services, struct throttle_attempt *attempt,
                          const char *purpose, const char *value, size_t limit);
/*
 * Counts it for the address in the call's metadata: IPv4 as it is, IPv6 by its /64. Not at all
 * without one, nor for a loopback address while options.loopback_exempt.
 */
void throttle_attempt_add_address(const struct services *services, struct rpc_server_call *call,
                                  struct throttle_attempt *attempt, const char *purpose,
                                  size_t limit);

/* Durably counts the attempt. RATE_LIMITED with retry_after_ms if a subject has had its fill. */
enum rpc_code throttle_reserve(struct services *services, struct rpc_context *context,
                               const struct throttle_attempt *attempt, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Takes it back. At its best: if the store fails, it stays counted. */
void throttle_release(struct services *services, struct rpc_context *context,
                      const struct throttle_attempt *attempt);

#endif
