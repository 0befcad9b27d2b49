/*
 * What the files of lotcast.v1.Settings share.
 */
#ifndef RPC_SERVICES_SETTINGS_H
#define RPC_SERVICES_SETTINGS_H

#include "lotcast/v1/settings.pb-c.h"
#include "rpc/services/internal.h"

/* site_probe.c */
rpc_handler settings__test_website;
/* disconnect.c */
rpc_handler settings__disconnect_meta;

#endif
