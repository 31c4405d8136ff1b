/* store.c - see store.h.  The one file that knows SQLite.
 *
 * The tables must be exactly those below: then the database of somebody else has no view, trigger or virtual table that would
 * run when it is read. Values are checked as they are taken out, column by column. */
#include "documents/store.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <string.h>

#include "base/file_map.h"
#include "base/size.h"
#include "base/utf8.h"

enum {
    APPLICATION_ID = 0x77686e63, /* "whnc" */
    VERSION = 1,
    MAX_TEXT_BYTES = 16 << 20, /* of one value */
    BUSY_MS = 5000,            /* how long a reader waits for one who writes */
    CACHE_KIB = 1 << 16
};

static const struct {
    const char *name, *sql;
} tables[] = {
    {"chunks", "CREATE TABLE chunks(id INTEGER PRIMARY KEY, file INTEGER NOT NULL REFERENCES files(id), "
               "first_line INTEGER NOT NULL, last_line INTEGER NOT NULL, heading TEXT NOT NULL, "
               "text TEXT NOT NULL, embedding BLOB NOT NULL)"},
    {"chunks_of_file", "CREATE INDEX chunks_of_file ON chunks(file)"},
    {"files", "CREATE TABLE files(id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, "
              "mtime INTEGER NOT NULL, sha256 TEXT NOT NULL)"},
    {"settings",
     "CREATE TABLE settings(model TEXT NOT NULL, document_prompt TEXT NOT NULL, query_prompt TEXT NOT NULL, "
     "chunk_tokens INTEGER NOT NULL, overlap_tokens INTEGER NOT NULL, width INTEGER NOT NULL, "
     "fingerprint BLOB NOT NULL)"},
    {"sqlite_autoindex_files_1", NULL},
};
enum { N_TABLES = sizeof tables / sizeof *tables };

/* Statements that run for every file or chunk. */
enum statement { FIND, TOUCH, REMOVE_CHUNKS, REMOVE_FILE, PUT, ADD, PASSAGE, N_STATEMENTS };

static const char *const statement_sql[N_STATEMENTS] = {
    [FIND] = "SELECT id, path, size, mtime, sha256 FROM files WHERE path = ?1",
    [TOUCH] = "UPDATE files SET size = ?2, mtime = ?3 WHERE id = ?1",
    [REMOVE_CHUNKS] = "DELETE FROM chunks WHERE file = ?1",
    [REMOVE_FILE] = "DELETE FROM files WHERE id = ?1",
    [PUT] = "INSERT INTO files(path, size, mtime, sha256) VALUES(?1, ?2, ?3, ?4)",
    [ADD] = "INSERT INTO chunks(file, first_line, last_line, heading, text, embedding) "
            "VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [PASSAGE] = "SELECT files.path, chunks.heading, chunks.text, chunks.first_line, chunks.last_line "
                "FROM chunks LEFT JOIN files ON files.id = chunks.file WHERE chunks.id = ?1",
};

struct docs_store {
    sqlite3 *db;
    sqlite3_stmt *statements[N_STATEMENTS];
    const char *path;
    wc_arena *a;
    docs_settings settings;
    bool set_up;
    float *row;          /* [DOCS_BATCH, width] */
    unsigned char *blob; /* [4 * width] */
};

/* ---- errors ---- */

/* What SQLite says, as an error of ours. */
static bool fail(const docs_store *s, int code, wc_error *err)
{
    const char *path = s->path;
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return wc_fail_memory(err, 0);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return wc_fail(err, WC_FAILED, "%s: another program is writing it; try again when that is done",
                       path);
    case SQLITE_NOTADB:
        return wc_fail(err, WC_BAD_FILE,
                       "%s: expected an index of 'whinchat index', found another kind of file", path);
    case SQLITE_CORRUPT:
        return wc_fail(err, WC_BAD_FILE, "%s: the database is damaged (%s); remove it and index again", path,
                       sqlite3_errmsg(s->db));
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return wc_fail(err, WC_FAILED, "%s: cannot be written: %s", path, sqlite3_errmsg(s->db));
    case SQLITE_TOOBIG:
        return wc_fail(err, WC_BAD_FILE, "%s: a value is longer than %d bytes", path, MAX_TEXT_BYTES);
    default:
        return wc_fail(err, WC_FAILED, "%s: %s", path, s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(code));
    }
}

static bool execute(docs_store *s, const char *sql, wc_error *err)
{
    const int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? true : fail(s, code, err);
}

/* ---- columns ---- */

static bool bad_column(const docs_store *s, sqlite3_stmt *q, int column, const char *expected, wc_error *err)
{
    static const char *const types[] = {"nothing", "an integer", "a number", "text", "a blob", "null"};
    return wc_fail(err, WC_BAD_FILE,
                   "%s: column %s: expected %s, found %s; remove the index and make it again", s->path,
                   sqlite3_column_name(q, column), expected, types[sqlite3_column_type(q, column)]);
}

static bool get_int(const docs_store *s, sqlite3_stmt *q, int column, int64_t min, int64_t max, int64_t *out,
                    wc_error *err)
{
    char expected[80];
    if (sqlite3_column_type(q, column) == SQLITE_INTEGER) {
        *out = sqlite3_column_int64(q, column);
        if (*out >= min && *out <= max)
            return true;
    }
    sqlite3_snprintf(sizeof expected, expected, "an integer from %lld to %lld", (sqlite3_int64)min,
                     (sqlite3_int64)max);
    return bad_column(s, q, column, expected, err);
}

/* Text without NULs in the arena. */
static bool get_text(const docs_store *s, sqlite3_stmt *q, int column, wc_arena *a, const char **out,
                     wc_error *err)
{
    if (sqlite3_column_type(q, column) != SQLITE_TEXT)
        return bad_column(s, q, column, "text", err);
    const char *text = (const char *)sqlite3_column_text(q, column);
    const size_t n = (size_t)sqlite3_column_bytes(q, column);
    if (!text)
        return wc_fail_memory(err, n);
    if (memchr(text, '\0', n) || !wc_utf8_valid(text, n))
        return bad_column(s, q, column, "UTF-8 without NULs", err);
    *out = wc_arena_strndup(a, text, n);
    return *out ? true : wc_fail_memory(err, n);
}

static bool get_vector(const docs_store *s, sqlite3_stmt *q, int column, size_t width, float *out,
                       wc_error *err)
{
    char expected[80];
    double squares = 0;
    sqlite3_snprintf(sizeof expected, expected, "a blob of %lld bytes", 4 * (sqlite3_int64)width);
    if (sqlite3_column_type(q, column) != SQLITE_BLOB || (size_t)sqlite3_column_bytes(q, column) != 4 * width)
        return bad_column(s, q, column, expected, err);
    const unsigned char *b = sqlite3_column_blob(q, column);
    if (!b)
        return wc_fail_memory(err, 4 * width);
    for (size_t i = 0; i < width; i++, b += 4) {
        const uint32_t bits = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
                              (uint32_t)b[3] << 24;
        memcpy(&out[i], &bits, 4);
        squares += (double)out[i] * (double)out[i];
    }
    if (!(fabs(squares - 1) < 1e-3)) /* also of NaN */
        return bad_column(s, q, column, "a vector of length 1", err);
    return true;
}

/* A vector as it is stored, in s->blob. */
static const void *blob_of(docs_store *s, const float *vector)
{
    for (size_t i = 0; i < s->settings.width; i++) {
        uint32_t bits;
        memcpy(&bits, &vector[i], 4);
        for (int k = 0; k < 4; k++)
            s->blob[4 * i + (size_t)k] = (unsigned char)(bits >> 8 * k);
    }
    return s->blob;
}

/* ---- opening ---- */

static bool pragma_value(docs_store *s, const char *sql, int64_t *out, wc_error *err)
{
    sqlite3_stmt *q = NULL;
    int code = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(q);
    *out = code == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
    sqlite3_finalize(q);
    return code == SQLITE_ROW ? true : fail(s, code, err);
}

/* Whether the database has the tables above and nothing else; *empty: it has nothing at all. */
static bool check_tables(docs_store *s, bool *empty, wc_error *err)
{
    sqlite3_stmt *q = NULL;
    int64_t id, version;
    size_t n = 0;
    bool same = true;
    if (!pragma_value(s, "PRAGMA application_id", &id, err) ||
        !pragma_value(s, "PRAGMA user_version", &version, err))
        return false;
    int code = sqlite3_prepare_v2(s->db, "SELECT name, sql FROM sqlite_schema ORDER BY name", -1, &q, NULL);
    while (code == SQLITE_OK && (code = sqlite3_step(q)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(q, 0),
                   *sql = (const char *)sqlite3_column_text(q, 1);
        same = same && n < N_TABLES && name && strcmp(name, tables[n].name) == 0 &&
               (tables[n].sql ? sql && strcmp(sql, tables[n].sql) == 0 : !sql);
        n++;
        code = SQLITE_OK;
    }
    sqlite3_finalize(q);
    if (code != SQLITE_DONE)
        return fail(s, code, err);
    *empty = n == 0 && id == 0;
    if (*empty)
        return true;
    if (id != APPLICATION_ID)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: expected an index of 'whinchat index', found a database of another program",
                       s->path);
    if (version != VERSION)
        return wc_fail(
            err, WC_UNSUPPORTED,
            "%s: expected an index of form %d, found form %lld; remove it and index again, or use the "
            "whinchat that made it",
            s->path, VERSION, (long long)version);
    if (!same || n != N_TABLES)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: its tables are not those of an index of form %d; remove it and index again",
                       s->path, VERSION);
    return true;
}

static bool make_room(docs_store *s, wc_error *err)
{
    const size_t width = s->settings.width;
    s->row = wc_arena_alloc(s->a, DOCS_BATCH * width * sizeof *s->row);
    s->blob = wc_arena_alloc(s->a, 4 * width);
    return s->row && s->blob ? true : wc_fail_memory(err, DOCS_BATCH * width * sizeof *s->row);
}

static bool take_settings(docs_store *s, sqlite3_stmt *q, wc_error *err)
{
    docs_settings *v = &s->settings;
    int64_t chunk = 0, overlap = 0, width = 0;
    if (!get_text(s, q, 0, s->a, &v->model, err) || !get_text(s, q, 1, s->a, &v->document_prompt, err) ||
        !get_text(s, q, 2, s->a, &v->query_prompt, err) || !get_int(s, q, 3, 1, 1 << 24, &chunk, err) ||
        !get_int(s, q, 4, 0, chunk, &overlap, err) || !get_int(s, q, 5, 1, DOCS_MAX_WIDTH, &width, err))
        return false;
    v->chunk_tokens = (size_t)chunk;
    v->overlap_tokens = (size_t)overlap;
    v->width = (size_t)width;
    float *fingerprint = wc_arena_alloc(s->a, v->width * sizeof *fingerprint);
    v->fingerprint = fingerprint;
    if (!fingerprint)
        return wc_fail_memory(err, v->width * sizeof *fingerprint);
    return get_vector(s, q, 6, v->width, fingerprint, err) && make_room(s, err);
}

static bool read_settings(docs_store *s, wc_error *err)
{
    sqlite3_stmt *q = NULL;
    bool ok = false;
    int code = sqlite3_prepare_v2(
        s->db,
        "SELECT model, document_prompt, query_prompt, chunk_tokens, overlap_tokens, width, "
        "fingerprint FROM settings",
        -1, &q, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(q);
    if (code == SQLITE_ROW)
        ok = take_settings(s, q, err);
    else if (code == SQLITE_DONE)
        wc_fail(err, WC_BAD_FILE,
                "%s: settings: expected a row, found none; remove the index and make it again", s->path);
    else
        fail(s, code, err);
    sqlite3_finalize(q);
    s->set_up = ok;
    return ok;
}

static bool cannot_open(docs_store *s, int code, bool write, wc_error *err)
{
    const int number = s->db ? sqlite3_system_errno(s->db) : 0;
    if (code != SQLITE_CANTOPEN)
        return fail(s, code, err);
    return wc_fail(err, write ? WC_FAILED : WC_NOT_FOUND, "%s: cannot be opened: %s%s", s->path,
                   number ? strerror(number) : "is it a file?",
                   !write && number == ENOENT ? "; 'whinchat index FOLDER DB' makes an index" : "");
}

static bool connect_to(docs_store *s, const char *path, bool write, wc_error *err)
{
    bool empty = false;
    /* A reader may have to take back what a killed writer left, hence the right to write where there is one. */
    int code = sqlite3_open_v2(
        path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (write ? SQLITE_OPEN_CREATE : 0), NULL);
    if (code != SQLITE_OK)
        return cannot_open(s, code, write, err);
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, MAX_TEXT_BYTES);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (!execute(s,
                 write ? "PRAGMA cell_size_check=ON; BEGIN IMMEDIATE"
                       : "PRAGMA cell_size_check=ON; PRAGMA query_only=ON; BEGIN",
                 err) ||
        !check_tables(s, &empty, err))
        return false;
    if (!empty)
        return read_settings(s, err);
    return write ? true : wc_fail(err, WC_BAD_FILE, "%s: nothing is indexed in it yet", path);
}

docs_store *docs_store_open(const char *path, bool write, wc_error *err)
{
    wc_arena *a = wc_arena_new(0);
    docs_store *s = a ? wc_arena_zalloc(a, 1, sizeof *s) : NULL;
    if (s) /* ":memory:" is a name like any other here */
        s->path = path[0] == ':' ? wc_path_join(a, ".", path) : wc_arena_strdup(a, path);
    if (!s || !s->path) {
        wc_fail_memory(err, sizeof *s);
        wc_arena_free(a);
        return NULL;
    }
    s->a = a;
    if (connect_to(s, s->path, write, err))
        return s;
    docs_store_close(s);
    return NULL;
}

void docs_store_close(docs_store *s)
{
    if (!s)
        return;
    for (int i = 0; i < N_STATEMENTS; i++)
        sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->db); /* an open transaction is taken back */
    wc_arena_free(s->a);
}

const docs_settings *docs_store_settings(const docs_store *s)
{
    return s->set_up ? &s->settings : NULL;
}

/* ---- statements ---- */

/* The statement, reset; NULL with an error. */
static sqlite3_stmt *statement(docs_store *s, enum statement which, wc_error *err)
{
    int code = SQLITE_OK;
    if (!s->statements[which])
        code = sqlite3_prepare_v3(s->db, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                                  &s->statements[which], NULL);
    if (code != SQLITE_OK) {
        fail(s, code, err);
        return NULL;
    }
    sqlite3_reset(s->statements[which]);
    sqlite3_clear_bindings(s->statements[which]);
    return s->statements[which];
}

/* A statement that gives no rows; its values are bound. */
static bool finish(docs_store *s, sqlite3_stmt *q, wc_error *err)
{
    const int code = sqlite3_step(q);
    if (code == SQLITE_DONE) {
        sqlite3_reset(q);
        return true;
    }
    fail(s, code, err);
    sqlite3_reset(q);
    return false;
}

static bool with_id(docs_store *s, enum statement which, int64_t id, wc_error *err)
{
    sqlite3_stmt *q = statement(s, which, err);
    return q && (sqlite3_bind_int64(q, 1, id), finish(s, q, err));
}

bool docs_store_set_up(docs_store *s, const docs_settings *v, wc_error *err)
{
    char sql[100];
    sqlite3_stmt *q = NULL;
    for (int i = 0; i < N_TABLES; i++)
        if (tables[i].sql && strncmp(tables[i].sql, "CREATE TABLE", 12) == 0 &&
            !execute(s, tables[i].sql, err))
            return false;
    sqlite3_snprintf(sizeof sql, sql, "PRAGMA application_id=%d; PRAGMA user_version=%d", APPLICATION_ID,
                     VERSION);
    if (!execute(s, tables[1].sql, err) || !execute(s, sql, err))
        return false;
    s->settings.width = v->width;
    if (!make_room(s, err))
        return false;
    int code = sqlite3_prepare_v2(s->db, "INSERT INTO settings VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)", -1, &q,
                                  NULL);
    if (code != SQLITE_OK)
        return fail(s, code, err);
    sqlite3_bind_text(q, 1, v->model, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, v->document_prompt, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 3, v->query_prompt, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 4, (sqlite3_int64)v->chunk_tokens);
    sqlite3_bind_int64(q, 5, (sqlite3_int64)v->overlap_tokens);
    sqlite3_bind_int64(q, 6, (sqlite3_int64)v->width);
    sqlite3_bind_blob(q, 7, blob_of(s, v->fingerprint), (int)(4 * v->width), SQLITE_STATIC);
    const bool ok = finish(s, q, err);
    sqlite3_finalize(q);
    return ok && read_settings(s, err);
}

bool docs_store_commit(docs_store *s, wc_error *err)
{
    return execute(s, "COMMIT", err);
}

bool docs_store_count(docs_store *s, size_t *files, size_t *chunks, wc_error *err)
{
    int64_t f, c;
    if (!pragma_value(s, "SELECT count(*) FROM files", &f, err) ||
        !pragma_value(s, "SELECT count(*) FROM chunks", &c, err))
        return false;
    *files = (size_t)f;
    *chunks = (size_t)c;
    return true;
}

/* ---- files ---- */

static bool get_file(docs_store *s, sqlite3_stmt *q, wc_arena *a, docs_file *f, wc_error *err)
{
    int64_t size;
    const char *sum;
    if (!get_int(s, q, 0, INT64_MIN, INT64_MAX, &f->id, err) || !get_text(s, q, 1, a, &f->path, err) ||
        !get_int(s, q, 2, 0, INT64_MAX, &size, err) ||
        !get_int(s, q, 3, INT64_MIN, INT64_MAX, &f->mtime, err) || !get_text(s, q, 4, a, &sum, err))
        return false;
    if (strlen(sum) != 64 || strspn(sum, "0123456789abcdef") != 64)
        return bad_column(s, q, 4, "64 hexadecimal digits", err);
    f->size = (uint64_t)size;
    memcpy(f->sha256, sum, sizeof f->sha256);
    return true;
}

bool docs_store_find(docs_store *s, const char *path, docs_file *out, bool *found, wc_error *err)
{
    sqlite3_stmt *q = statement(s, FIND, err);
    const wc_arena_mark mark = wc_arena_get_mark(s->a);
    if (!q)
        return false;
    sqlite3_bind_text(q, 1, path, -1, SQLITE_STATIC);
    const int code = sqlite3_step(q);
    bool ok = code == SQLITE_ROW || code == SQLITE_DONE ? true : fail(s, code, err);
    *found = code == SQLITE_ROW;
    if (*found)
        ok = get_file(s, q, s->a, out, err);
    out->path = path;
    wc_arena_reset(s->a, mark);
    sqlite3_reset(q);
    return ok;
}

bool docs_store_put(docs_store *s, docs_file *f, wc_error *err)
{
    docs_file old;
    bool found;
    if (!docs_store_find(s, f->path, &old, &found, err) || (found && !docs_store_remove(s, old.id, err)))
        return false;
    sqlite3_stmt *q = statement(s, PUT, err);
    if (!q)
        return false;
    sqlite3_bind_text(q, 1, f->path, -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, (sqlite3_int64)f->size);
    sqlite3_bind_int64(q, 3, f->mtime);
    sqlite3_bind_text(q, 4, f->sha256, -1, SQLITE_STATIC);
    if (!finish(s, q, err))
        return false;
    f->id = sqlite3_last_insert_rowid(s->db);
    return true;
}

bool docs_store_touch(docs_store *s, const docs_file *f, wc_error *err)
{
    sqlite3_stmt *q = statement(s, TOUCH, err);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, f->id);
    sqlite3_bind_int64(q, 2, (sqlite3_int64)f->size);
    sqlite3_bind_int64(q, 3, f->mtime);
    return finish(s, q, err);
}

bool docs_store_remove(docs_store *s, int64_t id, wc_error *err)
{
    return with_id(s, REMOVE_CHUNKS, id, err) && with_id(s, REMOVE_FILE, id, err);
}

bool docs_store_add(docs_store *s, int64_t file, const docs_chunk *c, const float *vector, wc_error *err)
{
    sqlite3_stmt *q = statement(s, ADD, err);
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, file);
    sqlite3_bind_int64(q, 2, (sqlite3_int64)c->first_line);
    sqlite3_bind_int64(q, 3, (sqlite3_int64)c->last_line);
    sqlite3_bind_text(q, 4, c->heading, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 5, c->text, (int)c->n_bytes, SQLITE_STATIC);
    sqlite3_bind_blob(q, 6, blob_of(s, vector), (int)(4 * s->settings.width), SQLITE_STATIC);
    return finish(s, q, err);
}

bool docs_store_files(docs_store *s, docs_file_fn fn, void *user, wc_error *err)
{
    sqlite3_stmt *q = NULL;
    bool ok = true;
    int code = sqlite3_prepare_v2(s->db, "SELECT id, path, size, mtime, sha256 FROM files ORDER BY path", -1,
                                  &q, NULL);
    while (ok && code == SQLITE_OK && (code = sqlite3_step(q)) == SQLITE_ROW) {
        const wc_arena_mark mark = wc_arena_get_mark(s->a);
        docs_file f;
        ok = get_file(s, q, s->a, &f, err) && fn(user, &f, err);
        wc_arena_reset(s->a, mark);
        code = SQLITE_OK;
    }
    if (ok && code != SQLITE_DONE)
        ok = fail(s, code, err);
    sqlite3_finalize(q);
    return ok;
}

/* ---- chunks ---- */

/* No database has more vectors than fit into it; one that is damaged may give the same rows again and again. */
static bool most_vectors(docs_store *s, size_t *most, wc_error *err)
{
    int64_t pages, page_size;
    if (!pragma_value(s, "PRAGMA page_count", &pages, err) ||
        !pragma_value(s, "PRAGMA page_size", &page_size, err))
        return false;
    *most = (size_t)(pages * page_size) / (4 * s->settings.width);
    return true;
}

bool docs_store_vectors(docs_store *s, docs_vectors_fn fn, void *user, wc_error *err)
{
    const size_t width = s->settings.width;
    int64_t chunks[DOCS_BATCH];
    sqlite3_stmt *q = NULL;
    size_t n = 0, most;
    if (!most_vectors(s, &most, err))
        return false;
    int code = sqlite3_prepare_v2(s->db, "SELECT id, embedding FROM chunks ORDER BY id", -1, &q, NULL);
    bool ok = code == SQLITE_OK ? true : fail(s, code, err);
    while (ok) {
        code = sqlite3_step(q);
        if ((code == SQLITE_DONE && n > 0) || n == DOCS_BATCH) {
            ok = fn(user, chunks, s->row, n, err);
            n = 0;
        }
        if (code != SQLITE_ROW || !ok)
            break;
        ok = most-- > 0 ? get_vector(s, q, 1, width, s->row + n * width, err)
                        : wc_fail(err, WC_BAD_FILE,
                                  "%s: more chunks than it has room for; remove it and index again", s->path);
        chunks[n++] = sqlite3_column_int64(q, 0);
    }
    if (ok && code != SQLITE_DONE)
        ok = fail(s, code, err);
    sqlite3_finalize(q);
    return ok;
}

bool docs_store_passage(docs_store *s, int64_t chunk, wc_arena *a, docs_passage *out, wc_error *err)
{
    sqlite3_stmt *q = statement(s, PASSAGE, err);
    int64_t first, last;
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, chunk);
    const int code = sqlite3_step(q);
    bool ok = code == SQLITE_ROW || code == SQLITE_DONE ? true : fail(s, code, err);
    if (code == SQLITE_DONE)
        ok = wc_fail(err, WC_BAD_FILE, "%s: chunk %lld is not there; remove it and index again", s->path,
                     (long long)chunk);
    ok = ok && get_text(s, q, 0, a, &out->path, err) && get_text(s, q, 1, a, &out->heading, err) &&
         get_text(s, q, 2, a, &out->text, err) && get_int(s, q, 3, 1, INT64_MAX, &first, err) &&
         get_int(s, q, 4, first, INT64_MAX, &last, err);
    if (ok) {
        out->first_line = (size_t)first;
        out->last_line = (size_t)last;
    }
    sqlite3_reset(q);
    return ok;
}
