// json.cpp - the one C++ file: RapidJSON's iterative reader fills our tree.  Nothing of it shows in json.h.
//
// The text is copied to the arena, and strings are unescaped there, in place.  Values wait on a stack (an array that
// grows); the end of an array or object moves its items from there to the arena, so that the children of a node lie side
// by side.
#define RAPIDJSON_HAS_STDSTRING 0
#define RAPIDJSON_NEW(x)        nullptr // never reached: the allocator is ours
#define RAPIDJSON_DELETE(x)     ((void)(x))
#if defined(__x86_64__) // both are part of every CPU of the kind; reads may go PADDING bytes past the text
#define RAPIDJSON_SSE2
#elif defined(__aarch64__)
#define RAPIDJSON_NEON
#endif
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <locale.h>

extern "C" {
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
}
// RapidJSON adds to the null pointer of its empty stack before it compares: harmless, but the sanitizer stops there.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((no_sanitize("pointer-overflow"))), apply_to = function)
#endif
#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>
#if defined(__clang__)
#pragma clang attribute pop
#endif

namespace {

constexpr size_t PADDING = 16;

// What RapidJSON's own stack lies in: one block, taken before the parse, since the reader does not ask whether an
// allocation has failed.  It holds 16 bytes a level, and grows by halves.
struct Block {
    [[maybe_unused]] static const bool kNeedFree = false;
    static constexpr size_t size = 64 * (WC_JSON_MAX_DEPTH + 2) + 1024;
    char *data;

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
    wc_json *items_at; // short lists of items are packed into chunks of the arena
    size_t items_room;
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

    wc_json *items(size_t n)
    {
        constexpr size_t chunk = 1024, most = 64;
        if (n > most)
            return static_cast<wc_json *>(wc_arena_alloc(arena, n * sizeof(wc_json)));
        if (n > items_room) {
            items_at = static_cast<wc_json *>(wc_arena_alloc(arena, chunk * sizeof(wc_json)));
            items_room = items_at ? chunk : 0;
            if (!items_at)
                return nullptr;
        }
        items_at += n;
        items_room -= n;
        return items_at - n;
    }

    // s lies in the arena already
    bool add_text(wc_json_type type, const char *s, size_t n)
    {
        wc_json v = {};
        v.type = type;
        v.n = static_cast<uint32_t>(n);
        v.u.text = s;
        return push(v);
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
                    return big_int(s, n);
                value = 10 * value + digit;
            }
            v.type = WC_JSON_INT;
            v.u.integer = negative ? static_cast<int64_t>(0 - value) : static_cast<int64_t>(value);
            return push(v);
        }
        v.type = WC_JSON_DOUBLE;
        v.u.number = to_double(s); // what follows a number is none of its characters
        return push(v);
    }

    bool big_int(const char *s, size_t n)
    {
        char *copy = wc_arena_strndup(arena, s, n);
        return copy ? add_text(WC_JSON_BIGINT, copy, n) : stop("out of memory");
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
            wc_json *own = items(cells);
            if (!own)
                return stop("out of memory");
            size -= cells;
            memcpy(own, stack + size, cells * sizeof *own);
            v.u.items = own;
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
    Block block = {};
    block.data = static_cast<char *>(wc_mem_alloc(Block::size));
    char *copy = block.data ? static_cast<char *>(wc_arena_alloc(a, bytes - skip + PADDING)) : nullptr;
    if (!copy) {
        wc_fail_memory(err, bytes);
        wc_mem_free(block.data);
        if (handler.c_locale)
            freelocale(handler.c_locale);
        return nullptr;
    }
    memcpy(copy, text + skip, bytes - skip);
    memset(copy + bytes - skip, 0, PADDING);
    rapidjson::InsituStringStream stream(copy);
    Reader reader(&block);
    constexpr unsigned flags_known_valid = rapidjson::kParseInsituFlag | rapidjson::kParseIterativeFlag |
                                           rapidjson::kParseNumbersAsStringsFlag;
    constexpr unsigned flags_to_validate = flags_known_valid | rapidjson::kParseValidateEncodingFlag;
    rapidjson::ParseResult result = wc_utf8_valid(text + skip, bytes - skip)
                                        ? reader.Parse<flags_known_valid>(stream, handler)
                                        : reader.Parse<flags_to_validate>(stream, handler);
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
