/*
 * What texts that people type must be: names, companies, e-mails, paths to come back to. Pure.
 */
#ifndef RPC_SERVICES_MODEL_TEXT_H
#define RPC_SERVICES_MODEL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* A name or a company, in bytes. */
#define TEXT_NAME_BYTES_MAX 200
/* RFC 5321's path limit less its brackets. */
#define TEXT_EMAIL_BYTES_MAX 254
/* RFC 5321, 4.5.3.1.1. */
#define TEXT_EMAIL_LOCAL_BYTES_MAX 64
/* A path of the app, with its query. */
#define TEXT_RETURN_TO_BYTES_MAX 512

/* Whether it is valid UTF-8 on one line: no control characters (C0, DEL, C1) and no line
 * separators. */
bool text_single_line(const char *text, size_t len);

/*
 * Finds a name within the white space around it. False if it has control characters or more than
 * TEXT_NAME_BYTES_MAX bytes. An empty name gives a length of 0: whether that will do is the
 * caller's to say.
 */
bool text_name(const char *text, size_t *ret_start, size_t *ret_len);

/*
 * Whether it is an e-mail address as people have them: dot-atom@domain (RFC 5321, with UTF-8 as in
 * RFC 6531), the domain with a dot. No quoted local parts, no address literals, no comments.
 */
bool text_email_valid(const char *email);

/* By what e-mails are compared: ASCII letters in lower case. `key` holds TEXT_EMAIL_BYTES_MAX + 1.
 */
void text_email_key(const char *email, char key[static TEXT_EMAIL_BYTES_MAX + 1]);

/*
 * Whether a browser may be sent there after the dialog: a path below /app/ or /onboarding/, perhaps
 * with a query, that every browser reads as one: nothing encoded in the path, no //, no \, no dot
 * segments, no fragment.
 */
bool text_return_to_valid(const char *path);

#endif
