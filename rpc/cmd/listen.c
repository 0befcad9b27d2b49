/*
 * The REST port: reserved before anything listens on it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/cmd/app.h"

#define HOST_BYTES 256

struct address {
    char host[HOST_BYTES]; /* without brackets */
    bool bracketed;
    const char *port; /* in the configuration's text */
};

static bool split_address(const char *text, struct address *address)
{
    const char *colon = strrchr(text, ':');
    size_t len = (size_t)(colon - text); /* the form was checked at start */
    address->bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    if (len >= sizeof address->host)
        return false;
    (void)snprintf(address->host, sizeof address->host, "%.*s",
                   (int)(address->bracketed ? len - 2 : len), address->bracketed ? text + 1 : text);
    address->port = colon + 1;
    return true;
}

static int bind_socket(const struct addrinfo *info, int option)
{
    int on = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (option != 0 && setsockopt(fd, SOL_SOCKET, option, &on, sizeof on) != 0) ||
        bind(fd, info->ai_addr, info->ai_addrlen) != 0) {
        int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Whether anyone listens there: SO_REUSEPORT alone would share the port without a word. */
static bool is_free(const struct addrinfo *info)
{
    int fd = bind_socket(info, 0);
    if (fd < 0)
        return false;
    (void)close(fd);
    return true;
}

static bool fill_in(struct app *app, const struct address *address, int fd)
{
    struct sockaddr_storage bound;
    socklen_t bound_len = sizeof bound;
    char text[HOST_BYTES + 16];
    if (getsockname(fd, (struct sockaddr *)&bound, &bound_len) != 0)
        return false;
    unsigned port = bound.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&bound)->sin6_port)
                                                : ntohs(((struct sockaddr_in *)&bound)->sin_port);
    if (*config_text(&app->config, CONFIG_PUBLIC_URL) == '\0') {
        (void)snprintf(text, sizeof text, "http://localhost:%u", port);
        if (!config_set(&app->config, CONFIG_PUBLIC_URL, text))
            return false;
    }
    (void)snprintf(text, sizeof text, "%s%s%s:%u", address->bracketed ? "[" : "", address->host,
                   address->bracketed ? "]" : "", port);
    return config_set(&app->config, CONFIG_LISTEN, text);
}

bool app_public_url_default(struct app *app)
{
    char url[64];
    const char *port = strrchr(config_text(&app->config, CONFIG_LISTEN), ':') + 1;
    if (*config_text(&app->config, CONFIG_PUBLIC_URL) != '\0')
        return true;
    if (strcmp(port, "0") == 0) {
        app_complain("LOTCAST_PUBLIC_URL is needed where LOTCAST_LISTEN names no port");
        return false;
    }
    (void)snprintf(url, sizeof url, "http://localhost:%s", port);
    return config_set(&app->config, CONFIG_PUBLIC_URL, url);
}

int app_port_reserve(struct app *app, bool exclusive)
{
    struct address address;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *info = NULL;
    const char *text = config_text(&app->config, CONFIG_LISTEN);
    int fd = -1;
    errno = EINVAL;
    if (split_address(text, &address) &&
        getaddrinfo(address.host, address.port, &hints, &info) == 0 &&
        (!exclusive || is_free(info)))
        fd = bind_socket(info, SO_REUSEPORT);
    if (fd < 0 || !fill_in(app, &address, fd)) {
        app_complain("LOTCAST_LISTEN: cannot listen at %s: %s", text, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        fd = -1;
    }
    if (info != NULL)
        freeaddrinfo(info);
    return fd;
}

void app_announce(const struct app *app)
{
    const char *listen = config_text(&app->config, CONFIG_LISTEN);
    /* Where we are behind a public URL, what is news is the port. */
    if (app->config.given[CONFIG_PUBLIC_URL])
        (void)printf("http://localhost:%s\n", strrchr(listen, ':') + 1);
    else
        (void)printf("%s\n", config_text(&app->config, CONFIG_PUBLIC_URL));
    (void)fflush(stdout);
}
