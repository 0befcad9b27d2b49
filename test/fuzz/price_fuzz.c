/* Any bytes as a price, as text and as a JSON number: it is positive, and its currency is none or a
 * code. */
#include <stdlib.h>

#include "clients/site/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const declared[] = {NULL, "USD", "KWD", "\xe2\x82\xac"};
    for (size_t i = 0; i < 2 * sizeof declared / sizeof declared[0]; i++) {
        int64_t minor = 0;
        char currency[4] = "";
        if (site__price_parse(span_of(data, size), i % 2 == 1, declared[i / 2], &minor, currency) &&
            (minor <= 0 || (strlen(currency) != 0 && strlen(currency) != 3) ||
             (i > 1 && currency[0] == '\0')))
            abort();
    }
    return 0;
}
