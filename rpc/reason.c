/*
 * The one table from reasons to codes, HTTP statuses, the methods that may answer them undeclared,
 * and messages (api-contracts, section 2).
 */
#include <stddef.h>

#include "rpc/status.h"

#define ROW(name, code, http, scope, message)                                              \
    {                                                                                      \
        LOTCAST__V1__REASON__REASON_##name, #name, code, http, RPC_REASON_##scope, message \
    }

/* In the order of the enum's numbers, which the lookup relies on; a test holds it to that. */
static const struct rpc_reason reasons[] = {
    {LOTCAST__V1__REASON__REASON_UNSPECIFIED, "INTERNAL", RPC_INTERNAL, 500, RPC_REASON_ANY,
     "Something went wrong on our side"},
    ROW(INVALID_JSON, RPC_INVALID_ARGUMENT, 400, BODY, "The body is not valid JSON"),
    ROW(INVALID_ARGUMENT, RPC_INVALID_ARGUMENT, 400, ANY, "A value is not valid"),
    ROW(UNKNOWN_FIELD, RPC_INVALID_ARGUMENT, 400, BODY, "There is no such field"),
    ROW(INVALID_URL, RPC_INVALID_ARGUMENT, 400, DECLARED, "Please enter a valid URL"),
    ROW(INVALID_EMAIL, RPC_INVALID_ARGUMENT, 400, DECLARED, "Please enter a valid e-mail address"),
    ROW(WEAK_PASSWORD, RPC_INVALID_ARGUMENT, 400, DECLARED,
        "Please choose a password that is 8 to 256 bytes long and hard to guess"),
    ROW(INVALID_BUDGET, RPC_INVALID_ARGUMENT, 400, DECLARED,
        "Please enter a monthly budget from 30 to 1,000,000"),
    ROW(INVALID_CURRENCY, RPC_INVALID_ARGUMENT, 400, DECLARED,
        "Please use the currency of your ad account"),
    ROW(INVALID_TARGETING, RPC_INVALID_ARGUMENT, 400, DECLARED, "Please check countries and ages"),
    ROW(INVALID_PERIOD, RPC_INVALID_ARGUMENT, 400, DECLARED, "Please choose a valid period"),
    ROW(INVALID_PACKAGE, RPC_INVALID_ARGUMENT, 400, DECLARED, "Please choose one of the packages"),
    ROW(INVALID_SIGNATURE, RPC_INVALID_ARGUMENT, 400, DECLARED, "The signature is not valid"),
    ROW(AUTH_REQUIRED, RPC_UNAUTHENTICATED, 401, SESSION, "Please log in"),
    ROW(INVALID_CREDENTIALS, RPC_UNAUTHENTICATED, 401, DECLARED, "E-mail or password is wrong"),
    ROW(FORBIDDEN, RPC_PERMISSION_DENIED, 403, ACCESS, "You are not allowed to do this"),
    ROW(CROSS_ORIGIN, RPC_PERMISSION_DENIED, 403, ORIGIN,
        "Requests from other sites are not allowed"),
    ROW(ACCOUNT_SUSPENDED, RPC_PERMISSION_DENIED, 403, DECLARED, "This account is suspended"),
    ROW(NOT_FOUND, RPC_NOT_FOUND, 404, NAMED, "Not found"),
    ROW(EMAIL_TAKEN, RPC_ALREADY_EXISTS, 409, DECLARED,
        "There is already an account with this e-mail address"),
    ROW(WEBSITE_NOT_CONNECTED, RPC_FAILED_PRECONDITION, 409, DECLARED,
        "Please connect your website first"),
    ROW(META_NOT_CONNECTED, RPC_FAILED_PRECONDITION, 409, DECLARED,
        "Please connect your Meta account first"),
    ROW(NOT_LAUNCHED, RPC_FAILED_PRECONDITION, 409, DECLARED,
        "Your ads have not been launched yet"),
    ROW(ALREADY_LAUNCHED, RPC_ALREADY_EXISTS, 409, DECLARED, "Your ads have already been launched"),
    ROW(SCAN_IN_PROGRESS, RPC_FAILED_PRECONDITION, 409, DECLARED,
        "Your website is still being read; please try again in a moment"),
    ROW(REMOVAL_HELD, RPC_FAILED_PRECONDITION, 409, DECLARED,
        "Most items have gone from your website; please confirm that they are to be removed"),
    ROW(CONFLICT, RPC_ABORTED, 409, DECLARED,
        "Something else changed this at the same time; please try again"),
    ROW(PAYLOAD_TOO_LARGE, RPC_RESOURCE_EXHAUSTED, 413, HTTP, "The body is too large"),
    ROW(URI_TOO_LONG, RPC_INVALID_ARGUMENT, 414, HTTP, "The URL is too long"),
    ROW(UNSUPPORTED_MEDIA_TYPE, RPC_INVALID_ARGUMENT, 415, BODY, "Please send application/json"),
    ROW(HEADERS_TOO_LARGE, RPC_INVALID_ARGUMENT, 431, HTTP, "The request's head is too large"),
    ROW(METHOD_NOT_ALLOWED, RPC_UNIMPLEMENTED, 405, PATH, "This method is not allowed here"),
    ROW(BAD_REQUEST, RPC_INVALID_ARGUMENT, 400, HTTP, "The request is not valid HTTP"),
    ROW(WEBSITE_UNREACHABLE, RPC_FAILED_PRECONDITION, 422, DECLARED,
        "We could not reach your website"),
    ROW(NO_ITEMS_FOUND, RPC_FAILED_PRECONDITION, 422, DECLARED,
        "We found no items on your website"),
    ROW(OUT_OF_CREDITS, RPC_FAILED_PRECONDITION, 422, DECLARED, "You are out of credits"),
    ROW(RATE_LIMITED, RPC_RESOURCE_EXHAUSTED, 429, DECLARED,
        "Too many attempts; please wait a while"),
    ROW(UPSTREAM_ERROR, RPC_UNAVAILABLE, 502, DECLARED,
        "A service that we depend on did not answer as expected"),
    ROW(UNAVAILABLE, RPC_UNAVAILABLE, 503, ANY,
        "The service is not available right now; please try again"),
    ROW(DEADLINE_EXCEEDED, RPC_DEADLINE_EXCEEDED, 504, ANY,
        "This takes longer than expected; please try again"),
    ROW(INTERNAL, RPC_INTERNAL, 500, ANY, "Something went wrong on our side"),
};

#define REASON_COUNT (sizeof reasons / sizeof reasons[0])

const struct rpc_reason *rpc_reason_get(Lotcast__V1__Reason reason)
{
    size_t at = (size_t)reason;
    return at < REASON_COUNT ? &reasons[at] : &reasons[0];
}

Lotcast__V1__Reason rpc_reason_of_code(enum rpc_code code)
{
    switch (code) {
    case RPC_INVALID_ARGUMENT:
    case RPC_OUT_OF_RANGE:
        return LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT;
    case RPC_DEADLINE_EXCEEDED:
        return LOTCAST__V1__REASON__REASON_DEADLINE_EXCEEDED;
    case RPC_NOT_FOUND:
        return LOTCAST__V1__REASON__REASON_NOT_FOUND;
    case RPC_PERMISSION_DENIED:
        return LOTCAST__V1__REASON__REASON_FORBIDDEN;
    case RPC_ABORTED:
    case RPC_ALREADY_EXISTS:
        return LOTCAST__V1__REASON__REASON_CONFLICT;
    case RPC_RESOURCE_EXHAUSTED: /* of ours, not the caller's own pace */
    case RPC_UNAVAILABLE:
    case RPC_CANCELLED:
        return LOTCAST__V1__REASON__REASON_UNAVAILABLE;
    case RPC_UNAUTHENTICATED:
        return LOTCAST__V1__REASON__REASON_AUTH_REQUIRED;
    case RPC_OK:
    case RPC_UNKNOWN:
    case RPC_FAILED_PRECONDITION:
    case RPC_UNIMPLEMENTED:
    case RPC_INTERNAL:
    case RPC_DATA_LOSS:
    case RPC_CODE_COUNT:
        break;
    }
    return LOTCAST__V1__REASON__REASON_INTERNAL;
}

static const char *const code_names[RPC_CODE_COUNT] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

const char *rpc_code_name(enum rpc_code code)
{
    return (size_t)code < RPC_CODE_COUNT ? code_names[code] : "UNKNOWN";
}
