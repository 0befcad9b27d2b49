/*
 * Requests in all their forms: parameters of nested messages, path variables, pages of the frontend
 * beside the API, raw bodies and parts of responses. The routes that the contract has no use for
 * yet are made by bending it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/integration/rest_fixture.h"

static struct rest_fixture fixture;
static Google__Api__HttpRule echo_rule = GOOGLE__API__HTTP_RULE__INIT;

#define HOST "Host: x\r\n"
#define SESSION "Cookie: lotcast_session=good\r\n"
#define JSON "Content-Type: application/json\r\n"

struct row {
    const char *name;
    const char *request;
    int status;
    const char *in_body; /* NULL: anything */
    const char *in_head;
};

static void run_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        struct raw_answer answer;
        raw_request(&fixture, row->request, &answer);
        bool good = answer.status == row->status &&
                    (row->in_body == NULL || strstr(answer.body, row->in_body) != NULL) &&
                    (row->in_head == NULL || strstr(answer.head, row->in_head) != NULL);
        if (!good)
            fail_msg("%s: not %d, %s, %s:\n%s%s", row->name, row->status,
                     row->in_body == NULL ? "" : row->in_body,
                     row->in_head == NULL ? "" : row->in_head, answer.head, answer.body);
        raw_answer_free(&answer);
    }
}

#define RUN(rows) run_rows(rows, sizeof rows / sizeof rows[0])

static void test_parameters(void **state)
{
    (void)state;
#define LIST(query) "GET /api/customer/inventory" query " HTTP/1.1\r\n" HOST SESSION "\r\n"
#define TITLE(text) "\"title\":\"" text "\""
#define FIELD(text) "\"details\":{\"field\":\"" text "\"}"
    static const struct row rows[] = {
        {"none", LIST(""), 200, TITLE("search="), "etag: \""},
        {"wrappers", LIST("?page=2&limit=200"), 200, TITLE("page=2;limit=200;search="), NULL},
        {"a default that is there", LIST("?filters[inStock]=false&page=0"), 200,
         TITLE("page=0;inStock=0;search="), NULL},
        {"brackets", LIST("?filters[inStock]=true&filters[minPrice]=12.5"), 200,
         TITLE("inStock=1;minPrice=1250;search="), NULL},
        {"dots", LIST("?filters.inStock=true"), 200, TITLE("inStock=1;search="), NULL},
        {"escaped brackets", LIST("?filters%5BinStock%5D=true"), 200, TITLE("inStock=1;search="),
         NULL},
        {"a plus and an escape", LIST("?search=a+b%26c"), 200, TITLE("search=a b&c"), NULL},
        {"no boolean", LIST("?filters[inStock]=1"), 400, FIELD("filters.inStock"), NULL},
        {"no number", LIST("?page=x"), 400, FIELD("page"), NULL},
        {"no number, in words", LIST("?page=x"), 400,
         "\"message\":\"page must be a whole number, at least 1\"", NULL},
        {"unknown, in words", LIST("?pages=1"), 400,
         "\"message\":\"pages is no parameter of this request, or comes twice\"", NULL},
        {"no boolean, in words", LIST("?filters[inStock]=1"), 400,
         "\"message\":\"filters.inStock must be true or false\"", NULL},
        {"an empty number", LIST("?page="), 400, FIELD("page"), NULL},
        {"a fraction", LIST("?page=1.5"), 400, FIELD("page"), NULL},
        {"beyond 32 bits", LIST("?page=4294967297"), 400, FIELD("page"), NULL},
        {"three places", LIST("?filters[minPrice]=1.005"), 400, FIELD("filters.minPrice"), NULL},
        {"into a wrapper", LIST("?page[value]=1"), 400, FIELD("page.value"), NULL},
        {"a message", LIST("?filters=1"), 400, FIELD("filters"), NULL},
        {"an unknown member", LIST("?filters[nothing]=1"), 400, FIELD("filters.nothing"), NULL},
        {"of the .proto's name", LIST("?filters[in_stock]=true"), 400, FIELD("filters.in_stock"),
         NULL},
        {"twice", LIST("?filters[inStock]=true&filters%5BinStock%5D=true"), 400,
         FIELD("filters.inStock"), NULL},
        {"twice in two forms", LIST("?filters[inStock]=true&filters.inStock=true"), 400,
         FIELD("filters.inStock"), NULL},
        {"no end", LIST("?filters[inStock=true"), 400, "\"INVALID_ARGUMENT\"", NULL},
    };
    RUN(rows);
}

static void test_path_variables(void **state)
{
    (void)state;
#define CUSTOMER(rest) "/admin/customers/" rest " HTTP/1.1\r\n" HOST SESSION
#define CREDITS(id) "POST " CUSTOMER(id "/credits") JSON "Content-Length: 13\r\n\r\n{\"credits\":5}"
    static const struct row rows[] = {
        {"an id", "GET " CUSTOMER("7") "\r\n", 200, "\"id\":\"7\"", NULL},
        {"an escaped id", "GET " CUSTOMER("%37%20x") "\r\n", 200, "\"id\":\"7 x\"", NULL},
        {"HEAD", "HEAD " CUSTOMER("7") "\r\n", 200, NULL, NULL},
        {"OPTIONS", "OPTIONS " CUSTOMER("7") "\r\n", 204, NULL, "allow: GET, HEAD, OPTIONS\r\n"},
        {"POST", "POST " CUSTOMER("7") "\r\n", 405, NULL, "allow: GET, HEAD, OPTIONS\r\n"},
        {"none", "GET " CUSTOMER("") "\r\n", 404, NULL, NULL},
        {"a slash in it", "GET " CUSTOMER("7%2f8") "\r\n", 200, "\"id\":\"7/8\"", NULL},
        {"a slash in a name", "GET /admin%2Fcustomers/7 HTTP/1.1\r\n" HOST SESSION "\r\n", 404,
         NULL, NULL},
        {"the id as a parameter", "GET " CUSTOMER("7?id=8") "\r\n", 400, FIELD("id"), NULL},
        {"of the path and of the body", CREDITS("7"), 409, FIELD("7:5"), NULL},
        {"the body says the same",
         "POST " CUSTOMER("7/credits") JSON
         "Content-Length: 22\r\n\r\n{\"id\":\"7\",\"credits\":5}",
         409, FIELD("7:5"), NULL},
        {"the body says otherwise",
         "POST " CUSTOMER("7/credits") JSON
         "Content-Length: 22\r\n\r\n{\"id\":\"8\",\"credits\":5}",
         400, FIELD("id"), NULL},
        {"a parameter beside a body", "POST " CUSTOMER("7/credits?reason=x") "\r\n", 400,
         FIELD("reason"), NULL},
        {"in another case", "GET /Admin/customers/7 HTTP/1.1\r\n" HOST SESSION "\r\n", 404, NULL,
         NULL},
        {"a slash at the end", "GET " CUSTOMER("7/") "\r\n", 404, NULL, NULL},
    };
    RUN(rows);
}

/* A browser's page is the frontend's; whatever else asks at that path asks the API. */
static void test_pages(void **state)
{
    (void)state;
#define ADMIN(accept) "GET /admin/customers/7 HTTP/1.1\r\n" HOST SESSION accept "\r\n"
    static const struct row rows[] = {
        {"no Accept", ADMIN(""), 200, "\"id\":\"7\"", NULL},
        {"JSON", ADMIN("Accept: application/json\r\n"), 200, NULL, NULL},
        {"anything", ADMIN("Accept: */*\r\n"), 200, NULL, NULL},
        {"JSON before a page", ADMIN("Accept: application/json, text/html;q=0.9\r\n"), 200, NULL,
         NULL},
        {"a page", ADMIN("Accept: text/html,application/xml;q=0.9,*/*;q=0.8\r\n"), 404,
         "\"NOT_FOUND\"", NULL},
        {"a page before JSON", ADMIN("Accept: application/json;q=0.5, text/html\r\n"), 404, NULL,
         NULL},
        {"no page", ADMIN("Accept: text/html;q=0\r\n"), 200, NULL, NULL},
        {"a form",
         "POST /admin/customers/7/credits HTTP/1.1\r\n" HOST SESSION JSON
         "Accept: text/html\r\nContent-Length: 13\r\n\r\n{\"credits\":5}",
         409, NULL, NULL},
    };
    RUN(rows);
}

static void test_raw_field(void **state)
{
    (void)state;
#define ECHO(name) "POST /t/echo/" name " HTTP/1.1\r\n" HOST SESSION
    static const struct row rows[] = {
        {"both ways", ECHO("n") "Content-Type: image/png\r\nContent-Length: 3\r\n\r\n{\xff{", 200,
         "{\xff{", "content-type: image/png; name=n\r\n"},
        {"its length", ECHO("n") "Content-Type: a/b\r\nContent-Length: 3\r\n\r\nabc", 200, "abc",
         "Content-Length: 3\r\n"},
        {"in chunks",
         ECHO("n") "Content-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n"
                   "0\r\n\r\n",
         200, "abc", NULL},
        {"nothing", ECHO("n") "Content-Type: a/b\r\n\r\n", 200, NULL, "Content-Length: 0\r\n"},
        {"an origin", ECHO("n") "Origin: http://evil\r\nContent-Length: 1\r\n\r\nx", 403,
         "\"CROSS_ORIGIN\"", NULL},
        {"too much", ECHO("n") "Content-Length: 1048577\r\n\r\n", 413, "\"PAYLOAD_TOO_LARGE\"",
         NULL},
        {"a parameter for the body", ECHO("n?body=x") "Content-Length: 1\r\n\r\nx", 400,
         FIELD("body"), NULL},
        {"the path's own", ECHO("n?fileName=x") "Content-Length: 1\r\n\r\nx", 400,
         FIELD("fileName"), NULL},
    };
    RUN(rows);
    /* Zero bytes are bytes. */
    static const char bytes[] = ECHO("n") "Content-Type: a/b\r\nContent-Length: 4\r\n\r\n\0a\0b";
    struct raw_answer answer;
    int fd = raw_connect(&fixture);
    raw_send_bytes(fd, bytes, sizeof bytes - 1);
    raw_read(fd, false, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.body_len, 4);
    assert_memory_equal(answer.body, "\0a\0b", 4);
    raw_answer_free(&answer);
    (void)close(fd);
}

static void test_parts(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a message", "GET /t/customer/7 HTTP/1.1\r\n" HOST SESSION "\r\n", 200, "{\"id\":\"7\",",
         "content-type: application/json\r\n"},
        {"a list", "GET /t/items?search=x HTTP/1.1\r\n" HOST SESSION "\r\n", 200, "[{\"id\":\"\",",
         "etag: \""},
        {"that the client has",
         "GET /t/items?search=x HTTP/1.1\r\n" HOST SESSION "If-None-Match: *\r\n\r\n", 304, NULL,
         NULL},
    };
    RUN(rows);
}

static struct registry_method *bend(const struct registry *registry, const char *name)
{
    const struct registry_method *found = registry_method_find(registry, span_of_string(name));
    assert_non_null(found);
    return (struct registry_method *)(uintptr_t)found;
}

/* A second route of a method, for one field of its response. */
struct part {
    Google__Api__HttpRule first;
    Google__Api__HttpRule second;
    Google__Api__HttpRule *more[1];
};

static void add_part(struct part *part, struct registry_method *method, const char *path,
                     const char *field)
{
    part->first = *method->http;
    google__api__http_rule__init(&part->second);
    part->second.pattern_case = GOOGLE__API__HTTP_RULE__PATTERN_GET;
    part->second.get = (char *)path;
    part->second.response_body = (char *)field;
    part->more[0] = &part->second;
    part->first.n_additional_bindings = 1;
    part->first.additional_bindings = part->more;
    method->http = &part->first;
}

static void adjust(struct rest_options *options)
{
    const struct registry *registry = options->registry;
    struct registry_method *echo = bend(registry, "lotcast.v1.Performance/GetPerformance");
    echo->input = registry_message_find(registry, "lotcast.v1.ExportPerformanceResponse");
    echo->output = registry_message_find(registry, "google.api.HttpBody");
    echo_rule.pattern_case = GOOGLE__API__HTTP_RULE__PATTERN_POST;
    echo_rule.post = (char *)"/t/echo/{file_name}";
    echo_rule.body = (char *)"body";
    echo->http = &echo_rule;
    static struct part customer, items;
    add_part(&customer, bend(registry, "lotcast.v1.Admin/GetCustomer"), "/t/customer/{id}",
             "customer");
    add_part(&items, bend(registry, "lotcast.v1.Inventory/ListItems"), "/t/items", "items");
}

static int start(void **state)
{
    (void)state;
    rest_fixture_start(&fixture, adjust);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rest_fixture_stop(&fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters), cmocka_unit_test(test_path_variables),
        cmocka_unit_test(test_pages),      cmocka_unit_test(test_raw_field),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
