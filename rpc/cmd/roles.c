/*
 * The roles, put together: each opens what it stands on, serves, waits for a signal, and closes in
 * the reverse order. The same parts make one role a process or all three in one.
 */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clients/http/http.h"
#include "clients/meta/meta.h"
#include "clients/stripe/stripe.h"
#include "rest/file.h"
#include "rest/rest.h"
#include "rpc/base/log.h"
#include "rpc/channel.h"
#include "rpc/cmd/app.h"
#include "rpc/interceptor.h"
#include "rpc/server.h"
#include "store/client.h"
#include "store/sight.h"
#include "store/store.h"

#define USER_AGENT "LotcastBot/1.0"
/* Handlers that run at once in logic. Some wait for Meta or Stripe up to their deadline: there are
 * more of them than both may hold together (max_in_flight of the methods that do so). */
#define LOGIC_WORKERS 160
/* How long calls wait for a role that has just ended, in ms: a restart takes less, and one that
 * stays away is known to after about a second. */
#define RESTART_WAIT_MS 900

/* Who this process is to others beyond the machine. The texts live as long as the configuration. */
static struct rpc_tls tls_of(const struct app *app)
{
    return (struct rpc_tls){.ca_file = config_text(&app->config, CONFIG_TLS_CA),
                            .cert_file = config_text(&app->config, CONFIG_TLS_CERT),
                            .key_file = config_text(&app->config, CONFIG_TLS_KEY)};
}

/* A role is reached by any of several URLs, and listens at one of its own. */
static bool listen_at(struct app *app, struct rpc_server *server, enum config_key key)
{
    struct rpc_status status;
    const char *url = config_text(&app->config, key);
    if (strchr(url, ',') != NULL) {
        app_complain("%s: a role listens at one URL", config_variable(key));
        return false;
    }
    if (rpc_server_listen(server, url, RPC_TRUST_ROLE, &status) != RPC_OK) {
        app_complain("%s", status.message);
        return false;
    }
    return true;
}

/* --- the store --- */

struct store_part {
    struct rpc_tls tls;
    struct store *store;
    struct rpc_server *server;
    struct rpc_server_interceptor interceptors[1];
};

static void store_directory(const struct app *app, char *directory, size_t size)
{
    (void)snprintf(directory, size, "%s/store", config_text(&app->config, CONFIG_DATA_DIR));
}

static bool start_store(struct app *app, struct store_part *part)
{
    struct rpc_status status;
    char directory[PATH_MAX + 16];
    store_directory(app, directory, sizeof directory);
    struct store_options store_options = {.directory = directory, .registry = app->registry};
    if (store_open(&store_options, &part->store, &status) != RPC_OK) {
        app_complain("%s", status.message);
        return false;
    }
    part->interceptors[0] = rpc_interceptor_trace_server(app->registry);
    part->tls = tls_of(app);
    struct rpc_server_options options = {
        .name = "store",
        .tls = &part->tls,
        .registry = app->registry,
        .services = store_service(part->store),
        .service_count = 1,
        .interceptors = part->interceptors,
        .interceptor_count = 1,
        .runs_inline = true,
    };
    if (rpc_server_create(&options, &part->server, &status) != RPC_OK) {
        app_complain("%s", status.message);
        return false;
    }
    return true;
}

static void stop_store(struct store_part *part)
{
    if (part->server != NULL)
        rpc_server_drain(part->server, APP_DRAIN_STORE_MS);
    rpc_server_destroy(part->server);
    store_close(part->store);
}

/* --- the logic --- */

struct logic_part {
    struct rpc_tls tls;
    struct store_sight *sight; /* NULL: none */
    struct rpc_channel *store_channel;
    struct store_client *store;
    struct http_client *http;
    struct meta_client *meta;
    struct stripe_client *stripe;
    struct config_cidr allow[CONFIG_CIDRS_MAX];
    struct http_address_policy policy;
    struct http_options http_options;
    struct services *services;
    struct rpc_client_interceptor client_interceptors[1];
    struct rpc_server_interceptor interceptors[2];
    struct rpc_server *server;
    bool jobs_started;
};

static bool open_channel(struct app *app, const char *url, struct rpc_server *server,
                         struct rpc_client_interceptor *interceptor,
                         struct rpc_channel **ret_channel)
{
    struct rpc_status status;
    const struct rpc_tls tls = tls_of(app);
    const struct rpc_channel_retry retry = {.ready_wait_ms = RESTART_WAIT_MS};
    *interceptor = rpc_interceptor_trace_client(app->registry);
    struct rpc_channel_options options = {.url = url,
                                          .tls = &tls,
                                          .retry = &retry,
                                          .server = server,
                                          .interceptors = interceptor,
                                          .interceptor_count = 1};
    if (rpc_channel_open(&options, ret_channel, &status) != RPC_OK) {
        app_complain("%s", status.message);
        return false;
    }
    return true;
}

static bool open_upstreams(struct app *app, struct logic_part *part)
{
    struct rpc_status status;
    const struct config *config = &app->config;
    size_t count = 0;
    (void)config_parse_cidrs(config_text(config, CONFIG_SCAN_ALLOW), part->allow, CONFIG_CIDRS_MAX,
                             &count); /* its form was checked at start */
    part->policy = (struct http_address_policy){
        .public_only = true, .allow = part->allow, .allow_count = count};
    part->http_options = (struct http_options){.user_agent = USER_AGENT};
    if (http_client_create(&part->http_options, &part->http, &status) != RPC_OK) {
        app_complain("%s", status.message);
        return false;
    }
    struct meta_options meta_options = {
        .http = part->http,
        .graph_url = config_text(config, CONFIG_META_GRAPH_URL),
        .dialog_url = config_text(config, CONFIG_META_DIALOG_URL),
        .version = config_text(config, CONFIG_META_API_VERSION),
        .app_id = config_text(config, CONFIG_META_APP_ID),
        .app_secret = config_text(config, CONFIG_META_APP_SECRET),
    };
    part->meta = meta_client_create(&meta_options);
    const struct stripe_options stripe_options = {
        .http = part->http,
        .api_url = config_text(config, CONFIG_STRIPE_API_URL),
        .secret_key = config_text(config, CONFIG_STRIPE_SECRET_KEY),
        .webhook_secret = config_text(config, CONFIG_STRIPE_WEBHOOK_SECRET),
    };
    part->stripe = stripe_client_create(&stripe_options);
    return part->meta != NULL && part->stripe != NULL;
}

static bool create_services(struct app *app, struct logic_part *part)
{
    struct rpc_status status;
    const struct config *config = &app->config;
    struct services_options options = {
        .registry = app->registry,
        .store = part->store,
        .http = part->http,
        .meta = part->meta,
        .stripe = part->stripe,
        .scan_policy = &part->policy,
        .public_url = config_text(config, CONFIG_PUBLIC_URL),
        .key_directory = config_text(config, CONFIG_DATA_DIR),
        .key_given = *config_text(config, CONFIG_SECRET_KEY) != '\0',
        .credit_rates = config_text(config, CONFIG_CREDIT_RATES),
        .signup_credits = config_number(config, CONFIG_SIGNUP_CREDITS),
        .scan_items_max = config_number(config, CONFIG_SCAN_MAX_ITEMS),
        .loopback_exempt = *config_text(config, CONFIG_TRUSTED_PROXIES) == '\0',
    };
    if (!app_secret_key(app, options.secret_key))
        return false;
    if (services_create(&options, &part->services, &status) != RPC_OK) {
        app_complain("%s", status.message);
        return false;
    }
    return true;
}

/*
 * For operators: LOTCAST_RPC, and beside it, where that is in the data directory (other logic
 * processes there have one elsewhere), a socket that carries streams, which REQ/REP does not.
 */
static enum rpc_code open_doors(struct app *app, struct rpc_server *server,
                                struct rpc_status *status)
{
    const char *directory = config_text(&app->config, CONFIG_DATA_DIR);
    const char *given = config_text(&app->config, CONFIG_RPC);
    char url[PATH_MAX + 64];
    enum rpc_code code = rpc_server_listen(server, given, RPC_TRUST_OPERATOR, status);
    (void)snprintf(url, sizeof url, "req+ipc://%s/rpc.sock", directory);
    if (code != RPC_OK || strcmp(given, url) != 0)
        return code;
    (void)snprintf(url, sizeof url, "ipc://%s/lotctl.sock", directory);
    return rpc_server_listen(server, url, RPC_TRUST_OPERATOR, status);
}

/* The stamps of the store in our data directory; if the one that we call is another, they are of no
 * use, and seen not to be. */
static struct store_sight *open_sight(const struct app *app)
{
    char directory[PATH_MAX + 16];
    store_directory(app, directory, sizeof directory);
    return store_sight_create(directory, app->registry);
}

static bool open_store(struct app *app, const struct store_part *near, struct logic_part *part)
{
    const char *url = near == NULL ? config_text(&app->config, CONFIG_STORE_URL) : "direct:";
    struct rpc_server *server = near == NULL ? NULL : near->server;
    if (!open_channel(app, url, server, part->client_interceptors, &part->store_channel))
        return false;
    part->store = store_client_create(part->store_channel, app->registry);
    if (part->store == NULL)
        return false;
    if (near == NULL && strncmp(url, "ipc://", 6) == 0)
        part->sight = open_sight(app);
    const struct store_near stamps = near != NULL          ? store_near_of(near->store)
                                     : part->sight != NULL ? store_sight_near(part->sight)
                                                           : (struct store_near){0};
    store_client_set_near(part->store, &stamps);
    return true;
}

/* `store` is the one in this process, or NULL: it is reached by its URL. */
static bool start_logic(struct app *app, const struct store_part *store, struct logic_part *part)
{
    struct rpc_status status;
    if (!open_store(app, store, part) || !open_upstreams(app, part) || !create_services(app, part))
        return false;
    part->interceptors[0] = rpc_interceptor_trace_server(app->registry);
    part->interceptors[1] = services_interceptor_auth(part->services);
    size_t count;
    part->tls = tls_of(app);
    struct rpc_server_options options = {
        .name = "logic",
        .tls = &part->tls,
        .workers = LOGIC_WORKERS,
        .registry = app->registry,
        .services = services_rpc(part->services, &count),
        .interceptors = part->interceptors,
        .interceptor_count = 2,
        .early = services_early(part->services),
    };
    options.service_count = count;
    if (rpc_server_create(&options, &part->server, &status) != RPC_OK ||
        open_doors(app, part->server, &status) != RPC_OK ||
        services_jobs_start(part->services, &status) != RPC_OK) {
        app_complain("%s", status.message);
        return false;
    }
    part->jobs_started = true;
    return true;
}

static void stop_logic(struct logic_part *part)
{
    /* Deferred calls end with the jobs, so the server has nothing left to wait for. */
    if (part->jobs_started)
        services_jobs_stop(part->services, APP_DRAIN_LOGIC_MS / 2);
    if (part->server != NULL)
        rpc_server_drain(part->server, APP_DRAIN_LOGIC_MS / 2);
    rpc_server_destroy(part->server);
    services_destroy(part->services);
    meta_client_destroy(part->meta);
    stripe_client_destroy(part->stripe);
    http_client_destroy(part->http);
    store_client_destroy(part->store);
    store_sight_destroy(part->sight);
    rpc_channel_close(part->store_channel);
}

/* --- rest --- */

struct rest_part {
    struct rpc_channel *logic_channel;
    struct rpc_channel *store_channel; /* asked for its health alone; NULL in one process */
    struct config_cidr proxies[CONFIG_CIDRS_MAX];
    struct rpc_client_interceptor client_interceptors[2];
    struct rest *rest;
};

/* The servers in this process, or NULL for both. */
static bool start_rest(struct app *app, struct rpc_server *logic, struct rpc_server *store,
                       struct rest_part *part)
{
    struct rpc_status status;
    const struct config *config = &app->config;
    size_t proxy_count = 0;
    (void)config_parse_cidrs(config_text(config, CONFIG_TRUSTED_PROXIES), part->proxies,
                             CONFIG_CIDRS_MAX, &proxy_count); /* checked at start */
    if (!open_channel(app, logic == NULL ? config_text(config, CONFIG_LOGIC_URL) : "direct:", logic,
                      &part->client_interceptors[0], &part->logic_channel) ||
        !open_channel(app, store == NULL ? config_text(config, CONFIG_STORE_URL) : "direct:", store,
                      &part->client_interceptors[1], &part->store_channel))
        return false;
    const struct rest_health_target targets[] = {{"logic", part->logic_channel},
                                                 {"store", part->store_channel}};
    struct rest_options options = {
        .registry = app->registry,
        .channel = part->logic_channel,
        .listen = config_text(config, CONFIG_LISTEN),
        .public_url = config_text(config, CONFIG_PUBLIC_URL),
        .trusted_proxies = part->proxies,
        .trusted_proxy_count = proxy_count,
        .connections_max = (size_t)config_number(config, CONFIG_MAX_CONNECTIONS),
        .connections_per_address_max =
            (size_t)config_number(config, CONFIG_MAX_CONNECTIONS_PER_ADDRESS),
        .http2 = config_bool(config, CONFIG_HTTP2),
        .health_targets = targets,
        .health_target_count = sizeof targets / sizeof targets[0],
        .web_files = rest_web_files,
        .web_file_count = rest_web_file_count,
    };
    if (rest_create(&options, &part->rest, &status) != RPC_OK ||
        rest_start(part->rest, NULL, &status) != RPC_OK) {
        app_complain("%s", status.message);
        return false;
    }
    return true;
}

static void stop_rest(struct rest_part *part)
{
    if (part->rest != NULL)
        rest_drain(part->rest, APP_DRAIN_REST_MS);
    rest_destroy(part->rest);
    rpc_channel_close(part->logic_channel);
    rpc_channel_close(part->store_channel);
}

/* --- running --- */

static void watchdog(int signal)
{
    (void)signal;
    static const char line[] = "lotcast: the drain took too long\n";
    ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
    (void)written;
    _exit(1);
}

/* Says that we are up, waits for the end, and makes sure that it comes whatever a library does. */
static void run_until_signal(struct app *app)
{
    int received = 0;
    if (app->notify_fd >= 0) {
        ssize_t written = write(app->notify_fd, "x", 1);
        (void)written; /* whoever waited has gone */
    }
    log_event(LOG_LEVEL_INFO, "ready", log_number("pid", getpid()));
    while (received != SIGTERM && received != SIGINT)
        (void)sigwait(&app->signals, &received);
    log_event(LOG_LEVEL_INFO, "draining", log_number("signal", received));
    (void)signal(SIGALRM, watchdog);
    (void)alarm(APP_EXIT_S_MAX);
}

int app_run_store(struct app *app)
{
    struct store_part part = {0};
    bool started = start_store(app, &part) && listen_at(app, part.server, CONFIG_STORE_URL);
    if (started)
        run_until_signal(app);
    stop_store(&part);
    return started ? 0 : APP_EXIT_REFUSED;
}

int app_run_logic(struct app *app)
{
    struct logic_part part = {0};
    bool started = app_public_url_default(app) && start_logic(app, NULL, &part) &&
                   listen_at(app, part.server, CONFIG_LOGIC_URL);
    if (started)
        run_until_signal(app);
    stop_logic(&part);
    return started ? 0 : APP_EXIT_REFUSED;
}

int app_run_rest(struct app *app)
{
    struct rest_part part = {0};
    int reserved = app_port_reserve(app, app->notify_fd < 0);
    bool started = reserved >= 0 && start_rest(app, NULL, NULL, &part);
    if (started && app->notify_fd < 0)
        app_announce(app);
    if (started)
        run_until_signal(app);
    stop_rest(&part);
    if (reserved >= 0)
        (void)close(reserved);
    return started ? 0 : APP_EXIT_REFUSED;
}

int app_run_one_process(struct app *app)
{
    struct store_part store = {0};
    struct logic_part logic = {0};
    struct rest_part rest = {0};
    int lock = app_directory_lock(app);
    int reserved = lock < 0 || !app_secret_key_ensure(app) ? -1 : app_port_reserve(app, true);
    bool started = reserved >= 0 && start_store(app, &store) && start_logic(app, &store, &logic) &&
                   start_rest(app, logic.server, store.server, &rest);
    if (started) {
        app_announce(app);
        run_until_signal(app);
    }
    stop_rest(&rest);
    stop_logic(&logic);
    stop_store(&store);
    if (reserved >= 0)
        (void)close(reserved);
    if (lock >= 0)
        (void)close(lock);
    return started ? 0 : APP_EXIT_REFUSED;
}
