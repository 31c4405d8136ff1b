/* jinja_filters.h - the filters, in four files: jinja_filters.c has the table and those of single values,
 * jinja_filters_seq.c those of sequences, jinja_filters_text.c those of text, jinja_wrap.c wordwrap and pprint,
 * jinja_urlize.c urlize. */
#ifndef WC_TEXT_JINJA_FILTERS_H
#define WC_TEXT_JINJA_FILTERS_H
#include "text/jinja_methods.h"
#include "text/jinja_value.h"

#define WC_JFILTER(name)                                                                                     \
    bool wc_jf_##name(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)

WC_JFILTER(batch);
WC_JFILTER(dictsort);
WC_JFILTER(first);
WC_JFILTER(groupby);
WC_JFILTER(items);
WC_JFILTER(join);
WC_JFILTER(last);
WC_JFILTER(list);
WC_JFILTER(map);
WC_JFILTER(max);
WC_JFILTER(min);
WC_JFILTER(random);
WC_JFILTER(reject);
WC_JFILTER(rejectattr);
WC_JFILTER(reverse);
WC_JFILTER(select);
WC_JFILTER(selectattr);
WC_JFILTER(slice);
WC_JFILTER(sort);
WC_JFILTER(sum);
WC_JFILTER(unique);

WC_JFILTER(capitalize);
WC_JFILTER(center);
WC_JFILTER(filesizeformat);
WC_JFILTER(format);
WC_JFILTER(indent);
WC_JFILTER(lower);
WC_JFILTER(replace);
WC_JFILTER(striptags);
WC_JFILTER(title);
WC_JFILTER(trim);
WC_JFILTER(truncate);
WC_JFILTER(upper);
WC_JFILTER(urlencode);
WC_JFILTER(wordcount);
WC_JFILTER(xmlattr);

WC_JFILTER(pprint);
WC_JFILTER(urlize);
WC_JFILTER(wordwrap);

/* A number as Python's float() and int() read it from text; *valid tells. */
double wc_jparse_float(const wc_jstr *text, bool *valid);
bool wc_jparse_int(wc_jrun *r, const wc_jstr *text, int base, wc_jv *out, bool *valid);
#endif
