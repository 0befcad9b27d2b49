/*
 * Takes down which method answered which error reason while the tests ran, so that the last test of
 * a run can hold it against the declarations (reasons_check.c). The environment variable
 * LOTCAST_TEST_REASONS names the file that lines are appended to, whole ones, from any process:
 *
 *     rpc METHOD CODE REASON PROGRAM      a call of a service: lotcast.v1.Auth/LogIn NOT_FOUND …
 *     http VERB TEMPLATE REASON PROGRAM   an answer of the facade: POST /api/auth/login …
 *
 * with "-" for a reason or a template that there is none of. Where it is not set nothing is taken
 * down.
 */
#ifndef TEST_SUPPORT_REASONS_H
#define TEST_SUPPORT_REASONS_H

#include "rpc/server.h"

#define REASONS_FILE_VARIABLE "LOTCAST_TEST_REASONS"

/* The interceptor for servers whose handlers are the product's; first in their list. Static. */
const struct rpc_server_interceptor *reasons_recorder(void);

/*
 * One for channels to servers whose handlers are a test's own: it takes down what these servers
 * answer by themselves (Health, Metrics, Reflection), which no interceptor of theirs sees. Static.
 */
const struct rpc_client_interceptor *reasons_client_recorder(void);

/* Takes down the code of an answer of the facade that has one, whatever the method: its body. */
void reasons_record_answer(const char *body);

/* Takes down what the log of lotcast's processes says of calls and requests. */
void reasons_record_log(const char *log_path);

#endif
