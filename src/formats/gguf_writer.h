/* gguf_writer.h - what gguf_write.c and gguf_write_config.c share: a GGUF file in the making. */
#ifndef WC_FORMATS_GGUF_WRITER_H
#define WC_FORMATS_GGUF_WRITER_H
#include "base/buf.h"
#include "base/file_out.h"
#include "formats/gguf_arch.h"
#include "formats/gguf_clip.h"
#include "formats/gguf_write.h"

/* Types of metadata. */
enum {
    WC_GGUF_U32 = 4,
    WC_GGUF_I32 = 5,
    WC_GGUF_F32 = 6,
    WC_GGUF_BOOL = 7,
    WC_GGUF_STRING = 8,
    WC_GGUF_ARRAY = 9
};
enum { WC_GGUF_MAX_STACK = 256 }; /* matrices in one tensor */
enum { WC_GGUF_SMALL = 32 };      /* rows or columns, below which a matrix is f32 */

/* A tensor on its way: rows of one tensor of the checkpoint, or of several, or a list that the configuration tells. */
typedef struct wc_gguf_item {
    char name[WC_NAME_ROOM];
    int ndim;
    size_t shape[WC_MAX_DIMS]; /* in the file */
    wc_tensor *parts;          /* [n_parts] of one shape, one behind the other; of a stack in order */
    size_t n_parts;
    size_t n_rows,
        width; /* of the file; rows behind the parts' last are their first: ids without a row of their own */
    wc_dtype type;
    uint64_t begin, bytes;
    int heads;     /* > 0: rows are paired (gguf_arch.h) */
    bool plus_one; /* a norm that the files have with its 1 */
} wc_gguf_item;

typedef struct wc_gguf_writer {
    const wc_checkpoint *c;
    const wc_gguf_write_options *o;
    const wc_gguf_arch *arch;
    const wc_clip_kind *tower; /* NULL: the text model is written */
    const wc_json *config;     /* of the text model */
    const wc_json *defaults;   /* of the family, where the configuration says nothing */
    wc_error *err;
    wc_arena *arena;
    wc_buf head;
    size_t n_pairs;
    wc_gguf_item *items; /* [n_items] */
    size_t n_items;
    wc_file_out file;
} wc_gguf_writer;

/* ---- gguf_write.c ---- */

void wc_gguf_put_bytes(wc_buf *b, uint64_t x, unsigned bytes);
void wc_gguf_put_key(wc_gguf_writer *w, const char *key, unsigned type);
void wc_gguf_put_string(wc_gguf_writer *w, const char *key, const char *s);
void wc_gguf_put_bool(wc_gguf_writer *w, const char *key, bool x);
/* ARCH.key: a u32, an f32, a list of n numbers of type i32, f32 or bool. */
void wc_gguf_put_whole(wc_gguf_writer *w, const char *key, int64_t x);
void wc_gguf_put_real(wc_gguf_writer *w, const char *key, double x);
void wc_gguf_put_list(wc_gguf_writer *w, const char *key, unsigned type, const double *x, size_t n);
/* "ARCH.key" in out. */
const char *wc_gguf_arch_key(const wc_gguf_writer *w, const char *key, char out[128]);
/* A tensor of the file by its name there; NULL when there is none (yet). */
wc_gguf_item *wc_gguf_item_find(const wc_gguf_writer *w, const char *name);
/* One more, of all of from's rows. */
bool wc_gguf_item_add(wc_gguf_writer *w, const char *name, wc_tensor from);

/* ---- gguf_write_config.c ---- */

/* A field of the configuration, or the family's default; NULL when there is none or it is null. */
const wc_json *wc_gguf_field(const wc_gguf_writer *w, const char *key);
int wc_gguf_field_or(const wc_gguf_writer *w, const char *key, int fallback);
int wc_gguf_n_heads(const wc_gguf_writer *w);
int wc_gguf_n_kv_heads(const wc_gguf_writer *w);
/* Finds the architecture of the text model, its configuration and its family's defaults. */
bool wc_gguf_write_arch(wc_gguf_writer *w);
/* Writes what the configuration says, and refuses what the architecture's files cannot tell; all tensors are there. */
bool wc_gguf_write_config(wc_gguf_writer *w);

/* ---- gguf_clip_write.c ---- */

/* The same of the picture tower: from the text model's architecture on, which is found. */
bool wc_clip_write_arch(wc_gguf_writer *w);
bool wc_clip_write_config(wc_gguf_writer *w);
/* Whether a tensor of the folder is no part of tower and projector. */
bool wc_clip_write_leaves_out(const char *name);
/* The shape that a tower's tensor has in these files, and its type but for rows that are no whole number of blocks. */
void wc_clip_write_shape(wc_gguf_item *t);
wc_dtype wc_clip_write_type(const wc_gguf_writer *w, const wc_gguf_item *t);
#endif
