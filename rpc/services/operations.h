/*
 * lotcast.v1.Operations: the methods that tell how far something is (operations_progress.c).
 */
#ifndef RPC_SERVICES_OPERATIONS_H
#define RPC_SERVICES_OPERATIONS_H

#include "rpc/services/internal.h"

rpc_handler operations__scan_website, operations__follow_sync;

#endif
