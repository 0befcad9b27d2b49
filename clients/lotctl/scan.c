/*
 * lotctl scan: reads a website as a customer's scan would, and shows what is found and why
 * something would not be advertised. Nothing is stored.
 *
 * A running service reads it, with its own rules of what may be reached, and streams how far it is
 * and then the items. Without one, where its door carries no streams (REQ/REP), or with --here it
 * is read in this process.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clients/lotctl/table.h"
#include "clients/lotctl/tool.h"
#include "clients/site/site.h"
#include "lotcast/v1/operations.pb-c.h"
#include "rpc/base/clock.h"

/* All items and the table of them, in bytes. */
#define SCAN_ARENA_BYTES_MAX ((size_t)2 * 1024 * 1024 * 1024)
/* As long as a customer's scan may take, in ms. */
#define SCAN_MS_MAX ((int64_t)6 * 60 * 60 * 1000)
/* Text of one cell: the table is for people, the whole is in --json. */
#define TITLE_CELL_BYTES_MAX 48
/* Items of the stream on their way at once, and room for the first of them. */
#define STREAM_ITEMS 64
#define ITEMS_FIRST 256

struct scan {
    struct config_cidr allow[CONFIG_CIDRS_MAX];
    struct http_address_policy policy;
    struct http_client *http;
    struct arena arena;
    struct site_scan site;
    size_t items_max; /* room in site.items, of a stream */
    bool draws;       /* standard error is a terminal */
};

static bool draw(void *arg, int64_t items_found, int64_t pages_fetched)
{
    const struct scan *scan = arg;
    if (scan->draws) {
        (void)fprintf(stderr, "\r%lld items on %lld pages ", (long long)items_found,
                      (long long)pages_fetched);
        (void)fflush(stderr);
    }
    return true;
}

/* --- read by the service --- */

/* A copy in the scan's arena. */
static Lotcast__V1__ItemRecord *copy_item(struct scan *scan, const Lotcast__V1__ItemRecord *item)
{
    ProtobufCMessage *copy = NULL;
    size_t len = lotcast__v1__item_record__get_packed_size(item);
    uint8_t *bytes = arena_alloc(&scan->arena, len + 1);
    if (bytes == NULL)
        return NULL;
    (void)lotcast__v1__item_record__pack(item, bytes);
    if (rpc_message_unpack(&lotcast__v1__item_record__descriptor, span_of(bytes, len), &scan->arena,
                           &copy, NULL) != RPC_OK)
        return NULL;
    return (Lotcast__V1__ItemRecord *)(void *)copy;
}

static bool add_item(struct scan *scan, const Lotcast__V1__ItemRecord *item)
{
    struct site_scan *site = &scan->site;
    if (site->item_count == scan->items_max) {
        size_t room = scan->items_max == 0 ? ITEMS_FIRST : 2 * scan->items_max;
        Lotcast__V1__ItemRecord **items = arena_calloc(&scan->arena, room, sizeof(void *));
        if (items == NULL)
            return false;
        if (site->item_count > 0)
            memcpy(items, site->items, site->item_count * sizeof(void *));
        site->items = items;
        scan->items_max = room;
    }
    site->items[site->item_count] = copy_item(scan, item);
    return site->items[site->item_count++] != NULL;
}

static enum rpc_code read_stream(struct scan *scan, struct rpc_stream *stream,
                                 struct rpc_status *status)
{
    const ProtobufCMessage *message = NULL;
    struct arena arena;
    enum rpc_code code;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    do {
        arena_reset(&arena);
        code = rpc_stream_next(stream, &arena, &message, status);
        const Lotcast__V1__ScanWebsiteResponse *item = (const void *)message;
        if (code != RPC_OK || item == NULL)
            break;
        scan->site.pages_fetched = item->pages_fetched;
        scan->site.complete = item->complete;
        if (item->item == NULL)
            (void)draw(scan, item->items_found, item->pages_fetched);
        else if (!add_item(scan, item->item))
            code = rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    } while (code == RPC_OK && message != NULL);
    arena_fini(&arena);
    return code;
}

static enum rpc_code read_there(struct tool *tool, struct scan *scan, const char *url,
                                struct rpc_status *status)
{
    Lotcast__V1__ScanWebsiteRequest request = LOTCAST__V1__SCAN_WEBSITE_REQUEST__INIT;
    struct rpc_stream *stream = NULL;
    request.url = (char *)url;
    enum rpc_code code = tool_open_stream(tool, "Operations/ScanWebsite", &request, NULL,
                                          STREAM_ITEMS, &stream, status);
    if (code == RPC_OK)
        code = read_stream(scan, stream, status);
    rpc_stream_close(stream);
    if (code == RPC_UNIMPLEMENTED)
        (void)fprintf(stderr,
                      "lotctl: the service's door carries no streams; it is read here instead\n");
    return code;
}

/* --- read here --- */

static enum rpc_code read_site(struct tool *tool, struct scan *scan, const char *url,
                               struct rpc_status *status)
{
    static const struct http_options http_options = {.user_agent = SITE_USER_AGENT};
    struct rpc_context context = {.arena = &scan->arena,
                                  .deadline_ms = clock_mono_ms() + SCAN_MS_MAX,
                                  .cancelled = tool->context.cancelled};
    size_t allow_count = 0;
    (void)config_parse_cidrs(config_text(&tool->config, CONFIG_SCAN_ALLOW), scan->allow,
                             CONFIG_CIDRS_MAX, &allow_count); /* its form was checked at start */
    scan->policy = (struct http_address_policy){
        .public_only = true, .allow = scan->allow, .allow_count = allow_count};
    struct site_scan_options options = {.policy = &scan->policy,
                                        .items_max =
                                            config_number(&tool->config, CONFIG_SCAN_MAX_ITEMS),
                                        .progress = draw,
                                        .progress_arg = scan};
    enum rpc_code code = site_url_check(url, &scan->policy, &scan->arena, &options.url, status);
    if (code == RPC_OK)
        code = http_client_create(&http_options, &scan->http, status);
    options.http = scan->http;
    if (code == RPC_OK)
        code = site_scan_run(&options, &context, &scan->site, status);
    return code;
}

static enum rpc_code read_anywhere(struct tool *tool, struct scan *scan, const char *url, bool here,
                                   struct rpc_status *status)
{
    enum rpc_code code = RPC_UNIMPLEMENTED;
    tool_catch_signals(tool);
    if (!here && tool_find_service(tool))
        code = read_there(tool, scan, url, status);
    if (code == RPC_UNIMPLEMENTED)
        code = read_site(tool, scan, url, status);
    if (scan->draws)
        (void)fprintf(stderr, "\r%40s\r", "");
    tool_end_if_caught();
    return code;
}

/* --- what is shown --- */

static const char *left_out(const Lotcast__V1__ItemRecord *item)
{
    if (item->excluded[0] != '\0')
        return item->excluded;
    return item->in_stock ? "" : "out of stock";
}

/* A short form that ends at a whole character. */
static const char *title_cell(const Lotcast__V1__ItemRecord *item, struct arena *arena)
{
    size_t len = strlen(item->title);
    if (len <= TITLE_CELL_BYTES_MAX)
        return item->title;
    len = TITLE_CELL_BYTES_MAX;
    while (len > 0 && ((unsigned char)item->title[len] & 0xc0) == 0x80)
        len--;
    return arena_printf(arena, "%.*s…", (int)len, item->title);
}

static int print_table(struct scan *scan)
{
    static const struct table_column columns[] = {
        {"ITEM", false}, {"TITLE", false}, {"PRICE", true}, {"", false}, {"LEFT OUT", false}};
    struct table table;
    table_init(&table, &scan->arena, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < scan->site.item_count; i++) {
        const Lotcast__V1__ItemRecord *item = scan->site.items[i];
        const char *const cells[] = {
            item->identity, title_cell(item, &scan->arena),
            item->price_minor < 0 ? "" : table_decimal(&scan->arena, item->price_minor),
            item->currency, left_out(item)};
        table_row_add(&table, cells);
    }
    return table_print(&table) ? 0 : TOOL_FAILED;
}

static int print_items(struct tool *tool, const struct scan *scan)
{
    int code = 0;
    for (size_t i = 0; i < scan->site.item_count && code == 0; i++) {
        code = tool_print_json(tool, scan->site.items[i]);
        arena_reset(&tool->arena);
    }
    return code;
}

static void print_summary(const struct scan *scan)
{
    size_t excluded = 0;
    for (size_t i = 0; i < scan->site.item_count; i++)
        excluded += left_out(scan->site.items[i])[0] != '\0';
    (void)fprintf(stderr, "%zu items on %lld pages, %zu of them left out\n", scan->site.item_count,
                  (long long)scan->site.pages_fetched, excluded);
    if (!scan->site.complete)
        (void)fprintf(stderr, "lotctl: the site was not read to its end\n");
}

int tool_run_scan(struct tool *tool, int argc, char **argv)
{
    struct rpc_status status;
    struct scan scan = {.draws = isatty(STDERR_FILENO) == 1};
    bool json = tool_take_flag("--json", &argc, argv);
    bool here = tool_take_flag("--here", &argc, argv);
    if (argc != 1)
        return TOOL_USAGE;
    rpc_status_clear(&status);
    arena_init(&scan.arena, SCAN_ARENA_BYTES_MAX);
    int code = TOOL_FAILED;
    if (read_anywhere(tool, &scan, argv[0], here, &status) != RPC_OK) {
        (void)tool_complain(&status);
    } else {
        code = json ? print_items(tool, &scan) : print_table(&scan);
        print_summary(&scan);
    }
    http_client_destroy(scan.http);
    arena_fini(&scan.arena);
    return code;
}
