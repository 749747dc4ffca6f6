/*
 * "gate_audit": a place, and what goes there.
 */


#include "ngx_http_gate_conf.h"


/* events that the stream of Redis keeps; and what "anchor" is without a word */
#define NGX_HTTP_GATE_STREAM  100000
#define NGX_HTTP_GATE_ANCHOR  60000


/* the parameters of one line */

typedef struct {
    ngx_uint_t             classes;     /* 0: not said */
    ngx_int_t              maxlen;      /* the same */
    ngx_int_t              anchor;      /* the same */
    ngx_int_t              chain;       /* NGX_CONF_UNSET: not said */
} ngx_http_gate_conf_audit_t;


static ngx_int_t ngx_http_gate_conf_audit_words(ngx_conf_t *cf,
    ngx_uint_t n, ngx_http_gate_conf_audit_t *words);
static ngx_int_t ngx_http_gate_conf_audit_word(ngx_conf_t *cf,
    ngx_str_t *word, ngx_http_gate_conf_audit_t *words);
static ngx_uint_t ngx_http_gate_conf_audit_classes(ngx_str_t *list);
static ngx_http_gate_sink_t *ngx_http_gate_conf_audit_sink(ngx_conf_t *cf,
    ngx_http_gate_main_conf_t *gmcf, ngx_http_gate_conf_audit_t *words);
static ngx_http_gate_sink_t *ngx_http_gate_conf_audit_wrong(ngx_conf_t *cf,
    const char *word, const char *place);
static char *ngx_http_gate_conf_audit_add(ngx_conf_t *cf, ngx_array_t *lines,
    ngx_http_gate_sink_t *sink, ngx_uint_t classes);


char *
ngx_http_gate_conf_audit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_loc_conf_t *glcf = conf;

    ngx_str_t                   *value;
    ngx_http_gate_sink_t        *sink;
    ngx_http_gate_main_conf_t   *gmcf;
    ngx_http_gate_conf_audit_t   words;

    value = cf->args->elts;
    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);

    if (glcf->audit && (glcf->audit->nelts == 0
                        || ngx_strcmp(value[1].data, "off") == 0))
    {
        return "cannot be \"off\" and something else at once";
    }

    if (glcf->audit == NULL) {
        glcf->audit = ngx_array_create(cf->pool, 2,
                                       sizeof(ngx_http_gate_audit_line_t));
        if (glcf->audit == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_strcmp(value[1].data, "off") == 0 && cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (gmcf->audit == NULL) {
        gmcf->audit = ngx_http_gate_audit_create(cf);
        if (gmcf->audit == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    sink = ngx_http_gate_conf_audit_sink(cf, gmcf, &words);
    if (sink == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_gate_conf_audit_add(cf, glcf->audit, sink, words.classes);
}


/* a place has the words that follow it; NULL: logged */

static ngx_http_gate_sink_t *
ngx_http_gate_conf_audit_sink(ngx_conf_t *cf, ngx_http_gate_main_conf_t *gmcf,
    ngx_http_gate_conf_audit_t *words)
{
    ngx_str_t   *value;
    ngx_uint_t   n, file, redis;

    value = cf->args->elts;
    file = ngx_strcmp(value[1].data, "file") == 0;
    redis = ngx_strcmp(value[1].data, "redis") == 0;
    n = file ? 3 : 2;

    if ((!file && !redis && ngx_strncmp(value[1].data, "syslog:", 7) != 0)
        || cf->args->nelts < n)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"gate_audit\", it must "
                           "be \"file\" and a path, \"syslog:\" and a server, "
                           "\"redis\" or \"off\"", &value[1]);
        return NULL;
    }

    if (ngx_http_gate_conf_audit_words(cf, n, words) != NGX_OK) {
        return NULL;
    }

    if (words->maxlen && !redis) {
        return ngx_http_gate_conf_audit_wrong(cf, "maxlen", "redis");
    }

    if (words->chain != NGX_CONF_UNSET && !file) {
        return ngx_http_gate_conf_audit_wrong(cf, "chain", "file");
    }

    if (words->anchor && words->chain != 1) {
        return ngx_http_gate_conf_audit_wrong(cf, "anchor", "chain=on");
    }

    if (file) {
        words->anchor = words->anchor ? words->anchor : NGX_HTTP_GATE_ANCHOR;

        return ngx_http_gate_audit_file(cf, gmcf->audit, &value[2],
                                        words->chain == 1 ? words->anchor : 0);
    }

    if (!redis) {
        return ngx_http_gate_audit_syslog(cf, gmcf->audit);
    }

    gmcf->stream_file = cf->conf_file->file.name.data;
    gmcf->stream_line = cf->conf_file->line;

    return ngx_http_gate_audit_redis(cf, gmcf->audit,
                                     words->maxlen ? words->maxlen
                                                   : NGX_HTTP_GATE_STREAM);
}


static ngx_http_gate_sink_t *
ngx_http_gate_conf_audit_wrong(ngx_conf_t *cf, const char *word,
    const char *place)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\" in \"gate_audit\" is for \"%s\" only", word,
                       place);
    return NULL;
}


static ngx_int_t
ngx_http_gate_conf_audit_words(ngx_conf_t *cf, ngx_uint_t n,
    ngx_http_gate_conf_audit_t *words)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    words->classes = 0;
    words->maxlen = 0;
    words->anchor = 0;
    words->chain = NGX_CONF_UNSET;

    for (i = n; i < cf->args->nelts; i++) {

        if (ngx_http_gate_conf_audit_word(cf, &value[i], words) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%V\" in \"gate_audit\", it must be "
                               "\"events=\" and \"all\" or some of \"refused\","
                               " \"download\" and \"state\" with commas, "
                               "\"maxlen=\" and a number from 1000, "
                               "\"chain=on\", or \"anchor=\" and a time from "
                               "100ms", &value[i]);
            return NGX_ERROR;
        }
    }

    if (words->classes == 0) {
        words->classes = NGX_HTTP_GATE_AUDIT_ALL;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_conf_audit_word(ngx_conf_t *cf, ngx_str_t *word,
    ngx_http_gate_conf_audit_t *words)
{
    ngx_str_t  arg;

    arg.data = ngx_strlchr(word->data, word->data + word->len, '=');
    if (arg.data == NULL) {
        return NGX_ERROR;
    }

    arg.data++;
    arg.len = word->data + word->len - arg.data;

    if (ngx_strncmp(word->data, "events=", 7) == 0) {
        words->classes = ngx_http_gate_conf_audit_classes(&arg);
        return words->classes ? NGX_OK : NGX_ERROR;
    }

    if (ngx_strncmp(word->data, "maxlen=", 7) == 0) {
        words->maxlen = ngx_parse_size(&arg);
        return words->maxlen >= 1000 ? NGX_OK : NGX_ERROR;
    }

    if (ngx_strncmp(word->data, "anchor=", 7) == 0) {
        words->anchor = ngx_parse_time(&arg, 0);
        return words->anchor >= 100 ? NGX_OK : NGX_ERROR;
    }

    if (ngx_strcmp(word->data, "chain=on") == 0
        || ngx_strcmp(word->data, "chain=off") == 0)
    {
        words->chain = arg.len == 2;
        return NGX_OK;
    }

    return NGX_ERROR;
}


/* 0: it is no list of them */

static ngx_uint_t
ngx_http_gate_conf_audit_classes(ngx_str_t *list)
{
    u_char      *p, *last, *comma;
    ngx_uint_t   i, classes;

    static const struct {
        ngx_str_t   name;
        ngx_uint_t  classes;
    } names[] = {
        { ngx_string("all"), NGX_HTTP_GATE_AUDIT_ALL },
        { ngx_string("refused"), NGX_HTTP_GATE_AUDIT_REFUSED },
        { ngx_string("download"), NGX_HTTP_GATE_AUDIT_DOWNLOAD },
        { ngx_string("state"), NGX_HTTP_GATE_AUDIT_STATE }
    };

    classes = 0;
    last = list->data + list->len;

    for (p = list->data; p <= last; p = comma + 1) {
        comma = ngx_strlchr(p, last, ',');
        comma = comma ? comma : last;

        for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if ((size_t) (comma - p) == names[i].name.len
                && ngx_strncmp(p, names[i].name.data, comma - p) == 0)
            {
                break;
            }
        }

        if (i == sizeof(names) / sizeof(names[0])) {
            return 0;
        }

        classes |= names[i].classes;
    }

    return classes;
}


static char *
ngx_http_gate_conf_audit_add(ngx_conf_t *cf, ngx_array_t *lines,
    ngx_http_gate_sink_t *sink, ngx_uint_t classes)
{
    ngx_uint_t                   i;
    ngx_http_gate_audit_line_t  *line;

    line = lines->elts;

    for (i = 0; i < lines->nelts; i++) {
        if (line[i].sink == sink) {
            return "is duplicate";
        }
    }

    line = ngx_array_push(lines);
    if (line == NULL) {
        return NGX_CONF_ERROR;
    }

    line->sink = sink;
    line->classes = classes;

    if (classes & NGX_HTTP_GATE_AUDIT_STATE) {
        ngx_http_gate_audit_states(sink);
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_gate_conf_audit_check(ngx_conf_t *cf,
    ngx_http_gate_main_conf_t *gmcf)
{
    if (gmcf->stream_file && gmcf->redis == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no \"gate_redis\" is defined for \"gate_audit redis\" "
                      "in %s:%ui", gmcf->stream_file, gmcf->stream_line);
        return NGX_ERROR;
    }

    return NGX_OK;
}
