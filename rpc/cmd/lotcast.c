/*
 * lotcast: the backend. `lotcast help` says how it is called.
 */
#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rpc/base/clock.h"
#include "rpc/base/log.h"
#include "rpc/cmd/app.h"

void app_complain(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)fprintf(stderr, "lotcast: %s\n", text);
}

static void print_help(void)
{
    (void)printf("lotcast serve [--one-process]   the whole backend: store, logic and rest\n"
                 "lotcast store | logic | rest    one role\n"
                 "lotcast help | version\n\n"
                 "Configuration: environment variables, each also a flag "
                 "(LOTCAST_DATA_DIR is --data-dir).\n");
    config_print_help(stdout);
}

/*
 * The clock's offset: handed down by `serve`, so that a process that starts later is at the same
 * time, or taken from LOTCAST_CLOCK once.
 */
static bool set_clock(struct app *app)
{
    const char *inherited = getenv(APP_ENV_CLOCK_OFFSET);
    const char *wanted = config_text(&app->config, CONFIG_CLOCK);
    int64_t at_ms;
    if (inherited != NULL && *inherited != '\0') {
        char *end;
        errno = 0;
        long long offset = strtoll(inherited, &end, 10);
        if (errno != 0 || *end != '\0') {
            app_complain(APP_ENV_CLOCK_OFFSET " has a bad value");
            return false;
        }
        clock_set_offset_ms(offset);
        return true;
    }
    if (*wanted == '\0')
        return true;
    if (!clock_parse_rfc3339(wanted, &at_ms))
        return false; /* its form was checked */
    clock_set_offset_ms(at_ms - clock_now_ms());
    log_event(LOG_LEVEL_WARN, "the clock is shifted: for tests and demos only",
              log_text("starts_at", wanted));
    return true;
}

static void block_signals(struct app *app)
{
    (void)sigemptyset(&app->signals);
    (void)sigaddset(&app->signals, SIGTERM);
    (void)sigaddset(&app->signals, SIGINT);
    (void)sigaddset(&app->signals, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &app->signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* what we have then is the limit */
}

static int read_notify_fd(void)
{
    const char *text = getenv(APP_ENV_NOTIFY_FD);
    if (text == NULL || *text == '\0')
        return -1;
    return (int)strtol(text, NULL, 10);
}

struct command {
    const char *name;
    int (*run)(struct app *app);
};

static const struct command commands[] = {
    {"serve", app_run_serve},
    {"store", app_run_store},
    {"logic", app_run_logic},
    {"rest", app_run_rest},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static int run(struct app *app, const struct command *command, bool one_process)
{
    struct rpc_status status;
    enum log_level level = LOG_LEVEL_INFO;
    (void)log_level_parse(config_text(&app->config, CONFIG_LOG_LEVEL), &level);
    log_init(level, command->name);
    block_signals(app);
    /* The supervisor forks, and has little to say. */
    if (one_process || command->run != app_run_serve)
        (void)log_buffer_start();
    raise_descriptor_limit();
    (void)umask(077);
    if (sodium_init() < 0 || !set_clock(app) || !app_directory_prepare(app))
        return APP_EXIT_REFUSED;
    struct registry_sources sources = registry_sources_get();
    if (registry_create(&sources, &app->registry, &status) != RPC_OK) {
        app_complain("%s", status.message);
        return APP_EXIT_REFUSED;
    }
    app->notify_fd = read_notify_fd();
    int code = one_process ? app_run_one_process(app) : command->run(app);
    registry_destroy(app->registry);
    return code;
}

int main(int argc, char **argv)
{
    struct app app = {.notify_fd = -1};
    char error[CONFIG_ERROR_BYTES];
    if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0) {
        print_help();
        return argc < 2 ? 2 : 0;
    }
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
        (void)printf("lotcast %s\n", LOTCAST_VERSION);
        return 0;
    }
    if (!config_init(&app.config, &argc, argv, error)) {
        app_complain("%s", error);
        return APP_EXIT_REFUSED;
    }
    const struct command *command = argc < 2 ? NULL : find_command(argv[1]);
    bool one_process =
        argc == 3 && strcmp(argv[2], "--one-process") == 0 && command == &commands[0];
    int code = 2;
    if (command == NULL || (argc > 2 && !one_process))
        app_complain("what is that? See lotcast help");
    else
        code = run(&app, command, one_process);
    config_fini(&app.config);
    return code;
}
