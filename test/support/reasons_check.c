/*
 * The last test of a run: reasons_check FILE, or $LOTCAST_TEST_REASONS, as reasons.h has it. A line
 * of TAP a method: every reason that its .proto declares was answered in some test, and no answer
 * had a reason that it may not have. At the end one for the table of reasons: each was answered
 * over HTTP.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/registry.h"
#include "test/support/reasons.h"

#define REASONS_MAX 64
#define WORD_BYTES 128
#define WORDS 5
#define NO_TEXT "-"

struct seen {
    size_t count;
    char program[WORD_BYTES]; /* the first one that saw it */
};

struct run {
    const struct registry *registry;
    struct seen (*methods)[REASONS_MAX]; /* by registry index */
    struct seen facade[REASONS_MAX];     /* over HTTP, whatever the method */
    size_t unknown_count;                /* lines that name no method of ours */
};

static size_t reason_count(void)
{
    return lotcast__v1__reason__descriptor.n_values;
}

/* REASON_UNSPECIFIED for a text that names none. */
static Lotcast__V1__Reason reason_named(const char *name)
{
    for (size_t i = 1; i < reason_count(); i++) {
        if (strcmp(rpc_reason_get((Lotcast__V1__Reason)i)->name, name) == 0)
            return (Lotcast__V1__Reason)i;
    }
    return LOTCAST__V1__REASON__REASON_UNSPECIFIED;
}

/* What the facade shows a plain code as. */
static Lotcast__V1__Reason reason_of_code_named(const char *name)
{
    for (int code = RPC_CANCELLED; code < RPC_CODE_COUNT; code++) {
        if (strcmp(rpc_code_name((enum rpc_code)code), name) == 0)
            return rpc_reason_of_code((enum rpc_code)code);
    }
    return LOTCAST__V1__REASON__REASON_INTERNAL;
}

/* --- routes --- */

static bool is_route(const Google__Api__HttpRule *http, const char *verb, const char *template)
{
    switch (http->pattern_case) {
    case GOOGLE__API__HTTP_RULE__PATTERN_GET:
        return (strcmp(verb, "GET") == 0 || strcmp(verb, "HEAD") == 0) &&
               strcmp(http->get, template) == 0;
    case GOOGLE__API__HTTP_RULE__PATTERN_POST:
        return strcmp(verb, "POST") == 0 && strcmp(http->post, template) == 0;
    case GOOGLE__API__HTTP_RULE__PATTERN_PUT:
        return strcmp(verb, "PUT") == 0 && strcmp(http->put, template) == 0;
    case GOOGLE__API__HTTP_RULE__PATTERN_DELETE:
        return strcmp(verb, "DELETE") == 0 && strcmp(http->delete_, template) == 0;
    case GOOGLE__API__HTTP_RULE__PATTERN_PATCH:
        return strcmp(verb, "PATCH") == 0 && strcmp(http->patch, template) == 0;
    case GOOGLE__API__HTTP_RULE__PATTERN_CUSTOM:
    case GOOGLE__API__HTTP_RULE__PATTERN__NOT_SET:
    case _GOOGLE__API__HTTP_RULE__PATTERN__CASE_IS_INT_SIZE:
        break;
    }
    return false;
}

static const struct registry_method *method_of_route(const struct registry *registry,
                                                     const char *verb, const char *template)
{
    for (size_t i = 0; i < registry_method_count(registry); i++) {
        const struct registry_method *method = registry_method_at(registry, i);
        if (method->http != NULL && is_route(method->http, verb, template))
            return method;
    }
    return NULL;
}

/* --- lines --- */

static void see(struct seen *seen, const char *program)
{
    if (seen->count++ == 0)
        (void)snprintf(seen->program, sizeof seen->program, "%s", program);
}

/* A plain code shows as a reason where there is a facade in front; else it is answered as it is. */
static void take_call(struct run *run, char words[WORDS][WORD_BYTES])
{
    const struct registry_method *method =
        registry_method_find(run->registry, span_of_string(words[1]));
    bool is_plain = strcmp(words[3], NO_TEXT) == 0;
    if (method == NULL) {
        run->unknown_count++;
        return;
    }
    if (is_plain && method->http == NULL)
        return;
    Lotcast__V1__Reason reason = is_plain ? reason_of_code_named(words[2]) : reason_named(words[3]);
    see(&run->methods[method->index][reason], words[4]);
}

static void take_request(struct run *run, char words[WORDS][WORD_BYTES])
{
    Lotcast__V1__Reason reason = reason_named(words[3]);
    see(&run->facade[reason], words[4]);
    const struct registry_method *method = method_of_route(run->registry, words[1], words[2]);
    if (method != NULL) /* else a path of no method, or a verb that the path does not have */
        see(&run->methods[method->index][reason], words[4]);
}

static bool read_lines(struct run *run, const char *path)
{
    char words[WORDS][WORD_BYTES];
    char line[WORDS * WORD_BYTES];
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%127s %127s %127s %127s %127s", words[0], words[1], words[2], words[3],
                   words[4]) != WORDS)
            run->unknown_count++;
        else if (strcmp(words[0], "rpc") == 0)
            take_call(run, words);
        else
            take_request(run, words);
    }
    (void)fclose(file);
    return true;
}

/* --- verdicts --- */

static bool report(size_t number, bool good, const char *text)
{
    printf("%s %zu - %s\n", good ? "ok" : "not ok", number, text);
    return good;
}

static bool judge_method(const struct run *run, size_t number, const struct registry_method *method)
{
    bool good = true;
    char text[256];
    for (size_t i = 1; i < reason_count(); i++) {
        const struct seen *seen = &run->methods[method->index][i];
        Lotcast__V1__Reason reason = (Lotcast__V1__Reason)i;
        bool missing = registry_method_declares(method, reason) && seen->count == 0;
        bool stray = seen->count > 0 && !registry_method_may_answer(method, reason);
        if (missing)
            printf("# %s never answered %s\n", method->name, rpc_reason_get(reason)->name);
        if (stray)
            printf("# %s answered %s in %s, which it does not declare\n", method->name,
                   rpc_reason_get(reason)->name, seen->program);
        good &= !missing && !stray;
    }
    (void)snprintf(text, sizeof text, "%s answers the %zu reasons it declares and no other",
                   method->name, method->rules->n_reasons);
    return report(number, good, text);
}

static bool judge_facade(const struct run *run, size_t number)
{
    bool good = true;
    for (size_t i = 1; i < reason_count(); i++) {
        if (run->facade[i].count > 0)
            continue;
        printf("# nothing was answered with %s\n", rpc_reason_get((Lotcast__V1__Reason)i)->name);
        good = false;
    }
    return report(number, good, "every reason of the table was answered over HTTP");
}

static int judge(const struct run *run)
{
    size_t methods = registry_method_count(run->registry);
    bool good = true;
    printf("1..%zu\n", methods + 2);
    for (size_t i = 0; i < methods; i++)
        good &= judge_method(run, i + 1, registry_method_at(run->registry, i));
    good &= judge_facade(run, methods + 1);
    good &= report(methods + 2, run->unknown_count == 0, "what was taken down names our methods");
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : getenv(REASONS_FILE_VARIABLE);
    const struct registry_sources sources = registry_sources_get();
    struct registry *registry = NULL;
    struct rpc_status status;
    struct run run = {0};
    int result = EXIT_FAILURE;
    if (reason_count() > REASONS_MAX || registry_create(&sources, &registry, &status) != RPC_OK) {
        printf("Bail out! there is no registry\n");
        return EXIT_FAILURE;
    }
    run.registry = registry;
    run.methods = calloc(registry_method_count(registry), sizeof run.methods[0]);
    if (run.methods == NULL || path == NULL || !read_lines(&run, path))
        printf("Bail out! %s names no file of answers\n", REASONS_FILE_VARIABLE);
    else
        result = judge(&run);
    free(run.methods);
    registry_destroy(registry);
    return result;
}
