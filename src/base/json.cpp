// json.cpp - the one C++ file: RapidJSON's iterative reader fills our tree.  Nothing of it shows in json.h.
//
// Values wait on a stack (an array that grows); the end of an array or object moves its items from there to the arena,
// so that the children of a node lie side by side.
#define RAPIDJSON_HAS_STDSTRING 0
#define RAPIDJSON_NEW(x)        nullptr // never reached: the allocator is ours
#define RAPIDJSON_DELETE(x)     ((void)(x))
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <locale.h>

extern "C" {
#include "base/json.h"
#include "base/mem.h"
}
// RapidJSON adds to the null pointer of its empty stack before it compares: harmless, but the sanitizer stops there.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((no_sanitize("pointer-overflow"))), apply_to = function)
#endif
#include <rapidjson/encodedstream.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#if defined(__clang__)
#pragma clang attribute pop
#endif

namespace {

// What RapidJSON's own stack lies in: one block, taken before the parse, since the reader does not ask whether an
// allocation has failed.  The stack holds at most one string of the text and 16 bytes a level, and grows by halves.
struct Block {
    [[maybe_unused]] static const bool kNeedFree = false;
    char *data;
    size_t size;

    static size_t bytes_for(size_t text_bytes)
    {
        size_t most = text_bytes + 32 * (WC_JSON_MAX_DEPTH + 2);
        return most + most / 2 + 1024;
    }
    void *Malloc(size_t n)
    {
        return n && n <= size ? data : nullptr;
    }
    void *Realloc(void *, size_t, size_t n)
    {
        return Malloc(n);
    }
    static void Free(void *)
    {
    }
};

struct Handler {
    wc_arena *arena;
    char *text_at; // strings are packed into chunks of the arena
    size_t text_room;
    wc_json *stack;
    size_t size, room;
    unsigned flags;
    int depth;
    locale_t c_locale;
    const char *why; // set when a callback stops the parse
    char duplicate[120];

    bool stop(const char *reason)
    {
        why = reason;
        return false;
    }

    bool push(const wc_json &v)
    {
        if (size == room) {
            size_t more = room ? 2 * room : 256;
            wc_json *p = static_cast<wc_json *>(wc_mem_realloc(stack, more * sizeof *p));
            if (!p)
                return stop("out of memory");
            stack = p;
            room = more;
        }
        stack[size++] = v;
        return true;
    }

    char *text(const char *s, size_t n)
    {
        if (n + 1 > text_room) {
            if (n + 1 > 1024) {
                return wc_arena_strndup(arena, s, n);
            }
            text_room = 16384;
            text_at = static_cast<char *>(wc_arena_alloc(arena, text_room));
            if (!text_at) {
                text_room = 0;
                return nullptr;
            }
        }
        char *p = text_at;
        memcpy(p, s, n);
        p[n] = '\0';
        text_at += n + 1;
        text_room -= n + 1;
        return p;
    }

    bool add_text(wc_json_type type, const char *s, size_t n)
    {
        wc_json v = {};
        v.type = type;
        v.n = static_cast<uint32_t>(n);
        v.u.text = text(s, n);
        return v.u.text ? push(v) : stop("out of memory");
    }

    bool simple(wc_json_type type)
    {
        wc_json v = {};
        v.type = type;
        return push(v);
    }

    bool Null()
    {
        return simple(WC_JSON_NULL);
    }
    bool Bool(bool b)
    {
        return simple(b ? WC_JSON_TRUE : WC_JSON_FALSE);
    }
    bool Int(int)
    {
        return false;
    }
    bool Uint(unsigned)
    {
        return false;
    }
    bool Int64(int64_t)
    {
        return false;
    }
    bool Uint64(uint64_t)
    {
        return false;
    }
    bool Double(double)
    {
        return false;
    }

    bool RawNumber(const char *s, rapidjson::SizeType n, bool)
    {
        bool integral = true;
        for (rapidjson::SizeType i = 0; i < n; i++)
            if (s[i] == '.' || s[i] == 'e' || s[i] == 'E')
                integral = false;
        wc_json v = {};
        if (integral) {
            bool negative = s[0] == '-';
            uint64_t limit = negative ? UINT64_C(1) << 63 : (UINT64_C(1) << 63) - 1, value = 0;
            for (rapidjson::SizeType i = negative; i < n; i++) {
                unsigned digit = static_cast<unsigned>(s[i] - '0');
                if (value > (limit - digit) / 10)
                    return add_text(WC_JSON_BIGINT, s, n);
                value = 10 * value + digit;
            }
            v.type = WC_JSON_INT;
            v.u.integer = negative ? static_cast<int64_t>(0 - value) : static_cast<int64_t>(value);
            return push(v);
        }
        char *copy = text(s, n);
        if (!copy)
            return stop("out of memory");
        v.type = WC_JSON_DOUBLE;
        v.u.number = to_double(copy);
        return push(v);
    }

    // strtod of the C locale, whatever the program has set
    double to_double(const char *s) const
    {
        return c_locale ? strtod_l(s, nullptr, c_locale) : strtod(s, nullptr);
    }

    bool String(const char *s, rapidjson::SizeType n, bool)
    {
        return add_text(WC_JSON_STRING, s, n);
    }
    bool Key(const char *s, rapidjson::SizeType n, bool)
    {
        return add_text(WC_JSON_STRING, s, n);
    }

    bool StartObject()
    {
        return ++depth <= WC_JSON_MAX_DEPTH || stop("nested too deeply");
    }
    bool StartArray()
    {
        return ++depth <= WC_JSON_MAX_DEPTH || stop("nested too deeply");
    }

    bool close(wc_json_type type, size_t n, size_t cells)
    {
        depth--;
        wc_json v = {};
        v.type = type;
        v.n = static_cast<uint32_t>(n);
        if (cells) {
            wc_json *items = static_cast<wc_json *>(wc_arena_alloc(arena, cells * sizeof *items));
            if (!items)
                return stop("out of memory");
            size -= cells;
            memcpy(items, stack + size, cells * sizeof *items);
            v.u.items = items;
            if (type == WC_JSON_OBJECT && (flags & WC_JSON_UNIQUE_KEYS) && !unique(v))
                return false;
        }
        return push(v);
    }

    bool EndObject(rapidjson::SizeType n)
    {
        return close(WC_JSON_OBJECT, n, 2 * static_cast<size_t>(n));
    }
    bool EndArray(rapidjson::SizeType n)
    {
        return close(WC_JSON_ARRAY, n, n);
    }

    static uint64_t hash(const wc_json &key)
    {
        uint64_t h = UINT64_C(0xcbf29ce484222325);
        for (uint32_t i = 0; i < key.n; i++)
            h = (h ^ static_cast<unsigned char>(key.u.text[i])) * UINT64_C(0x100000001b3);
        return h ^ h >> 29;
    }

    // No two keys of the object are the same: an open hash of member numbers, at most half full.
    bool unique(const wc_json &object)
    {
        size_t slots = 8;
        while (slots < 2 * static_cast<size_t>(object.n))
            slots *= 2;
        uint32_t *table = static_cast<uint32_t *>(wc_mem_zalloc(slots, sizeof *table));
        if (!table)
            return stop("out of memory");
        bool ok = true;
        for (uint32_t i = 0; ok && i < object.n; i++) {
            const wc_json &key = object.u.items[2 * i];
            size_t at = hash(key) & (slots - 1);
            for (; table[at]; at = (at + 1) & (slots - 1)) {
                const wc_json &other = object.u.items[2 * (table[at] - 1)];
                if (other.n == key.n && memcmp(other.u.text, key.u.text, key.n) == 0) {
                    snprintf(duplicate, sizeof duplicate, "the key \"%.80s\" stands twice in one object",
                             key.u.text);
                    ok = stop(duplicate);
                    break;
                }
            }
            table[at] = i + 1;
        }
        wc_mem_free(table);
        return ok;
    }
};

using Reader = rapidjson::GenericReader<rapidjson::UTF8<>, rapidjson::UTF8<>, Block>;

} // namespace

extern "C" const wc_json *wc_json_parse(wc_arena *a, const char *text, size_t bytes, const char *name,
                                        unsigned flags, wc_error *err)
{
    if (bytes >= UINT32_MAX) {
        wc_fail(err, WC_BAD_FILE, "%s: JSON of %zu bytes is too long", name, bytes);
        return nullptr;
    }
    size_t skip = bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    Handler handler = {};
    handler.arena = a;
    handler.flags = flags;
    handler.c_locale = newlocale(LC_ALL_MASK, "C", static_cast<locale_t>(nullptr));
    rapidjson::MemoryStream memory(text + skip, bytes - skip);
    rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(memory);
    Block block = {};
    block.size = Block::bytes_for(bytes);
    block.data = static_cast<char *>(wc_mem_alloc(block.size));
    if (!block.data) {
        wc_fail_memory(err, block.size);
        if (handler.c_locale)
            freelocale(handler.c_locale);
        return nullptr;
    }
    Reader reader(&block);
    constexpr unsigned parse_flags = rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag |
                                     rapidjson::kParseValidateEncodingFlag;
    rapidjson::ParseResult result = reader.Parse<parse_flags>(stream, handler);
    wc_json *root = nullptr;
    if (result.IsError()) {
        size_t at = result.Offset() < bytes - skip ? result.Offset() : bytes - skip, line = 1, column = 1;
        for (size_t i = 0; i < at; i++) {
            column = text[skip + i] == '\n' ? 1 : column + 1;
            line += text[skip + i] == '\n';
        }
        bool memory_out = handler.why && strcmp(handler.why, "out of memory") == 0;
        const char *why = handler.why ? handler.why : rapidjson::GetParseError_En(result.Code());
        if (at >= bytes - skip && !handler.why)
            why = "the text ends too early";
        wc_fail(err, memory_out ? WC_NO_MEMORY : WC_BAD_FILE, "%s: JSON, line %zu column %zu: %s", name, line,
                column, why);
    } else if (stream.Tell() < bytes - skip) { // RapidJSON takes a NUL for the end
        wc_fail(err, WC_BAD_FILE, "%s: JSON, byte %zu: the text goes on behind the value", name,
                skip + stream.Tell());
    } else if (!(root = static_cast<wc_json *>(wc_arena_alloc(a, sizeof *root)))) {
        wc_fail_memory(err, sizeof *root);
    } else {
        *root = handler.stack[0];
    }
    wc_mem_free(handler.stack);
    wc_mem_free(block.data);
    if (handler.c_locale)
        freelocale(handler.c_locale);
    return root;
}
