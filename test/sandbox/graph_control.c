#include <stdlib.h>

#include "test/sandbox/graph.h"

void graph_init(struct graph *graph, struct control *control)
{
    *graph = (struct graph){
        .control = control,
        .app_id = "1029384756",
        .app_secret = "sandbox-app-secret",
        .version = "v24.0",
        .time_zone = "UTC",
        .page_size = 10,
        .batch_items_max = 5000,
        .batch_delay_ms = 400,
        .usage_percent = 7,
        .next_id = 120210000000000001,
    };
    (void)pthread_mutex_init(&graph->lock, NULL);
}

static void control_tokens(struct graph *graph, struct exchange *x)
{
    const char *valid = exchange_param_text(x, "valid");
    for (size_t i = 0; i < graph->token_count; i++)
        graph->tokens[i]->revoked = valid != NULL && strcmp(valid, "false") == 0;
}

static void control_refuse(struct graph *graph, struct exchange *x)
{
    const char *id = exchange_param_text(x, "retailer_id");
    const char *message = exchange_param_text(x, "message");
    free(graph->refused_id);
    free(graph->refused_message);
    graph->refused_id = id == NULL ? NULL : strdup(id);
    graph->refused_message = strdup(message == NULL ? "The image is too small" : message);
}

bool graph_control(struct graph *graph, struct exchange *x)
{
    const char *name = x->path + strlen("/_control/");
    bool ours = true;
    x->content_type = "application/json";
    (void)pthread_mutex_lock(&graph->lock);
    graph_batches_settle(graph);
    if (strcmp(name, "objects") == 0)
        graph_objects_dump(graph, &x->answer);
    else if (strcmp(name, "usage") == 0)
        graph->usage_percent = control_param_integer(x, "percent", 0);
    else if (strcmp(name, "tokens") == 0)
        control_tokens(graph, x);
    else if (strcmp(name, "refuse") == 0)
        control_refuse(graph, x);
    else if (strcmp(name, "batches") == 0) {
        graph->batch_items_max = control_param_integer(x, "items_max", graph->batch_items_max);
        graph->batch_delay_ms = control_param_integer(x, "delay_ms", graph->batch_delay_ms);
    } else
        ours = false;
    if (ours && x->answer.len == 0)
        (void)buffer_append_string(&x->answer, "{\"success\":true}");
    (void)pthread_mutex_unlock(&graph->lock);
    return ours;
}
