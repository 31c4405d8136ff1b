/* backend.h - the table of operations that a device offers, and what each must do.
 *
 * ops/ checks shapes, takes the output from the step arena, tells tape and observer, and calls one of these.  A backend
 * splits the work over its threads and calls its kernels.  Activations are f32.  Unless said otherwise tensors are dense,
 * weights are as they lie in the file (possibly at odd addresses): matrices of matmul and embed of any weight type, all else
 * f32, f16 or bf16.  An output may be one of the inputs
 * of an elementwise operation ("in place") but overlaps no other input.
 *
 * One promise holds for all: an output element is computed by the same operations in the same order whatever the number
 * of threads, of rows beside it, and the place of its row (DESIGN.md section 4). */
#ifndef WC_BACKEND_BACKEND_H
#define WC_BACKEND_BACKEND_H
#include "base/threads.h"
#include "tensor/kv.h"
#include "tensor/tensor.h"

typedef enum wc_act {
    WC_ACT_NONE,
    WC_ACT_RELU,
    WC_ACT_GELU,      /* 0.5 x (1 + erf(x / sqrt 2)) */
    WC_ACT_GELU_TANH, /* 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
    WC_ACT_SILU,      /* x / (1 + exp(-x)) */
    WC_ACT_TANH,
    WC_ACT_SIGMOID
} wc_act;

/* How the rows of a sequence become one. */
typedef enum wc_pooling {
    WC_POOL_MEAN,      /* sum / n */
    WC_POOL_MEAN_SQRT, /* sum / sqrt(n) */
    WC_POOL_MAX,
    WC_POOL_WEIGHTED_MEAN, /* row i of the sequence counts i + 1 times */
    WC_POOL_FIRST,
    WC_POOL_LAST
} wc_pooling;

/* A two-dimensional convolution over channel-last maps x [h, w, c_in] -> y [oh, ow, c_out]. */
typedef struct wc_conv {
    int h, w, c_in, oh, ow, c_out;
    int kh, kw, stride;
    int pad_top, pad_left; /* zeros before; what lacks after is zero too */
} wc_conv;

/* Attention of rows over pages (paged) or over a dense set of keys. */
typedef struct wc_attention {
    int n_heads, n_kv_heads; /* query head h reads kv head h / (n_heads / n_kv_heads) */
    int key_dim, value_dim;
    float scale;    /* scores are scale * q.k */
    float soft_cap; /* > 0: scores become cap * tanh(score / cap) */
    int window;     /* > 0: a row at position p sees positions > p - window */
} wc_attention;

/* Attention of a frame over the keys within past frames back and future frames ahead, with learned relative positions. */
typedef struct wc_local_attention {
    int n_heads, head_dim, past, future;
    float soft_cap; /* > 0 */
    size_t n_valid; /* keys 0 .. n_valid - 1 are seen */
} wc_local_attention;

/* A step of AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101; torch.optim.AdamW). */
typedef struct wc_adamw {
    double lr, beta1, beta2, eps, weight_decay;
    double correction1, correction2; /* 1 - beta1^t, 1 - beta2^t in step t = 1, 2 .. */
} wc_adamw;

/* What becomes of a product's sums s [n,M], in this order; tensors that are absent (data NULL) do nothing. */
typedef struct wc_epilogue {
    wc_tensor bias; /* [M] of a plain type: s + bias */
    wc_act act;     /* act(s), or with a gate */
    wc_tensor gate; /* [n,M]: act(gate) s; may be the output itself */
    wc_tensor add;  /* [n,M]: s + add; may be the output itself */
} wc_epilogue;

/* One of several products of the same x: y = epilogue(s), s[r,j] = sum_k x[r,k] w[j,k]. */
typedef struct wc_product {
    wc_tensor y, w; /* [n,M], [M,K] (rows may be strided) */
    wc_epilogue e;
} wc_product;

enum {
    WC_MAX_PRODUCTS = 3,
    WC_FEW_ROWS = 12 /* with so few rows of x the bytes of w are what a product costs */
};

typedef struct wc_backend wc_backend;
struct wc_backend {
    const char *name;  /* "cpu" */
    const char *level; /* kernel level: "reference", "avx2" ... */
    wc_pool *pool;
    bool exact; /* no rounding of activations (WC_COMPUTE_F32) */

    /* n_p products, up to WC_MAX_PRODUCTS, of x [n,K], none of which reads another's y.
     * whole: rows are of whole inputs, so that few at once are rare; then the order of sums may be one that is dear for few.
     * work: the most of matmul_work floats that one takes, 64-byte aligned, for x as it is rounded. */
    size_t (*matmul_work)(wc_backend *b, size_t n, const wc_tensor *w, bool whole);
    void (*matmul)(wc_backend *b, wc_tensor x, const wc_product *p, size_t n_p, bool whole, wc_tensor work);
    /* y[r,:] = scale * w[ids[r],:]    w [V,K], y [n,K]; rows of both may be strided; ids are in range. */
    void (*embed)(wc_backend *b, wc_tensor y, wc_tensor w, const int32_t *ids, float scale);
    /* y[r,i] = act(x[r,i] / sqrt(mean_j x[r,j]^2 + eps) * (offset + w[i])), over the last dimension; w [D] or absent (then 1).
     * y may be x. */
    void (*rms_norm)(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor w, float offset, float eps,
                     wc_act act);
    /* y[r,i] = (x[r,i] - mean) / sqrt(var + eps) * w[i] + bias[i]; w, bias may be absent. */
    void (*layer_norm)(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor w, wc_tensor bias, float eps);
    /* Group norm over all frames so far, x [T,F,C]: with n_t = (t + 1) F C,
     *   mean_t = sum_{s <= t} sum x_s / n_t    var_t = sum_{s <= t} sum (x_s - mean_s)^2 / n_t    (each s by its own mean)
     *   y[t,f,c] = act((x[t,f,c] - mean_t) / sqrt(var_t + eps) * w[c])
     * y may be x.  work: 4 T floats, 64-byte aligned. */
    void (*cumulative_norm)(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor w, float eps, wc_act act,
                            wc_tensor work);
    /* table[r] = [cos(pos[r] f[0..h-1]) * s | sin(pos[r] f[0..h-1]) * s]    f [h] f32 inv_freq, table [n, 2h].
     * The angle is the f32 product; cosine and sine are those of the exact angle, rounded. */
    void (*rope_table)(wc_backend *b, wc_tensor table, const int32_t *pos, wc_tensor inv_freq, float s);
    /* Rotates the first 2h of every head of x [n, heads, d] by the row's table entry:
     * (x1, x2) -> (x1 cos - x2 sin, x2 cos + x1 sin), x1 = x[0..h-1], x2 = x[h..2h-1]; the rest is copied.  y may be x. */
    void (*rope)(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor table);

    /* Puts k [n, n_kv_heads, key_dim] and v [n, n_kv_heads, value_dim] where row's position lies in the pages. */
    void (*kv_write)(wc_backend *b, const wc_kv_layer *kv, const wc_row_map *rows, wc_tensor k, wc_tensor v);
    /* y [n, n_heads * value_dim] = softmax(scale * q k) v over what each row of q [n, n_heads * key_dim] sees in the pages. */
    void (*attention)(wc_backend *b, wc_tensor y, wc_tensor q, const wc_kv_layer *kv, const wc_row_map *rows,
                      const wc_attention *a);
    /* y [n_heads, n, m] = softmax(scale q k) over positions 0 .. m - 1, zeros where a row of q sees nothing.  All rows belong
     * to one sequence.  For those who look on: attention itself never writes them down. */
    void (*attention_probs)(wc_backend *b, wc_tensor y, wc_tensor q, const wc_kv_layer *kv,
                            const wc_row_map *rows, const wc_attention *a);
    /* The same over dense keys k [m, n_kv_heads * key_dim] and values v [m, n_kv_heads * value_dim], no mask.
     * work: attention_dense_work floats. */
    size_t (*attention_dense_work)(wc_backend *b, size_t m, const wc_attention *a);
    void (*attention_dense)(wc_backend *b, wc_tensor y, wc_tensor q, wc_tensor k, wc_tensor v,
                            const wc_attention *a, wc_tensor work);
    /* The same over the keys and values of the step itself, [n, ..] as q: each row sees those of its own sequence, whose rows
     * stand together in order from position 0, as attention would if they lay in pages. */
    void (*attention_rows)(wc_backend *b, wc_tensor y, wc_tensor q, wc_tensor k, wc_tensor v,
                           const wc_row_map *rows, const wc_attention *a);

    /* y[t,h] = softmax_j(cap tanh(s_j / cap)) v[j,h] with s_j = q[t,h] k[j,h] + q[t,h] r[j - t + past,h] over the keys j that
     * frame t sees; zeros where there is none.  q, k, v, y [n, n_heads * head_dim], r [past + future + 1, n_heads * head_dim];
     * past + future < 4096. */
    void (*local_attention)(wc_backend *b, wc_tensor y, wc_tensor q, wc_tensor k, wc_tensor v, wc_tensor r,
                            const wc_local_attention *a);
    /* Its s by chunks of frames, for those who look on: y [n_heads, chunks, chunk, chunk + past + future]; entry (w, c) of chunk
     * u is of frame t = u chunk + w and key t - w - past + c.  Outside of the sound q and k are zeros, and r counts only where
     * 0 <= c - w <= past + future. */
    void (*local_scores)(wc_backend *b, wc_tensor y, wc_tensor q, wc_tensor k, wc_tensor r,
                         const wc_local_attention *a);

    /* Elementwise, all dense and of as many elements: y = act(x); y = (a + b) * s; y = a * b; y = act(a) * b;
     * y = s * x; y = cap * tanh(x / cap); y = min(max(x, -limit), limit), NaN stays. */
    void (*act)(wc_backend *b, wc_tensor y, wc_tensor x, wc_act act);
    void (*add)(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor z, float s);
    void (*mul)(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor z);
    void (*act_mul)(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor z, wc_act act);
    void (*scale)(wc_backend *b, wc_tensor y, wc_tensor x, float s);
    void (*soft_cap)(wc_backend *b, wc_tensor y, wc_tensor x, float cap);
    void (*clamp)(wc_backend *b, wc_tensor y, wc_tensor x, float limit);
    /* y[r,i] = x[r,i] * v[i] + add[r,i]; v [D] of any weight type; add may be absent. */
    void (*mul_vec)(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor v, wc_tensor add);
    /* y[r,:] = softmax(x[r,:]). */
    void (*softmax)(wc_backend *b, wc_tensor y, wc_tensor x);
    /* y[r,i] = max(0, x[r,i] - (mean(x[r]) + z * std(x[r]))), population standard deviation. */
    void (*sparsify)(wc_backend *b, wc_tensor y, wc_tensor x, float z);
    /* y[r,:] = x[r,:] * rms(ref[r,:]) / sqrt(max(mean(x[r,:]^2), floor)), rms(v) = sqrt(mean(v^2)). */
    void (*match_rms)(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor ref, float floor);

    /* AltUp: s, y [A,n,D], coefs [n, A*A]:  y[o,r,:] = s[o,r,:] + sum_j coefs[r, o*A+j] s[j,r,:]  (j in order). */
    void (*altup_predict)(wc_backend *b, wc_tensor y, wc_tensor s, wc_tensor coefs);
    /* y[o,r,:] = p[o,r,:] + (coefs[r,o] + 1) * (x[r,:] - p[active,r,:])    coefs [n,A], x [n,D]; y is not p. */
    void (*altup_correct)(wc_backend *b, wc_tensor y, wc_tensor p, wc_tensor x, wc_tensor coefs, int active);
    /* y[r,:] = mean over a of s[a,r,:]. */
    void (*mean_streams)(wc_backend *b, wc_tensor y, wc_tensor s);

    /* y[i,:] = x[rows[i],:]; and y[rows[i],:] = x[i,:]. */
    void (*get_rows)(wc_backend *b, wc_tensor y, wc_tensor x, const int32_t *rows);
    void (*put_rows)(wc_backend *b, wc_tensor y, wc_tensor x, const int32_t *rows);
    /* SparseMixer's choice of two experts: y [n,2E] holds, first for the best score of each row of scores [n,E], then for the best
     * without it, its softmax among those scores s (again without the best) with (max - s) / max(|s|, max) <= 2 jitter; else
     * zeros.  work: E floats. */
    void (*route_two)(wc_backend *b, wc_tensor y, wc_tensor scores, float jitter, wc_tensor work);
    /* y[s,:] from the rows first[s] + skip .. first[s + 1] - 1 of x: y [n,D], first [n + 1] rising.  Without such rows zeros, but
     * the first row for WC_POOL_FIRST, as for WC_POOL_LAST the last; weights count the rows skipped. */
    void (*pool_rows)(wc_backend *b, wc_tensor y, wc_tensor x, const int32_t *first, int skip,
                      wc_pooling how);
    /* y[rows[i],:] += weights[rows[i],column] * x[i,:]. */
    void (*add_rows)(wc_backend *b, wc_tensor y, wc_tensor x, const int32_t *rows, wc_tensor weights,
                     size_t column);
    /* y[r,:] = [x[r,:] | z[r,:]]. */
    void (*concat)(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor z);

    /* Full convolution, w [c_out, c_in, kh, kw] as in the file, bias [c_out] or absent.  work: conv2d_work floats. */
    size_t (*conv2d_work)(wc_backend *b, const wc_tensor *w, const wc_conv *conv);
    void (*conv2d)(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor w, wc_tensor bias, const wc_conv *conv,
                   wc_tensor work);
    /* One filter a channel: w [c, 1, kh, kw], c_in = c_out.  work: kh * kw * c floats. */
    void (*conv2d_depthwise)(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor w, const wc_conv *conv,
                             wc_tensor work);
    /* Mean over k x k squares without overlap; x [h,w,c] -> y [h/k, w/k, c]. */
    void (*avg_pool)(wc_backend *b, wc_tensor y, wc_tensor x, int k);
    /* Nearest neighbour, source row floor(i * h / oh); x [h,w,c] -> y [oh,ow,c]. */
    void (*resize_nearest)(wc_backend *b, wc_tensor y, wc_tensor x);
    /* Bilinear without antialias, align_corners false (torch interpolate). */
    void (*resize_bilinear)(wc_backend *b, wc_tensor y, wc_tensor x);

    /* ---- training ----  dx is the derivative of the loss by x, dense f32 of x's shape.  Derivatives by weights and what else
     * is said with += are added to what is there, and may be absent (data NULL) where nobody asks for them. */

    /* y[k,r] = x[r,k]    x [n,K] of any weight type (rows may be strided), y [K,n]. */
    void (*transpose)(wc_backend *b, wc_tensor y, wc_tensor x);
    /* y[i] += sum_r x[r,i], r rising    y [D], x [..,D]. */
    void (*add_row_sums)(wc_backend *b, wc_tensor y, wc_tensor x);
    /* y[rows[r],:] += scale x[r,:], r rising    y [V,K] (rows may be strided), x [n,K]: of embed and get_rows. */
    void (*add_rows_at)(wc_backend *b, wc_tensor y, wc_tensor x, const int32_t *rows, float scale);
    /* dx = dy act'(x); dx may be dy. */
    void (*act_grad)(wc_backend *b, wc_tensor dx, wc_tensor dy, wc_tensor x, wc_act act);
    /* dx = dy (1 - (y / cap)^2), y = cap tanh(x / cap); dx may be dy. */
    void (*soft_cap_grad)(wc_backend *b, wc_tensor dx, wc_tensor dy, wc_tensor y, float cap);
    /* With n = x / sqrt(mean x^2 + eps) and g[r,i] = dy[r,i] (offset + w[i]), or dy where w is absent:
     *   dx[r,i] = (g[r,i] - n[r,i] mean_j g[r,j] n[r,j]) / sqrt(mean_j x[r,j]^2 + eps)      dw[i] += sum_r dy[r,i] n[r,i]
     * work: a float for each row. */
    void (*rms_norm_grad)(wc_backend *b, wc_tensor dx, wc_tensor dw, wc_tensor dy, wc_tensor x, wc_tensor w,
                          float offset, float eps, wc_tensor work);
    /* The same with n = (x - mean x) / sqrt(var x + eps), g = dy w:
     *   dx[r,i] = (g[r,i] - mean_j g[r,j] - n[r,i] mean_j g[r,j] n[r,j]) / sqrt(var x[r] + eps)
     * and the bias' derivative is add_row_sums.  work: two floats for each row. */
    void (*layer_norm_grad)(wc_backend *b, wc_tensor dx, wc_tensor dw, wc_tensor dy, wc_tensor x, wc_tensor w,
                            float eps, wc_tensor work);
    /* rope the other way round: (d1, d2) -> (d1 cos + d2 sin, d2 cos - d1 sin).  dx may be dy. */
    void (*rope_grad)(wc_backend *b, wc_tensor dx, wc_tensor dy, wc_tensor table);
    /* Of attention_rows, whose output was y.  With p[i,j] the weight of key j for row i (of one head), s its score before the
     * soft cap, t = cap tanh(s / cap) or s, and d[i] = dy[i] y[i]:
     *   dt[i,j] = p[i,j] (dy[i] v[j] - d[i])    ds[i,j] = dt[i,j] (1 - (t[i,j] / cap)^2), or dt
     *   dq[i] = scale sum_j ds[i,j] k[j]        dk[j] = scale sum_i ds[i,j] q[i]        dv[j] = sum_i p[i,j] dy[i]
     * the last two over all heads that read the key/value head too.  work: 3 n n_heads floats. */
    void (*attention_rows_grad)(wc_backend *b, wc_tensor dq, wc_tensor dk, wc_tensor dv, wc_tensor dy,
                                wc_tensor y, wc_tensor q, wc_tensor k, wc_tensor v, const wc_row_map *rows,
                                const wc_attention *a, wc_tensor work);
    /* losses[r] = -log softmax(x[r,:])[targets[r]], dx[r,i] = scale (softmax(x[r,:])[i] - [i = targets[r]]); both 0 where
     * targets[r] is below 0.  x [n,V], losses [n]. */
    void (*cross_entropy)(wc_backend *b, wc_tensor losses, wc_tensor dx, wc_tensor x, const int32_t *targets,
                          float scale);
    /* p -= lr weight_decay p;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
     * p -= lr (m / correction1) / (sqrt(v / correction2) + eps), each element in double, rounded once. */
    void (*adamw)(wc_backend *b, wc_tensor p, wc_tensor m, wc_tensor v, wc_tensor g, const wc_adamw *a);
};

/* The CPU with n_threads (0: the default).  Scratch memory of a thread belongs to the backend.  NULL on failure.
 * Safe to use from several threads: a job that finds the pool busy is done by its caller alone, in memory of its own. */
wc_backend *wc_backend_cpu_open(int n_threads, bool exact, wc_error *err);
void wc_backend_close(wc_backend *b); /* NULL is fine */

/* The measured limits of this CPU with all threads of the backend, for bench. */
typedef struct wc_ceilings {
    double flops_per_second;      /* of the bare f32 (or bf16) inner instruction stream that matmul uses */
    double read_bytes_per_second; /* streaming read of memory far larger than the caches */
} wc_ceilings;
void wc_backend_ceilings(wc_backend *b, wc_dtype weights, wc_ceilings *out);
double wc_backend_read_ceiling(wc_backend *b); /* read_bytes_per_second alone; 0: no memory for it */
#endif
