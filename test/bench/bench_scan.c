/*
 * What reading a website costs: CPU a page of a site of 30 KB pages with JSON-LD, over loopback.
 *
 *   bench_scan [PAGES]      (default 2000; a round of what is compared reads so many)
 *   bench_scan site         serves sites until it is killed, and prints where: for looks by hand
 *
 * The site is served by a process of its own, so that only the reader's CPU counts: that of the
 * scan and of the HTTP client's thread. The yardsticks fetch the same pages with the same client,
 * one after the other, and with libxml2's HTML parser make a tree of each. The last figure is the
 * wall time of a re-scan of an unchanged site of UNCHANGED_PAGES pages, with what is known of them
 * in memory instead of a store.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libxml/HTMLparser.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clients/site/site.h"
#include "rpc/base/buffer.h"
#include "rpc/base/clock.h"
#include "test/bench/report.h"

#define PAGES_DEFAULT 2000
#define UNCHANGED_PAGES 20000
#define ROUNDS 5
#define PAGE_BYTES ((size_t)30 * 1024)
#define CONNECTIONS_MAX 64
#define HEAD_BYTES_MAX 8192
#define ANSWER_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define ARENA_BYTES_MAX ((size_t)1024 * 1024 * 1024)
#define SCAN_MS_MAX 600000
/* Pages of one sitemap; a larger site has an index of them. */
#define MAP_PAGES 40000
#define URL_TEXT_BYTES 128

static _Noreturn void give_up(const char *what)
{
    (void)fprintf(stderr, "bench_scan: %s\n", what);
    exit(1);
}

/* ---- the site, in a process of its own ---- */

struct connection {
    char head[HEAD_BYTES_MAX + 1];
    size_t len;
};

struct site {
    int pages; /* by the first part of the path: /s2000/… has 2000 pages */
    struct buffer answer, body;
    char filler[PAGE_BYTES];
};

/* Markup as dealers have it: navigation, scripts, a grid of features, a footer. */
static void make_filler(char out[static PAGE_BYTES])
{
    struct buffer text;
    buffer_init(&text, PAGE_BYTES);
    (void)buffer_append_string(&text, "<nav class=\"menu menu--main\"><ul>");
    for (int i = 0; i < 60; i++)
        (void)buffer_printf(&text,
                            "<li class=\"menu__item\"><a href=\"/section/%d?from=menu&amp;pos=%d\">"
                            "Section %d</a></li>",
                            i, i, i);
    (void)buffer_append_string(&text, "</ul></nav><script>window.dataLayer=window.dataLayer||[];"
                                      "function gtag(){dataLayer.push(arguments);}</script>");
    for (int i = 0; text.len + 400 < PAGE_BYTES - 1; i++)
        (void)buffer_printf(&text,
                            "<div class=\"feature feature--%d\" data-index=\"%d\"><h3>Feature "
                            "%d</h3><p>Heated seats &amp; more, <b>adaptive</b> cruise control, a "
                            "rear-view camera.<br>Call <a href=\"tel:555\">us</a>.</p></div>\n",
                            i % 7, i, i);
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    buffer_fini(&text);
}

static void write_page(struct site *site, const char *root, int number)
{
    struct buffer *out = &site->body;
    (void)buffer_printf(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Car %d</title>"
        "<link rel=\"canonical\" href=\"%s/car/%d\"><meta property=\"og:title\" content=\"Car %d\">"
        "<meta property=\"og:type\" content=\"website\"><!-- <script>not this</script> -->"
        "<script type=\"application/ld+json\">{\"@context\":\"https://schema.org\",\"@graph\":[{"
        "\"@type\":\"BreadcrumbList\",\"itemListElement\":[{\"@type\":\"ListItem\",\"position\":1,"
        "\"name\":\"Cars\",\"item\":\"%s/\"}]},{\"@type\":\"Car\",\"name\":\"2021 Honda Civic EX "
        "%d\",\"description\":\"One owner, accident free, full service history.\",\"image\":["
        "\"/images/%d-1.jpg\",\"/images/%d-2.jpg\"],\"brand\":{\"@type\":\"Brand\",\"name\":"
        "\"Honda\"},\"model\":\"Civic\",\"vehicleModelDate\":\"2021\",\"bodyType\":\"Sedan\","
        "\"vehicleIdentificationNumber\":\"1HGCM826%09d\",\"sku\":\"STK%d\",\"itemCondition\":"
        "\"https://schema.org/UsedCondition\",\"mileageFromOdometer\":{\"@type\":"
        "\"QuantitativeValue\",\"value\":%d,\"unitCode\":\"SMI\"},\"offers\":{\"@type\":\"Offer\","
        "\"price\":\"%d.00\",\"priceCurrency\":\"USD\",\"availability\":"
        "\"https://schema.org/InStock\",\"url\":\"%s/car/%d\"}}]}</script></head><body>",
        number, root, number, number, root, number, number, number, number, number,
        10000 + number % 90000, 10000 + number % 20000, root, number);
    size_t room = PAGE_BYTES - out->len - 16;
    size_t len = strlen(site->filler);
    (void)buffer_append(out, site->filler, len < room ? len : room);
    (void)buffer_append_string(out, "</body></html>");
}

static void write_map(struct site *site, const char *root, int from, int to)
{
    (void)buffer_append_string(&site->body, "<urlset>");
    for (int i = from; i < to; i++)
        (void)buffer_printf(&site->body, "<url><loc>%s/car/%d</loc></url>", root, i);
    (void)buffer_append_string(&site->body, "</urlset>");
}

static void write_index(struct site *site, const char *root, int pages)
{
    (void)buffer_append_string(&site->body, "<sitemapindex>");
    for (int i = 0; i * MAP_PAGES < pages; i++)
        (void)buffer_printf(&site->body, "<sitemap><loc>%s/map.xml?n=%d</loc></sitemap>", root, i);
    (void)buffer_append_string(&site->body, "</sitemapindex>");
}

/* The page's status; its body is in site->body. */
static int write_target(struct site *site, const char *target)
{
    char root[32];
    int pages = 0;
    int number = -1;
    int used = 0;
    buffer_clear(&site->body);
    if (strcmp(target, "/robots.txt") == 0)
        return 404;
    if (sscanf(target, "/s%d%n", &pages, &used) != 1)
        return 404;
    (void)snprintf(root, sizeof root, "/s%d", pages);
    const char *rest = target + used;
    if (strcmp(rest, "/map.xml") == 0 && pages > MAP_PAGES) {
        write_index(site, root, pages);
    } else if (strncmp(rest, "/map.xml", 8) == 0) {
        int map = sscanf(rest, "/map.xml?n=%d", &number) == 1 ? number : 0;
        int from = map * MAP_PAGES;
        write_map(site, root, from, pages - from < MAP_PAGES ? pages : from + MAP_PAGES);
    } else if (sscanf(rest, "/car/%d", &number) == 1 && number >= 0 && number < pages) {
        write_page(site, root, number);
    } else {
        return 404;
    }
    return 200;
}

static void answer(struct site *site, int socket, char *head)
{
    char *target = strchr(head, ' ');
    char *end = target == NULL ? NULL : strchr(target + 1, ' ');
    if (end == NULL)
        give_up("the site was asked for nothing");
    bool is_known = strcasestr(end, "\r\nIf-None-Match:") != NULL;
    *end = '\0';
    int status = is_known ? 304 : write_target(site, target + 1);
    const char *type = strstr(target + 1, ".xml") == NULL ? "text/html" : "application/xml";
    size_t len = status == 200 ? site->body.len : 0;
    buffer_clear(&site->answer);
    (void)buffer_printf(&site->answer,
                        "HTTP/1.1 %d X\r\nContent-Type: %s; charset=utf-8\r\nETag: \"1\"\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        status, type, len);
    (void)buffer_append(&site->answer, site->body.data, len);
    for (size_t at = 0; at < site->answer.len;) {
        ssize_t sent = send(socket, site->answer.data + at, site->answer.len - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += (size_t)sent;
    }
}

/* False once the peer has gone. */
static bool serve(struct site *site, int socket, struct connection *connection)
{
    ssize_t len =
        recv(socket, connection->head + connection->len, HEAD_BYTES_MAX - connection->len, 0);
    if (len <= 0)
        return false;
    connection->len += (size_t)len;
    connection->head[connection->len] = '\0';
    if (strstr(connection->head, "\r\n\r\n") == NULL)
        return connection->len < HEAD_BYTES_MAX;
    connection->len = 0;
    answer(site, socket, connection->head);
    return true;
}

static _Noreturn void serve_forever(int listener)
{
    static struct site site;
    static struct connection connections[CONNECTIONS_MAX];
    struct pollfd fds[CONNECTIONS_MAX + 1] = {{.fd = listener, .events = POLLIN}};
    nfds_t count = 1;
    buffer_init(&site.answer, ANSWER_BYTES_MAX);
    buffer_init(&site.body, ANSWER_BYTES_MAX);
    make_filler(site.filler);
    for (;;) {
        (void)poll(fds, count, -1);
        for (nfds_t i = count; i-- > 1;) {
            if (fds[i].revents == 0 || serve(&site, fds[i].fd, &connections[i - 1]))
                continue;
            (void)close(fds[i].fd);
            fds[i] = fds[--count];
            connections[i - 1] = connections[count - 1];
        }
        if (fds[0].revents != 0 && count <= CONNECTIONS_MAX) {
            int fd = accept(listener, NULL, NULL);
            if (fd >= 0) {
                connections[count - 1].len = 0;
                fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
            }
        }
    }
}

static int listen_on_loopback(unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, len) != 0 ||
        listen(listener, CONNECTIONS_MAX) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0)
        give_up(strerror(errno));
    *ret_port = ntohs(address.sin_port);
    return listener;
}

static pid_t start_site(unsigned *ret_port)
{
    int listener = listen_on_loopback(ret_port);
    pid_t pid = fork();
    if (pid == 0)
        serve_forever(listener);
    (void)close(listener);
    return pid;
}

static _Noreturn void be_the_site(void)
{
    unsigned port;
    int listener = listen_on_loopback(&port);
    printf("http://127.0.0.1:%u/sPAGES/map.xml\n", port);
    (void)fflush(stdout);
    serve_forever(listener);
}

/* ---- what is known of pages ---- */

struct known {
    size_t len;
    uint8_t *packed;
};

struct memory {
    struct known pages[UNCHANGED_PAGES + 1]; /* by number; the sitemap is the last */
};

static struct known *slot_of(struct memory *memory, const char *url)
{
    const char *car = strstr(url, "/car/");
    if (strchr(url, '\n') != NULL || (car == NULL && strstr(url, "map.xml") == NULL))
        return NULL;
    long number = car == NULL ? UNCHANGED_PAGES : strtol(car + 5, NULL, 10);
    return &memory->pages[number];
}

static Lotcast__V1__PageRecord *find(void *memory, const char *url, struct arena *arena)
{
    const struct known *known = slot_of(memory, url);
    return known == NULL || known->packed == NULL
               ? NULL
               : lotcast__v1__page_record__unpack(&arena->protobuf, known->len, known->packed);
}

static void keep(void *memory, const char *url, Lotcast__V1__PageRecord *page)
{
    struct known *known = slot_of(memory, url);
    if (known == NULL || page == NULL)
        return;
    free(known->packed);
    known->len = lotcast__v1__page_record__get_packed_size(page);
    known->packed = malloc(known->len);
    if (known->packed == NULL)
        give_up("out of memory");
    (void)lotcast__v1__page_record__pack(page, known->packed);
}

/* ---- measuring ---- */

struct bench {
    struct http_client *http;
    struct http_address_policy policy;
    unsigned port;
    int pages;
};

static double cpu_ms(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

/* Scans the site; the CPU that it has cost, a page. */
static double scan(const struct bench *bench, int pages, const struct site_memory *memory)
{
    char url[URL_TEXT_BYTES];
    struct arena arena;
    struct rpc_status status;
    struct site_scan found = {0};
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/s%d/map.xml", bench->port, pages);
    arena_init(&arena, ARENA_BYTES_MAX);
    struct rpc_context context = {.arena = &arena, .deadline_ms = clock_mono_ms() + SCAN_MS_MAX};
    const struct site_scan_options options = {.http = bench->http,
                                              .policy = &bench->policy,
                                              .url = url,
                                              .items_max = 1000000,
                                              .memory = memory};
    double before_ms = cpu_ms();
    rpc_status_clear(&status);
    if (site_scan_run(&options, &context, &found, &status) != RPC_OK)
        give_up("the scan failed");
    double spent_ms = (cpu_ms() - before_ms) / pages;
    if (found.item_count != (size_t)pages || !found.complete)
        give_up("not all items were found");
    for (size_t i = 0; i < found.item_count; i++) {
        const Lotcast__V1__ItemRecord *item = found.items[i];
        if (item->price_minor < 1000000 || strlen(item->vin) != 17 || item->excluded[0] != '\0' ||
            strncmp(item->title, "2021 Honda Civic EX ", 20) != 0)
            give_up("an item is not what its page says");
    }
    arena_fini(&arena);
    return spent_ms;
}

/* Fetches all pages, one after the other. */
static double fetch(const struct bench *bench, bool parses)
{
    char url[URL_TEXT_BYTES];
    double before_ms = cpu_ms();
    for (int i = 0; i < bench->pages; i++) {
        struct http_response *response = NULL;
        (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/s%d/car/%d", bench->port, bench->pages,
                       i);
        const struct http_request request = {.verb = HTTP_GET,
                                             .url = url,
                                             .policy = &bench->policy,
                                             .deadline_ms = clock_mono_ms() + 10000,
                                             .wire_bytes_max = ANSWER_BYTES_MAX,
                                             .body_bytes_max = ANSWER_BYTES_MAX};
        if (http_client_fetch(bench->http, NULL, &request, &response) != HTTP_FAILURE_NONE ||
            response->status != 200 || response->body.len < PAGE_BYTES - 2048)
            give_up("a page is not what it should be");
        if (parses) {
            htmlDocPtr tree =
                htmlReadMemory((const char *)response->body.data, (int)response->body.len, url,
                               "UTF-8", HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING);
            if (tree == NULL)
                give_up("libxml2 makes no tree of a page");
            xmlFreeDoc(tree);
        }
        http_response_free(response);
    }
    return (cpu_ms() - before_ms) / bench->pages;
}

static void compare(const struct bench *bench)
{
    double scanned[ROUNDS], fetched[ROUNDS], parsed[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        fetched[i] = fetch(bench, false);
        parsed[i] = fetch(bench, true);
        scanned[i] = scan(bench, bench->pages, NULL);
    }
    struct bench_series fetching = {"page_fetched", "ms CPU", fetched, ROUNDS};
    struct bench_series parsing = {"page_fetched_and_tree_made", "ms CPU", parsed, ROUNDS};
    struct bench_series scanning = {"page_scanned", "ms CPU", scanned, ROUNDS};
    bench_report(&fetching, NULL);
    bench_report(&parsing, NULL);
    bench_report(&scanning, &parsing);
}

static void scan_again(const struct bench *bench)
{
    double spent_ms[ROUNDS], wall_s[ROUNDS];
    struct memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL)
        give_up("out of memory");
    const struct site_memory options = {.arg = memory, .find = find, .keep = keep};
    (void)scan(bench, UNCHANGED_PAGES, &options);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t before_ms = clock_mono_ms();
        spent_ms[i] = scan(bench, UNCHANGED_PAGES, &options);
        wall_s[i] = (double)(clock_mono_ms() - before_ms) / 1e3 * (100000.0 / UNCHANGED_PAGES);
    }
    struct bench_series spent = {"page_unchanged", "ms CPU", spent_ms, ROUNDS};
    struct bench_series wall = {"100000_unchanged_from_20000", "s", wall_s, ROUNDS};
    bench_report(&spent, NULL);
    bench_report(&wall, NULL);
    for (size_t i = 0; i <= UNCHANGED_PAGES; i++)
        free(memory->pages[i].packed);
    free(memory);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "site") == 0)
        be_the_site();
    struct bench bench = {.pages = argc > 1 ? (int)strtol(argv[1], NULL, 10) : PAGES_DEFAULT};
    const struct http_options options = {.user_agent = "bench"};
    if (bench.pages < 1 || bench.pages > UNCHANGED_PAGES)
        give_up("PAGES is 1 to 20000");
    pid_t site = start_site(&bench.port); /* before there are threads */
    if (http_client_create(&options, &bench.http, NULL) != RPC_OK)
        give_up("no HTTP client");
    compare(&bench);
    scan_again(&bench);
    http_client_destroy(bench.http);
    (void)kill(site, SIGTERM);
    (void)waitpid(site, NULL, 0);
    return 0;
}
