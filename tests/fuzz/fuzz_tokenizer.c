/* fuzz_tokenizer.c - a tokenizer.json, a NUL, a text: the text is encoded and decoded.  Without a NUL a text is used that
 * has something of everything.  Input that begins as a tokenizer.model does (byte 10) is taken for one; what begins with
 * another byte below 20 is only text, for a tokenizer that works. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/scan.h"
#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_FIXED = 20, MAX_TEXT = 4096 };

static const char EVERYTHING[] =
    "Hello, WORLD's 12345 don't \t\r\n\n  caf\xc3\xa9 e\xcc\x81\xcc\xa3 \xe6\x97\xa5\xe6\x9c\xac"
    "\xef\xbd\xb6\xef\xbe\x9e \xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd <s></s><unk><0x41> \xff\xe2\x82 [SEP]";

static wc_tokenizer *from_text(const char *json, size_t n)
{
    wc_arena *a = wc_arena_new(0);
    wc_error err = {0};
    const wc_json *v = wc_json_parse(a, json, n, "fuzz", 0, &err);
    wc_tokenizer *t = v ? wc_tokenizer_from_json(v, v, "fuzz", &err) : NULL;
    if (!t && !err.text[0])
        abort();
    wc_arena_free(a);
    return t;
}

/* A small tokenizer with the k-th known pattern, or one of the other models. */
static const wc_tokenizer *fixed(size_t k)
{
    static wc_tokenizer *made[N_FIXED];
    static const char *const others[] = {
        "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"?\",0],[\"a\",-1],[\"ab\",-1.5],[\"ba\","
        "-1.2],[\" \",-2]]},"
        "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\" "
        "\"},\"decoder\":{\"type\":\"Metaspace\","
        "\"replacement\":\" \"}}",
        "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"?\",\"vocab\":{\"?\":0,\"a\":1,\"##b\":2,\"ab\":"
        "3,\"##ba\":4}},"
        "\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
        "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\"},"
        "\"added_tokens\":[{\"id\":3,\"content\":\"ab\",\"single_word\":true,\"lstrip\":true,\"rstrip\":true}"
        ","
        "{\"id\":5,\"content\":\" \",\"rstrip\":true,\"lstrip\":true,\"normalized\":false}]}",
        "{\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"?\",\"vocab\":{\"?\":0}},\"normalizer\":{"
        "\"type\":\"NFKC\"}}",
        "{\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"?\",\"vocab\":{\"?\":0}},\"normalizer\":{"
        "\"type\":\"NFD\"}}"};
    wc_buf b;
    if (made[k])
        return made[k];
    wc_buf_init(&b, 100000);
    const char *regex = wc_scanner_regex(k);
    if (regex) {
        wc_buf_puts(&b, "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"\xc4\xa0\":3},"
                        "\"merges\":[\"a b\"]},"
                        "\"decoder\":{\"type\":\"ByteLevel\"},\"pre_tokenizer\":{\"type\":\"Sequence\","
                        "\"pretokenizers\":["
                        "{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":");
        wc_buf_json_string(&b, regex, strlen(regex));
        wc_buf_puts(&b, "}},{\"type\":\"ByteLevel\",\"use_regex\":false}]}}");
    } else {
        wc_buf_puts(&b, others[k % (sizeof others / sizeof *others)]);
    }
    made[k] = from_text(wc_buf_str(&b), b.size);
    if (!made[k])
        abort();
    wc_buf_release(&b);
    return made[k];
}

/* What a stream emits must be valid UTF-8 at any time. */
static void stream(const wc_tokenizer *t, const wc_ids *ids)
{
    wc_detok d;
    wc_buf piece;
    bool ok = true;
    wc_buf_init(&piece, 1 << 20);
    wc_detok_init(&d, t, true);
    for (size_t i = 0; ok && i < ids->size; i++) {
        ok = wc_detok_push(&d, ids->data[i], &piece, NULL);
        if (ok && !wc_utf8_valid(wc_buf_str(&piece), piece.size))
            abort();
        wc_buf_reset(&piece);
    }
    if (ok && wc_detok_flush(&d, &piece, NULL) && !wc_utf8_valid(wc_buf_str(&piece), piece.size))
        abort();
    wc_detok_release(&d);
    wc_buf_release(&piece);
}

/* The same ids with places, which lie in the text, and cut to windows, which have at most as many. */
static void places(const wc_tokenizer *t, const char *text, size_t n, unsigned flags, const wc_ids *want)
{
    wc_ids ids = {0};
    wc_spans spans = {0};
    wc_tokenized all = {.ids = &ids, .spans = &spans};
    wc_cut cut = {.max = 7, .left = flags == 0, .stride = 2};
    if (wc_tokenizer_encode_to(t, text, n, NULL, 0, flags, NULL, &all, NULL)) {
        if (ids.size != want->size || spans.size != ids.size ||
            (ids.size > 0 && memcmp(ids.data, want->data, ids.size * sizeof *ids.data) != 0))
            abort();
        for (size_t i = 0; i < spans.size; i++)
            if (spans.data[i].start > spans.data[i].end || spans.data[i].end > 3 * n)
                abort();
    }
    ids.size = spans.size = 0;
    if (wc_tokenizer_encode_to(t, text, n, text, n, flags, &cut, &all, NULL)) {
        cut.window = all.n_windows - 1;
        ids.size = spans.size = 0;
        if (!wc_tokenizer_encode_to(t, text, n, text, n, flags, &cut, &all, NULL) || ids.size > cut.max)
            abort();
    }
    wc_ids_release(&ids);
    wc_spans_release(&spans);
}

static void use(const wc_tokenizer *t, const char *text, size_t n)
{
    for (unsigned flags = 0; flags < 4; flags += 3) {
        wc_ids ids = {0};
        wc_error err = {0};
        wc_buf b;
        wc_buf_init(&b, 1 << 20);
        if (!wc_tokenizer_encode(t, text, n, flags, &ids, &err)) {
            if (!err.text[0])
                abort();
        } else {
            for (size_t i = 0; i < ids.size; i++)
                if (ids.data[i] < 0 || (size_t)ids.data[i] >= wc_tokenizer_vocab_size(t))
                    abort();
            if (wc_tokenizer_decode(t, ids.data, ids.size, flags & 1, &b, NULL) &&
                !wc_utf8_valid(wc_buf_str(&b), b.size))
                abort();
            stream(t, &ids);
            places(t, text, n, flags, &ids);
        }
        wc_buf_release(&b);
        wc_ids_release(&ids);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = EVERYTHING;
    size_t n = sizeof EVERYTHING - 1;
    if (size > 0 && data[0] < N_FIXED && data[0] != '\t' && data[0] != '\n' && data[0] != '\r') {
        use(fixed(data[0]), (const char *)data + 1, size - 1 < MAX_TEXT ? size - 1 : MAX_TEXT);
        return 0;
    }
    const uint8_t *nul = size > 0 && data[0] != '\n' ? memchr(data, 0, size) : NULL;
    if (nul) {
        text = (const char *)nul + 1;
        n = size - (size_t)(nul - data) - 1;
        size = (size_t)(nul - data);
    }
    wc_error err = {0};
    wc_tokenizer *t = size > 0 && data[0] == '\n'
                          ? wc_tokenizer_from_sentencepiece(data, size, NULL, "fuzz", &err)
                          : from_text((const char *)data, size);
    if (!t)
        return 0;
    wc_buf names;
    wc_buf_init(&names, 1 << 20);
    wc_tokenizer_special_tokens(t, &names);
    wc_buf_release(&names);
    int32_t ids[40];
    for (int i = 0; i < 40; i++)
        ids[i] = i - 2;
    stream(t, &(wc_ids){ids, 40, 40});
    use(t, text, n < MAX_TEXT ? n : MAX_TEXT);
    wc_tokenizer_free(t);
    return 0;
}
