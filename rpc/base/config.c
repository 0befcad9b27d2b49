#include "rpc/base/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "rpc/base/clock.h"
#include "rpc/base/log.h"

/* Longest URL of a role, in bytes with its NUL. */
#define RPC_URL_BYTES 256
/* Limits on numbers, in the variable's own unit. */
#define CONNECTIONS_MAX 1000000
#define SCAN_ITEMS_MAX 1000000
#define SIGNUP_CREDITS_MAX 1000000000

enum form {
    FORM_TEXT,
    FORM_NUMBER,
    FORM_SWITCH,   /* on, off */
    FORM_HTTP_URL, /* a trailing slash is dropped */
    FORM_ORIGIN,   /* such a URL without a path */
    FORM_RPC_URL,  /* ipc://, tcp://, tls+tcp://, and with req+ */
    FORM_RPC_URLS, /* one or several, with commas between them */
    FORM_FILE,     /* one that can be read */
    FORM_VERSION,  /* v24.0 */
    FORM_CIDRS,
    FORM_HEX_KEY, /* 32 bytes */
    FORM_LEVEL,
    FORM_TIME,
    FORM_RATES,
    FORM_HOST_PORT,
};

struct variable {
    const char *name;
    const char *fallback;
    enum form form;
    int64_t max; /* of numbers, which are at least `min` */
    const char *help;
    int64_t min;
};

static const struct variable variables[CONFIG_COUNT] = {
    [CONFIG_LISTEN] = {"LOTCAST_LISTEN", "127.0.0.1:8080", FORM_HOST_PORT, 0,
                       "REST address; port 0 picks a free one"},
    [CONFIG_PUBLIC_URL] = {"LOTCAST_PUBLIC_URL", "", FORM_ORIGIN, 0,
                           "what browsers call us; default http://localhost:PORT"},
    [CONFIG_TRUSTED_PROXIES] = {"LOTCAST_TRUSTED_PROXIES", "", FORM_CIDRS, 0,
                                "CIDRs whose X-Forwarded-For is believed"},
    [CONFIG_MAX_CONNECTIONS] = {"LOTCAST_MAX_CONNECTIONS", "20000", FORM_NUMBER, CONNECTIONS_MAX,
                                "open connections in all", 1},
    [CONFIG_MAX_CONNECTIONS_PER_ADDRESS] =
        {"LOTCAST_MAX_CONNECTIONS_PER_ADDRESS", "256", FORM_NUMBER, CONNECTIONS_MAX,
         "open connections of one address; loopback and trusted proxies are exempt", 1},
    [CONFIG_HTTP2] =
        {"LOTCAST_HTTP2", "off", FORM_SWITCH, 0,
         "on: HTTP/2 too. Put a front proxy before it: this libh2o lacks the reset-flood fixes"},
    [CONFIG_DATA_DIR] = {"LOTCAST_DATA_DIR", "./data", FORM_TEXT, 0, "where everything is kept"},
    [CONFIG_RPC] = {"LOTCAST_RPC", "", FORM_RPC_URL, 0,
                    "the open door for tools; default req+ipc://DATA_DIR/rpc.sock"},
    [CONFIG_STORE_URL] = {"LOTCAST_STORE_URL", "", FORM_RPC_URLS, 0,
                          "where the store listens: ipc://PATH, tcp://HOST:PORT on loopback, "
                          "tls+tcp://HOST:PORT; default ipc://DATA_DIR/store.sock"},
    [CONFIG_LOGIC_URL] = {"LOTCAST_LOGIC_URL", "", FORM_RPC_URLS, 0,
                          "where the logic listens, likewise, or, for rest, a comma list of where "
                          "it does; default ipc://DATA_DIR/logic.sock"},
    [CONFIG_TLS_CA] = {"LOTCAST_TLS_CA", "", FORM_FILE, 0, "PEM file, for tls+tcp between roles"},
    [CONFIG_TLS_CERT] = {"LOTCAST_TLS_CERT", "", FORM_FILE, 0, "PEM file"},
    [CONFIG_TLS_KEY] = {"LOTCAST_TLS_KEY", "", FORM_FILE, 0, "PEM file"},
    [CONFIG_META_GRAPH_URL] = {"LOTCAST_META_GRAPH_URL", "https://graph.facebook.com",
                               FORM_HTTP_URL, 0, "Meta's Graph API"},
    [CONFIG_META_DIALOG_URL] = {"LOTCAST_META_DIALOG_URL", "https://www.facebook.com",
                                FORM_HTTP_URL, 0, "Meta's log-in dialog"},
    [CONFIG_META_API_VERSION] = {"LOTCAST_META_API_VERSION", "v24.0", FORM_VERSION, 0,
                                 "version of the Graph API"},
    [CONFIG_META_APP_ID] = {"LOTCAST_META_APP_ID", "", FORM_TEXT, 0,
                            "our app; connecting answers UNAVAILABLE without it"},
    [CONFIG_META_APP_SECRET] = {"LOTCAST_META_APP_SECRET", "", FORM_TEXT, 0, "our app's secret"},
    [CONFIG_STRIPE_API_URL] = {"LOTCAST_STRIPE_API_URL", "https://api.stripe.com", FORM_HTTP_URL, 0,
                               "Stripe's API"},
    [CONFIG_STRIPE_SECRET_KEY] = {"LOTCAST_STRIPE_SECRET_KEY", "", FORM_TEXT, 0,
                                  "Stripe's secret key"},
    [CONFIG_STRIPE_WEBHOOK_SECRET] = {"LOTCAST_STRIPE_WEBHOOK_SECRET", "", FORM_TEXT, 0,
                                      "Stripe's webhook secret"},
    [CONFIG_SECRET_KEY] = {"LOTCAST_SECRET_KEY", "", FORM_HEX_KEY, 0,
                           "32 bytes in hex that tokens are sealed with; made at the first start"},
    [CONFIG_SCAN_ALLOW] = {"LOTCAST_SCAN_ALLOW", "", FORM_CIDRS, 0,
                           "CIDRs that a scan may also reach (for development)"},
    [CONFIG_SCAN_MAX_ITEMS] = {"LOTCAST_SCAN_MAX_ITEMS", "100000", FORM_NUMBER, SCAN_ITEMS_MAX,
                               "items of one inventory", 1},
    [CONFIG_SIGNUP_CREDITS] = {"LOTCAST_SIGNUP_CREDITS", "500", FORM_NUMBER, SIGNUP_CREDITS_MAX,
                               "welcome credits"},
    [CONFIG_CREDIT_RATES] = {"LOTCAST_CREDIT_RATES", "USD:20", FORM_RATES, 0,
                             "credits for one unit of a currency: USD:20,EUR:22"},
    [CONFIG_LOG_LEVEL] = {"LOTCAST_LOG_LEVEL", "info", FORM_LEVEL, 0, "debug, info, warn or error"},
    [CONFIG_CLOCK] = {"LOTCAST_CLOCK", "", FORM_TIME, 0,
                      "the time at which the clock starts (for tests and demos)"},
};

/* An optional sign is not taken: no variable is negative. */
static bool parse_number(const char *text, int64_t max, int64_t *ret)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || value > max)
        return false;
    *ret = value;
    return true;
}

static bool valid_hex_key(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64;
}

/* USD:20,EUR:22 — three capitals and a whole number each. */
static bool valid_rates(const char *text)
{
    while (*text != '\0') {
        for (int i = 0; i < 3; i++) {
            if (!isupper((unsigned char)text[i]))
                return false;
        }
        text += 3;
        if (*text++ != ':')
            return false;
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 6 || strspn(text, "0") == digits)
            return false;
        text += digits;
        if (*text == ',' && text[1] != '\0')
            text++;
        else if (*text != '\0')
            return false;
    }
    return true;
}

static bool valid_host_port(const char *text)
{
    const char *colon = strrchr(text, ':');
    int64_t port;
    return colon != NULL && colon != text && parse_number(colon + 1, 65535, &port);
}

static bool valid_http_url(const char *text)
{
    const char *host = strncmp(text, "http://", 7) == 0    ? text + 7
                       : strncmp(text, "https://", 8) == 0 ? text + 8
                                                           : NULL;
    if (host == NULL || *host == '\0' || *host == '/')
        return false;
    return strpbrk(text, " \t\r\n\"<>\\?#@") == NULL;
}

/* Nothing but scheme, host and port: it is what an Origin header is compared with. */
static bool valid_origin(const char *text)
{
    const char *host = strstr(text, "://");
    if (!valid_http_url(text))
        return false;
    const char *slash = strchr(host + 3, '/');
    return slash == NULL || slash[1] == '\0';
}

/* The transports that there are, and a socket's path that the system can hold. */
static bool valid_rpc_url(const char *text)
{
    static const struct {
        const char *prefix;
        bool ipc;
    } forms[] = {{"ipc://", true},
                 {"tcp://", false},
                 {"tls+tcp://", false},
                 {"req+ipc://", true},
                 {"req+tcp://", false}};
    if (strchr(text, ',') != NULL)
        return false; /* it would be taken for a list */
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        size_t prefix_len = strlen(forms[i].prefix);
        if (strncmp(text, forms[i].prefix, prefix_len) != 0)
            continue;
        const char *rest = text + prefix_len;
        size_t len = strlen(rest);
        return forms[i].ipc ? len > 0 && len < sizeof(((struct sockaddr_un *)0)->sun_path)
                            : valid_host_port(rest);
    }
    return false;
}

static bool valid_rpc_urls(const char *text)
{
    char url[RPC_URL_BYTES];
    for (const char *at = text; at != NULL;) {
        size_t len = strcspn(at, ",");
        if (len >= sizeof url)
            return false;
        memcpy(url, at, len);
        url[len] = '\0';
        if (!valid_rpc_url(url))
            return false;
        at = at[len] == ',' ? at + len + 1 : NULL;
    }
    return true;
}

static bool valid_version(const char *text)
{
    size_t major = *text == 'v' ? strspn(text + 1, "0123456789") : 0;
    const char *dot = text + 1 + major;
    if (major == 0 || *dot != '.')
        return false;
    size_t minor = strspn(dot + 1, "0123456789");
    return minor > 0 && dot[1 + minor] == '\0';
}

static bool valid(const struct variable *variable, const char *value)
{
    struct config_cidr cidrs[CONFIG_CIDRS_MAX];
    enum log_level level;
    size_t count;
    int64_t number;
    for (const char *at = value; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    }
    if (*value == '\0')
        return variable->fallback[0] == '\0';
    switch (variable->form) {
    case FORM_TEXT:
        return true;
    case FORM_NUMBER:
        return parse_number(value, variable->max, &number) && number >= variable->min;
    case FORM_SWITCH:
        return strcmp(value, "on") == 0 || strcmp(value, "off") == 0;
    case FORM_HTTP_URL:
        return valid_http_url(value);
    case FORM_ORIGIN:
        return valid_origin(value);
    case FORM_RPC_URL:
        return valid_rpc_url(value);
    case FORM_RPC_URLS:
        return valid_rpc_urls(value);
    case FORM_FILE:
        return access(value, R_OK) == 0;
    case FORM_VERSION:
        return valid_version(value);
    case FORM_CIDRS:
        return config_parse_cidrs(value, cidrs, CONFIG_CIDRS_MAX, &count);
    case FORM_HEX_KEY:
        return valid_hex_key(value);
    case FORM_LEVEL:
        return log_level_parse(value, &level);
    case FORM_TIME:
        return clock_parse_rfc3339(value, &number);
    case FORM_RATES:
        return valid_rates(value);
    case FORM_HOST_PORT:
        return valid_host_port(value);
    }
    return false;
}

static bool set_checked(struct config *config, enum config_key key, const char *value,
                        const char *shown_as, char *error)
{
    if (!valid(&variables[key], value)) {
        /* The value is not shown: it may be a secret. */
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s has a bad value (%s)", shown_as,
                       variables[key].help);
        return false;
    }
    if (!config_set(config, key, value)) {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "out of memory");
        return false;
    }
    size_t len = strlen(value);
    bool is_url = variables[key].form == FORM_HTTP_URL || variables[key].form == FORM_ORIGIN;
    while (is_url && len > 0 && value[len - 1] == '/')
        config->values[key][--len] = '\0';
    config->given[key] = true;
    return true;
}

/* Whether `flag` (behind "--") is the variable's name: LOTCAST_DATA_DIR is data-dir. */
static bool flag_is(const char *flag, size_t len, const char *name)
{
    name += strlen("LOTCAST_");
    if (strlen(name) != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        char wanted = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
        if (flag[i] != wanted)
            return false;
    }
    return true;
}

static int find_flag(const char *flag, size_t len)
{
    for (int key = 0; key < CONFIG_COUNT; key++) {
        if (flag_is(flag, len, variables[key].name))
            return key;
    }
    return -1;
}

static bool read_flags(struct config *config, int *argc, char **argv, char *error)
{
    int kept = 0;
    for (int i = 0; i < *argc; i++) {
        const char *flag = argv[i];
        size_t len = strncmp(flag, "--", 2) == 0 ? strcspn(flag + 2, "=") : 0;
        int key = i > 0 && len > 0 ? find_flag(flag + 2, len) : -1;
        if (key < 0) {
            argv[kept++] = argv[i];
            continue;
        }
        const char *value = flag[2 + len] == '=' ? flag + 3 + len : NULL;
        if (value == NULL && i + 1 < *argc)
            value = argv[++i];
        if (value == NULL) {
            (void)snprintf(error, CONFIG_ERROR_BYTES, "%s needs a value", flag);
            return false;
        }
        if (!set_checked(config, (enum config_key)key, value, variables[key].name, error))
            return false;
    }
    argv[kept] = NULL;
    *argc = kept;
    return true;
}

bool config_init(struct config *config, int *argc, char **argv,
                 char error[static CONFIG_ERROR_BYTES])
{
    *config = (struct config){0};
    for (int key = 0; key < CONFIG_COUNT; key++) {
        if (!config_set(config, (enum config_key)key, variables[key].fallback)) {
            (void)snprintf(error, CONFIG_ERROR_BYTES, "out of memory");
            goto failed;
        }
    }
    for (int key = 0; key < CONFIG_COUNT; key++) {
        const char *value = getenv(variables[key].name);
        /* Empty counts as not set, as shells and unit files make it easy to set nothing. */
        if (value != NULL && *value != '\0' &&
            !set_checked(config, (enum config_key)key, value, variables[key].name, error))
            goto failed;
    }
    if (!read_flags(config, argc, argv, error))
        goto failed;
    return true;
failed:
    config_fini(config);
    return false;
}

void config_fini(struct config *config)
{
    for (int key = 0; key < CONFIG_COUNT; key++) {
        free(config->values[key]);
        config->values[key] = NULL;
    }
}

const char *config_text(const struct config *config, enum config_key key)
{
    return config->values[key];
}

int64_t config_number(const struct config *config, enum config_key key)
{
    int64_t value = 0;
    (void)parse_number(config->values[key], variables[key].max, &value); /* checked at start */
    return value;
}

bool config_bool(const struct config *config, enum config_key key)
{
    return strcmp(config->values[key], "on") == 0;
}

const char *config_variable(enum config_key key)
{
    return variables[key].name;
}

bool config_set(struct config *config, enum config_key key, const char *value)
{
    char *copy = strdup(value);
    if (copy == NULL)
        return false;
    free(config->values[key]);
    config->values[key] = copy;
    return true;
}

void config_print_help(FILE *out)
{
    for (int key = 0; key < CONFIG_COUNT; key++) {
        const struct variable *variable = &variables[key];
        (void)fprintf(out, "  %-36s %s%s%s%s\n", variable->name, variable->help,
                      *variable->fallback ? " [" : "", variable->fallback,
                      *variable->fallback ? "]" : "");
    }
}

static bool parse_cidr(const char *text, size_t len, struct config_cidr *cidr)
{
    char address[INET6_ADDRSTRLEN + 1];
    const char *slash = memchr(text, '/', len);
    size_t address_len = slash == NULL ? len : (size_t)(slash - text);
    if (address_len == 0 || address_len >= sizeof address)
        return false;
    memcpy(address, text, address_len);
    address[address_len] = '\0';
    struct in_addr v4;
    int bits_max = 128;
    if (inet_pton(AF_INET, address, &v4) == 1) {
        static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
        memcpy(cidr->address, mapped, sizeof mapped);
        memcpy(cidr->address + 12, &v4, 4);
        bits_max = 32;
    } else if (inet_pton(AF_INET6, address, cidr->address) != 1) {
        return false;
    }
    int bits = bits_max;
    if (slash != NULL) {
        size_t digits = len - address_len - 1;
        if (digits == 0 || digits > 3 || strspn(slash + 1, "0123456789") < digits)
            return false;
        bits = (int)strtol(slash + 1, NULL, 10);
        if (bits > bits_max)
            return false;
    }
    cidr->prefix_bits = bits_max == 32 ? bits + 96 : bits;
    return true;
}

bool config_parse_cidrs(const char *text, struct config_cidr *cidrs, size_t max, size_t *ret_count)
{
    size_t count = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        if (count == max || !parse_cidr(text, len, &cidrs[count]))
            return false;
        count++;
        text += len;
        if (*text == ',' && *++text == '\0')
            return false;
    }
    *ret_count = count;
    return true;
}

bool config_cidr_contains(const struct config_cidr *cidr, const uint8_t address[static 16])
{
    int whole = cidr->prefix_bits / 8;
    int rest = cidr->prefix_bits % 8;
    if (memcmp(cidr->address, address, (size_t)whole) != 0)
        return false;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return (cidr->address[whole] & mask) == (address[whole] & mask);
}
