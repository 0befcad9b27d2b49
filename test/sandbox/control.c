#include "test/sandbox/control.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <time.h>

#include "rpc/base/clock.h"

void control_init(struct control *control)
{
    *control = (struct control){0};
    (void)pthread_mutex_init(&control->lock, NULL);
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&control->stopped, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

void control_stop(struct control *control)
{
    (void)pthread_mutex_lock(&control->lock);
    control->stopping = true;
    (void)pthread_cond_broadcast(&control->stopped);
    (void)pthread_mutex_unlock(&control->lock);
}

static void wait_until_ms(struct control *control, int64_t until_ms)
{
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    (void)pthread_mutex_lock(&control->lock);
    while (!control->stopping && clock_mono_ms() < until_ms)
        (void)pthread_cond_timedwait(&control->stopped, &control->lock, &until);
    (void)pthread_mutex_unlock(&control->lock);
}

int64_t control_now_ms(const struct control *control)
{
    return clock_now_ms() + atomic_load(&control->clock_shift_ms);
}

int64_t control_param_integer(struct exchange *x, const char *name, int64_t otherwise)
{
    int64_t value;
    return json_tree_integer(exchange_param_json(x, name), &value) ? value : otherwise;
}

static void count_start(struct control *control, const struct exchange *x)
{
    control->requests++;
    control->running++;
    if (control->running > control->running_max)
        control->running_max = control->running;
    for (size_t i = 0; i < control->counter_count; i++) {
        if (strcmp(control->counters[i].path, x->path) == 0 &&
            strcmp(control->counters[i].method, x->method) == 0) {
            control->counters[i].count++;
            return;
        }
    }
    if (control->counter_count == CONTROL_COUNTERS_MAX)
        return;
    control->counters[control->counter_count].method = strdup(x->method);
    control->counters[control->counter_count].path = strdup(x->path);
    control->counters[control->counter_count].count = 1;
    control->counter_count++;
}

static bool rule_matches(const struct control_rule *rule, const char *service,
                         const struct exchange *x)
{
    return rule->times != 0 && (rule->service == NULL || strcmp(rule->service, service) == 0) &&
           (rule->method == NULL || strcmp(rule->method, x->method) == 0) &&
           strstr(x->path, rule->path) != NULL;
}

/* Copies the rule that this call meets, texts into its arena. */
static bool take_rule(struct control *control, const char *service, struct exchange *x,
                      struct control_rule *ret_rule)
{
    for (size_t i = 0; i < control->rule_count; i++) {
        struct control_rule *rule = &control->rules[i];
        if (!rule_matches(rule, service, x))
            continue;
        if (rule->skip > 0) {
            rule->skip--;
            continue;
        }
        if (rule->times > 0)
            rule->times--;
        *ret_rule = *rule;
        ret_rule->body = (char *)exchange_printf(x, "%s", rule->body == NULL ? "" : rule->body);
        if (rule->header_name != NULL) {
            ret_rule->header_name = (char *)exchange_printf(x, "%s", rule->header_name);
            ret_rule->header_value = (char *)exchange_printf(x, "%s", rule->header_value);
        }
        return true;
    }
    return false;
}

static void run_rule(struct control *control, const struct control_rule *rule, struct exchange *x,
                     exchange_handler *work, void *arg)
{
    if (rule->delay_ms > 0)
        wait_until_ms(control, clock_mono_ms() + rule->delay_ms);
    if (rule->drop_before) {
        x->drop = true;
        return;
    }
    if (rule->header_name != NULL)
        exchange_add_header(x, rule->header_name, rule->header_value);
    if (rule->status == 0) {
        work(arg, x);
        x->drop = rule->drop_after;
        return;
    }
    x->status = (unsigned)rule->status;
    x->content_type = rule->body[0] == '{' || rule->body[0] == '[' ? "application/json"
                                                                   : "text/html; charset=utf-8";
    (void)buffer_append_string(&x->answer, rule->body);
}

void control_run(struct control *control, const char *service, struct exchange *x,
                 exchange_handler *work, void *arg)
{
    struct control_rule rule = {0};
    (void)pthread_mutex_lock(&control->lock);
    count_start(control, x);
    bool ruled = take_rule(control, service, x, &rule);
    (void)pthread_mutex_unlock(&control->lock);
    if (ruled)
        run_rule(control, &rule, x, work, arg);
    else
        work(arg, x);
    (void)pthread_mutex_lock(&control->lock);
    control->running--;
    control->unchanged += x->status == MHD_HTTP_NOT_MODIFIED;
    (void)pthread_mutex_unlock(&control->lock);
}

static char *dup_param(struct exchange *x, const char *name)
{
    const char *text = exchange_param_text(x, name);
    return text == NULL ? NULL : strdup(text);
}

static void free_rule(struct control_rule *rule)
{
    free(rule->service);
    free(rule->method);
    free(rule->path);
    free(rule->body);
    free(rule->header_name);
    free(rule->header_value);
}

/* The rule's answer: `error` becomes Meta's error body, `body` is a text or JSON as it stands. */
static char *rule_body(struct exchange *x)
{
    const struct json_tree *error = exchange_param_json(x, "error");
    const char *text = exchange_param_text(x, "body");
    if (error == NULL && text != NULL)
        return strdup(text);
    const struct json_tree *body = error != NULL ? error : exchange_param_json(x, "body");
    struct buffer out;
    buffer_init(&out, EXCHANGE_ANSWER_BYTES_MAX);
    if (error != NULL)
        (void)buffer_append_string(&out, "{\"error\":");
    json_tree_print(body, &out);
    if (error != NULL)
        (void)buffer_append_byte(&out, '}');
    char *copy = out.len == 0 ? strdup("") : strdup(buffer_cstring(&out));
    buffer_fini(&out);
    return copy;
}

static void add_rule(struct control *control, struct exchange *x)
{
    const char *drop = exchange_param_text(x, "drop");
    bool error = exchange_param(x, "error") != NULL;
    struct control_rule rule = {
        .service = dup_param(x, "service"),
        .method = dup_param(x, "method"),
        .path = dup_param(x, "path"),
        .skip = control_param_integer(x, "skip", 0),
        .times = control_param_integer(x, "times", 1),
        .delay_ms = control_param_integer(x, "delay_ms", 0),
        .drop_before = drop != NULL && strcmp(drop, "before") == 0,
        .drop_after = drop != NULL && strcmp(drop, "after") == 0,
        .status = control_param_integer(x, "status", error ? 400 : 0),
        .body = rule_body(x),
        .header_name = dup_param(x, "header_name"),
        .header_value = dup_param(x, "header_value"),
    };
    if (rule.path == NULL)
        rule.path = strdup("/");
    if (rule.header_name != NULL && rule.header_value == NULL)
        rule.header_value = strdup("");
    (void)pthread_mutex_lock(&control->lock);
    bool room = control->rule_count < CONTROL_RULES_MAX;
    if (room)
        control->rules[control->rule_count++] = rule;
    (void)pthread_mutex_unlock(&control->lock);
    if (!room) {
        free_rule(&rule);
        x->status = MHD_HTTP_INSUFFICIENT_STORAGE;
    }
    (void)buffer_printf(&x->answer, "{\"success\":%s}", room ? "true" : "false");
}

static void clear_rules(struct control *control)
{
    (void)pthread_mutex_lock(&control->lock);
    for (size_t i = 0; i < control->rule_count; i++)
        free_rule(&control->rules[i]);
    control->rule_count = 0;
    (void)pthread_mutex_unlock(&control->lock);
}

static void reset_counters(struct control *control)
{
    (void)pthread_mutex_lock(&control->lock);
    for (size_t i = 0; i < control->counter_count; i++) {
        free(control->counters[i].method);
        free(control->counters[i].path);
    }
    control->counter_count = 0;
    control->requests = 0;
    control->unchanged = 0;
    control->running_max = control->running;
    (void)pthread_mutex_unlock(&control->lock);
}

static void print_counters(struct control *control, struct exchange *x)
{
    (void)pthread_mutex_lock(&control->lock);
    (void)buffer_printf(&x->answer,
                        "{\"total\":%lld,\"unchanged\":%lld,\"max_concurrent\":%lld,\"requests\":[",
                        (long long)control->requests, (long long)control->unchanged,
                        (long long)control->running_max);
    for (size_t i = 0; i < control->counter_count; i++) {
        (void)buffer_printf(&x->answer, "%s{\"method\":\"%s\",\"path\":", i == 0 ? "" : ",",
                            control->counters[i].method);
        json_tree_print_string(control->counters[i].path, &x->answer);
        (void)buffer_printf(&x->answer, ",\"count\":%lld}", (long long)control->counters[i].count);
    }
    (void)pthread_mutex_unlock(&control->lock);
    (void)buffer_append_string(&x->answer, "]}");
}

bool control_handle(struct control *control, struct exchange *x)
{
    const char *name = x->path + strlen("/_control/");
    x->content_type = "application/json";
    if (strcmp(name, "requests") == 0) {
        print_counters(control, x);
        return true;
    }
    if (strcmp(name, "fail") == 0) {
        add_rule(control, x);
        return true;
    }
    if (strcmp(name, "clear") == 0)
        clear_rules(control);
    else if (strcmp(name, "reset") == 0)
        reset_counters(control);
    else if (strcmp(name, "clock") == 0)
        (void)atomic_fetch_add(&control->clock_shift_ms,
                               1000 * control_param_integer(x, "advance_s", 0));
    else
        return false;
    char text[CLOCK_RFC3339_BYTES];
    clock_format_rfc3339(control_now_ms(control), text);
    (void)buffer_printf(&x->answer, "{\"success\":true,\"now\":\"%s\"}", text);
    return true;
}
