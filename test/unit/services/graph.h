/*
 * A small stand-in of the Graph API on loopback, just for the connection: each path has an answer
 * that a test may change, and counts how often it was asked.
 */
#ifndef TEST_UNIT_SERVICES_GRAPH_H
#define TEST_UNIT_SERVICES_GRAPH_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum graph_path {
    GRAPH_EXCHANGE,
    GRAPH_EXTEND,
    GRAPH_DEBUG,
    GRAPH_ME,
    GRAPH_AD_ACCOUNTS,
    GRAPH_PAGES,
    GRAPH_BUSINESSES,
    GRAPH_OTHER,
    GRAPH_PATHS
};

struct graph {
    char url[64];
    int listener;
    pthread_t thread;
    pthread_mutex_t lock;
    /* under lock */
    const char *bodies[GRAPH_PATHS]; /* static texts */
    int statuses[GRAPH_PATHS];
    int asked[GRAPH_PATHS];
    bool stopped;
};

/* Answers as for a person who has granted everything. Fails the test if it does not start. */
void graph_start(struct graph *graph);
void graph_stop(struct graph *graph);
void graph_answer(struct graph *graph, enum graph_path path, int status, const char *body);
/* What it answers there now. */
const char *graph_body(struct graph *graph, enum graph_path path);
int graph_asked(struct graph *graph, enum graph_path path);

#endif
