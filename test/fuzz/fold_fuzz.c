/* Any text folded: what comes out is UTF-8 without control characters that fits and folds to
 * itself. */
#include <stdlib.h>

#include "rpc/base/utf8.h"
#include "store/fold.h"

#define ROOM_MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte says how much room there is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t folded[ROOM_MAX];
    uint8_t again[2 * ROOM_MAX];
    size_t len = 0;
    size_t again_len = 0;
    if (size == 0 || !utf8_valid((const char *)data + 1, size - 1, NULL))
        return 0;
    size_t room = data[0];
    if (!store__fold(span_of(data + 1, size - 1), folded, room, &len))
        abort();
    if (len > room || !utf8_valid((const char *)folded, len, NULL))
        abort();
    for (size_t i = 0; i < len; i++) {
        if (folded[i] < ' ' || folded[i] == 0x7f || (folded[i] >= 'A' && folded[i] <= 'Z'))
            abort();
    }
    if (!store__fold(span_of(folded, len), again, sizeof again, &again_len))
        abort();
    if (!span_equal(span_of(folded, len), span_of(again, again_len)))
        abort();
    return 0;
}
