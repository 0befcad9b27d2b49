/*
 * The configuration: one table of variables, each an environment variable and a flag of `lotcast`
 * (LOTCAST_LISTEN is --listen). Read once at start, constant afterwards, any thread.
 */
#ifndef RPC_BASE_CONFIG_H
#define RPC_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Longest error line, in bytes with its NUL. */
#define CONFIG_ERROR_BYTES 256

/* In the order of config.c's table. */
enum config_key {
    CONFIG_LISTEN,
    CONFIG_PUBLIC_URL,
    CONFIG_TRUSTED_PROXIES,
    CONFIG_MAX_CONNECTIONS,
    CONFIG_MAX_CONNECTIONS_PER_ADDRESS,
    CONFIG_HTTP2,
    CONFIG_DATA_DIR,
    CONFIG_RPC,
    CONFIG_STORE_URL,
    CONFIG_LOGIC_URL,
    CONFIG_TLS_CA,
    CONFIG_TLS_CERT,
    CONFIG_TLS_KEY,
    CONFIG_META_GRAPH_URL,
    CONFIG_META_DIALOG_URL,
    CONFIG_META_API_VERSION,
    CONFIG_META_APP_ID,
    CONFIG_META_APP_SECRET,
    CONFIG_STRIPE_API_URL,
    CONFIG_STRIPE_SECRET_KEY,
    CONFIG_STRIPE_WEBHOOK_SECRET,
    CONFIG_SECRET_KEY,
    CONFIG_SCAN_ALLOW,
    CONFIG_SCAN_MAX_ITEMS,
    CONFIG_SIGNUP_CREDITS,
    CONFIG_CREDIT_RATES,
    CONFIG_LOG_LEVEL,
    CONFIG_CLOCK,
    CONFIG_COUNT
};

struct config {
    char *values[CONFIG_COUNT]; /* malloc'ed; never NULL: "" where there is no value */
    bool given[CONFIG_COUNT];   /* from the environment or a flag, not the default */
};

/*
 * Reads defaults, then the environment, then flags (`--name value`, `--name=value`), which are
 * removed from argv; other arguments stay. Each value's form is checked. On a bad one writes one
 * line that names it into `error` and returns false; `config` then needs no fini.
 */
bool config_init(struct config *config, int *argc, char **argv,
                 char error[static CONFIG_ERROR_BYTES]) __attribute__((warn_unused_result));
void config_fini(struct config *config);

/* The text of a value; lives as long as the config. "" where there is none. */
const char *config_text(const struct config *config, enum config_key key);
/* A numeric or on/off value (its form was checked at start). */
int64_t config_number(const struct config *config, enum config_key key);
bool config_bool(const struct config *config, enum config_key key);
/* LOTCAST_LISTEN, for messages and for handing values to child processes. */
const char *config_variable(enum config_key key);
/* Replaces a value (a derived default, a port that was chosen). False when out of memory. */
bool config_set(struct config *config, enum config_key key, const char *value);
/* Prints a table of all variables with their defaults and a line of explanation. */
void config_print_help(FILE *out);

/* One CIDR of a comma list such as LOTCAST_SCAN_ALLOW; IPv4 is kept as ::ffff:a.b.c.d. */
struct config_cidr {
    uint8_t address[16];
    int prefix_bits; /* 0 to 128 */
};
/* Parses a comma list into `cidrs`; false on a bad one or more than `max`. An address is a /32 or
 * /128. */
bool config_parse_cidrs(const char *text, struct config_cidr *cidrs, size_t max, size_t *ret_count);
bool config_cidr_contains(const struct config_cidr *cidr, const uint8_t address[static 16]);
/* Most CIDRs in one list. */
#define CONFIG_CIDRS_MAX 64

#endif
