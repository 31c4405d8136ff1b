/* test_image.c - pictures to pixels, resizes and model inputs against Pillow, torchvision and transformers;
 * SHA-256; EXIF; broken pictures; every allocation failing.
 *
 * goldens/image_preprocess and goldens/image_formats were made with these programs (their "made_with"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file_map.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "image/decode.h"
#include "image/normalize.h"

#define PREPROCESS SOURCE_ROOT "/tests/goldens/image_preprocess"
#define FORMATS    SOURCE_ROOT "/tests/goldens/image_formats"

/* A golden folder: golden.json and, where there is one, golden.safetensors. */
struct goldens {
    wc_arena *arena;
    const char *dir;
    const wc_json *doc, *tensors;
    const uint8_t *data; /* of the tensors */
};

static void open_goldens(struct goldens *g, const char *dir)
{
    wc_error err = {0};
    size_t n;
    *g = (struct goldens){.arena = wc_arena_new(0), .dir = dir};
    g->doc = wc_json_read(g->arena, wc_path_join(g->arena, dir, "golden.json"), 1 << 24, 0, &err);
    assert_non_null(g->doc);
    const char *path = wc_path_join(g->arena, dir, "golden.safetensors");
    if (!wc_file_exists(path))
        return;
    char *text = wc_file_read(g->arena, path, 1 << 24, &n, &err);
    assert_non_null(text);
    uint64_t header;
    memcpy(&header, text, sizeof header);
    assert_true(header <= n - 8);
    g->tensors = wc_json_parse(g->arena, text + 8, header, "golden.safetensors", 0, &err);
    assert_non_null(g->tensors);
    g->data = (const uint8_t *)text + 8 + header;
}

/* The bytes of a golden tensor, NULL when there is none of that name. */
static const uint8_t *find(const struct goldens *g, const char *name, size_t shape[3])
{
    const wc_json *t = wc_json_get(g->tensors, name);
    if (!t)
        return NULL;
    for (size_t i = 0; i < 3; i++)
        shape[i] = (size_t)wc_json_item(wc_json_get(t, "shape"), i)->u.integer;
    return g->data + wc_json_item(wc_json_get(t, "data_offsets"), 0)->u.integer;
}

static const char *text_of(const wc_json *v)
{
    assert_true(wc_json_is(v, WC_JSON_STRING));
    return v->u.text;
}

static void read_image(const struct goldens *g, const char *file, struct wc_image_options options,
                       struct wc_image *image, struct wc_image_meta *meta)
{
    wc_error err = {0};
    if (!wc_image_read(wc_path_join(g->arena, g->dir, file), &options, image, meta, &err))
        fail_msg("%s", err.text);
}

static void check_sha256(const char *name, const void *bytes, size_t n, const char *want)
{
    wc_sha256 h;
    uint8_t digest[32];
    char hex[65];
    wc_sha256_init(&h);
    wc_sha256_add(&h, bytes, n);
    wc_sha256_end(&h, digest);
    wc_sha256_hex(digest, hex);
    if (strcmp(hex, want) != 0)
        fail_msg("%s: expected %s, found %s", name, want, hex);
}

static size_t image_bytes(const struct wc_image *image)
{
    return (size_t)image->width * (size_t)image->height * 3;
}

static void check_pixels(const struct goldens *g, const char *name, const struct wc_image *image)
{
    size_t shape[3] = {0};
    const uint8_t *want = find(g, name, shape);
    if (!want)
        return;
    assert_int_equal(shape[0], image->height);
    assert_int_equal(shape[1], image->width);
    if (memcmp(want, image->rgb, image_bytes(image)) != 0)
        fail_msg("%s: other pixels", name);
}

/* [H,W,3] to [3,H,W]; free with wc_mem_free. */
static uint8_t *channels_first(const struct wc_image *image)
{
    const size_t n = (size_t)image->width * (size_t)image->height;
    uint8_t *chw = wc_mem_zalloc(n, 3);
    assert_non_null(chw);
    for (size_t i = 0; i < 3 * n; i++)
        chw[i % 3 * n + i / 3] = image->rgb[i];
    return chw;
}

/* Resize to a square; compares with the golden tensor, or with a digest where want_hex is not NULL. */
static void check_resize(const struct goldens *g, const struct wc_image *image, int side,
                         enum wc_resample resample, enum wc_resize_backend backend, const char *name,
                         const char *want_hex)
{
    wc_error err = {0};
    struct wc_image small;
    size_t shape[3] = {0};
    assert_true(wc_image_resize(image, side, side, resample, backend, &small, &err));
    uint8_t *chw = channels_first(&small);
    if (want_hex) {
        check_sha256(name, chw, image_bytes(&small), want_hex);
    } else {
        const uint8_t *want = find(g, name, shape);
        assert_non_null(want);
        if (memcmp(want, chw, image_bytes(&small)) != 0)
            fail_msg("%s: other pixels", name);
    }
    wc_mem_free(chw);
    wc_image_free(&small);
}

/* pixel_values are the resized pixels times float(1/255), in both layouts. */
static void check_pixel_values(const struct goldens *g, const struct wc_image *image, const char *name)
{
    wc_error err = {0};
    size_t shape[3] = {0};
    const uint8_t *want = find(g, name, shape);
    assert_non_null(want);
    const int side = (int)shape[1];
    struct wc_image_processor p = {.do_resize = true,
                                   .do_rescale = true,
                                   .height = side,
                                   .width = side,
                                   .resample = WC_RESAMPLE_BILINEAR,
                                   .rescale_factor = 0.00392156862745098};
    const size_t n = shape[1] * shape[2];
    float *values = wc_mem_zalloc(3 * n, sizeof *values);
    assert_true(wc_image_preprocess(&p, image, WC_IMAGE_CHW, values, &err));
    for (size_t i = 0; i < 3 * n; i++)
        assert_true(values[i] == (float)want[i] * 0.00392156862745098f);
    assert_true(wc_image_preprocess(&p, image, WC_IMAGE_HWC, values, &err));
    for (size_t i = 0; i < 3 * n; i++) {
        const size_t channel = i % 3, place = i / 3;
        assert_true(values[i] == (float)want[channel * n + place] * 0.00392156862745098f);
    }
    wc_mem_free(values);
}

/* One entry of "files" of image_preprocess. */
static void check_file(const struct goldens *g, const wc_json *entry)
{
    const char *file = text_of(wc_json_get(entry, "file"));
    char stem[64], name[100];
    struct wc_image rgb, white, upright;
    struct wc_image_meta meta;
    snprintf(stem, sizeof stem, "%s", file);
    *strchr(stem, '.') = '_';

    read_image(g, file, (struct wc_image_options){.keep_orientation = true}, &rgb, &meta);
    assert_string_equal(meta.format, text_of(wc_json_get(entry, "format")));
    assert_string_equal(meta.mode, text_of(wc_json_get(entry, "pil_mode")));
    assert_int_equal(meta.width, wc_json_item(wc_json_get(entry, "size_wh"), 0)->u.integer);
    assert_int_equal(meta.height, wc_json_item(wc_json_get(entry, "size_wh"), 1)->u.integer);
    check_sha256(file, rgb.rgb, image_bytes(&rgb), text_of(wc_json_get(entry, "convert_rgb_sha256")));
    snprintf(name, sizeof name, "%s.rgb", stem);
    check_pixels(g, name, &rgb);

    read_image(g, file, (struct wc_image_options){.keep_orientation = true, .on_white = true}, &white, &meta);
    check_sha256(file, white.rgb, image_bytes(&white), text_of(wc_json_get(entry, "processor_rgb_sha256")));
    snprintf(name, sizeof name, "%s.rgb_on_white", stem);
    check_pixels(g, name, &white);

    read_image(g, file, (struct wc_image_options){0}, &upright, &meta);
    snprintf(name, sizeof name, "%s.rgb_exif_applied", stem);
    check_pixels(g, name, &upright);

    static const char *const backends[] = {"torchvision", "pil"};
    for (int b = 0; b < 2; b++) {
        snprintf(name, sizeof name, "%s.s48.%s", stem, backends[b]);
        check_resize(g, &white, 48, WC_RESAMPLE_BILINEAR, (enum wc_resize_backend)b, name, NULL);
        snprintf(name, sizeof name, "%s.s32c.%s", stem, backends[b]);
        check_resize(g, &white, 32, WC_RESAMPLE_BICUBIC, (enum wc_resize_backend)b, name, NULL);
    }
    snprintf(name, sizeof name, "%s.s48.torchvision", stem);
    check_pixel_values(g, &white, name);
    wc_image_free(&rgb);
    wc_image_free(&white);
    wc_image_free(&upright);
}

static void test_goldens(void **state)
{
    struct goldens g;
    open_goldens(&g, PREPROCESS);
    const wc_json *files = wc_json_get(g.doc, "files");
    assert_int_equal(wc_json_count(files), 33);
    for (size_t i = 0; i < wc_json_count(files); i++)
        check_file(&g, wc_json_item(files, i));
    wc_arena_free(g.arena);
}

/* "rgb_300x200.png 768x768 bilinear": digests of both backends. */
static void test_large_goldens(void **state)
{
    struct goldens g;
    open_goldens(&g, PREPROCESS);
    const wc_json *large = wc_json_get(g.doc, "large_results");
    assert_int_equal(wc_json_count(large), 16);
    for (size_t i = 0; i < wc_json_count(large); i++) {
        const char *key = text_of(wc_json_key(large, i));
        const wc_json *want = wc_json_value(large, i);
        char file[64], filter[32];
        int side;
        struct wc_image image;
        struct wc_image_meta meta;
        assert_int_equal(sscanf(key, "%63s %dx%*d %31s", file, &side, filter), 3);
        const enum wc_resample r = filter[2] == 'l' ? WC_RESAMPLE_BILINEAR : WC_RESAMPLE_BICUBIC;
        read_image(&g, file, (struct wc_image_options){.keep_orientation = true, .on_white = true}, &image,
                   &meta);
        check_resize(&g, &image, side, r, WC_RESIZE_TORCHVISION, key,
                     text_of(wc_json_get(want, "torchvision_sha256_of_uint8_chw")));
        check_resize(&g, &image, side, r, WC_RESIZE_PILLOW, key,
                     text_of(wc_json_get(want, "pil_sha256_of_uint8_chw")));
        wc_image_free(&image);
    }
    wc_arena_free(g.arena);
}

/* Kinds of pictures that image_preprocess lacks. */
static void test_formats(void **state)
{
    struct goldens g;
    open_goldens(&g, FORMATS);
    const wc_json *files = wc_json_get(g.doc, "files");
    assert_true(wc_json_count(files) > 50);
    for (size_t i = 0; i < wc_json_count(files); i++) {
        static const struct {
            const char *key;
            struct wc_image_options options;
        } ways[] = {{"rgb", {.keep_orientation = true}},
                    {"rgb_on_white", {.keep_orientation = true, .on_white = true}},
                    {"rgb_upright", {0}}};
        const wc_json *entry = wc_json_item(files, i);
        const char *file = text_of(wc_json_get(entry, "file"));
        for (size_t w = 0; w < 3; w++) {
            struct wc_image image;
            struct wc_image_meta meta;
            read_image(&g, file, ways[w].options, &image, &meta);
            assert_string_equal(meta.format, text_of(wc_json_get(entry, "format")));
            assert_string_equal(meta.mode, text_of(wc_json_get(entry, "mode")));
            check_sha256(file, image.rgb, image_bytes(&image), text_of(wc_json_get(entry, ways[w].key)));
            wc_image_free(&image);
        }
    }
    wc_arena_free(g.arena);
}

/* A made-up picture: pixels from a linear congruential generator. */
static void make_noise(struct wc_image *image, int width, int height)
{
    *image = (struct wc_image){NULL, width, height};
    image->rgb = wc_mem_alloc(image_bytes(image));
    uint32_t x = 1;
    for (size_t i = 0; i < image_bytes(image); i++) {
        x = x * 1664525 + 1013904223;
        image->rgb[i] = (uint8_t)(x >> 24);
    }
}

/* Every filter and backend on odd sizes. */
static void test_resizes(void **state)
{
    struct goldens g;
    open_goldens(&g, FORMATS);
    const wc_json *cases = wc_json_get(g.doc, "resizes");
    assert_true(wc_json_count(cases) > 50);
    for (size_t i = 0; i < wc_json_count(cases); i++) {
        const wc_json *c = wc_json_item(cases, i);
        int v[6]; /* width, height, new width, new height, resample, backend */
        for (size_t k = 0; k < 6; k++)
            v[k] = (int)wc_json_item(c, k)->u.integer;
        wc_error err = {0};
        struct wc_image image, resized;
        char name[100];
        snprintf(name, sizeof name, "%dx%d to %dx%d resample %d backend %d", v[0], v[1], v[2], v[3], v[4],
                 v[5]);
        make_noise(&image, v[0], v[1]);
        assert_true(wc_image_resize(&image, v[2], v[3], (enum wc_resample)v[4], (enum wc_resize_backend)v[5],
                                    &resized, &err));
        check_sha256(name, resized.rgb, image_bytes(&resized), text_of(wc_json_item(c, 6)));
        wc_image_free(&image);
        wc_image_free(&resized);
    }
    wc_arena_free(g.arena);
}

static void test_sha256(void **state)
{
    static const char long_text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    check_sha256("empty", "", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_sha256("abc", "abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_sha256("56 bytes", long_text, 56,
                 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    wc_sha256 whole, parts;
    uint8_t a[32], b[32], bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(7 * i);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        wc_sha256_init(&whole);
        wc_sha256_add(&whole, bytes, sizeof bytes);
        wc_sha256_end(&whole, a);
        wc_sha256_init(&parts);
        wc_sha256_add(&parts, bytes, cut);
        wc_sha256_add(&parts, bytes + cut, sizeof bytes - cut);
        wc_sha256_end(&parts, b);
        assert_memory_equal(a, b, 32);
    }
}

/* A picture of 2 x 3 pixels, 24 bits, top row first: pixel (x, y) is (10 x, 10 y, 7). */
static const uint8_t bmp_2x3[] = {
    'B', 'M', 0,  0, 0, 0, 0, 0,  0, 0, 54, 0,  0, 0, 40, 0,  0, 0, 2, 0,  0, 0, 0xfd, 0xff, 0xff, 0xff,
    1,   0,   24, 0, 0, 0, 0, 0,  0, 0, 0,  0,  0, 0, 0,  0,  0, 0, 0, 0,  0, 0, 0,    0,    0,    0,
    0,   0,   7,  0, 0, 7, 0, 10, 0, 0, 7,  10, 0, 7, 10, 10, 0, 0, 7, 20, 0, 7, 20,   10,   0,    0};

static void test_small_bmp(void **state)
{
    wc_error err = {0};
    struct wc_image image;
    struct wc_image_meta meta;
    assert_true(wc_image_decode(bmp_2x3, sizeof bmp_2x3, "a", NULL, &image, &meta, &err));
    assert_int_equal(image.width, 2);
    assert_int_equal(image.height, 3);
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 2; x++) {
            const uint8_t want[] = {(uint8_t)(10 * x), (uint8_t)(10 * y), 7};
            assert_memory_equal(image.rgb + 3 * (2 * y + x), want, 3);
        }
    wc_image_free(&image);
}

/* The orientation of exif_orientation6.jpg, set to each of 0 to 9. */
static void test_orientations(void **state)
{
    struct goldens g;
    size_t n;
    wc_error err = {0};
    open_goldens(&g, PREPROCESS);
    char *file = wc_file_read(g.arena, wc_path_join(g.arena, g.dir, "exif_orientation6.jpg"), 1 << 20, &n,
                              &err);
    assert_non_null(file);
    static const char entry[] = {0x12, 1, 3, 0, 1, 0, 0, 0, 6}; /* tag, SHORT, one, 6 */
    static const char big_entry[] = {1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6};
    char *at = memmem(file, n, entry, sizeof entry);
    at = at ? at + 8 : (char *)memmem(file, n, big_entry, sizeof big_entry) + 9;
    struct wc_image flat;
    assert_true(wc_image_decode(file, n, "a", &(struct wc_image_options){.keep_orientation = true}, &flat,
                                NULL, &err));
    for (int o = 0; o <= 9; o++) {
        struct wc_image turned;
        struct wc_image_meta meta;
        *at = (char)o;
        assert_true(wc_image_decode(file, n, "a", NULL, &turned, &meta, &err));
        const bool known = o >= 1 && o <= 8, swaps = known && o >= 5;
        const int w = flat.width, h = flat.height;
        assert_int_equal(meta.orientation, known ? o : 1);
        assert_int_equal(turned.width, swaps ? h : w);
        for (int y = 0; y < turned.height; y++)
            for (int x = 0; x < turned.width; x++) {
                const int fx[] = {x, x, w - 1 - x, w - 1 - x, x, y, y, w - 1 - y, w - 1 - y, x};
                const int fy[] = {y, y, y, h - 1 - y, h - 1 - y, x, h - 1 - x, h - 1 - x, x, y};
                assert_memory_equal(turned.rgb + 3 * (y * turned.width + x),
                                    flat.rgb + 3 * (fy[o] * w + fx[o]), 3);
            }
        wc_image_free(&turned);
    }
    wc_image_free(&flat);
    wc_arena_free(g.arena);
}

static void check_refused(const char *what, const void *data, size_t n, const char *words, int code)
{
    wc_error err = {0};
    struct wc_image image;
    if (wc_image_decode(data, n, "a.png", NULL, &image, NULL, &err))
        fail_msg("%s: was taken", what);
    if (!strstr(err.text, words) || strncmp(err.text, "a.png: ", 7) != 0 || err.code != code)
        fail_msg("%s: code %d: %s", what, err.code, err.text);
    assert_null(image.rgb);
}

static void test_refusals(void **state)
{
    uint8_t b[sizeof bmp_2x3];
    check_refused("empty", "", 0, "an empty file", WC_BAD_FILE);
    check_refused("text", "hello", 5, "unknown format", WC_BAD_FILE);
    check_refused("TIFF", "II*\0\0\0\0\0", 8, "TIFF", WC_UNSUPPORTED);
    check_refused("AVIF",
                  "\0\0\0\x18"
                  "ftypavif\0\0\0\0",
                  16, "AVIF", WC_UNSUPPORTED);
    check_refused("WAVE", "RIFF\4\0\0\0WAVE", 12, "RIFF, not WebP", WC_UNSUPPORTED);
    check_refused("cut BMP", bmp_2x3, sizeof bmp_2x3 - 3, "truncated", WC_BAD_FILE);
    memcpy(b, bmp_2x3, sizeof b);
    memcpy(b + 18, "\0\0\1\0\0\0\1\0", 8); /* 65536 x 65536 */
    check_refused("large BMP", b, sizeof b, "65536 x 65536 is too large", WC_REFUSED);
    memcpy(b + 18, "\0\0\0\0", 4);
    check_refused("BMP of no width", b, sizeof b, "at least 1", WC_BAD_FILE);
    check_refused("PNM of no size", "P6\n9999999999 1\n255\n", 20, "too large", WC_REFUSED);
    check_refused("PNM of no number", "P6\nx", 4, "width", WC_BAD_FILE);
    check_refused("GIF without a frame", "GIF89a\1\0\1\0\0\0\0;", 14, "expected a frame", WC_BAD_FILE);

    wc_error err = {0};
    struct wc_image image;
    assert_false(wc_image_decode(bmp_2x3, sizeof bmp_2x3, "a", &(struct wc_image_options){.max_pixels = 5},
                                 &image, NULL, &err));
    assert_non_null(strstr(err.text, "the limit is 5 pixels"));
    assert_false(wc_image_read(SOURCE_ROOT "/tests", NULL, &image, NULL, &err));
    assert_int_equal(err.code, WC_BAD_FILE);
    assert_false(wc_image_read(SOURCE_ROOT "/tests/no-such-picture.png", NULL, &image, NULL, &err));
    assert_int_equal(err.code, WC_NOT_FOUND);
}

/* Every picture cut short and with bytes changed: a picture or one line of text, whatever happens. */
static void break_picture(const struct goldens *g, const char *file)
{
    size_t n;
    wc_error err = {0};
    wc_arena_mark mark = wc_arena_get_mark(g->arena);
    char *good = wc_file_read(g->arena, wc_path_join(g->arena, g->dir, file), 1 << 20, &n, &err);
    assert_non_null(good);
    const size_t step = n / 150 + 1;
    char *bad = wc_mem_alloc(n);
    uint32_t x = 7;
    for (size_t i = 0; i < 2 * n; i += step) {
        const size_t size = i < n ? i : n;
        struct wc_image image;
        struct wc_image_options options = {.max_pixels = 1 << 20, .on_white = i % 2 != 0};
        memcpy(bad, good, n);
        for (int k = 0; k < 4 && i >= n; k++) {
            x = x * 1664525 + 1013904223;
            bad[(x >> 8) % n] = (char)(x >> 4);
        }
        err = (wc_error){0};
        if (wc_image_decode(bad, size, file, &options, &image, NULL, &err)) {
            assert_non_null(image.rgb);
            wc_image_free(&image);
        } else {
            assert_true(err.code != WC_OK && strlen(err.text) > 10 && !strchr(err.text, '\n'));
            assert_null(image.rgb);
        }
    }
    wc_mem_free(bad);
    wc_arena_reset(g->arena, mark);
}

static void test_broken_pictures(void **state)
{
    static const char *const dirs[] = {PREPROCESS, FORMATS};
    for (int d = 0; d < 2; d++) {
        struct goldens g;
        open_goldens(&g, dirs[d]);
        const wc_json *files = wc_json_get(g.doc, "files");
        for (size_t i = 0; i < wc_json_count(files); i++)
            break_picture(&g, text_of(wc_json_get(wc_json_item(files, i), "file")));
        wc_arena_free(g.arena);
    }
}

static void test_no_memory(void **state)
{
    struct goldens g;
    open_goldens(&g, PREPROCESS);
    const wc_json *files = wc_json_get(g.doc, "files");
    for (size_t i = 0; i < wc_json_count(files); i++) {
        const char *path = wc_path_join(g.arena, g.dir, text_of(wc_json_get(wc_json_item(files, i), "file")));
        struct wc_image image, resized;
        for (long n = 1;; n++) {
            wc_error err = {0};
            wc_mem_fail_after(n);
            bool ok = wc_image_read(path, NULL, &image, NULL, &err) &&
                      wc_image_resize(&image, 31, 17, WC_RESAMPLE_BICUBIC, WC_RESIZE_TORCHVISION, &resized,
                                      &err);
            wc_mem_fail_after(0);
            wc_image_free(&image);
            if (ok)
                break;
            assert_true(err.code != WC_OK && n < 1000);
        }
        wc_image_free(&resized);
    }
    wc_arena_free(g.arena);
}

static bool read_config(const char *text, struct wc_image_processor *p, wc_error *err)
{
    wc_arena *a = wc_arena_new(0);
    const wc_json *config = wc_json_parse(a, text, strlen(text), "p.json", 0, err);
    assert_non_null(config);
    bool ok = wc_image_processor_from_config(config, "p.json", p, err);
    wc_arena_free(a);
    return ok;
}

static void check_bad_config(const char *text, const char *words)
{
    wc_error err = {0};
    struct wc_image_processor p;
    assert_false(read_config(text, &p, &err));
    if (!strstr(err.text, words) || strncmp(err.text, "p.json: ", 8) != 0)
        fail_msg("%s: %s", text, err.text);
}

static void test_config(void **state)
{
    wc_error err = {0};
    struct wc_image_processor p;
    assert_true(read_config("{\"size\":{\"height\":768,\"width\":640},\"resample\":2,\"do_normalize\":false,"
                            "\"do_convert_rgb\":null,\"image_mean\":[0.1,0.2,0.3],\"image_std\":0.25,"
                            "\"rescale_factor\":0.5,\"image_processor_type\":\"SiglipImageProcessorFast\"}",
                            &p, &err));
    assert_true(p.do_resize && p.do_rescale && !p.do_normalize && p.height == 768 && p.width == 640);
    assert_true(p.resample == WC_RESAMPLE_BILINEAR && p.backend == WC_RESIZE_TORCHVISION &&
                p.rescale_factor == 0.5);
    assert_true(p.mean[2] == 0.3 && p.std[0] == 0.25 && p.std[2] == 0.25);
    assert_true(read_config("{\"image_processor\":{\"image_processor_type\":\"SiglipImageProcessorPil\"}}",
                            &p, &err));
    assert_true(p.backend == WC_RESIZE_PILLOW && p.height == 224 && p.resample == WC_RESAMPLE_BICUBIC);

    check_bad_config("[]", "expected an object, found an array");
    check_bad_config("{\"size\":\"big\"}", "size: expected an object or a whole number, found a string");
    check_bad_config("{\"size\":{\"height\":0,\"width\":3}}", "size.height: expected 1 to");
    check_bad_config("{\"size\":{\"height\":3}}", "size: expected height and width, or shortest_edge");
    check_bad_config("{\"size\":{\"height\":3,\"width\":3,\"shortest_edge\":3}}",
                     "size: expected height and width");
    check_bad_config("{\"resample\":9}", "resample: expected 0 to 5, found 9");
    check_bad_config("{\"resample\":1.5}", "resample: expected a whole number");
    check_bad_config("{\"do_resize\":1}", "do_resize: expected true or false, found a number");
    check_bad_config("{\"image_mean\":[1,2]}", "image_mean: expected 3 numbers, found 2");
    check_bad_config("{\"image_std\":[1,0,1]}", "image_std: expected numbers other than 0");
    check_bad_config("{\"image_std\":[1,\"x\",1]}", "image_std: expected a number, found a string");
    check_bad_config("{\"rescale_factor\":0}", "rescale_factor: expected a number other than 0");
    check_bad_config("{\"do_center_crop\":true}", "do_center_crop: expected false, found true");
}

/* Sizes as transformers' processors compute them, which keep the aspect ratio. */
static void test_sizes(void **state)
{
    static const struct {
        int shortest, longest, width, height, want_width, want_height;
    } cases[] = {{224, 0, 640, 427, 335, 224},      {224, 0, 427, 640, 224, 335},
                 {224, 0, 100, 100, 224, 224},      {224, 300, 640, 427, 300, 200},
                 {800, 1333, 100, 1000, 133, 1333}, {50, 60, 50, 55, 50, 55}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wc_error err = {0};
        int w, h;
        struct wc_image_processor p = {
            .do_resize = true, .shortest_edge = cases[i].shortest, .longest_edge = cases[i].longest};
        assert_true(wc_image_processor_size(&p, cases[i].width, cases[i].height, &w, &h, &err));
        assert_int_equal(w, cases[i].want_width);
        assert_int_equal(h, cases[i].want_height);
    }
}

/* do_normalize: torchvision folds the factor into mean and std, Pillow rounds in between. */
static void test_normalize(void **state)
{
    wc_error err = {0};
    struct wc_image image;
    float got[3];
    make_noise(&image, 1, 1);
    struct wc_image_processor p = {.do_rescale = true,
                                   .do_normalize = true,
                                   .rescale_factor = 0.00392156862745098,
                                   .mean = {0.485, 0.456, 0.406},
                                   .std = {0.229, 0.224, 0.225}};
    for (int backend = 0; backend < 2; backend++) {
        p.backend = (enum wc_resize_backend)backend;
        assert_true(wc_image_preprocess(&p, &image, WC_IMAGE_HWC, got, &err));
        for (int c = 0; c < 3; c++) {
            const float unit = (float)(1 / p.rescale_factor), mean = (float)p.mean[c], std = (float)p.std[c];
            const float fused = ((float)image.rgb[c] - mean * unit) / (std * unit);
            const float apart = ((float)(image.rgb[c] * p.rescale_factor) - mean) / std;
            assert_true(got[c] == (backend == WC_RESIZE_TORCHVISION ? fused : apart));
        }
    }
    wc_image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),          cmocka_unit_test(test_goldens),
        cmocka_unit_test(test_large_goldens),   cmocka_unit_test(test_formats),
        cmocka_unit_test(test_resizes),         cmocka_unit_test(test_small_bmp),
        cmocka_unit_test(test_orientations),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_broken_pictures), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_config),          cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_normalize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
