/* act.h - the activation functions. */
#ifndef WC_KERNELS_ACT_H
#define WC_KERNELS_ACT_H

typedef enum wc_act {
    WC_ACT_NONE,
    WC_ACT_RELU,
    WC_ACT_GELU,      /* 0.5 x (1 + erf(x / sqrt 2)) */
    WC_ACT_GELU_TANH, /* 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
    WC_ACT_SILU,      /* x / (1 + exp(-x)) */
    WC_ACT_TANH,
    WC_ACT_SIGMOID,
    WC_N_ACTS
} wc_act;
#endif
