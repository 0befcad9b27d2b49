/*
 * A whole system for a test: the sandbox and `lotcast serve`, as processes, with private ports and
 * a private data directory. LOTCAST_BIN and SANDBOX_BIN name the programs; LOTCAST_TEST_MODE is
 * "serve" or "one-process".
 */
#ifndef TEST_E2E_SYSTEM_H
#define TEST_E2E_SYSTEM_H

#include "test/support/process.h"
#include "test/support/rest_client.h"

struct system_under_test {
    char directory[64];
    char log[128]; /* of lotcast; the sandbox's is beside it */
    char meta_url[PROCESS_LINE_BYTES];
    char site_url[PROCESS_LINE_BYTES];
    char app_id[PROCESS_LINE_BYTES];
    char app_secret[PROCESS_LINE_BYTES];
    char stripe_url[PROCESS_LINE_BYTES];
    char stripe_key[PROCESS_LINE_BYTES];
    char stripe_webhook_secret[PROCESS_LINE_BYTES];
    char url[PROCESS_LINE_BYTES]; /* lotcast's */
    struct process sandbox;
    struct process lotcast;
    bool one_process;
    int signup_credits;    /* 0: SYSTEM_SIGNUP_CREDITS */
    const char *log_level; /* NULL: info */
    char *extra_env[8];    /* KEY=VALUE for lotcast; NULL-terminated */
    char *sandbox_args[4]; /* more arguments for the sandbox; NULL-terminated */
};

/* Whether the mode under test runs everything in one process. */
bool system_mode_one_process(void);

/* Starts the sandbox, then lotcast, and waits until it is ready. Fields set before are kept. */
void system_start(struct system_under_test *system);
/* lotcast alone, again, on the same data directory and port. */
void system_start_lotcast(struct system_under_test *system);
/* SIGTERM to both; fails the test unless lotcast ends with 0 within 10 s. */
void system_stop(struct system_under_test *system);
/* Waits until /readyz answers 200; fails the test after 20 s. */
void system_wait_ready(struct system_under_test *system);

/* The process of a role ("store", "logic", "rest"); in one process, lotcast itself. 0: not running.
 */
pid_t system_role_pid(const struct system_under_test *system, const char *role);
/*
 * kill -9 of a role's process, and waits until it has gone. In one process: of lotcast, which is
 * started again.
 */
void system_kill_role(struct system_under_test *system, const char *role);

/* A new browser without a session. */
struct rest_client system_browser(const struct system_under_test *system);

/* Steps of the flow; each fails the test unless it went well. */
void system_sign_up(struct rest_client *browser, const char *email);
void system_connect_website(struct system_under_test *system, struct rest_client *browser,
                            int64_t items);
void system_connect_meta(struct rest_client *browser);
/* Credits of a new customer here: 8,240 are left after the sandbox's 30 days of spend. */
#define SYSTEM_SIGNUP_CREDITS 25187
/* The body that launches in USD. */
extern const char *const system_launch_body;

/* The dialog's answer as the browser would give it: where the dialog sends the browser back to. */
void system_dialog(const char *dialog_url, const char *decision, char callback[static 2048]);

/* How many objects of a kind ("campaigns", "adsets", "ads", …) were made at the sandbox's Meta. */
int64_t system_meta_count(const struct system_under_test *system, const char *kind);
/* How many requests with this method and with `part` in their path the sandbox's Meta has seen. */
int64_t system_meta_requests(const struct system_under_test *system, const char *method,
                             const char *part);
/* How many requests the sandbox has answered with 304; with `total`, how many it has answered. */
int64_t system_unchanged(const struct system_under_test *system, int64_t *ret_total);
/* POST of a JSON body to one of the sandbox's control endpoints, "/_control/fail". */
void system_control(const struct system_under_test *system, const char *path, const char *body);

#endif
