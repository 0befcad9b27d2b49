/*
 * SQLite's FTS5 with trigrams, at its best: an index of one segment without a copy of the texts,
 * all of the file in its cache, an exclusive lock, prepared statements. The records are in a table
 * beside it.
 */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "test/bench/peers/search_peer.h"

#define EXPRESSION_BYTES_MAX 512

struct peer {
    sqlite3 *database;
    sqlite3_stmt *add_text, *add_record, *count, *page;
};

static bool prepare(struct peer *peer, const char *sql, sqlite3_stmt **ret_statement)
{
    return sqlite3_prepare_v3(peer->database, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_statement,
                              NULL) == SQLITE_OK;
}

static void *open_peer(const char *path)
{
    static const char schema[] =
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
        "PRAGMA cache_size=-2000000; PRAGMA mmap_size=8589934592; PRAGMA temp_store=MEMORY;"
        "CREATE TABLE item(id INTEGER PRIMARY KEY, record BLOB NOT NULL);"
        "CREATE VIRTUAL TABLE text USING fts5(title, brand, model, vin, sku, content='', "
        "tokenize='trigram');"
        "BEGIN";
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL || sqlite3_open(path, &peer->database) != SQLITE_OK ||
        sqlite3_exec(peer->database, schema, NULL, NULL, NULL) != SQLITE_OK ||
        !prepare(peer,
                 "INSERT INTO text(rowid, title, brand, model, vin, sku) VALUES (?,?,?,?,?,?)",
                 &peer->add_text) ||
        !prepare(peer, "INSERT INTO item(id, record) VALUES (?,?)", &peer->add_record) ||
        !prepare(peer, "SELECT count(*) FROM text WHERE text MATCH ?", &peer->count) ||
        !prepare(peer,
                 "SELECT item.id, item.record FROM text JOIN item ON item.id = text.rowid "
                 "WHERE text MATCH ? ORDER BY text.rowid LIMIT ?",
                 &peer->page))
        return NULL;
    return peer;
}

static bool add(void *self, int64_t id, const char *const texts[SEARCH_TEXTS], const void *record,
                size_t record_len)
{
    struct peer *peer = self;
    (void)sqlite3_bind_int64(peer->add_text, 1, id);
    for (int i = 0; i < SEARCH_TEXTS; i++)
        (void)sqlite3_bind_text(peer->add_text, i + 2, texts[i], -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(peer->add_record, 1, id);
    (void)sqlite3_bind_blob(peer->add_record, 2, record, (int)record_len, SQLITE_STATIC);
    bool good = sqlite3_step(peer->add_text) == SQLITE_DONE &&
                sqlite3_step(peer->add_record) == SQLITE_DONE;
    (void)sqlite3_reset(peer->add_text);
    (void)sqlite3_reset(peer->add_record);
    return good;
}

static bool finish(void *self)
{
    struct peer *peer = self;
    return sqlite3_exec(peer->database,
                        "COMMIT; INSERT INTO text(text) VALUES ('optimize'); ANALYZE; BEGIN", NULL,
                        NULL, NULL) == SQLITE_OK;
}

/* Each word as a phrase: it is in some column, whatever stands around it. */
static bool make_expression(const char *words, char *expression)
{
    size_t len = 0;
    expression[len++] = '"';
    for (; *words != '\0'; words++) {
        if (len + 4 > EXPRESSION_BYTES_MAX || *words == '"')
            return false;
        if (*words == ' ') {
            memcpy(expression + len, "\" \"", 3);
            len += 3;
        } else {
            expression[len++] = *words;
        }
    }
    expression[len++] = '"';
    expression[len] = '\0';
    return true;
}

static bool search(void *self, const char *words, size_t limit, struct search_page *ret_page)
{
    struct peer *peer = self;
    char expression[EXPRESSION_BYTES_MAX + 2];
    int step;
    ret_page->count = 0;
    ret_page->bytes = 0;
    ret_page->sum = 0;
    if (!make_expression(words, expression))
        return false;
    (void)sqlite3_bind_text(peer->count, 1, expression, -1, SQLITE_STATIC);
    bool good = sqlite3_step(peer->count) == SQLITE_ROW;
    ret_page->total = good ? sqlite3_column_int64(peer->count, 0) : -1;
    (void)sqlite3_reset(peer->count);
    (void)sqlite3_bind_text(peer->page, 1, expression, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(peer->page, 2, (sqlite3_int64)limit);
    while ((step = sqlite3_step(peer->page)) == SQLITE_ROW) {
        ret_page->ids[ret_page->count++] = sqlite3_column_int64(peer->page, 0);
        const unsigned char *record = sqlite3_column_blob(peer->page, 1);
        size_t len = (size_t)sqlite3_column_bytes(peer->page, 1);
        ret_page->bytes += len;
        for (size_t i = 0; i < len; i++)
            ret_page->sum += record[i];
    }
    (void)sqlite3_reset(peer->page);
    return good && step == SQLITE_DONE;
}

static void close_peer(void *self)
{
    struct peer *peer = self;
    sqlite3_finalize(peer->add_text);
    sqlite3_finalize(peer->add_record);
    sqlite3_finalize(peer->count);
    sqlite3_finalize(peer->page);
    (void)sqlite3_close(peer->database);
    free(peer);
}

extern const struct search_peer search_peer;
const struct search_peer search_peer = {"SQLite FTS5", open_peer, add, finish, search, close_peer};
