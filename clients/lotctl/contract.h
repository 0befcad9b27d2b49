/*
 * The contract of the server that is talked to, asked of it by reflection. Nothing that this
 * program was compiled with takes part but the Reflection service itself, so that a method that is
 * newer than the program is listed, described and called like any other.
 */
#ifndef CLIENTS_LOTCTL_CONTRACT_H
#define CLIENTS_LOTCTL_CONTRACT_H

#include "clients/lotctl/tool.h"
#include "lotcast/v1/reflection.pb-c.h"

struct contract {
    const Lotcast__V1__ListServicesResponse *served; /* in the tool's arena */
    struct registry *registry;
    struct json_codec *codec;
    const char *name; /* the full name of what was asked for; NULL: everything */
};

/*
 * Asks for the declarations of `name` with all that they need: a full name, or one without its
 * package (Auth/LogIn), which is tried with those of the services that are served. NULL: of
 * everything. False, having complained; true: the caller closes it.
 */
bool contract_open(struct tool *tool, const char *name, struct contract *ret_contract);
void contract_close(struct contract *contract);

/* The method that was asked for, as Auth/LogIn or Auth.LogIn; NULL: the name is no method's. */
const struct registry_method *contract_method(const struct contract *contract);

/* The comment in front of a declaration, as text of several lines, or "". */
const char *contract_method_comment(const struct contract *contract,
                                    const struct registry_method *method);
const char *contract_message_comment(const struct contract *contract,
                                     const struct registry_message *message);
/* Of the field at `index` of message->fields. */
const char *contract_field_comment(const struct contract *contract,
                                   const struct registry_message *message, size_t index);

#endif
