/*
 * Takes down what tests asked the facade and what it answered, so that the last test of a run can
 * hold all of it against the API's document (test/openapi/exchanges.mjs). The environment variable
 * LOTCAST_TEST_EXCHANGES names the file that lines are appended to, whole ones, from any process:
 * {"program", "method", "target", "header", "request", "status", "head", "answer"}, texts but for
 * the status. Where it is not set nothing is taken down.
 */
#ifndef TEST_SUPPORT_EXCHANGE_H
#define TEST_SUPPORT_EXCHANGE_H

#include "test/support/rest_client.h"

struct exchange_request {
    const char *method;
    const char *target; /* /path?query */
    const char *header; /* or NULL */
    const char *body;   /* or NULL */
};

/* An answer that is not the facade's, which has no X-Request-Id, is left out. */
void exchange_record(const struct exchange_request *request, const struct rest_answer *answer);

#endif
