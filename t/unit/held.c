/*
 * Holds: how they are written, read and found.  It is second 1000.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gate_held.c"


#define NOW  1000

#define HEX  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"


static char         text[GATE_HELD_VALUE + 1];
static gate_held_t  held;


static int
parse(const char *value)
{
    size_t  len;

    len = strlen(value);
    assert_true(len <= GATE_HELD_VALUE);
    memcpy(text, value, len);

    return gate_held_parse("h1", 2, text, len, &held);
}


static void
is(const gate_text_t *got, const char *expected)
{
    assert_int_equal(got->len, strlen(expected));
    assert_memory_equal(got->data, expected, got->len);
}


static void
each_kind_of_subject_is_read(void **state)
{
    size_t  i;

    static const struct {
        const char        *value;
        gate_held_kind_e   kind;
        const char        *subject;
    } row[] = {
        { "user=alice", GATE_HELD_USER, "alice" },
        { "user=CN=a,O=b%20c", GATE_HELD_USER, "CN=a,O=b c" },
        { "certificate=" HEX, GATE_HELD_CERTIFICATE, HEX },
        { "org=Example%20Corp%25", GATE_HELD_ORG, "Example Corp%" },
        { "project=\xe5\xb1\xb1", GATE_HELD_PROJECT, "\xe5\xb1\xb1" },
        { "country=JP", GATE_HELD_COUNTRY, "JP" },
        { "country=unknown", GATE_HELD_COUNTRY, "unknown" },
        { "all", GATE_HELD_ALL, "" },
        { "lifted", GATE_HELD_LIFTED, "" }
    };

    (void) state;

    for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        assert_int_equal(parse(row[i].value), 0);
        assert_int_equal(held.kind, row[i].kind);
        is(&held.subject, row[i].subject);
        is(&held.id, "h1");
        assert_int_equal(held.rate, 0);
        assert_int_equal(held.until, 0);
    }
}


static void
a_fingerprint_is_read_as_openssl_prints_it(void **state)
{
    (void) state;

    assert_int_equal(parse("certificate=01:23:45:67:89:AB:CD:EF:01:23:45:67:89"
                           ":AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89"
                           ":AB:CD:EF"), 0);
    is(&held.subject, HEX);
}


static void
all_words_are_read_in_any_order_and_the_reason_goes_to_the_end(void **state)
{
    (void) state;

    assert_int_equal(parse("  by=carol   until=2000 slow=10k user=alice since="
                           "900 reason=takes 100%25 until=5 all"), 0);
    is(&held.subject, "alice");
    is(&held.by, "carol");
    is(&held.reason, "takes 100% until=5 all");
    assert_int_equal(held.until, 2000);
    assert_int_equal(held.since, 900);
    assert_int_equal(held.rate, 10240);
}


static void
a_rate_has_units_as_those_of_nginx(void **state)
{
    size_t  i;

    static const struct {
        const char  *value;
        uint64_t     rate;
    } rows[] = {
        { "all slow=7", 7 },
        { "all slow=3k", 3072 },
        { "all slow=3K", 3072 },
        { "all slow=2m", 2097152 },
        { "all slow=2M", 2097152 },
        { "all slow=1g", 1073741824 },
        { "all slow=1G", 1073741824 },
        { "all slow=4294967295g", 4294967295 * (uint64_t) 1073741824 }
    };

    (void) state;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(parse(rows[i].value), 0);
        assert_int_equal(held.rate, rows[i].rate);
    }
}


static void
what_is_no_hold_is_none(void **state)
{
    size_t  i;

    static const char *const  values[] = {
        "", " ", "alice", "user", "user=", "user=alice user=bob",
        "user=alice all", "all lifted", "all=1", "lifted=1", "slow=1k",
        "reason=user=alice", "User=alice", "user=alice what=1",
        "user=alice =", "=", "user=al\tice", "user=alice\n", "user=a%0ab",
        "user=a%00b", "user=a%7fb", "user=a%", "user=a%4", "user=a%4g",
        "user=a%zz", "certificate=ab", ("certificate=" HEX "0"),
        ("certificate=" HEX ":00"), ("certificate=x" HEX), "country=jp",
        "country=J", "country=JPN", "country=Unknown", "all slow=0",
        "all slow=", "all slow=k", "all slow=-1", "all slow=1x",
        "all slow=99999999999", "all slow=4294967296g", "all slow=m", "all until=", "all until=1.5",
        "all until=-1", "all until=9999999999999999", "all since=x",
        "all by=a\x01", "extra=a", "extra=a policy=p quota=q until=9",
        "extra=a policy=p quota=q amount=1", "extra=a policy=p amount=1 until=9",
        "extra=a quota=q amount=1 until=9", "extra= policy=p quota=q amount=1"
        " until=9", "extra=a policy=p quota=q amount=0 until=9",
        "extra=a policy=p quota=q amount=1 until=0",
        "extra=a policy=p quota=q amount=1 until=9 slow=1k",
        "extra=a user=a policy=p quota=q amount=1 until=9",
        "user=a policy=p", "user=a quota=q", "user=a amount=1"
    };

    (void) state;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (parse(values[i]) != -1) {
            fail_msg("\"%s\" is read", values[i]);
        }
    }

    text[0] = 0;
    assert_int_equal(gate_held_parse("h1", 2, text, GATE_HELD_VALUE + 1,
                                     &held), -1);
}


static void
ids_are_plain(void **state)
{
    char  id[GATE_HELD_ID + 1];

    (void) state;

    assert_true(gate_held_id("a", 1));
    assert_true(gate_held_id("2026-11.x_Z", 11));
    assert_false(gate_held_id("", 0));
    assert_false(gate_held_id("version", 7));
    assert_true(gate_held_id("versions", 8));
    assert_false(gate_held_id("a b", 3));
    assert_false(gate_held_id("a\0", 2));
    assert_false(gate_held_id("\xe5", 1));

    memset(id, 'a', sizeof(id));
    assert_true(gate_held_id(id, GATE_HELD_ID));
    assert_false(gate_held_id(id, GATE_HELD_ID + 1));
}


static void
what_is_written_is_read_again(void **state)
{
    char         copy[GATE_HELD_VALUE];
    size_t       len;
    gate_held_t  one;

    (void) state;

    memset(&one, 0, sizeof(one));
    one.kind = GATE_HELD_USER;
    one.id.data = "h1";
    one.id.len = 2;
    one.subject.data = "a b%c until=1";
    one.subject.len = 13;
    one.by.data = "carol d";
    one.by.len = 7;
    one.reason.data = "100 % all";
    one.reason.len = 9;
    one.since = 900;
    one.until = 2000;
    one.rate = 5000;

    len = gate_held_format(&one, copy);
    assert_true(len > 0);
    assert_int_equal(gate_held_parse("h1", 2, copy, len, &held), 0);
    assert_true(gate_held_same(&one, &held));

    one.rate++;
    assert_false(gate_held_same(&one, &held));
    one.rate--;
    one.reason.len--;
    assert_false(gate_held_same(&one, &held));
}


static void
an_extra_is_read_as_it_is_written_and_holds_nobody(void **state)
{
    char         copy[GATE_HELD_VALUE];
    size_t       len;
    gate_held_t  one;
    gate_text_t  subjects[GATE_HELD_SUBJECTS];

    (void) state;

    assert_int_equal(parse("extra=a%20b since=900 until=2000 policy=staff "
                           "quota=bytes-day amount=999999999999999 by=carol "
                           "reason=more"), 0);
    assert_int_equal(held.kind, GATE_HELD_EXTRA);
    is(&held.subject, "a b");
    is(&held.policy, "staff");
    is(&held.quota, "bytes-day");
    assert_true(held.amount == GATE_HELD_AMOUNT);

    one = held;
    len = gate_held_format(&one, copy);
    assert_int_equal(gate_held_parse("h1", 2, copy, len, &held), 0);
    assert_true(gate_held_same(&one, &held));

    one.amount--;
    assert_false(gate_held_same(&one, &held));

    memset(subjects, 0, sizeof(subjects));
    subjects[GATE_HELD_USER] = held.subject;
    assert_true(gate_held_find(&held, 1, subjects, NOW) == NULL);
}


static void
what_could_not_be_read_is_not_written(void **state)
{
    char         copy[GATE_HELD_VALUE];
    char         huge[GATE_HELD_VALUE];
    gate_held_t  one;

    (void) state;

    memset(&one, 0, sizeof(one));
    memset(huge, 'x', sizeof(huge));

    one.kind = GATE_HELD_USER;
    one.id.data = "h1";
    one.id.len = 2;
    one.subject.data = huge;

    assert_int_equal(gate_held_format(&one, copy), 0);
    one.subject.len = sizeof(huge);
    assert_int_equal(gate_held_format(&one, copy), 0);
    one.subject.len = 900;
    assert_int_equal(gate_held_format(&one, copy), 905);
    one.by.data = huge;
    one.by.len = 200;
    assert_int_equal(gate_held_format(&one, copy), 0);
    one.by.len = 0;
    huge[5] = '\n';
    assert_int_equal(gate_held_format(&one, copy), 0);
    huge[5] = 'x';
    one.id.len = 0;
    assert_int_equal(gate_held_format(&one, copy), 0);
}


static char         texts[16][64];
static gate_held_t  helds[16];


static int
order(const void *one, const void *two)
{
    return gate_held_compare(one, two);
}


static size_t
table(const char *const *values, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        memcpy(texts[i], values[i], strlen(values[i]));
        assert_int_equal(gate_held_parse(&"abcdefghijklmnop"[i], 1, texts[i],
                                         strlen(values[i]), &helds[i]), 0);
    }

    qsort(helds, n, sizeof(gate_held_t), order);

    return n;
}


/* the id of what is found about a user, an organisation and a country */

static char
find(size_t n, const char *user, const char *org, const char *country)
{
    gate_text_t         subjects[GATE_HELD_SUBJECTS];
    const gate_held_t  *found;

    memset(subjects, 0, sizeof(subjects));
    subjects[GATE_HELD_USER].data = user;
    subjects[GATE_HELD_USER].len = strlen(user);
    subjects[GATE_HELD_ORG].data = org;
    subjects[GATE_HELD_ORG].len = strlen(org);
    subjects[GATE_HELD_COUNTRY].data = country;
    subjects[GATE_HELD_COUNTRY].len = strlen(country);

    found = gate_held_find(helds, n, subjects, NOW);

    return found ? *found->id.data : '-';
}


static void
who_is_held_is_found(void **state)
{
    size_t  n;

    static const char *const  values[] = {
        "user=alice", "user=bob", "user=alicea", "org=alice", "country=JP",
        "lifted", "project=x"
    };

    (void) state;

    n = table(values, 7);

    assert_int_equal(find(n, "alice", "", ""), 'a');
    assert_int_equal(find(n, "bob", "", ""), 'b');
    assert_int_equal(find(n, "alicea", "", ""), 'c');
    assert_int_equal(find(n, "alic", "", ""), '-');
    assert_int_equal(find(n, "JP", "JP", "alice"), '-');
    assert_int_equal(find(n, "", "alice", ""), 'd');
    assert_int_equal(find(n, "carol", "", "JP"), 'e');
    assert_int_equal(find(n, "", "", ""), '-');
    assert_int_equal(find(0, "alice", "", ""), '-');
}


static void
the_strictest_is_found_and_none_that_is_over(void **state)
{
    size_t  n;

    static const char *const  values[] = {
        "user=alice slow=9k", "user=alice slow=3k", "user=alice until=1000",
        "org=x until=1001", "user=bob slow=1k", "country=JP slow=1"
    };

    (void) state;

    n = table(values, 6);

    assert_int_equal(find(n, "alice", "", ""), 'b');
    assert_int_equal(find(n, "alice", "x", ""), 'd');
    assert_int_equal(find(n, "bob", "", "JP"), 'f');
    assert_int_equal(find(n, "carol", "y", ""), '-');
}


static void
everything_may_be_held(void **state)
{
    size_t  n;

    static const char *const  values[] = { "user=alice slow=1k", "all" };

    (void) state;

    n = table(values, 2);

    assert_int_equal(find(n, "alice", "", ""), 'b');
    assert_int_equal(find(n, "", "", ""), 'b');
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(each_kind_of_subject_is_read),
        cmocka_unit_test(a_fingerprint_is_read_as_openssl_prints_it),
        cmocka_unit_test(
            all_words_are_read_in_any_order_and_the_reason_goes_to_the_end),
        cmocka_unit_test(a_rate_has_units_as_those_of_nginx),
        cmocka_unit_test(what_is_no_hold_is_none),
        cmocka_unit_test(ids_are_plain),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(an_extra_is_read_as_it_is_written_and_holds_nobody),
        cmocka_unit_test(what_could_not_be_read_is_not_written),
        cmocka_unit_test(who_is_held_is_found),
        cmocka_unit_test(the_strictest_is_found_and_none_that_is_over),
        cmocka_unit_test(everything_may_be_held)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
