/*
 * JSON to message and back, in ns of CPU a text: the dashboard's answer and a page of 50 items.
 *
 *   bench_json [PEER.so]     a peer (peers/json_peer.h) does the same with the same messages
 *
 * Beside a peer both read the same text, the peer's own, in the plain proto3 mapping; the figures
 * without one are our API's mapping. Every text is read back and compared before it is measured.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lotcast/v1/dashboard.pb-c.h"
#include "lotcast/v1/inventory.pb-c.h"
#include "rpc/json.h"
#include "test/bench/peers/json_peer.h"
#include "test/bench/report.h"

#define ROUNDS 21
/* One measurement. */
#define SLICE_NS 10000000
#define PAGE_ITEMS 50
#define TEXT_BYTES_MAX ((size_t)1024 * 1024)

static _Noreturn void give_up(const char *what)
{
    (void)fprintf(stderr, "bench_json: %s\n", what);
    exit(1);
}

static const char dashboard_text[] =
    "{\"status\":\"running\",\"itemCount\":247,\"lastSync\":\"2 hours ago\",\"lastSyncAt\":"
    "\"2026-02-06T18:00:00Z\",\"performance\":{\"impressions\":123000,\"clicks\":2340,\"ctr\":1.9,"
    "\"reach\":45600},\"credits\":{\"remaining\":8240,\"daysEstimate\":14},\"suggestion\":{\"id\":"
    "\"announcement-7\",\"type\":\"template\",\"message\":\"New template available\",\"link\":"
    "\"/app/templates\"}}";

/* One codec, message and text. */
struct subject {
    const struct json_codec *codec; /* NULL: the peer's */
    const struct json_peer *peer;
    void *opened; /* the peer's message */
    const ProtobufCMessage *message;
    struct span text;
    struct arena arena;
    struct buffer out;
};

static ProtobufCMessage *parse_ours(struct subject *subject)
{
    const ProtobufCMessageDescriptor *type = subject->message->descriptor;
    arena_reset(&subject->arena);
    ProtobufCMessage *message = arena_alloc(&subject->arena, type->sizeof_message);
    if (message == NULL)
        give_up("out of memory");
    protobuf_c_message_init(type, message);
    if (json_parse(subject->codec, subject->text, &subject->arena, message, NULL) != RPC_OK)
        give_up("our text is refused");
    return message;
}

static void parse(struct subject *subject)
{
    if (subject->codec != NULL)
        (void)parse_ours(subject);
    else if (!subject->peer->parse(subject->opened, (const char *)subject->text.data,
                                   subject->text.len))
        give_up("the peer's text is refused");
}

static void print(struct subject *subject)
{
    const char *text;
    size_t len;
    buffer_clear(&subject->out);
    if (subject->codec != NULL) {
        if (json_print(subject->codec, subject->message, &subject->out, NULL) != RPC_OK)
            give_up("our message is refused");
    } else if (!subject->peer->print(subject->opened, &text, &len)) {
        give_up("the peer's message is refused");
    }
}

static void round_trip(struct subject *subject)
{
    parse(subject);
    print(subject);
}

static int64_t cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ns a call, over a slice of CPU time. */
static double measure(struct subject *subject, void (*work)(struct subject *subject))
{
    int64_t start = cpu_ns(), end = start;
    int calls = 0;
    while (end - start < SLICE_NS) {
        for (int i = 0; i < 16; i++)
            work(subject);
        calls += 16;
        end = cpu_ns();
    }
    return (double)(end - start) / calls;
}

static struct span pack(const ProtobufCMessage *message, struct arena *arena)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = arena_alloc(arena, len);
    if (packed == NULL)
        give_up("out of memory");
    (void)protobuf_c_message_pack(message, packed);
    return span_of(packed, len);
}

static void open_subject(struct subject *subject, const struct json_codec *codec,
                         const ProtobufCMessage *message)
{
    *subject = (struct subject){.codec = codec, .message = message};
    arena_init(&subject->arena, ARENA_CALL_BYTES_MAX);
    buffer_init(&subject->out, TEXT_BYTES_MAX);
}

static void close_subject(struct subject *subject)
{
    arena_fini(&subject->arena);
    buffer_fini(&subject->out);
}

/* What came back is what there was. */
static void check_ours(struct subject *subject, struct arena *arena)
{
    if (!span_equal(pack(parse_ours(subject), arena), pack(subject->message, arena)))
        give_up("our message came back another");
}

/* Ours, and the peer beside it if there is one; rounds alternate. */
static void compare(const char *what, void (*work)(struct subject *subject), struct subject *ours,
                    struct subject *theirs)
{
    double values[2][ROUNDS];
    char names[2][128];
    for (size_t i = 0; i < ROUNDS; i++) {
        values[0][i] = measure(ours, work);
        values[1][i] = theirs == NULL ? 0 : measure(theirs, work);
    }
    (void)snprintf(names[0], sizeof names[0], "%s", what);
    (void)snprintf(names[1], sizeof names[1], "%s, %s", what,
                   theirs == NULL ? "" : theirs->peer->name);
    struct bench_series ours_series = {names[0], "ns", values[0], ROUNDS};
    struct bench_series theirs_series = {names[1], "ns", values[1], ROUNDS};
    if (theirs != NULL)
        bench_report(&theirs_series, NULL);
    bench_report(&ours_series, theirs == NULL ? NULL : &theirs_series);
}

static void compare_all(const char *what, struct subject *ours, struct subject *theirs)
{
    static const struct {
        const char *name;
        void (*work)(struct subject *subject);
    } works[] = {{"parse", parse}, {"print", print}, {"parse and print", round_trip}};
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        char name[96];
        (void)snprintf(name, sizeof name, "%s %s, %zu bytes", works[i].name, what, ours->text.len);
        compare(name, works[i].work, ours, theirs);
    }
}

static void bench_api(const struct json_codec *codec, const char *what,
                      const ProtobufCMessage *message, struct arena *arena)
{
    struct subject ours;
    open_subject(&ours, codec, message);
    print(&ours);
    ours.text = span_of(arena_strndup(arena, ours.out.data, ours.out.len), ours.out.len);
    check_ours(&ours, arena);
    compare_all(what, &ours, NULL);
    close_subject(&ours);
}

static void bench_peer(const struct json_codec *codec, const struct json_peer *peer,
                       const char *what, const ProtobufCMessage *message, struct arena *arena)
{
    struct subject ours, theirs;
    const char *text;
    size_t len;
    struct span packed = pack(message, arena);
    open_subject(&ours, codec, message);
    open_subject(&theirs, NULL, message);
    theirs.peer = peer;
    theirs.opened = peer->open(message->descriptor->name, packed.data, packed.len);
    if (theirs.opened == NULL || !peer->print(theirs.opened, &text, &len))
        give_up("the peer does not know the message");
    ours.text = theirs.text = span_of(arena_strndup(arena, text, len), len);
    check_ours(&ours, arena);
    parse(&theirs);
    if (!peer->equal(theirs.opened, packed.data, packed.len))
        give_up("the peer's message came back another");
    compare_all(what, &ours, &theirs);
    close_subject(&ours);
    close_subject(&theirs);
}

static void *make(size_t size, struct arena *arena)
{
    void *memory = arena_alloc(arena, size);
    if (memory == NULL)
        give_up("out of memory");
    return memory;
}

static Google__Protobuf__StringValue *box(struct arena *arena, const char *text)
{
    Google__Protobuf__StringValue *value = make(sizeof *value, arena);
    google__protobuf__string_value__init(value);
    value->value = arena_strdup(arena, text);
    return value;
}

static const ProtobufCMessage *make_page(struct arena *arena)
{
    Lotcast__V1__ListItemsResponse *page = make(sizeof *page, arena);
    lotcast__v1__list_items_response__init(page);
    page->n_items = PAGE_ITEMS;
    page->items = make(PAGE_ITEMS * sizeof(Lotcast__V1__Item *), arena);
    for (int i = 0; i < PAGE_ITEMS; i++) {
        Lotcast__V1__Item *item = page->items[i] = make(sizeof *item, arena);
        lotcast__v1__item__init(item);
        item->id = arena_printf(arena, "%d", i + 1);
        item->title =
            arena_printf(arena, "%d Honda Civic Touring \xe2\x80\x93 No. %d", 2010 + i % 15, i);
        item->price = make(sizeof *item->price, arena);
        google__protobuf__int64_value__init(item->price);
        item->price->value = 2800000 + i * 1295;
        item->currency = box(arena, "USD");
        item->image_url = box(arena, "https://acme.example/media/inventory/1/front-640x480.jpg");
        item->url = arena_printf(arena, "https://acme.example/inventory/honda-civic-%d", i);
        item->in_stock = i % 7 != 0;
        item->excluded = i % 10 == 0 ? box(arena, "no price") : NULL;
    }
    page->pagination = make(sizeof *page->pagination, arena);
    lotcast__v1__pagination__init(page->pagination);
    page->pagination->page = 1;
    page->pagination->limit = PAGE_ITEMS;
    page->pagination->total = 247;
    page->pagination->total_pages = 5;
    return &page->base;
}

static const struct json_peer *load_peer(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    if (library == NULL)
        give_up(dlerror());
    const struct json_peer *peer = dlsym(library, JSON_PEER_SYMBOL);
    if (peer == NULL)
        give_up(dlerror());
    return peer;
}

int main(int argc, char **argv)
{
    struct registry_sources sources = registry_sources_get();
    struct json_options plain_options = {0};
    struct registry *registry = NULL;
    struct json_codec *api = NULL, *plain = NULL;
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    if (registry_create(&sources, &registry, NULL) != RPC_OK ||
        json_codec_create(registry, &json_options_api, &api, NULL) != RPC_OK ||
        json_codec_create(registry, &plain_options, &plain, NULL) != RPC_OK)
        give_up("no codec");
    Lotcast__V1__GetDashboardResponse dashboard = LOTCAST__V1__GET_DASHBOARD_RESPONSE__INIT;
    if (json_parse(api, span_of_string(dashboard_text), &arena, &dashboard.base, NULL) != RPC_OK)
        give_up("the dashboard is refused");
    const ProtobufCMessage *page = make_page(&arena);
    if (argc > 1) {
        const struct json_peer *peer = load_peer(argv[1]);
        bench_peer(plain, peer, "a dashboard", &dashboard.base, &arena);
        bench_peer(plain, peer, "50 items", page, &arena);
    } else {
        bench_api(api, "a dashboard", &dashboard.base, &arena);
        bench_api(api, "50 items", page, &arena);
    }
    json_codec_destroy(api);
    json_codec_destroy(plain);
    registry_destroy(registry);
    arena_fini(&arena);
    return 0;
}
