/*
 * TLS for connections beyond this machine: both ends have a certificate of the same CA. NNG's TLS
 * is mbedtls 2.28, TLS 1.2; it compares the dialled host with DNS names (subjectAltName, else the
 * common name), so an address of digits has to be the common name of a certificate without such.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "rpc/nng_internal.h"

/* A PEM file at most, in bytes. */
#define PEM_BYTES_MAX ((size_t)256 * 1024)
/* Longest host name, in bytes with its NUL. */
#define HOST_BYTES 256

/* The file's text, to be wiped and freed; NULL with the status. */
static char *read_pem(const char *path, struct rpc_status *status)
{
    char *text = path == NULL || *path == '\0' ? NULL : malloc(PEM_BYTES_MAX);
    if (text == NULL) {
        (void)rpc_status_set(status, RPC_FAILED_PRECONDITION,
                             "tls+tcp needs LOTCAST_TLS_CA, LOTCAST_TLS_CERT and LOTCAST_TLS_KEY");
        return NULL;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && len < PEM_BYTES_MAX - 1) {
        got = read(fd, text + len, PEM_BYTES_MAX - 1 - len);
        if (got > 0)
            len += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1;
    }
    if (fd >= 0)
        (void)close(fd);
    if (got == 0 && len > 0) {
        text[len] = '\0';
        return text;
    }
    free(text);
    (void)rpc_status_set(status, RPC_FAILED_PRECONDITION, "%s cannot be read", path);
    return NULL;
}

static void wipe(char *text)
{
    if (text != NULL)
        sodium_memzero(text, strlen(text));
    free(text);
}

/* The host of tls+tcp://host:port without brackets. */
static void host_of(const struct rpc__nng_address *address, char host[static HOST_BYTES])
{
    const char *begin = address->url + sizeof "tls+tcp://" - 1;
    size_t len = (size_t)(strrchr(begin, ':') - begin);
    if (len >= 2 && begin[0] == '[' && begin[len - 1] == ']') {
        begin++;
        len -= 2;
    }
    if (len >= HOST_BYTES)
        len = HOST_BYTES - 1;
    memcpy(host, begin, len);
    host[len] = '\0';
}

static int fill_in(nng_tls_config *config, const struct rpc__nng_address *address, bool server,
                   char *const pem[3])
{
    int rv = nng_tls_config_version(config, NNG_TLS_1_2, NNG_TLS_1_3);
    if (rv == 0)
        rv = nng_tls_config_ca_chain(config, pem[0], NULL);
    if (rv == 0)
        rv = nng_tls_config_own_cert(config, pem[1], pem[2], NULL);
    if (rv == 0 && !server) {
        char host[HOST_BYTES];
        host_of(address, host);
        rv = nng_tls_config_server_name(config, host);
    }
    return rv == 0 ? nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED) : rv;
}

enum rpc_code rpc__nng_tls_init(struct rpc__nng_address *address, const struct rpc_tls *tls,
                                bool server, struct rpc_status *status)
{
    static const struct rpc_tls none;
    if (!address->tls)
        return RPC_OK;
    if (tls == NULL)
        tls = &none;
    const char *const paths[3] = {tls->ca_file, tls->cert_file, tls->key_file};
    char *pem[3] = {NULL, NULL, NULL};
    enum rpc_code code = RPC_OK;
    for (size_t i = 0; i < 3 && code == RPC_OK; i++) {
        pem[i] = read_pem(paths[i], status);
        if (pem[i] == NULL)
            code = RPC_FAILED_PRECONDITION;
    }
    nng_tls_config *config = NULL;
    if (code == RPC_OK) {
        int rv = nng_tls_config_alloc(&config, server ? NNG_TLS_MODE_SERVER : NNG_TLS_MODE_CLIENT);
        if (rv == 0)
            rv = fill_in(config, address, server, pem);
        if (rv != 0)
            code = rpc_status_set(status, RPC_FAILED_PRECONDITION,
                                  "%s, %s and %s do not make a TLS identity: %s", paths[0],
                                  paths[1], paths[2], nng_strerror(rv));
    }
    for (size_t i = 0; i < 3; i++)
        wipe(pem[i]);
    if (code == RPC_OK)
        address->tls_config = config;
    else if (config != NULL)
        nng_tls_config_free(config);
    return code;
}

void rpc__nng_tls_fini(struct rpc__nng_address *address)
{
    if (address->tls_config != NULL)
        nng_tls_config_free(address->tls_config);
    address->tls_config = NULL;
}
