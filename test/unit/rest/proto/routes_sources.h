/*
 * A registry of the routes' test messages and services, and the access control that the facade
 * needs.
 */
#ifndef TEST_UNIT_REST_PROTO_ROUTES_SOURCES_H
#define TEST_UNIT_REST_PROTO_ROUTES_SOURCES_H

#include "routes.pb-c.h"
#include "rpc/registry.h"

struct registry_sources routes_sources_get(void);

#endif
