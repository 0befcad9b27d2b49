/*
 * The services and messages that the registry is made of. A new service is one line here; a message
 * that one of its methods takes or returns needs none.
 */
#include "google/protobuf/wrappers.pb-c.h"
#include "lotcast/v1/admin.pb-c.h"
#include "lotcast/v1/ads.pb-c.h"
#include "lotcast/v1/announcements.pb-c.h"
#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/billing.pb-c.h"
#include "lotcast/v1/dashboard.pb-c.h"
#include "lotcast/v1/health.pb-c.h"
#include "lotcast/v1/inventory.pb-c.h"
#include "lotcast/v1/metrics.pb-c.h"
#include "lotcast/v1/onboarding.pb-c.h"
#include "lotcast/v1/operations.pb-c.h"
#include "lotcast/v1/performance.pb-c.h"
#include "lotcast/v1/records.pb-c.h"
#include "lotcast/v1/reflection.pb-c.h"
#include "lotcast/v1/rpc.pb-c.h"
#include "lotcast/v1/settings.pb-c.h"
#include "lotcast/v1/store.pb-c.h"
#include "rpc/registry.h"

/* Written by proto/embed.py. */
extern const unsigned char proto_descriptor_set[];
extern const size_t proto_descriptor_set_len;

/* In the order in which documents show them. */
static const ProtobufCServiceDescriptor *const services[] = {
    &lotcast__v1__auth__descriptor,
    &lotcast__v1__meta_auth__descriptor,
    &lotcast__v1__onboarding__descriptor,
    &lotcast__v1__dashboard__descriptor,
    &lotcast__v1__ads__descriptor,
    &lotcast__v1__settings__descriptor,
    &lotcast__v1__performance__descriptor,
    &lotcast__v1__inventory__descriptor,
    &lotcast__v1__billing__descriptor,
    &lotcast__v1__admin__descriptor,
    &lotcast__v1__access_control__descriptor,
    &lotcast__v1__health__descriptor,
    &lotcast__v1__store__descriptor,
    &lotcast__v1__announcements__descriptor,
    &lotcast__v1__metrics__descriptor,
    &lotcast__v1__reflection__descriptor,
    &lotcast__v1__operations__descriptor,
};

static const ProtobufCMessageDescriptor *const messages[] = {
    &lotcast__v1__user_record__descriptor,
    &lotcast__v1__customer_record__descriptor,
    &lotcast__v1__session_record__descriptor,
    &lotcast__v1__oauth_state_record__descriptor,
    &lotcast__v1__throttle_record__descriptor,
    &lotcast__v1__website_record__descriptor,
    &lotcast__v1__item_record__descriptor,
    &lotcast__v1__meta_connection_record__descriptor,
    &lotcast__v1__campaign_record__descriptor,
    &lotcast__v1__job_record__descriptor,
    &lotcast__v1__insight_day_record__descriptor,
    &lotcast__v1__insight_period_record__descriptor,
    &lotcast__v1__ledger_entry_record__descriptor,
    &lotcast__v1__ledger_balance_record__descriptor,
    &lotcast__v1__ledger_posting_record__descriptor,
    &lotcast__v1__burn_day_record__descriptor,
    &lotcast__v1__page_record__descriptor,
    &lotcast__v1__insight_item_record__descriptor,
    &lotcast__v1__purchase_record__descriptor,
    &lotcast__v1__stripe_event_record__descriptor,
    &lotcast__v1__audit_record__descriptor,
    &lotcast__v1__announcement_record__descriptor,
    &lotcast__v1__gone_item_record__descriptor,
    &lotcast__v1__secret_key_record__descriptor,
    &lotcast__v1__packet_header__descriptor,
};

struct registry_sources registry_sources_get(void)
{
    return (struct registry_sources){
        .descriptor_set = {proto_descriptor_set, proto_descriptor_set_len},
        .services = services,
        .service_count = sizeof services / sizeof services[0],
        .messages = messages,
        .message_count = sizeof messages / sizeof messages[0],
    };
}
