/* charsmap.c - see charsmap.h.
 *
 *   offset size  what
 *        0    4  bytes of the trie
 *        4    -  the trie: units of 32 bits, little-endian
 *        -    -  replacements, UTF-8, each NUL-terminated
 *
 * A unit u of the double array: bit 8 has_leaf, bits 0-7 and 31 the label, (u >> 10) << ((u & 0x200) >> 6) the offset to
 * its children; a leaf's low 31 bits are the place of the replacement.  Every index below comes from the file. */
#include "text/charsmap.h"

#include <string.h>

#include "base/utf8.h"

static uint32_t read_u32(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static size_t children(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 0x200) >> 6);
}

bool wc_charsmap_init(wc_charsmap *m, const void *data, size_t n, const char *where, wc_error *err)
{
    const unsigned char *bytes = data;
    size_t trie_bytes = n >= 4 ? read_u32(bytes) : 0;
    if (n < 4 || trie_bytes > n - 4 || trie_bytes % 4 != 0 || trie_bytes == 0)
        return wc_fail(err, WC_BAD_FILE, "%s: the trie's length %zu does not fit a map of %zu bytes", where,
                       trie_bytes, n);
    *m = (wc_charsmap){.trie = bytes + 4,
                       .n_units = trie_bytes / 4,
                       .strings = (const char *)bytes + 4 + trie_bytes,
                       .n_strings = n - 4 - trie_bytes};
    if (children(read_u32(m->trie)) >= m->n_units)
        return wc_fail(err, WC_BAD_FILE, "%s: the trie's root points outside its %zu units", where,
                       m->n_units);
    if (m->n_strings == 0 || m->strings[m->n_strings - 1] != '\0')
        return wc_fail(err, WC_BAD_FILE, "%s: the replacements do not end with NUL", where);
    if (!wc_utf8_valid(m->strings, m->n_strings))
        return wc_fail(err, WC_BAD_FILE, "%s: the replacements are not valid UTF-8", where);
    return true;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool wc_charsmap_from_base64(wc_charsmap *m, wc_arena *a, const char *text, size_t n, const char *where,
                             wc_error *err)
{
    unsigned char *out = wc_arena_alloc(a, n / 4 * 3 + 3);
    size_t used = 0;
    uint32_t bits = 0;
    if (!out)
        return wc_fail_memory(err, n);
    while (n > 0 && text[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return wc_fail(err, WC_BAD_FILE, "%s: not base64 at byte %zu", where, i);
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 == 1)
            out[used++] = (unsigned char)(bits >> 4);
        else if (i % 4 == 2)
            out[used++] = (unsigned char)(bits >> 2);
        else if (i % 4 == 3)
            out[used++] = (unsigned char)bits;
    }
    return wc_charsmap_init(m, out, used, where, err);
}

const char *wc_charsmap_find(const wc_charsmap *m, const char *s, size_t n, bool longest, size_t *used,
                             size_t *n_out)
{
    const char *found = NULL;
    size_t at = children(read_u32(m->trie));
    for (size_t i = 0; i < n && s[i] != '\0'; i++) {
        at ^= (unsigned char)s[i];
        if (at >= m->n_units)
            break;
        uint32_t unit = read_u32(m->trie + 4 * at);
        if ((unit & 0x800000ff) != (unsigned char)s[i])
            break;
        at ^= children(unit);
        if (at >= m->n_units)
            break;
        if (!(unit & 0x100))
            continue;
        size_t place = read_u32(m->trie + 4 * at) & 0x7fffffff;
        if (place >= m->n_strings || (m->strings[place] & 0xc0) == 0x80)
            break;
        found = m->strings + place;
        *used = i + 1;
        *n_out = strlen(found);
        if (!longest)
            break;
    }
    return found;
}
