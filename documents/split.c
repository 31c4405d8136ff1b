/* split.c - see split.h.
 *
 * First the lines are read: headings, fences of code, paragraphs, items, rows of tables. That gives units, sentences or
 * lines, which know how good a place is before them. Then units are put together to chunks, a section at a time. */
#include "documents/split.h"

#include <string.h>
#include <strings.h>
#include <unicode/ubrk.h>
#include <unicode/utext.h>

#include "base/size.h"
#include "base/utf8.h"

enum {
    MAX_HEADINGS = 6,    /* that stand above each other */
    HEADING_BYTES = 160, /* a longer one is cut */
    UNIT_BYTES = 2000    /* a longer line or sentence is cut, mostly where there is a space */
};

/* How good a place to begin a chunk is, the best last. */
enum rank { WITHIN_SENTENCE, AT_SENTENCE, AT_LINE, AT_PARAGRAPH, AT_TOP };

/* A sentence or a line. */
struct unit {
    size_t at, end; /* bytes, from its indent to its last character */
    size_t first_line, last_line;
    size_t tokens;  /* of its own */
    size_t section; /* units of one have one heading */
    const char *heading;
    enum rank rank; /* of the place before it */
};

struct heading {
    int level;
    size_t at, end;
};

struct splitter {
    const docs_split_options *o;
    const char *text; /* [n] */
    size_t n;
    wc_arena *a;
    UBreakIterator *sentences;
    /* what was read */
    struct unit *units; /* [n_units] */
    size_t n_units, room;
    size_t overhead; /* tokens of an empty text */
    /* where the reader is */
    struct heading headings[MAX_HEADINGS]; /* above this line */
    int n_headings;
    const char *heading; /* all of them as one text */
    size_t heading_tokens, heading_line, section;
    bool heading_open;   /* nothing stands under the last one yet */
    char underlines[16]; /* of reStructuredText, by level */
    char fence;          /* ` or ~ within a fence, which is so long */
    size_t fence_length;
    bool after_blank;
    /* the paragraph that is being read; at == end: none */
    size_t at, end, line;
    size_t n_lines;
    enum rank rank;
    const char *columns; /* in a table: the headings and its first row; else NULL */
    wc_error *err;
};

/* ---- units ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void trim(const char *text, size_t *at, size_t *end)
{
    while (*at < *end && is_space(text[*at]))
        ++*at;
    while (*end > *at && is_space(text[*end - 1]))
        --*end;
}

static size_t line_feeds(const char *text, size_t at, size_t end)
{
    size_t n = 0;
    for (; at < end; at++)
        n += text[at] == '\n';
    return n;
}

static bool count_tokens(struct splitter *s, const char *text, size_t n, size_t *tokens)
{
    return s->o->count(s->o->user, text, n, tokens, s->err);
}

/* Tokens that a chunk has for its text. */
static size_t text_tokens(const struct splitter *s)
{
    const size_t taken = s->overhead + s->heading_tokens;
    return s->o->chunk_tokens > taken ? s->o->chunk_tokens - taken : 1;
}

static bool append(struct splitter *s, const struct unit *u)
{
    if (s->n_units == s->room) {
        const size_t room = s->room ? 2 * s->room : 64;
        struct unit *units = wc_arena_zalloc(s->a, room, sizeof *units);
        if (!units)
            return wc_fail_memory(s->err, room * sizeof *units);
        if (s->n_units)
            memcpy(units, s->units, s->n_units * sizeof *units);
        s->units = units;
        s->room = room;
    }
    s->units[s->n_units++] = *u;
    s->heading_open = false;
    return true;
}

/* A place to cut text [at, end) before byte most: behind the last space of its second half, else between characters. */
static size_t cut_before(const char *text, size_t at, size_t end, size_t most)
{
    size_t cut = at + wc_min_size(most, end - at);
    for (size_t i = cut; i > at + (cut - at) / 2; i--)
        if (is_space(text[i - 1]))
            return i;
    while (cut > at + 1 && ((unsigned char)text[cut] & 0xc0) == 0x80)
        cut--;
    while (cut < end && ((unsigned char)text[cut] & 0xc0) == 0x80) /* a character longer than most */
        cut++;
    return cut;
}

/* The white space before byte at, where nothing else is in its line. */
static size_t with_indent(const char *text, size_t at)
{
    size_t from = at;
    while (from > 0 && (text[from - 1] == ' ' || text[from - 1] == '\t'))
        from--;
    return from == 0 || text[from - 1] == '\n' ? from : at;
}

/* Adds text [at, end), in pieces where it has more tokens than a chunk or is very long; line: of its first byte. */
static bool add_unit(struct splitter *s, size_t at, size_t end, size_t line, enum rank rank)
{
    size_t most = UNIT_BYTES;
    while (true) {
        const size_t before = at;
        trim(s->text, &at, &end);
        line += line_feeds(s->text, before, at);
        if (at == end)
            return true;
        const size_t piece = end - at > most ? cut_before(s->text, at, end, most) : end;
        struct unit u = {.at = at,
                         .end = piece,
                         .first_line = line,
                         .section = s->section,
                         .heading = s->columns ? s->columns : s->heading,
                         .rank = rank};
        size_t tokens;
        if (!count_tokens(s, s->text + at, piece - at, &tokens))
            return false;
        u.tokens = tokens > s->overhead ? tokens - s->overhead : 0;
        if (u.tokens > text_tokens(s) && piece - at > 1) {
            most = (piece - at) / 2;
            if (cut_before(s->text, at, end, most) < piece)
                continue;
        }
        trim(s->text, &u.at, &u.end);
        u.last_line = line + line_feeds(s->text, u.at, u.end);
        line += line_feeds(s->text, at, piece);
        u.at = with_indent(s->text, u.at);
        if (!append(s, &u))
            return false;
        at = piece;
        most = UNIT_BYTES;
        rank = WITHIN_SENTENCE;
    }
}

/* The paragraph as sentences, by the rules of Unicode (UAX 29), to which the ends of lines are spaces here. */
static bool end_paragraph(struct splitter *s)
{
    const size_t n = s->end - s->at;
    UErrorCode status = U_ZERO_ERROR;
    bool ok = true;
    if (n == 0)
        return true;
    char *flat = wc_arena_strndup(s->a, s->text + s->at, n);
    if (!flat)
        return wc_fail_memory(s->err, n);
    for (size_t i = 0; i < n; i++)
        flat[i] = is_space(flat[i]) ? ' ' : flat[i];
    UText *u = utext_openUTF8(NULL, flat, (int64_t)n, &status);
    ubrk_setUText(s->sentences, u, &status);
    if (U_FAILURE(status)) {
        utext_close(u);
        return wc_fail(s->err, WC_FAILED, "ICU cannot find sentences: %s", u_errorName(status));
    }
    size_t from = 0, line = s->line;
    for (int32_t to = ubrk_next(s->sentences); ok && to != UBRK_DONE; to = ubrk_next(s->sentences)) {
        ok = add_unit(s, s->at + from, s->at + (size_t)to, line, from == 0 ? s->rank : AT_SENTENCE);
        line += line_feeds(s->text, s->at + from, s->at + (size_t)to);
        from = (size_t)to;
    }
    utext_close(u);
    s->at = s->end = 0;
    s->n_lines = 0;
    return ok;
}

/* ---- headings ---- */

/* text [length] goes behind path [*n], with a mark between; of a long one the beginning. */
static void add_heading(char *path, size_t *n, const char *text, size_t length)
{
    if (length > HEADING_BYTES)
        length = cut_before(text, 0, length, HEADING_BYTES);
    if (*n > 0 && length > 0) {
        memcpy(path + *n, " > ", 3);
        *n += 3;
    }
    for (size_t i = 0; i < length; i++)
        path[(*n)++] = (unsigned char)text[i] < 0x20 ? ' ' : text[i];
}

/* The headings above the text from here on as one text, or the title of a document without; row: the first of a table that
 * comes behind them, at == end: none. What leaves no room for text is not given. */
static bool join_headings(struct splitter *s, size_t at, size_t end, const char **out)
{
    char path[(MAX_HEADINGS + 1) * (HEADING_BYTES + 4)];
    size_t n = 0, tokens;
    if (s->n_headings == 0)
        add_heading(path, &n, s->o->title, strlen(s->o->title));
    for (int i = 0; i < s->n_headings; i++)
        add_heading(path, &n, s->text + s->headings[i].at, s->headings[i].end - s->headings[i].at);
    add_heading(path, &n, s->text + at, end - at);
    if (!count_tokens(s, path, n, &tokens))
        return false;
    s->heading_tokens = tokens > s->overhead ? tokens - s->overhead : 0;
    if (s->heading_tokens > s->o->chunk_tokens / 2)
        n = s->heading_tokens = 0;
    *out = wc_arena_strndup(s->a, path, n);
    return *out ? true : wc_fail_memory(s->err, n);
}

/* A heading under which nothing stands is text itself, unless it is above others. */
static bool close_heading(struct splitter *s, int next_level)
{
    if (!s->heading_open || s->headings[s->n_headings - 1].level < next_level)
        return true;
    const struct heading h = s->headings[s->n_headings - 1];
    return add_unit(s, h.at, h.end, s->heading_line, AT_PARAGRAPH);
}

static bool open_heading(struct splitter *s, int level, size_t at, size_t end, size_t line)
{
    trim(s->text, &at, &end);
    if (at == end)
        return true;
    if (!close_heading(s, level))
        return false;
    while (s->n_headings > 0 && s->headings[s->n_headings - 1].level >= level)
        s->n_headings--;
    if (s->n_headings == MAX_HEADINGS)
        s->n_headings--;
    s->headings[s->n_headings++] = (struct heading){level, at, end};
    s->heading_line = line;
    s->heading_open = true;
    s->section++;
    return join_headings(s, 0, 0, &s->heading);
}

/* ---- lines ---- */

/* How often c stands at text[at], at most to end. */
static size_t run_of(const char *text, size_t at, size_t end, char c)
{
    size_t n = 0;
    while (at + n < end && text[at + n] == c)
        n++;
    return n;
}

/* "## Title ##": the level, 0 for none; the title is left in *at, *end. */
static int atx_level(const char *text, size_t *at, size_t *end)
{
    const size_t n = run_of(text, *at, *end, '#');
    if (n < 1 || n > 6 || (*at + n < *end && !is_space(text[*at + n])))
        return 0;
    size_t last = *end;
    while (last > *at + n && text[last - 1] == '#')
        last--;
    *at += n;
    if (last == *at || is_space(text[last - 1]))
        *end = last;
    return (int)n;
}

/* A line of one mark over and over, under the one line of a paragraph: the level of this title, 0 for none. */
static int underline_level(struct splitter *s, size_t at, size_t end)
{
    const char mark = s->text[at];
    const bool one = run_of(s->text, at, end, mark) == end - at;
    if (!one || s->n_lines != 1 || s->rank == AT_LINE)
        return 0;
    if (s->o->form == DOCS_MARKDOWN)
        return end - at < 2 ? 0 : mark == '=' ? 1 : mark == '-' ? 2 : 0;
    size_t from = s->at, to = s->end;
    trim(s->text, &from, &to);
    if (!strchr("=-~^\"'`#*+:._", mark) || end - at < 3 ||
        end - at < wc_utf8_count(s->text + from, to - from))
        return 0;
    for (int i = 0; i < MAX_HEADINGS; i++)
        if (s->underlines[i] == mark || s->underlines[i] == '\0') {
            s->underlines[i] = mark;
            return i + 1;
        }
    return MAX_HEADINGS;
}

/* A rule, or the line over a title of reStructuredText. */
static bool is_rule(const char *text, size_t at, size_t end)
{
    return end - at >= 3 && strchr("=-~^*_#+", text[at]) && run_of(text, at, end, text[at]) == end - at;
}

/* Whether a line begins an item of a list or a quotation. */
static bool begins_item(const char *text, size_t at, size_t end)
{
    const size_t digits = strspn(text + at, "0123456789");
    if (text[at] == '>')
        return true;
    if (strchr("-*+", text[at]))
        return at + 1 < end && is_space(text[at + 1]);
    return digits > 0 && digits < 4 && at + digits + 1 < end && strchr(".)", text[at + digits]) &&
           is_space(text[at + digits + 1]);
}

/* A line that means something as it is: of code. */
static bool add_line(struct splitter *s, size_t begin, size_t end, size_t line, size_t indent)
{
    const enum rank rank = !s->after_blank ? AT_LINE : indent > 0 ? AT_PARAGRAPH : AT_TOP;
    s->after_blank = false;
    return end_paragraph(s) && add_unit(s, begin, end, line, rank);
}

/* Whether the line behind byte end is the one of dashes under the first row of a table. */
static bool begins_table(const struct splitter *s, size_t end)
{
    const char *feed = memchr(s->text + end, '\n', s->n - end);
    const char *line = feed ? feed + 1 + strspn(feed + 1, " \t") : "";
    const size_t n = strspn(line, "|:- \t\r");
    return *line == '|' && memchr(line, '-', n) && (line[n] == '\n' || line[n] == '\0');
}

/* A row of a table [at, end). The first says what the columns are, and stands above all others like a heading. */
static bool read_row(struct splitter *s, size_t at, size_t end, size_t line)
{
    s->after_blank = false;
    if (s->columns)
        return strspn(s->text + at, "|:- \t") >= end - at || add_unit(s, at, end, line, AT_LINE);
    if (!end_paragraph(s))
        return false;
    s->section++;
    if (!join_headings(s, at, end, &s->columns))
        return false;
    return *s->columns || add_unit(s, at, end, line, AT_LINE); /* it is too long to be above */
}

/* The heading of what comes behind a table is again the one before it. */
static bool end_table(struct splitter *s)
{
    const char *again;
    if (!s->columns)
        return true;
    s->columns = NULL;
    s->section++;
    return join_headings(s, 0, 0, &again);
}

/* A line of prose [at, end), without its indent. */
static bool read_prose(struct splitter *s, size_t at, size_t end, size_t line)
{
    const bool item = begins_item(s->text, at, end);
    if (item && !end_paragraph(s))
        return false;
    if (s->at == s->end) {
        s->at = at;
        s->line = line;
        s->rank = s->after_blank ? AT_PARAGRAPH : item ? AT_LINE : AT_SENTENCE;
    }
    s->end = end;
    s->n_lines++;
    s->after_blank = false;
    return true;
}

/* The line of text [begin, end). */
static bool read_line(struct splitter *s, size_t begin, size_t end, size_t line)
{
    size_t at = begin;
    trim(s->text, &at, &end);
    const size_t indent = at - begin;
    if (s->columns && (at == end || s->text[at] != '|') && !end_table(s))
        return false;
    if (at == end) {
        s->after_blank = true;
        return end_paragraph(s);
    }
    if (s->o->form == DOCS_CODE)
        return add_line(s, begin, end, line, indent);
    const char mark = s->text[at];
    const size_t run = mark == '`' || mark == '~' ? run_of(s->text, at, end, mark) : 0;
    if (s->fence) {
        if (mark == s->fence && run >= s->fence_length && run == end - at)
            s->fence = '\0';
        return add_line(s, begin, end, line, 1);
    }
    if (s->o->form == DOCS_MARKDOWN && indent < 4 && run >= 3) {
        s->fence = mark;
        s->fence_length = run;
        return add_line(s, begin, end, line, 1);
    }
    if (indent >= 4 && s->at == s->end && s->after_blank)
        return add_line(s, begin, end, line, indent);
    if (s->o->form == DOCS_MARKDOWN && mark == '|' && (s->columns || begins_table(s, end)))
        return read_row(s, at, end, line);
    const int underline = underline_level(s, at, end);
    if (underline) {
        const size_t from = s->at, to = s->end;
        s->at = s->end = s->n_lines = 0;
        return open_heading(s, underline, from, to, s->line);
    }
    if (s->o->form == DOCS_MARKDOWN && indent < 4) {
        const int level = atx_level(s->text, &at, &end);
        if (level)
            return end_paragraph(s) && open_heading(s, level, at, end, line);
    }
    if (is_rule(s->text, at, end)) {
        s->after_blank = true;
        return end_paragraph(s);
    }
    return read_prose(s, at, end, line);
}

static bool read_lines(struct splitter *s)
{
    size_t line = 1;
    s->after_blank = true;
    for (size_t at = 0; at < s->n; line++) {
        const char *feed = memchr(s->text + at, '\n', s->n - at);
        const size_t end = feed ? (size_t)(feed - s->text) : s->n;
        if (!read_line(s, at, end, line))
            return false;
        at = end + 1;
    }
    return end_paragraph(s) && end_table(s) && close_heading(s, 0);
}

/* ---- chunks ---- */

const char *docs_chunk_input(const char *heading, const char *text, size_t n_text, wc_arena *a, size_t *n)
{
    const size_t head = strlen(heading), feed = head > 0;
    char *input = wc_arena_alloc(a, head + feed + n_text + 1);
    if (!input)
        return NULL;
    memcpy(input, heading, head);
    if (feed)
        input[head] = '\n';
    memcpy(input + head + feed, text, n_text);
    *n = head + feed + n_text;
    input[*n] = '\0';
    return input;
}

/* Tokens of units [from, to) with what stands between them, and their heading. */
static bool count_chunk(struct splitter *s, size_t from, size_t to, size_t *tokens)
{
    const struct unit *first = &s->units[from];
    const wc_arena_mark mark = wc_arena_get_mark(s->a);
    size_t n;
    const char *input = docs_chunk_input(first->heading, s->text + first->at,
                                         s->units[to - 1].end - first->at, s->a, &n);
    if (!input)
        return wc_fail_memory(s->err, s->units[to - 1].end - first->at);
    const bool ok = count_tokens(s, input, n, tokens);
    wc_arena_reset(s->a, mark);
    return ok;
}

/* The end of the chunk that begins with unit from: at the best place in its second half, behind covered.  end: of the
 * section. */
static bool end_of_chunk(struct splitter *s, size_t from, size_t covered, size_t end, size_t *out)
{
    const struct unit *first = &s->units[from];
    size_t to = from, best = 0, tokens, whole;
    if (!count_tokens(s, first->heading, strlen(first->heading), &tokens))
        return false;
    const size_t most = wc_max_size(s->o->chunk_tokens, tokens);
    const size_t half = tokens + (most - tokens) / 2;
    while (to < end && (to == from || tokens + s->units[to].tokens <= most)) {
        if (to > from && to > covered && tokens >= half &&
            (!best || s->units[to].rank >= s->units[best].rank))
            best = to;
        tokens += s->units[to++].tokens;
    }
    if (to < end && best && s->units[best].rank > s->units[to].rank)
        to = best;
    for (; count_chunk(s, from, to, &whole); to--)
        if (whole <= s->o->chunk_tokens || to == from + 1) {
            *out = to;
            return true;
        }
    return false;
}

/* The chunks of units [from, end), a section, behind those at chunks [*n]. */
static bool pack_section(struct splitter *s, size_t from, size_t end, docs_chunk *chunks, size_t *n)
{
    size_t covered = from; /* units that are in a chunk */
    while (covered < end) {
        size_t to, tokens = 0;
        if (!end_of_chunk(s, from, covered, end, &to))
            return false;
        if (to <= covered && from < covered) { /* what is repeated leaves no room for more */
            from = covered;
            continue;
        }
        const struct unit *first = &s->units[from], *last = &s->units[to - 1];
        chunks[(*n)++] = (docs_chunk){first->heading, s->text + first->at, last->end - first->at,
                                      first->first_line, last->last_line};
        covered = to;
        for (from = to;
             from > 0 && s->units[from - 1].section == first->section && &s->units[from - 1] > first &&
             tokens + s->units[from - 1].tokens <= s->o->overlap_tokens;
             from--)
            tokens += s->units[from - 1].tokens;
    }
    return true;
}

static bool pack(struct splitter *s, docs_chunk **chunks, size_t *n)
{
    *n = 0;
    *chunks = wc_arena_zalloc(s->a, s->n_units + 1, sizeof **chunks);
    if (!*chunks)
        return wc_fail_memory(s->err, s->n_units * sizeof **chunks);
    for (size_t from = 0, to = 0; from < s->n_units; from = to) {
        while (to < s->n_units && s->units[to].section == s->units[from].section)
            to++;
        if (!pack_section(s, from, to, *chunks, n))
            return false;
    }
    return true;
}

enum docs_form docs_form_of(const char *path)
{
    static const char *const prose[] = {".md", ".markdown", ".txt", ".text", ".mkd", ".adoc", ".org", ".tex"};
    const char *name = strrchr(path, '/'), *dot = strrchr(name ? name : path, '.');
    if (dot && (strcasecmp(dot, ".rst") == 0 || strcasecmp(dot, ".rest") == 0))
        return DOCS_RST;
    for (size_t i = 0; dot && i < sizeof prose / sizeof *prose; i++)
        if (strcasecmp(dot, prose[i]) == 0)
            return DOCS_MARKDOWN;
    return dot && dot[1] ? DOCS_CODE : DOCS_MARKDOWN; /* README, NEWS, COPYING */
}

bool docs_split(const char *text, size_t n, const docs_split_options *o, wc_arena *a, docs_chunk **chunks,
                size_t *n_chunks, wc_error *err)
{
    struct splitter s = {.o = o, .text = text, .n = n, .a = a, .heading = "", .err = err};
    UErrorCode status = U_ZERO_ERROR;
    s.sentences = ubrk_open(UBRK_SENTENCE, "", NULL, 0, &status);
    if (U_FAILURE(status))
        return wc_fail(err, WC_FAILED, "ICU cannot find sentences: %s", u_errorName(status));
    const bool ok = count_tokens(&s, "", 0, &s.overhead) && join_headings(&s, 0, 0, &s.heading) &&
                    read_lines(&s) && pack(&s, chunks, n_chunks);
    ubrk_close(s.sentences);
    return ok;
}
