/*
 * `lotcast serve`: the three roles as processes over ipc. Each child is this same program, started
 * by its path below /proc, with the configuration in its environment.
 *
 * States of a child: waiting (its start is due at start_at_ms) → running → (it dies) waiting again,
 * with a backoff that grows while it does not live long. A child that exits with APP_EXIT_REFUSED
 * would be refused again: serve ends then. A child dies with us (PR_SET_PDEATHSIG): what it
 * acknowledged is durable, and the next serve finds no stray process.
 *
 * The port is reserved by a socket of ours that is bound but never listens (SO_REUSEPORT): a rest
 * process that comes back finds the same port, also when it was chosen by the system.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rpc/base/clock.h"
#include "rpc/base/log.h"
#include "rpc/cmd/app.h"

/* Restart delays, in ms. */
#define BACKOFF_MS_FIRST 50
#define BACKOFF_MS_MAX 2000
/* A child that lived so long starts anew without a delay that grew, in ms. */
#define STABLE_MS 10000
/* Time for a child behind its own drain, in ms, before it is killed. */
#define GRACE_MS 500

enum role { ROLE_STORE, ROLE_LOGIC, ROLE_REST, ROLE_COUNT };

struct child {
    const char *name;
    int drain_ms;
    pid_t pid; /* 0: not running */
    int64_t started_at_ms;
    int64_t start_at_ms; /* when it is due, while it does not run */
    int backoff_ms;
};

struct supervisor {
    struct app *app;
    struct child children[ROLE_COUNT];
    int reserved;    /* the socket that holds the port; -1: none */
    int notify_read; /* rest writes a byte once it listens */
    int notify_write;
    bool announced;
    bool refused;
};

static void run_child(struct supervisor *supervisor, const struct child *child, pid_t parent)
{
    char notify[16];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it died before we asked to die with it */
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (child == &supervisor->children[ROLE_REST]) {
        (void)snprintf(notify, sizeof notify, "%d", supervisor->notify_write);
        (void)setenv(APP_ENV_NOTIFY_FD, notify, 1);
        (void)fcntl(supervisor->notify_write, F_SETFD, 0);
    }
    (void)execl("/proc/self/exe", "lotcast", child->name, (char *)NULL);
    _exit(127);
}

static void start_child(struct supervisor *supervisor, struct child *child)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        run_child(supervisor, child, parent);
    child->started_at_ms = clock_mono_ms();
    if (pid < 0) {
        child->start_at_ms = child->started_at_ms + BACKOFF_MS_MAX;
        log_event(LOG_LEVEL_ERROR, "fork failed", log_text("role", child->name));
        return;
    }
    child->pid = pid;
    log_event(LOG_LEVEL_INFO, "role started", log_text("role", child->name),
              log_number("pid", pid));
}

static void child_ended(struct supervisor *supervisor, struct child *child, int status)
{
    int64_t now_ms = clock_mono_ms();
    child->pid = 0;
    if (now_ms - child->started_at_ms >= STABLE_MS)
        child->backoff_ms = BACKOFF_MS_FIRST;
    child->start_at_ms = now_ms + child->backoff_ms;
    child->backoff_ms =
        child->backoff_ms * 2 > BACKOFF_MS_MAX ? BACKOFF_MS_MAX : child->backoff_ms * 2;
    log_event(LOG_LEVEL_WARN, "role ended", log_text("role", child->name),
              log_number("exit", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
              log_number("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
    if (WIFEXITED(status) && WEXITSTATUS(status) == APP_EXIT_REFUSED)
        supervisor->refused = true;
}

static void reap(struct supervisor *supervisor)
{
    int status;
    pid_t pid;
    for (pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
        for (size_t i = 0; i < ROLE_COUNT; i++) {
            if (supervisor->children[i].pid == pid)
                child_ended(supervisor, &supervisor->children[i], status);
        }
    }
}

/* Starts what is due; time until the next start, in ms. */
static int start_due(struct supervisor *supervisor)
{
    int64_t now_ms = clock_mono_ms();
    int64_t wait_ms = 1000;
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        struct child *child = &supervisor->children[i];
        if (child->pid != 0)
            continue;
        if (child->start_at_ms <= now_ms)
            start_child(supervisor, child);
        else if (child->start_at_ms - now_ms < wait_ms)
            wait_ms = child->start_at_ms - now_ms;
    }
    return (int)wait_ms;
}

/* The first line on standard output is the URL, once rest listens. */
static void announce(struct supervisor *supervisor)
{
    char byte;
    if (supervisor->announced || read(supervisor->notify_read, &byte, 1) != 1)
        return;
    supervisor->announced = true;
    app_announce(supervisor->app);
}

/* Runs until SIGTERM or SIGINT, or a refusal. */
static void supervise(struct supervisor *supervisor)
{
    while (!supervisor->refused) {
        int wait_ms = start_due(supervisor);
        if (!supervisor->announced && wait_ms > 20)
            wait_ms = 20;
        struct timespec timeout = {wait_ms / 1000, (wait_ms % 1000) * 1000000L};
        int signal = sigtimedwait(&supervisor->app->signals, NULL, &timeout);
        announce(supervisor);
        if (signal == SIGTERM || signal == SIGINT)
            return;
        reap(supervisor);
    }
}

/* Asks one child to end and waits for it; kills it if it takes too long. */
static void drain_child(struct child *child)
{
    if (child->pid == 0)
        return;
    int64_t end_ms = clock_mono_ms() + child->drain_ms + GRACE_MS;
    (void)kill(child->pid, SIGTERM);
    for (;;) {
        int status;
        if (waitpid(child->pid, &status, WNOHANG) == child->pid)
            break;
        if (clock_mono_ms() >= end_ms) {
            log_event(LOG_LEVEL_ERROR, "role killed", log_text("role", child->name));
            (void)kill(child->pid, SIGKILL);
            (void)waitpid(child->pid, &status, 0);
            break;
        }
        (void)poll(NULL, 0, 5);
    }
    child->pid = 0;
}

/* The children read everything from the environment, flags of ours included. */
static bool export_config(struct app *app)
{
    char offset[32];
    for (int key = 0; key < CONFIG_COUNT; key++) {
        const char *value = config_text(&app->config, (enum config_key)key);
        const char *name = config_variable((enum config_key)key);
        if (*value != '\0' && setenv(name, value, 1) != 0)
            return false;
    }
    (void)snprintf(offset, sizeof offset, "%lld", (long long)clock_offset_ms());
    return setenv(APP_ENV_CLOCK_OFFSET, offset, 1) == 0;
}

int app_run_serve(struct app *app)
{
    struct supervisor supervisor = {
        .app = app,
        .children = {{.name = "store", .drain_ms = APP_DRAIN_STORE_MS},
                     {.name = "logic", .drain_ms = APP_DRAIN_LOGIC_MS},
                     {.name = "rest", .drain_ms = APP_DRAIN_REST_MS}},
        .reserved = -1,
    };
    int notify[2];
    for (size_t i = 0; i < ROLE_COUNT; i++)
        supervisor.children[i].backoff_ms = BACKOFF_MS_FIRST;
    int lock = app_directory_lock(app);
    if (lock < 0)
        return 1;
    if (!app_secret_key_ensure(app))
        return 1;
    supervisor.reserved = app_port_reserve(app, true);
    if (supervisor.reserved < 0)
        return 1;
    if (!export_config(app) || pipe2(notify, O_CLOEXEC | O_NONBLOCK) != 0) {
        app_complain("cannot start: %s", strerror(errno));
        return 1;
    }
    supervisor.notify_read = notify[0];
    supervisor.notify_write = notify[1];
    supervise(&supervisor);
    for (size_t i = ROLE_COUNT; i-- > 0;)
        drain_child(&supervisor.children[i]);
    (void)close(supervisor.reserved);
    (void)close(lock);
    return supervisor.refused ? 1 : 0;
}
