/*
 * What a new password must be: PASSWORD_BYTES_MIN to _MAX bytes of UTF-8, not the e-mail, not among
 * the most common. No rules of composition: they make passwords worse. Pure.
 */
#ifndef RPC_SERVICES_MODEL_PASSWORD_H
#define RPC_SERVICES_MODEL_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#define PASSWORD_BYTES_MIN 8
#define PASSWORD_BYTES_MAX 256

/* Whether it may be chosen by the user with this e-mail. Letters' case makes no difference to
 * either list. */
bool password_acceptable(const char *password, const char *email);

/* Of password_common.c, for the test that holds it to its order. */
extern const char *const password__common[];
extern const size_t password__common_count;

#endif
