#include "rpc/context.h"

#include "rpc/base/clock.h"

int64_t rpc_context_left_ms(const struct rpc_context *context)
{
    if (context->deadline_ms == INT64_MAX)
        return INT64_MAX;
    int64_t left_ms = context->deadline_ms - clock_mono_ms();
    return left_ms > 0 ? left_ms : 0;
}

bool rpc_context_stopped(const struct rpc_context *context)
{
    if (context->cancelled != NULL && atomic_load(context->cancelled))
        return true;
    return rpc_context_left_ms(context) == 0;
}
