#include "test/unit/rest/proto/routes_sources.h"

#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/health.pb-c.h"
#include "lotcast/v1/metrics.pb-c.h"
#include "lotcast/v1/reflection.pb-c.h"

extern const unsigned char routes_descriptor_set[];
extern const size_t routes_descriptor_set_len;

static const ProtobufCServiceDescriptor *const services[] = {
    &lotcast__test__routes__v1__blank__descriptor,
    &lotcast__test__routes__v1__odd__descriptor,
    &lotcast__v1__access_control__descriptor,
    &lotcast__v1__health__descriptor,
    &lotcast__v1__metrics__descriptor,
    &lotcast__v1__reflection__descriptor,
};

struct registry_sources routes_sources_get(void)
{
    return (struct registry_sources){
        .descriptor_set = {routes_descriptor_set, routes_descriptor_set_len},
        .services = services,
        .service_count = sizeof services / sizeof services[0],
    };
}
