/*
 * lotctl key: the key that tokens are sealed with. A key itself is never shown.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clients/lotctl/table.h"
#include "clients/lotctl/tool.h"
#include "lotcast/v1/operations.pb-c.h"
#include "rpc/base/clock.h"

/* From one look to the next, in ms. */
#define LOOK_MS 200
/* A service that restarts meanwhile is waited for so long, in ms. */
#define AWAY_MS_MAX 60000

static int print_keys(struct tool *tool, const Lotcast__V1__ShowKeysResponse *response)
{
    static const struct table_column columns[] = {
        {"KEY", false}, {"ROLE", false}, {"TOKENS", true}};
    struct table table;
    table_init(&table, &tool->arena, columns, 3);
    for (size_t i = 0; i < response->n_keys; i++) {
        const Lotcast__V1__SecretKey *key = response->keys[i];
        const char *const cells[] = {key->id[0] == '\0' ? "?" : key->id, key->role,
                                     table_number(&tool->arena, key->tokens)};
        table_row_add(&table, cells);
    }
    if (!table_print(&table))
        return TOOL_FAILED;
    if (response->given)
        (void)printf("the key is given as LOTCAST_SECRET_KEY\n");
    if (response->rotating)
        (void)printf("tokens are being sealed with the current key\n");
    return 0;
}

static int show(struct tool *tool, bool json)
{
    Lotcast__V1__ShowKeysRequest request = LOTCAST__V1__SHOW_KEYS_REQUEST__INIT;
    const Lotcast__V1__ShowKeysResponse *response = tool_ask(tool, "Operations/ShowKeys", &request);
    if (response == NULL)
        return TOOL_FAILED;
    return json ? tool_print_json(tool, response) : print_keys(tool, response);
}

static void pause_ms(int64_t ms)
{
    const struct timespec time = {ms / 1000, (ms % 1000) * 1000000};
    (void)nanosleep(&time, NULL);
}

static void draw(const Lotcast__V1__ShowKeysResponse *response)
{
    if (isatty(STDERR_FILENO) != 1 || response->n_keys == 0)
        return;
    (void)fprintf(stderr, "\r%lld of %lld tokens sealed with %s",
                  (long long)response->keys[0]->tokens, (long long)response->tokens,
                  response->keys[0]->id);
    if (!response->rotating)
        (void)fputc('\n', stderr);
    (void)fflush(stderr);
}

/* Until all is sealed with the new key. NULL, having complained, if the service went away. */
static const Lotcast__V1__ShowKeysResponse *wait_for_end(struct tool *tool)
{
    Lotcast__V1__ShowKeysRequest request = LOTCAST__V1__SHOW_KEYS_REQUEST__INIT;
    const struct registry_method *method = tool_method(tool, "Operations/ShowKeys");
    int64_t heard_ms = clock_mono_ms();
    struct rpc_status status = {0};
    const void *message = NULL;
    while (method != NULL && clock_mono_ms() - heard_ms < AWAY_MS_MAX) {
        if (tool_call(tool, method, &request, NULL, &message, &status) == RPC_OK) {
            const Lotcast__V1__ShowKeysResponse *response = message;
            heard_ms = clock_mono_ms();
            draw(response);
            if (!response->rotating)
                return response;
        }
        pause_ms(LOOK_MS);
    }
    (void)tool_complain(&status);
    (void)fprintf(stderr, "lotctl: the rotation goes on by itself; lotctl key show tells\n");
    return NULL;
}

static int rotate(struct tool *tool, bool json)
{
    Lotcast__V1__RotateKeyRequest request = LOTCAST__V1__ROTATE_KEY_REQUEST__INIT;
    if (tool_ask(tool, "Operations/RotateKey", &request) == NULL)
        return TOOL_FAILED;
    const Lotcast__V1__ShowKeysResponse *response = wait_for_end(tool);
    if (response == NULL)
        return TOOL_FAILED;
    if (json)
        return tool_print_json(tool, response);
    int code = print_keys(tool, response);
    (void)printf(
        "The old key is removed. Backups that were made until now need the secret.key that "
        "was kept with them; the next ones need the new one.\n");
    return code;
}

int tool_run_key(struct tool *tool, int argc, char **argv)
{
    bool json = tool_take_flag("--json", &argc, argv);
    if (argc == 1 && strcmp(argv[0], "show") == 0)
        return show(tool, json);
    if (argc == 1 && strcmp(argv[0], "rotate") == 0)
        return rotate(tool, json);
    return TOOL_USAGE;
}
