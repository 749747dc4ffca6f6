/*
 * The scripts that run in Redis, and how they are spoken to: a question as the
 * arguments of a command, a reply as numbers that were measured.
 */


#ifndef NGX_HTTP_GATE_SCRIPT_H_INCLUDED
#define NGX_HTTP_GATE_SCRIPT_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>

#include <hiredis/hiredis.h>

#include "ngx_http_gate_telling.h"
#include "ngx_http_gate_zone.h"


/* arguments of a command, at most */
#define NGX_HTTP_GATE_ARGC_MAX                                               \
    (13 + NGX_HTTP_GATE_ASKED + 3 * NGX_HTTP_GATE_GIVEN                      \
     + 17 * NGX_HTTP_GATE_QUOTAS)

/* after EVAL, the script, and how many keys there are */
#define NGX_HTTP_GATE_FIRST_KEY  3

#define NGX_HTTP_GATE_KEYS      (2 + 2 * NGX_HTTP_GATE_QUOTAS)
#define NGX_HTTP_GATE_KEY_MAX   (256 + NGX_HTTP_GATE_NAME_MAX)


typedef enum {
    NGX_HTTP_GATE_SCRIPT_BEAT = 0,
    NGX_HTTP_GATE_SCRIPT_DRAW,
    NGX_HTTP_GATE_SCRIPT_SETTLE,
    NGX_HTTP_GATE_SCRIPT_FAMILIAR,
    NGX_HTTP_GATE_SCRIPT_JOURNEY,
    NGX_HTTP_GATE_SCRIPT_INSPECT,
    NGX_HTTP_GATE_SCRIPT_CONFIRM,
    NGX_HTTP_GATE_SCRIPT_EVENTS_READ,
    NGX_HTTP_GATE_SCRIPT_USAGE_USER,
    NGX_HTTP_GATE_SCRIPT_USAGE_PROJECT,
    NGX_HTTP_GATE_SCRIPT_USAGE_TOP,
    NGX_HTTP_GATE_SCRIPT_USAGE_READ,
    NGX_HTTP_GATE_SCRIPT_HOLDS,
    NGX_HTTP_GATE_SCRIPT_EVENTS,
    NGX_HTTP_GATE_SCRIPTS
} ngx_http_gate_script_e;


typedef struct {
    ngx_str_t              text;
    u_char                 sha1[40];
} ngx_http_gate_script_t;


typedef struct {
    ngx_http_gate_script_t list[NGX_HTTP_GATE_SCRIPTS];
    ngx_str_t              prefix;      /* begins the keys */
    ngx_flag_t             cluster;     /* the epoch is not among them */
} ngx_http_gate_scripts_t;


/* a command and the memory of its arguments */

typedef struct {
    ngx_str_t              argv[NGX_HTTP_GATE_ARGC_MAX];
    ngx_uint_t             argc;
    u_char                 numbers[NGX_HTTP_GATE_ARGC_MAX * NGX_INT64_LEN];
    u_char                 keys[NGX_HTTP_GATE_KEYS][NGX_HTTP_GATE_KEY_MAX];
    ngx_uint_t             nkeys;
} ngx_http_gate_command_t;


/* The texts and their SHA-1; prefix and cluster are the caller's. */
void ngx_http_gate_script_init(ngx_http_gate_scripts_t *scripts);

/*
 * The command that asks q, or the beat when q is NULL.  text: send the script
 * itself, for Redis has it not.
 */
void ngx_http_gate_script_command(ngx_http_gate_command_t *command,
    const ngx_http_gate_scripts_t *scripts, ngx_uint_t text,
    ngx_http_gate_question_t *q);

/*
 * Begins a command of holds.lua; what is to be done, and its arguments, are the
 * caller's to append.  "p" is where the next number goes.
 */
u_char *ngx_http_gate_script_holds(ngx_http_gate_command_t *command,
    const ngx_http_gate_scripts_t *scripts, ngx_uint_t text);

/* Appends a number, at most what a Lua number holds exactly. */
u_char *ngx_http_gate_script_number(ngx_http_gate_command_t *command,
    u_char *p, uint64_t n);

/* Reads n numbers, from 0 to most[].  NGX_ERROR: they are none. */
ngx_int_t ngx_http_gate_script_numbers(redisReply **reply,
    const long long *most, long long *numbers, ngx_uint_t n);

/* The command that asks for a habit.  here: the user is there today. */
void ngx_http_gate_script_habit(ngx_http_gate_command_t *command,
    const ngx_http_gate_scripts_t *scripts, ngx_uint_t text,
    const ngx_http_gate_habit_t *habit, ngx_uint_t here);

/*
 * The command that writes a batch of events; its numbers and keys are the
 * command's, its lines are where they are.
 */
void ngx_http_gate_script_events(ngx_http_gate_command_t *command,
    const ngx_http_gate_scripts_t *scripts, ngx_uint_t text,
    const ngx_http_gate_telling_t *batch);

/*
 * Reads its reply, now: told->asked and server are the caller's.  NGX_ERROR: it
 * is none.
 */
ngx_int_t ngx_http_gate_script_told(redisReply *reply,
    const ngx_http_gate_habit_t *habit, ngx_http_gate_told_t *told);

/* Reads a reply to q, or to a beat; not the server.  NGX_ERROR: none. */
ngx_int_t ngx_http_gate_script_reply(redisReply *reply,
    const ngx_http_gate_question_t *q, ngx_http_gate_answer_t *answer);


#endif /* NGX_HTTP_GATE_SCRIPT_H_INCLUDED */
