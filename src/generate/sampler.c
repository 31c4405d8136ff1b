/* sampler.c - see sampler.h for the steps and their order.
 *
 * A vocabulary has up to 262400 ids and a choice is made for every token, so nothing is sorted: top_k keeps a heap of the
 * k best scores while it reads the row once; top_p and typical_p weigh the candidates in bins and then look into the bin
 * of the cut as quickselect looks for a median, by the weight of a part instead of its length.  Candidates stay in the
 * order of their ids. */
#include "generate/sampler.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/size.h"

/* An id that is still in the running. */
struct candidate {
    float key; /* its score; later, for typical_p, how typical it is */
    int32_t id;
    double p; /* its probability times a factor that all share */
};

struct wc_sampler {
    wc_sampler_options o;
    size_t n_vocab;
    uint64_t state; /* of the generator */
    wc_mask_fn mask;
    void *mask_user;
    float *scores;                /* [n_vocab] */
    uint8_t *seen;                /* [n_vocab] ids of the history met in this choice; all 0 between choices */
    float *heap;                  /* [min(top_k, n_vocab)] */
    struct candidate *candidates; /* [n_vocab] in the order of ids */
    struct candidate *work;       /* [n_vocab] those of one bin, reordered */
};

/* ---- making ---- */

static bool in_range(double x, double least, bool open, double most)
{
    return (open ? x > least : x >= least) && x <= most; /* false for NaN */
}

static bool check_options(const wc_sampler_options *o, wc_error *err)
{
    if (!in_range(o->repetition_penalty, 0, true, FLT_MAX))
        return wc_fail(err, WC_BAD_ARGUMENT,
                       "repetition_penalty: expected a number above 0 (1 is off), found %g",
                       (double)o->repetition_penalty);
    if (!o->sample)
        return true;
    if (!in_range(o->temperature, 0, true, FLT_MAX))
        return wc_fail(
            err, WC_BAD_ARGUMENT,
            "temperature: expected a number above 0, found %g; for the most probable token choose greedy",
            (double)o->temperature);
    if (o->top_k < 0)
        return wc_fail(err, WC_BAD_ARGUMENT, "top_k: expected a whole number from 0 (0 is off), found %d",
                       o->top_k);
    if (!in_range(o->top_p, 0, false, 1))
        return wc_fail(err, WC_BAD_ARGUMENT, "top_p: expected 0 to 1 (1 is off), found %g", (double)o->top_p);
    if (!in_range(o->min_p, 0, false, 1))
        return wc_fail(err, WC_BAD_ARGUMENT, "min_p: expected 0 to 1 (0 is off), found %g", (double)o->min_p);
    if (!in_range(o->typical_p, 0, true, 1))
        return wc_fail(err, WC_BAD_ARGUMENT, "typical_p: expected above 0 up to 1 (1 is off), found %g",
                       (double)o->typical_p);
    return true;
}

static const uint64_t PCG_STREAM = 54 << 1 | 1;

/* PCG-XSH-RR 64/32. */
static uint32_t pcg32(uint64_t *state)
{
    uint64_t old = *state;
    *state = old * 6364136223846793005u + PCG_STREAM;
    uint32_t x = (uint32_t)((old >> 18 ^ old) >> 27), turn = (uint32_t)(old >> 59);
    return x >> turn | x << (-turn & 31);
}

static uint64_t pcg32_seed(uint64_t seed)
{
    uint64_t state = 0;
    pcg32(&state);
    state += seed;
    pcg32(&state);
    return state;
}

double wc_sampler_uniform(wc_sampler *s)
{
    uint64_t high = pcg32(&s->state), low = pcg32(&s->state);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

wc_sampler *wc_sampler_new(size_t n_vocab, const wc_sampler_options *options, uint64_t seed, wc_error *err)
{
    if (n_vocab == 0 || n_vocab > INT32_MAX) {
        wc_fail(err, WC_BAD_ARGUMENT, "vocabulary: expected 1 to %d ids, found %zu", INT32_MAX, n_vocab);
        return NULL;
    }
    if (!check_options(options, err))
        return NULL;
    wc_sampler *s = wc_mem_zalloc(1, sizeof *s);
    if (!s) {
        wc_fail_memory(err, sizeof *s);
        return NULL;
    }
    s->o = *options;
    s->n_vocab = n_vocab;
    s->state = pcg32_seed(seed);
    size_t k = options->top_k ? wc_min_size((size_t)options->top_k, n_vocab) : 0;
    s->scores = wc_mem_zalloc(n_vocab, sizeof *s->scores);
    s->seen = wc_mem_zalloc(n_vocab, sizeof *s->seen);
    bool ok = s->scores && s->seen;
    if (ok && options->sample) {
        s->heap = wc_mem_zalloc(k + 1, sizeof *s->heap);
        s->candidates = wc_mem_zalloc(n_vocab, sizeof *s->candidates);
        s->work = wc_mem_zalloc(n_vocab, sizeof *s->work);
        ok = s->heap && s->candidates && s->work;
    }
    if (!ok) {
        wc_fail_memory(err, n_vocab * (sizeof *s->scores + 2 * sizeof *s->work));
        wc_sampler_free(s);
        return NULL;
    }
    return s;
}

void wc_sampler_free(wc_sampler *s)
{
    if (!s)
        return;
    wc_mem_free(s->scores);
    wc_mem_free(s->seen);
    wc_mem_free(s->heap);
    wc_mem_free(s->candidates);
    wc_mem_free(s->work);
    wc_mem_free(s);
}

void wc_sampler_set_mask(wc_sampler *s, wc_mask_fn mask, void *user)
{
    s->mask = mask;
    s->mask_user = user;
}

/* ---- scores ---- */

/* None of x [n] is NaN or plus infinity.  Without a branch, so that the compiler makes vectors of it. */
static bool all_fair(const float *x, size_t n)
{
    int unfair = 0;
    for (size_t i = 0; i < n; i++)
        unfair |= !(x[i] <= FLT_MAX);
    return !unfair;
}

static void penalize(wc_sampler *s, const int32_t *history, size_t n_history)
{
    const float penalty = s->o.repetition_penalty;
    for (size_t i = 0; i < n_history; i++) {
        size_t id = (size_t)history[i]; /* a negative one becomes larger than any vocabulary */
        if (id >= s->n_vocab || s->seen[id])
            continue;
        s->seen[id] = 1;
        s->scores[id] = s->scores[id] < 0 ? s->scores[id] * penalty : s->scores[id] / penalty;
    }
    for (size_t i = 0; i < n_history; i++)
        if ((size_t)history[i] < s->n_vocab)
            s->seen[history[i]] = 0;
}

/* The row after penalty and mask: the logits themselves when there is neither, NULL when it cannot be used. */
static const float *adjust(wc_sampler *s, const float *logits, const int32_t *history, size_t n_history)
{
    if (!all_fair(logits, s->n_vocab))
        return NULL;
    bool penalty = s->o.repetition_penalty != 1 && n_history > 0;
    if (!penalty && !s->mask)
        return logits;
    memcpy(s->scores, logits, s->n_vocab * sizeof *logits);
    if (penalty)
        penalize(s, history, n_history);
    if (s->mask)
        s->mask(s->mask_user, s->scores, s->n_vocab);
    return all_fair(s->scores, s->n_vocab) ? s->scores
                                           : NULL; /* a penalty near 0 overflows; a mask is not ours */
}

/* The largest of x [n]; lane by lane, so that the compiler makes vectors of it. */
static float largest(const float *x, size_t n)
{
    enum { LANES = 16 };
    float lanes[LANES], most = -INFINITY;
    size_t i = 0;
    for (int l = 0; l < LANES; l++)
        lanes[l] = -INFINITY;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lanes[l] = x[i + (size_t)l] > lanes[l] ? x[i + (size_t)l] : lanes[l];
    for (int l = 0; l < LANES; l++)
        most = lanes[l] > most ? lanes[l] : most;
    for (; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

/* The first of the largest of x [n]; -1 when all are minus infinity. */
static int32_t argmax(const float *x, size_t n)
{
    const float most = largest(x, n);
    for (size_t i = 0; i < n && most > -INFINITY; i++)
        if (x[i] == most)
            return (int32_t)i;
    return -1;
}

/* ---- top_k ---- */

/* Puts x in place of the root of a heap whose root is its least. */
static void replace_least(float *heap, size_t n, float x)
{
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= x)
            break;
        heap[i] = heap[child];
    }
    heap[i] = x;
}

/* The k-th largest of x [n], 1 <= k <= n.  Rows are read in pieces whose largest is compared first: few pieces hold
 * anything that enters the heap. */
static float kth_largest(const float *x, size_t n, float *heap, size_t k)
{
    enum { PIECE = 32 };
    for (size_t i = 0; i < k; i++)
        heap[i] = -INFINITY;
    size_t i = 0;
    for (; i + PIECE <= n; i += PIECE) {
        float most[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
        for (size_t j = 0; j < PIECE; j += 4)
            for (size_t lane = 0; lane < 4; lane++)
                most[lane] = x[i + j + lane] > most[lane] ? x[i + j + lane] : most[lane];
        if (!(most[0] > heap[0] || most[1] > heap[0] || most[2] > heap[0] || most[3] > heap[0]))
            continue;
        for (size_t j = i; j < i + PIECE; j++)
            if (x[j] > heap[0])
                replace_least(heap, k, x[j]);
    }
    for (; i < n; i++)
        if (x[i] > heap[0])
            replace_least(heap, k, x[i]);
    return heap[0];
}

/* ---- candidates ---- */

static double total(const struct candidate *c, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += c[i].p;
    return sum;
}

/* a is before b in the order in which top_p and typical_p take candidates. */
static bool before(const struct candidate *a, const struct candidate *b)
{
    return a->key > b->key || (a->key == b->key && a->id < b->id);
}

static void swap(struct candidate *a, struct candidate *b)
{
    struct candidate t = *a;
    *a = *b;
    *b = t;
}

/* Moves what is before or equal to the pivot to the front and returns how many; the pivot is the last of them. */
static size_t partition(struct candidate *c, size_t n)
{
    struct candidate *middle = &c[n / 2], *end = &c[n - 1];
    if (before(middle, c))
        swap(middle, c);
    if (before(end, c))
        swap(end, c);
    if (before(middle, end))
        swap(middle, end); /* the median of the three is at the end now */
    size_t front = 0;
    for (size_t i = 0; i + 1 < n; i++)
        if (before(&c[i], end))
            swap(&c[i], &c[front++]);
    swap(&c[front], end);
    return front + 1;
}

/* The last candidate that is taken when the best of c [n] are taken one by one until their p together reach mass; n > 0.
 * Reorders c. */
static struct candidate select_cut(struct candidate *c, size_t n, double mass)
{
    double taken = 0; /* of all before c[0] */
    while (n > 1) {
        size_t front = partition(c, n);
        double weight = total(c, front - 1), with_pivot = weight + c[front - 1].p;
        if (taken + weight >= mass && front > 1) {
            n = front - 1;
        } else if (taken + with_pivot >= mass || front == n) {
            return c[front - 1];
        } else {
            taken += with_pivot;
            c += front;
            n -= front;
        }
    }
    return c[0];
}

enum { N_BINS = 512, BINS_PER_UNIT = 16 };

static size_t bin_of(const struct candidate *c, float best)
{
    float bin = (best - c->key) * BINS_PER_UNIT;
    return bin < N_BINS - 1 ? (size_t)bin : N_BINS - 1;
}

/* The same without reordering the candidates. */
static struct candidate find_cut(wc_sampler *s, size_t n, double mass)
{
    const struct candidate *c = s->candidates;
    double weight[N_BINS] = {0}, taken = 0;
    size_t last = 0, bin = 0, n_work = 0;
    float best = -INFINITY;
    for (size_t i = 0; i < n; i++)
        best = c[i].key > best ? c[i].key : best;
    for (size_t i = 0; i < n; i++) {
        size_t k = bin_of(&c[i], best);
        weight[k] += c[i].p;
        last = wc_max_size(last, k);
    }
    while (bin < last && taken + weight[bin] < mass)
        taken += weight[bin++];
    for (size_t i = 0; i < n; i++)
        if (bin_of(&c[i], best) == bin)
            s->work[n_work++] = c[i];
    return n_work ? select_cut(s->work, n_work, mass - taken) : c[0];
}

/* Every score above minus infinity and, with top_k, not below the k-th; p relative to the best.  Returns how many. */
static size_t collect(wc_sampler *s, const float *scores)
{
    struct candidate *c = s->candidates;
    const size_t k = (size_t)s->o.top_k;
    float least = k && k < s->n_vocab ? kth_largest(scores, s->n_vocab, s->heap, k) : -INFINITY;
    least = fmaxf(least, -FLT_MAX);
    size_t n = 0;
    float most = -INFINITY;
    for (size_t i = 0; i < s->n_vocab; i++)
        if (scores[i] >= least) {
            c[n++] = (struct candidate){.key = scores[i], .id = (int32_t)i};
            most = scores[i] > most ? scores[i] : most;
        }
    for (size_t i = 0; i < n; i++)
        c[i].p = (double)expf(c[i].key - most);
    return n;
}

static size_t keep_top_p(wc_sampler *s, size_t n)
{
    struct candidate *c = s->candidates;
    const struct candidate cut = find_cut(s, n, (double)s->o.top_p * total(c, n));
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!before(&cut, &c[i]))
            c[kept++] = c[i];
    return kept;
}

static size_t keep_min_p(wc_sampler *s, size_t n)
{
    struct candidate *c = s->candidates;
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, c[i].p);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i].p >= (double)s->o.min_p * most)
            c[kept++] = c[i];
    return kept;
}

/* Locally typical sampling (Meister, Pimentel, Wiher and Cotterell 2022, arXiv:2202.00666): the key becomes
 * -|-log p - entropy|, and all whose key equals that of the last one taken stay. */
static size_t keep_typical(wc_sampler *s, size_t n)
{
    struct candidate *c = s->candidates;
    const double sum = total(c, n);
    double entropy = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i].p > 0)
            entropy -= c[i].p / sum * log(c[i].p / sum);
    for (size_t i = 0; i < n; i++)
        c[i].key = c[i].p > 0 ? (float)-fabs(-log(c[i].p / sum) - entropy) : -INFINITY;
    const struct candidate cut = find_cut(s, n, (double)s->o.typical_p * sum);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i].key >= cut.key)
            c[kept++] = c[i];
    return kept;
}

/* What is left after all steps, in the order of ids; 0 when no id is allowed. */
static size_t choose_candidates(wc_sampler *s, const float *scores)
{
    if (s->o.temperature != 1) {
        const float t = s->o.temperature;
        for (size_t i = 0; i < s->n_vocab; i++)
            s->scores[i] = scores[i] / t;
        scores = s->scores;
        if (!all_fair(scores, s->n_vocab)) /* a temperature near 0 overflows */
            return 0;
    }
    size_t n = collect(s, scores);
    if (n > 1 && s->o.top_p < 1)
        n = keep_top_p(s, n);
    if (n > 1 && s->o.min_p > 0)
        n = keep_min_p(s, n);
    if (n > 1 && s->o.typical_p < 1)
        n = keep_typical(s, n);
    return n;
}

int32_t wc_sampler_next(wc_sampler *s, const float *logits, const int32_t *history, size_t n_history)
{
    const float *scores = adjust(s, logits, history, n_history);
    if (!scores)
        return -1;
    if (!s->o.sample)
        return argmax(scores, s->n_vocab);
    size_t n = choose_candidates(s, scores);
    if (n == 0)
        return -1;
    const double goal = wc_sampler_uniform(s) * total(s->candidates, n);
    double sum = 0;
    size_t i = 0;
    for (; i + 1 < n; i++) {
        sum += s->candidates[i].p;
        if (sum > goal)
            break;
    }
    return s->candidates[i].id;
}

bool wc_sampler_probabilities(wc_sampler *s, const float *logits, const int32_t *history, size_t n_history,
                              float *probabilities)
{
    const float *scores = adjust(s, logits, history, n_history);
    if (!scores)
        return false;
    memset(probabilities, 0, s->n_vocab * sizeof *probabilities);
    if (!s->o.sample) {
        int32_t best = argmax(scores, s->n_vocab);
        if (best >= 0)
            probabilities[best] = 1;
        return best >= 0;
    }
    size_t n = choose_candidates(s, scores);
    const double sum = total(s->candidates, n);
    for (size_t i = 0; i < n; i++)
        probabilities[s->candidates[i].id] = (float)(s->candidates[i].p / sum);
    return n > 0;
}

/* ---- log-probabilities ---- */

/* Puts id into top [*n of at most room], which stays in order. */
static void insert_top(wc_logprob *top, size_t *n, size_t room, int32_t id, float logit)
{
    size_t at = *n < room ? (*n)++ : room - 1;
    for (; at > 0 && top[at - 1].logprob < logit; at--)
        top[at] = top[at - 1];
    top[at] = (wc_logprob){id, logit};
}

/* e^x for -87 <= x <= 0, relative error below 3e-7: 2^n * e^r with |r| <= ln(2) / 2, e^r by its series.  Without branches
 * or calls, so that the compiler makes vectors of it. */
static inline float exp_down(float x)
{
    const float shift = 0x1.8p23f; /* adding it rounds to a whole number */
    float n = x * 0x1.715476p0f + shift - shift;
    float r = x - n * 0x1.62e4p-1f - n * 0x1.7f7d1cp-20f; /* ln(2) in two parts, the first short */
    float e = 1 + r * (1 + r * (1.0f / 2 + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r / 720)))));
    int32_t bits = ((int32_t)n + 127) * (1 << 23);
    float power;
    memcpy(&power, &bits, sizeof power);
    return e * power;
}

/* log(sum_i e^x[i]) of x [n]; what is below the largest by more than 87 counts as that. */
static double log_sum_exp(const float *x, size_t n)
{
    enum { PIECE = 256, LANES = 8 };
    float most[LANES], part[PIECE];
    double sum[LANES] = {0};
    for (size_t lane = 0; lane < LANES; lane++)
        most[lane] = -INFINITY;
    for (size_t i = 0; i < n; i++)
        most[i % LANES] = x[i] > most[i % LANES] ? x[i] : most[i % LANES];
    for (size_t lane = 1; lane < LANES; lane++)
        most[0] = most[lane] > most[0] ? most[lane] : most[0];
    for (size_t i = 0; i < n; i += PIECE) {
        size_t m = wc_min_size(n - i, PIECE);
        for (size_t k = 0; k < m; k++)
            part[k] = x[i + k] - most[0] < -87 ? -87 : x[i + k] - most[0];
        for (size_t k = 0; k < m; k++)
            part[k] = exp_down(part[k]);
        for (size_t k = 0; k < m; k++)
            sum[k % LANES] += (double)part[k];
    }
    for (size_t lane = 1; lane < LANES; lane++)
        sum[0] += sum[lane];
    return (double)most[0] + log(sum[0]);
}

size_t wc_logprobs(const float *logits, size_t n, int32_t id, float *logprob, wc_logprob *top, size_t n_top)
{
    const double log_sum = log_sum_exp(logits, n);
    *logprob = (float)((double)logits[id] - log_sum);
    size_t n_found = 0;
    for (size_t i = 0; n_top > 0 && i < n; i++)
        if (n_found < n_top || logits[i] > top[n_top - 1].logprob)
            insert_top(top, &n_found, n_top, (int32_t)i, logits[i]);
    for (size_t i = 0; i < n_found; i++)
        top[i].logprob = (float)((double)top[i].logprob - log_sum);
    return n_found;
}
