/*
 * The composition root's parts. `lotcast` is one program: it supervises, or it is one role, or all
 * three in one process. Everything here runs on the main thread.
 */
#ifndef RPC_CMD_APP_H
#define RPC_CMD_APP_H

#include <signal.h>

#include "rpc/base/config.h"
#include "rpc/registry.h"
#include "rpc/services/services.h"

/* A start that was refused, for reasons that another start would meet again: sysexits' EX_CONFIG.
 */
#define APP_EXIT_REFUSED 78
/* Time from SIGTERM to the end, in ms: what drains, and when the watchdog ends it all. */
#define APP_DRAIN_REST_MS 4000
#define APP_DRAIN_LOGIC_MS 3000
#define APP_DRAIN_STORE_MS 1500
#define APP_EXIT_S_MAX 9
/* Environment from `serve` to the processes that it starts. */
#define APP_ENV_CLOCK_OFFSET "LOTCAST_CLOCK_OFFSET_MS"
#define APP_ENV_NOTIFY_FD "LOTCAST_NOTIFY_FD"

struct app {
    struct config config;
    struct registry *registry;
    sigset_t signals; /* SIGTERM, SIGINT, SIGCHLD, blocked in every thread and waited for */
    int notify_fd;    /* a byte is written to it once the role listens; -1: none */
};

/* Prints one line, "lotcast: …", on standard error. */
void app_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- datadir.c --- */

/*
 * Makes the data directory private and its path absolute in the configuration, and derives the
 * socket URLs from it where none was given. False after a complaint.
 */
bool app_directory_prepare(struct app *app);
/* Holds the lock that makes one `serve` the only one on this directory; -1 after a complaint. */
int app_directory_lock(struct app *app);
/* LOTCAST_SECRET_KEY, else the directory's key file, made at the first start. False after a
 * complaint. */
bool app_secret_key(struct app *app, uint8_t key[static SERVICES_SECRET_KEY_BYTES]);
/* The same for serve, before the store is opened: records without a key file mean that the key is
 * lost, and no other is made then. */
bool app_secret_key_ensure(struct app *app);

/* --- listen.c --- */

/*
 * Binds LOTCAST_LISTEN with a socket that never listens, so that the port stays ours while rest
 * comes and goes, and fills in the port that was chosen and the default of LOTCAST_PUBLIC_URL.
 * `exclusive`: nobody else may listen there yet. The socket, or -1 after a complaint.
 */
int app_port_reserve(struct app *app, bool exclusive);
/* Prints the URL that we listen at, the first line on standard output. */
void app_announce(const struct app *app);

/* For a role that does not listen for REST itself: the default of LOTCAST_PUBLIC_URL from
 * LOTCAST_LISTEN's port. False after a complaint. */
bool app_public_url_default(struct app *app);

/* --- roles.c: each runs until SIGTERM or SIGINT, then drains; the program's exit code --- */

int app_run_store(struct app *app);
int app_run_logic(struct app *app);
int app_run_rest(struct app *app);
int app_run_one_process(struct app *app);

/* --- supervisor.c --- */

/* Starts the three roles as processes, restarts one that dies, drains them in order. */
int app_run_serve(struct app *app);

#endif
