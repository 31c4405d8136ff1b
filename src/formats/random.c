/* random.c - made-up weights.  One block of pseudo-random values, uniform with standard deviation 0.02, is
 * made once; a tensor is a copy of it that begins at a place drawn from its name and goes round.  1-D
 * weights are scales of norms and lie near 1.  Every tensor has memory of its own, so that a product reads
 * its bytes from memory as it would from a mapped file; only a table of per-layer embeddings, gigabytes of
 * which a token reads a few rows, is the block mapped over and over. */
#include "formats/random.h"

#include <string.h>

#include "base/file_map.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/size.h"

enum { BLOCK_BYTES = 16 << 20 };
static const float DEVIATION_RANGE =
    0.0346410f; /* sqrt(3) * 0.02: half the width of the uniform distribution */
static const float NORM_RANGE = 0.1f;

struct made {
    struct made *next;
    wc_tensor t;
    wc_file_map map; /* of a repeated block; else closed */
};

struct wc_random {
    wc_arena *arena;
    wc_dtype dtype;
    size_t elem_bytes;
    char *block; /* [BLOCK_BYTES] */
    struct made *made;
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13; /* xorshift64, Marsaglia 2003 */
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t hash_name(const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return h | 1;
}

/* x rounded toward zero into 2 bytes; |x| lies between 2^-14 and 2, or is taken for 0. */
static uint16_t narrow(float x, wc_dtype dtype)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (dtype == WC_BF16)
        return (uint16_t)(bits >> 16);
    const uint32_t sign = bits >> 16 & 0x8000, exponent = bits >> 23 & 0xff;
    if (exponent < 113) /* below the normal f16 */
        return (uint16_t)sign;
    return (uint16_t)(sign | (exponent - 112) << 10 | (bits >> 13 & 0x3ff));
}

/* n values of centre +- range. */
static void fill(const wc_random *r, void *out, size_t n, float centre, float range, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        float unit = (float)(next_random(&seed) >> 40) * 0x1p-23f - 1; /* -1 .. 1 */
        float x = centre + range * unit;
        if (r->dtype == WC_F32)
            ((float *)out)[i] = x;
        else
            ((uint16_t *)out)[i] = narrow(x, r->dtype);
    }
}

wc_random *wc_random_new(wc_dtype dtype, wc_error *err)
{
    if (dtype != WC_F32 && dtype != WC_BF16 && dtype != WC_F16) {
        wc_fail(err, WC_BAD_ARGUMENT, "made-up weights: expected f32, bf16 or f16, found %s",
                wc_dtype_get(dtype)->name);
        return NULL;
    }
    wc_random *r = wc_mem_zalloc(1, sizeof *r);
    if (r)
        *r = (wc_random){
            .arena = wc_arena_new(0), .dtype = dtype, .elem_bytes = wc_dtype_get(dtype)->block_bytes};
    if (r && r->arena)
        r->block = wc_arena_alloc(r->arena, BLOCK_BYTES);
    if (!r || !r->block) {
        wc_fail_memory(err, BLOCK_BYTES);
        wc_random_free(r);
        return NULL;
    }
    fill(r, r->block, BLOCK_BYTES / r->elem_bytes, 0, DEVIATION_RANGE, 1);
    return r;
}

void wc_random_free(wc_random *r)
{
    if (!r)
        return;
    for (struct made *m = r->made; m; m = m->next)
        wc_file_map_close(&m->map);
    wc_arena_free(r->arena);
    wc_mem_free(r);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), e = strlen(end);
    return n >= e && strcmp(s + n - e, end) == 0;
}

/* bytes of the block from a place drawn from the name on, round and round. */
static void copy_block(const wc_random *r, char *out, size_t bytes, const char *name)
{
    size_t at = (size_t)(hash_name(name) % BLOCK_BYTES) & ~(size_t)63;
    while (bytes > 0) {
        size_t n = wc_min_size(bytes, BLOCK_BYTES - at);
        memcpy(out, r->block + at, n);
        out += n;
        bytes -= n;
        at = 0;
    }
}

static bool make_data(wc_random *r, struct made *m, const char *name, int ndim, size_t elems, size_t bytes,
                      wc_error *err)
{
    if (strstr(name, "embed_tokens_per_layer")) {
        if (!wc_file_map_repeat(&m->map, r->block, BLOCK_BYTES, bytes, err))
            return false;
        m->t.data = (void *)m->map.data;
        return true;
    }
    m->t.data = bytes < wc_memory_available() ? wc_arena_alloc(r->arena, bytes) : NULL;
    if (!m->t.data)
        return wc_fail_memory(err, bytes);
    if (ndim == 1 && ends_with(name, ".weight"))
        fill(r, m->t.data, elems, 1, NORM_RANGE, hash_name(name));
    else
        copy_block(r, m->t.data, bytes, name);
    return true;
}

static struct made *find_made(const wc_random *r, const char *name)
{
    struct made *m = r->made;
    while (m && strcmp(m->t.name, name) != 0)
        m = m->next;
    return m;
}

bool wc_random_need(wc_random *r, const char *name, int ndim, const size_t *shape, wc_tensor *t,
                    wc_error *err)
{
    size_t elems = 1, bytes;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] == 0)
            return wc_fail(err, WC_UNSUPPORTED,
                           "made-up weights: tensor %s: its shape is not known from the config", name);
        if (!wc_mul_size(elems, shape[i], &elems))
            return wc_fail(err, WC_BAD_FILE, "made-up weights: tensor %s: its size does not fit 64 bits",
                           name);
    }
    if (!wc_mul_size(elems, r->elem_bytes, &bytes))
        return wc_fail(err, WC_BAD_FILE, "made-up weights: tensor %s: its size does not fit 64 bits", name);
    struct made *m = find_made(r, name);
    if (!m) {
        const char *kept = wc_arena_strdup(r->arena, name);
        m = wc_arena_zalloc(r->arena, 1, sizeof *m);
        if (!kept || !m)
            return wc_fail_memory(err, sizeof *m);
        if (!make_data(r, m, name, ndim, elems, bytes, err))
            return false;
        m->t = wc_tensor_of(m->t.data, r->dtype, ndim, shape);
        m->t.name = kept;
        m->next = r->made;
        r->made = m;
    } else if (wc_tensor_elems(&m->t) != elems) {
        return wc_fail(err, WC_BAD_FILE, "made-up weights: tensor %s: asked for twice with two sizes", name);
    }
    *t = wc_tensor_of(m->t.data, r->dtype, ndim, shape);
    t->name = m->t.name;
    return true;
}
