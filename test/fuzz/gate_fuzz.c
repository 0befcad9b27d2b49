/*
 * The gate: whatever comes, in pieces of any size, the verdict is the same, nothing is read or
 * written beyond the bytes, and a canonical request is one that the gate itself passes unchanged.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "rest/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct outcome {
    enum gate_verdict verdict;
    Lotcast__V1__Reason refusal;
    bool too_large;
    char *request;
    size_t request_len;
    size_t consumed;
};

static struct outcome run(const uint8_t *bytes, size_t size, size_t step)
{
    struct gate gate;
    struct outcome outcome = {GATE_MORE, 0, false, NULL, 0, 0};
    char *data = malloc(size + 1);
    size_t have = 0;
    size_t fed = 0;
    assert(data != NULL);
    gate_init(&gate);
    while (outcome.verdict == GATE_MORE && fed < size) {
        size_t count = size - fed < step ? size - fed : step;
        memcpy(data + have, bytes + fed, count);
        have += count;
        fed += count;
        outcome.verdict = gate_feed(&gate, data, &have);
        assert(have <= size);
    }
    outcome.refusal = gate.refusal;
    outcome.too_large = gate.body_too_large;
    if (outcome.verdict == GATE_PASS) {
        assert(gate.pass_len <= gate.rest_at && gate.rest_at <= have);
        outcome.request = data;
        outcome.request_len = gate.pass_len;
        outcome.consumed = fed - (have - gate.rest_at);
        data = NULL;
    }
    gate_fini(&gate);
    free(data);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct outcome whole = run(bytes, size, size == 0 ? 1 : size);
    struct outcome pieces = run(bytes, size, size < 4096 ? 1 : 997);
    assert(whole.verdict == pieces.verdict);
    assert(whole.verdict != GATE_REFUSE || whole.refusal == pieces.refusal);
    if (whole.verdict == GATE_PASS) {
        assert(whole.too_large == pieces.too_large);
        assert(whole.request_len == pieces.request_len &&
               memcmp(whole.request, pieces.request, whole.request_len) == 0);
        assert(whole.too_large || whole.consumed == pieces.consumed);
        struct outcome again =
            run((const uint8_t *)whole.request, whole.request_len, whole.request_len);
        assert(again.verdict == GATE_PASS && again.consumed == whole.request_len);
        free(again.request);
    }
    free(whole.request);
    free(pieces.request);
    return 0;
}
